"""Calibration on half of the patients, measured on the other half: one split of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.model.artifact import TermCalibration
from monitor.model.model import Model
from monitor.model.terms import Terms
from training.data.normals import PatientNormals
from training.errors import DataError
from training.fit.calibration import beat_events, calibrate, chaotic_events, judge_in_order, terms_of
from training.fit.crossfit import CrossFit

NOMINAL = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
BUDGETS = (32.0, 16.0, 8.0, 4.0, 2.0, 1.0)  # of events, as multiples of the model's own

Ratios = dict[str, NDArray[np.float64]]  # by group: achieved over nominal of each measured patient


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What one split found: `pooled` over patients, or by patient where patients differ in hours."""

    patients: list[str]
    by_patient: Ratios
    pooled: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One patient's windows before calibration, and hours of normal ECG behind them, by network."""

    patient: PatientNormals
    terms: dict[str, Terms]
    hours: dict[str, float]


def kinds(model: Model) -> dict[str, str]:
    """Which network judges beats, and which fixed windows."""
    return {"beats": "usual" if model.contextual else "population", "fixed": "fixed"}


def score(model: Model, cross: CrossFit, patient: PatientNormals) -> Scored:
    """A patient's normals by networks that have not seen him."""
    networks = cross.model_for(patient.name).networks
    terms = {kind: terms_of(kind, networks[kind], patient) for kind in kinds(model).values()}
    beat_s, hop_s = float(np.nanmean(patient.beats.rr_s)), model.manifest.windows.fixed_hop / INTERNAL_RATE_HZ
    hours = {
        kind: len(each.error) * (hop_s if kind == "fixed" else beat_s) / 3600 for kind, each in terms.items()
    }
    return Scored(patient, terms, hours)


def split(model: Model, cross: CrossFit, one: Sequence[Scored], other: Sequence[Scored]) -> Measured:
    """Calibrate on the one half, measure the other; raises DataError if there are too few beats."""
    manifest = msgspec.structs.replace(model.manifest, calibration=_calibration(model, cross, one))
    used = kinds(model)
    networks = {kind: model.networks[kind] for kind in used.values()}
    calibrated = Model(manifest, networks)
    by_patient: Ratios = {}
    pooled: dict[str, float] = {}
    for part, kind in used.items():
        surprises = [judge_in_order(calibrated, kind, each.terms[kind]).surprise for each in other]
        size = np.array([len(values) for values in surprises], np.float64)
        for rate in NOMINAL:
            above = np.array([(values > -np.log10(rate)).sum() for values in surprises], np.float64)
            by_patient[f"{part}/{rate:g}"] = above / np.maximum(size, 1) / rate
            pooled[f"{part}/{rate:g}"] = float(above.sum() / size.sum() / rate)
    hours = np.array([each.hours[used["beats"]] for each in other])
    for budget in (model.budget_per_hour * times for times in BUDGETS):
        tuned = Model(manifest, networks, budget)
        per_hour = np.array([events_per_hour(tuned, each) for each in other])
        by_patient[f"events/{budget:g}"] = per_hour / budget
        pooled[f"events/{budget:g}"] = float(np.average(per_hour, weights=hours) / budget)
    return Measured([each.patient.name for each in other], by_patient, pooled)


def countable_budget(model: Model, scored: Sequence[Scored]) -> float:
    """The least budget that is one event or more in the median patient's recording.

    Below it a median of counts is 0, or far above the budget: of half an hour at half an event an hour.
    """
    hours = float(np.median([each.hours[kinds(model)["beats"]] for each in scored]))
    budgets = [model.budget_per_hour * times for times in BUDGETS]
    return min((each for each in budgets if each * hours >= 1), default=max(budgets))


def _calibration(model: Model, cross: CrossFit, patients: Sequence[Scored]) -> dict[str, TermCalibration]:
    """As `ecg-train calibrate` makes it, of these patients alone."""
    out = {}
    for kind in kinds(model).values():
        by_fold = [(cross.model_for(p.patient.name).networks[kind], [p.patient]) for p in patients]
        try:
            out[kind] = calibrate(kind, by_fold, model.manifest.windows)
        except ValueError as exc:
            raise DataError(f"{kind}: half of the patients are too few to calibrate on: {exc}") from exc
    return out


def events_per_hour(model: Model, patient: Scored) -> float:
    """False alarms an hour of a patient's normal ECG, beats' and fixed windows' together."""
    total = 0.0
    for part, kind in kinds(model).items():
        flagged = judge_in_order(model, kind, patient.terms[kind]).anomalous
        count = beat_events(flagged) if part == "beats" else chaotic_events(flagged)
        total += count / patient.hours[kind] if patient.hours[kind] else 0.0
    return total
