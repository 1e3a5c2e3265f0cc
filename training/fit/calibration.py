"""Calibration on normals of patients that a network has not seen: statistic → p-value → events an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.own_level import own_levels_in_order
from monitor.adapt.runs import RUN_BEATS
from monitor.detect.episodes import CHAOS_WINDOWS
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.model.artifact import RateTable, TermCalibration
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.calibration import Calibration, fit_calibration
from monitor.model.model import Model, Verdicts
from monitor.model.terms import Terms, fixed_terms, fuse, population_terms, usual_terms
from training.data.normals import PatientNormals

GRID = np.arange(0.3, 6.0, 0.1)  # thresholds of surprise at which rates are counted
FEWEST = 3  # events behind a rate; rarer ones are extrapolated by the p-value

ByFold = list[tuple[EncoderDecoder, list[PatientNormals]]]
Counter = Callable[[NDArray[np.bool_]], int]  # anomalous windows of one patient, in order → events
Pool = Callable[..., float]  # events an hour of each patient, weights=hours → one rate


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
    settled: dict[str, Calibration] = {}
    rates: dict[str, RateTable] = {}
    for leads, views in _views(parts).items():
        statistics = [statistic_of(bare, view) for view, _ in views]
        fused[leads] = fit_calibration(np.concatenate([np.zeros(0), *statistics]))
        surprises = [fused[leads].surprise(statistic) for statistic in statistics]
        if name == "usual":
            # A view is one stream, in order: each takes its own level off as it comes to be known.
            levels = [surprise - own_levels_in_order(surprise) for surprise in surprises]
            settled[leads] = fit_calibration(np.concatenate([np.zeros(0), *levels]))
            surprises = [settled[leads].surprise(level) for level in levels]
        rates[leads] = rate_table(surprises, _hours(name, views, spec), *_counting(name))
    return TermCalibration(terms=terms, fused=fused, settled=settled, rates=rates)


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


def judge_in_order(model: Model, kind: str, terms: Terms) -> Verdicts:
    """One stream's windows, in order, each as restless as those before it were; no shape recurs."""
    return model.judge(kind, terms, own_levels_in_order(model.judge(kind, terms).raw))


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
    views = {"1": single, "2": [(_with_leads(t, 2), p) for t, p in parts]}
    # A patient with one lead has no window with two: no hours, and no rate.
    return {leads: [view for view in some if len(view[0].error)] for leads, some in views.items()}


def _with_leads(terms: Terms, fewest: int) -> Terms:
    """Those windows that have at least so many usable leads."""
    return terms.rows(np.asarray(terms.usable.sum(axis=1) >= fewest))


def _hours(name: str, views: list[tuple[Terms, PatientNormals]], spec: WindowSpec) -> list[float]:
    """Hours of normal ECG behind each view's windows."""
    if name == "fixed":
        return [len(t.error) * spec.fixed_hop / INTERNAL_RATE_HZ / 3600 for t, _ in views]
    return [len(t.error) * float(np.nanmean(p.beats.rr_s)) / 3600 for t, p in views]


def _counting(name: str) -> tuple[Counter, Pool]:
    """How events are counted, and how patients' rates become one.

    Beats: the median patient's rate. A few patients give most false beats (on DS1 the mean is ten times
    the median), and a budget set by them would deafen the monitor to everybody's. A chaotic rhythm is
    looked at first and costs most when false: the mean.
    """
    return (chaotic_events, np.average) if name == "fixed" else (beat_events, _median)


def _median(rates: NDArray[np.float64], *, weights: NDArray[np.float64]) -> float:
    """Median over patients, however long each was recorded."""
    return float(np.median(rates)) if len(weights) else float("nan")


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
    surprises: list[NDArray[np.float64]], hours: list[float], count: Counter, pool: Pool
) -> RateTable:
    """Events an hour at rising thresholds, as far as there are enough; raises ValueError for none.

    surprises: one array a patient; hours: of each patient's normal ECG.
    """
    weights = np.array(hours)
    events = np.array([[count(surprise > threshold) for threshold in GRID] for surprise in surprises])
    rates = np.array([pool(column, weights=weights) for column in (events / weights[:, None]).T])
    # A chaotic episode needs two windows in a row: rates may rise at first. Only the fall counts.
    start = int(np.argmax(rates))
    enough = [i for i in range(start, len(GRID)) if rates[i] >= FEWEST / weights.sum()]
    falling = [i for i in enough if (rates[start:i] > rates[i]).all()]
    if len(falling) < 2:
        raise ValueError(f"need at least two thresholds with {FEWEST} events; got {events.sum(0).tolist()}")
    return RateTable(
        surprise=tuple(round(float(GRID[i]), 3) for i in falling),
        per_hour=tuple(float(rates[i]) for i in falling),
    )
