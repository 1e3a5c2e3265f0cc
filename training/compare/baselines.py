"""The baselines beside our model: what needs no network, and the textbooks' one-class detectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.windows import WindowSpec
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.calibration import Calibration, fit_calibration
from monitor.model.scoring import combine_leads
from training.compare.beat_windows import BeatWindows
from training.compare.learned import (
    Score,
    dense_autoencoder,
    isolation_forest,
    lstm,
    one_class_svm,
    principal_components,
)
from training.compare.usual import median_distance, prematurity
from training.progress import Advance

EARLY = 0.5  # weight of the prematurity's surprise beside the shape's
STRONGEST = "usual-beat baseline, two leads"  # the one to beat

ErrorOf = Callable[[BeatWindows], NDArray[np.float64]]  # (n, leads), NaN where not usable


@dataclass(frozen=True, slots=True)
class Shape:
    """How strange a beat's shape is by one method, and how likely that is in normal beats."""

    name: str
    with_early: str  # the method's name together with prematurity
    error_of: ErrorOf
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Baselines:
    """All baselines, fitted and calibrated on normal beats of the training patients."""

    early: Calibration
    shapes: Sequence[Shape]

    def scores(self, beats: BeatWindows) -> dict[str, NDArray[np.float64]]:
        """Every baseline's score of every beat, (n,), NaN where not judged; "one lead" is the first."""
        early = self.early.surprise(prematurity(beats.r_peak))
        out = {"prematurity alone": early}
        for shape in self.shapes:
            by_lead = shape.calibration.surprise(shape.error_of(beats))
            one, all_leads = by_lead[:, 0], combine_leads(by_lead, beats.good)
            out[f"{shape.name}, one lead"] = one
            out[f"{shape.with_early}, one lead"] = one + EARLY * early
            out[f"{shape.with_early}, two leads"] = all_leads + EARLY * early
        return out


def fit_baselines(
    patients: Sequence[BeatWindows], spec: WindowSpec, network: EncoderDecoder | None, advance: Advance
) -> Baselines:
    """Fit and calibrate every baseline on the patients' normal beats; no other label is looked at.

    network: a plain LSTM encoder-decoder that the same patients trained; None = leave it out.
    """
    windows = np.concatenate([normal_values(beats, beats.centred_mv(spec)) for beats in patients])
    makers: dict[str, Callable[[], Score]] = {
        "principal components": lambda: principal_components(windows),
        "one-class SVM": lambda: one_class_svm(windows),
        "isolation forest": lambda: isolation_forest(windows),
        "dense autoencoder": lambda: dense_autoencoder(windows),
    }
    if network is not None:
        makers["plain LSTM, squared error"] = lambda: lstm(network)
    median = partial(median_distance, spec=spec)
    shapes = [calibrated("running median beat", "usual-beat baseline", median, patients)]
    advance(1)
    for name, make in makers.items():
        error_of = partial(error_by_lead, spec=spec, score=make())
        shapes.append(calibrated(name, f"{name} + ½ prematurity", error_of, patients))
        advance(1)
    return Baselines(fit_early(patients), shapes)


def fit_early(patients: Sequence[BeatWindows]) -> Calibration:
    """The distribution of the patients' normal beats' prematurity."""
    return fit_calibration(
        np.concatenate([prematurity(beats.r_peak)[beats.label == "N"] for beats in patients])
    )


def calibrated(name: str, with_early: str, error_of: ErrorOf, patients: Sequence[BeatWindows]) -> Shape:
    """A method with the distribution of its errors over the patients' normal beats."""
    normal = np.concatenate([normal_values(beats, error_of(beats)) for beats in patients])
    return Shape(name, with_early, error_of, fit_calibration(normal))


def normal_values(beats: BeatWindows, values: NDArray[Any]) -> NDArray[Any]:
    """(m, ...) of the normal beats on usable leads, from values (n, leads, ...)."""
    chosen: NDArray[Any] = values[beats.good & (beats.label == "N")[:, None]]
    return chosen


def error_by_lead(beats: BeatWindows, spec: WindowSpec, score: Score) -> NDArray[np.float64]:
    """A score of windows on every usable lead of every beat, (n, leads), NaN elsewhere."""
    out = np.full(beats.good.shape, np.nan)
    if beats.good.any():
        out[beats.good] = score(np.ascontiguousarray(beats.centred_mv(spec)[beats.good]))
    return out
