"""A small model for tests: untrained networks, calibrations fitted on made-up normal ECG."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.path import Judge, SignalPath
from monitor.ecg.quality import Quality
from monitor.ecg.samples import Samples
from monitor.ecg.windows import WindowSpec
from monitor.formats.chunks import Lead
from monitor.model.artifact import Manifest, NetworkSpec, RateTable, TermCalibration, save_artifact
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.registry import build
from monitor.model.calibration import Calibration, fit_calibration
from monitor.model.model import Model
from monitor.model.terms import Terms, fixed_terms, fuse, population_terms, usual_terms
from monitor.recordings.recording import Recording
from monitor.recordings.synthetic import SyntheticEcg, synthetic_ecg
from training.fit.architecture import Architecture
from training.fit.objectives.settings import ObjectiveSettings

NETWORKS = {
    "usual": NetworkSpec("contextual", {"hidden": 8, "latent": 4, "decoder": 8, "position": 2}),
    "population": NetworkSpec("lstm", {"hidden": 8, "latent": 4, "position": 2}),
    "fixed": NetworkSpec("lstm", {"hidden": 8, "latent": 4, "position": 2}),
}
# Each unit of surprise is ten times rarer; beats come once a second.
_RATES = RateTable(surprise=(1.0, 2.0, 3.0, 4.0), per_hour=(360.0, 36.0, 3.6, 0.36))
_NORMAL_S = 660.0  # enough for 500 beats, and for 500 fixed windows


def small_model(folder: Path | None = None, *, contextual: bool = True) -> Model:
    """An untrained model; with a folder, its artifact is saved there, too."""
    manifest, networks = _small(contextual)
    if folder is not None:
        manifest = save_artifact(folder, manifest, networks)
    return Model(manifest, networks)


def composed_model(
    folder: Path, architecture: Architecture, objective: ObjectiveSettings | None = None
) -> Model:
    """An untrained model of this kind, and its artifact."""
    torch.manual_seed(3)
    aim, samples = objective or ObjectiveSettings(), {"population": 104, "fixed": 256}
    specs = {name: architecture.network(n, 125.0, 8, aim) for name, n in samples.items()}
    networks = {name: build(spec.form, spec.settings).eval() for name, spec in specs.items()}
    return Model(save_artifact(folder, calibrated(specs, networks), networks), networks)


def recording_of(ecg: SyntheticEcg, name: str = "made-up") -> Recording:
    """Made-up ECG as a recording, 1000 ADC units a millivolt."""
    leads = tuple(Lead(name=f"lead {i + 1}", gain=1000.0) for i in range(ecg.ecg_mv.shape[1]))
    return Recording(name, ecg.rate_hz, leads, np.rint(1000 * ecg.ecg_mv).astype(np.int16))


@lru_cache(maxsize=2)
def _small(contextual: bool) -> tuple[Manifest, dict[str, EncoderDecoder]]:
    torch.manual_seed(7)
    torch.set_num_threads(1)  # as load_model does
    specs = {name: spec for name, spec in NETWORKS.items() if contextual or name != "usual"}
    networks = {name: build(spec.form, spec.settings).eval() for name, spec in specs.items()}
    return calibrated(specs, networks), networks


def calibrated(specs: dict[str, NetworkSpec], networks: dict[str, EncoderDecoder]) -> Manifest:
    """The manifest of these networks, calibrated on made-up normal ECG."""
    calibration = _calibrate(networks)
    return Manifest(name="small", networks=specs, calibration=calibration, data={"records": "made up"})


def _calibrate(networks: dict[str, EncoderDecoder]) -> dict[str, TermCalibration]:
    beats, fixed_mv, fixed_good = _normal_windows()
    terms = {
        "population": population_terms(networks["population"], beats),
        "fixed": fixed_terms(networks["fixed"], fixed_mv, fixed_good),
    }
    if "usual" in networks:
        known = beats.rows(beats.ready & beats.known.all(axis=1))
        terms["usual"] = usual_terms(networks["usual"], known)
    return {name: _fit(each) for name, each in terms.items()}


def _fit(terms: Terms) -> TermCalibration:
    own = {name: _fit_one(values) for name, values in {"error": terms.error, **terms.others}.items()}
    draft = TermCalibration(terms=own, fused={}, rates={})
    statistic, _, _ = fuse(draft, own["error"].surprise(terms.error), terms)
    fused = _fit_one(statistic)
    return TermCalibration(terms=own, fused={"1": fused, "2": fused}, rates={"1": _RATES, "2": _RATES})


def _fit_one(values: NDArray[np.float64]) -> Calibration:
    return fit_calibration(values[np.isfinite(values)])


@lru_cache(maxsize=1)
def _normal_windows() -> tuple[BeatBatch, NDArray[np.float32], NDArray[np.bool_]]:
    """Beats and fixed windows of made-up normal ECG, through the signal path."""
    ecg = synthetic_ecg(_NORMAL_S, rate_hz=250.0, seed=3)
    path = SignalPath(WindowSpec(), 1, 2)
    windows = path.advance(samples_of(ecg))
    parts, judge = _collector()
    path.judge_beats(windows, np.zeros(1, np.int64), judge)
    return BeatBatch.joined(parts), windows.fixed_mv, windows.fixed_quality == Quality.GOOD


def _collector() -> tuple[list[BeatBatch], Judge]:
    parts: list[BeatBatch] = []

    def judge(rows: NDArray[np.int64], beats: BeatBatch) -> Lesson:
        parts.append(beats)
        no, nothing = np.zeros(len(rows), np.bool_), np.full(len(rows), np.nan)
        return Lesson(flagged=no, usual=~no, strange=no, surprise=nothing)

    return parts, judge


def samples_of(ecg: SyntheticEcg) -> Samples:
    """A made-up recording as one run of samples in slot 0."""
    return Samples.of_signal(ecg.ecg_mv, ecg.rate_hz)
