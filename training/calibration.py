"""Calibration on normals of patients that a network has not seen: statistic → p-value → events an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.artifact import RateTable, TermCalibration
from monitor.autoencoders.interface import EncoderDecoder
from monitor.calibration import Calibration, fit_calibration
from monitor.episodes import CHAOS_WINDOWS, RUN_BEATS
from monitor.filters import INTERNAL_RATE_HZ
from monitor.model import Terms, fixed_terms, fuse, population_terms, usual_terms
from monitor.windows import WindowSpec
from training.datasets import PatientNormals

GRID = np.arange(0.3, 6.0, 0.1)  # thresholds of surprise at which rates are counted
FEWEST = 3  # events behind a rate; rarer ones are extrapolated by the p-value

ByFold = list[tuple[EncoderDecoder, list[PatientNormals]]]


def calibrate(name: str, by_fold: ByFold, spec: WindowSpec) -> TermCalibration:
    """Distributions and event rates of one network's verdicts, cross-fitted.

    name: usual, population or fixed; by_fold: each fold's network with the patients it has not seen.
    """
    parts = [(terms_of(name, net, patient), patient) for net, patients in by_fold for patient in patients]
    terms = {
        "error": fit_calibration(np.concatenate([t.error[t.usable] for t, _ in parts])),
        **{other: fit_calibration(_pooled(other, parts)) for other in parts[0][0].others},
    }
    bare = TermCalibration(terms=terms, fused={}, rates={})
    fused: dict[str, Calibration] = {}
    rates: dict[str, RateTable] = {}
    for leads, views in _views(parts).items():
        statistics = [statistic_of(bare, view) for view, _ in views]
        fused[leads] = fit_calibration(np.concatenate(statistics))
        surprises = [fused[leads].surprise(statistic) for statistic in statistics]
        rates[leads] = rate_table(surprises, _hours(name, views, spec), _counter(name))
    return TermCalibration(terms=terms, fused=fused, rates=rates)


def terms_of(name: str, net: EncoderDecoder, patient: PatientNormals) -> Terms:
    """One network's terms for one patient's normals that can be judged."""
    if name == "fixed":
        terms = fixed_terms(net, patient.fixed_mv, patient.fixed_good)
    elif name == "population":
        terms = population_terms(net, patient.beats)
    else:
        ready = patient.beats.ready
        terms = usual_terms(net, patient.beats.rows(ready))
    return _with_leads(terms, 1)


def statistic_of(calibration: TermCalibration, terms: Terms) -> NDArray[np.float64]:
    """The fused statistic, (n,)."""
    return fuse(calibration, calibration.terms["error"].surprise(terms.error), terms)[0]


def _pooled(other: str, parts: list[tuple[Terms, PatientNormals]]) -> NDArray[np.float64]:
    values = [t.others[other] if t.others[other].ndim == 1 else t.others[other][t.usable] for t, _ in parts]
    return np.concatenate(values)


def _views(parts: list[tuple[Terms, PatientNormals]]) -> dict[str, list[tuple[Terms, PatientNormals]]]:
    """The same windows as a stream with one lead would give them (every lead in turn), and with all."""
    single = []
    for terms, patient in parts:
        for lead in range(terms.usable.shape[1]):
            only = np.zeros_like(terms.usable)
            only[:, lead] = terms.usable[:, lead]
            single.append((_with_leads(replace(terms, usable=only), 1), patient))
    return {"1": single, "2": [(_with_leads(t, 2), p) for t, p in parts]}


def _with_leads(terms: Terms, fewest: int) -> Terms:
    """Those windows that have at least so many usable leads."""
    return terms.rows(np.asarray(terms.usable.sum(axis=1) >= fewest))


def _hours(name: str, views: list[tuple[Terms, PatientNormals]], spec: WindowSpec) -> float:
    if name == "fixed":
        return sum(len(t.error) for t, _ in views) * spec.fixed_hop / INTERNAL_RATE_HZ / 3600
    return sum(len(t.error) * float(np.nanmean(p.beats.rr_s)) for t, p in views) / 3600


def _counter(name: str) -> Callable[[NDArray[np.bool_]], int]:
    return chaotic_events if name == "fixed" else beat_events


def beat_events(flagged: NDArray[np.bool_]) -> int:
    """Events that a stream's flagged beats give: a run tells its first beats only."""
    return int(np.minimum(_lengths(flagged), RUN_BEATS).sum())


def chaotic_events(flagged: NDArray[np.bool_]) -> int:
    """Episodes that a stream's anomalous fixed windows give."""
    return int((_lengths(flagged) >= CHAOS_WINDOWS).sum())


def _lengths(flagged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flagged, [False]]).astype(np.int8)))
    return (edges[1::2] - edges[::2]).astype(np.int64)


def rate_table(
    surprises: list[NDArray[np.float64]], hours: float, count: Callable[[NDArray[np.bool_]], int]
) -> RateTable:
    """Events an hour at rising thresholds, as far as there are enough; raises ValueError for none."""
    events = np.array([sum(count(surprise > threshold) for surprise in surprises) for threshold in GRID])
    # A chaotic episode needs two windows in a row: counts may rise at first. Only the fall is a rate.
    start = int(np.argmax(events))
    enough = np.flatnonzero(events[start:] >= FEWEST) + start
    falling = [i for i in enough if (events[start:i] > events[i]).all()]
    if len(falling) < 2:
        raise ValueError(f"need at least two thresholds with {FEWEST} events; got {events.tolist()}")
    return RateTable(
        surprise=tuple(round(float(GRID[i]), 3) for i in falling),
        per_hour=tuple(float(events[i] / hours) for i in falling),
    )
