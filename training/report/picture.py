"""`report.png` of a model folder: losses, scores, and the best and worst reconstructions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from monitor.adapt.beats import BeatBatch
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.model.model import Model
from monitor.scan.explain import expected_beats
from training.fit.loop import EpochRecord
from training.measure.measures import MISSED, PatientScores

PER_ROW = 4  # reconstructions drawn in a row
_BINS = np.linspace(0, 8, 65)  # of surprise; what is above lies in the last
_CLASSES = (("V", "#d8402a"), ("S", "#e0a030"))
_NORMAL, _INK, _EXPECTED = "#1f66ad", "#1a1a1a", "#1f66ad"


@dataclass(frozen=True, slots=True, eq=False)
class ReportScores:
    """Beats' scores with their classes, and the threshold in force. n beats.

    label: (n,) AAMI classes, or "extra"; score: (n,) surprise, minus log10 p.
    """

    label: NDArray[np.str_]
    score: NDArray[np.float64]
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class ReconstructionSample:
    """A window, what was expected, and by how much the network expected to be wrong; arrays (n,)."""

    title: str
    time_s: NDArray[np.float64]  # from the R peak
    ecg_mv: NDArray[np.float32]
    expected_mv: NDArray[np.float32]
    spread_mv: NDArray[np.float32] | None
    error: float  # the score by which best and worst are told apart


def read_history(path: Path) -> dict[str, list[EpochRecord]]:
    """The epochs that `ecg-train fit` wrote, by "network, fold"; nothing if there is no such file."""
    if not path.is_file():
        return {}
    networks = json.loads(path.read_text(encoding="utf-8"))
    return {
        f"{network}, {fold}": [EpochRecord(**epoch) for epoch in epochs]
        for network, folds in networks.items()
        for fold, epochs in folds.items()
    }


def report_scores(patients: Sequence[PatientScores], threshold: float) -> ReportScores:
    """All patients' scores together."""
    labels = np.concatenate([each.label for each in patients])
    return ReportScores(labels, np.concatenate([each.score for each in patients]), threshold)


def draw_report(
    path: Path,
    history: dict[str, list[EpochRecord]],
    scores: ReportScores | None,
    reconstructions: Sequence[ReconstructionSample],
) -> None:
    """Write the report as PNG. history: epochs by "network, fold"; what is not there yet is left out."""
    runs = _by_network(history)
    best, worst = _extremes(reconstructions)
    rows = [bool(runs), scores is not None, bool(best), bool(worst)]
    figure = Figure(figsize=(15, 3.6 * max(1, sum(rows))), dpi=100, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    parts = iter(figure.subfigures(max(1, sum(rows)), 1, squeeze=False)[:, 0])
    if runs:
        _losses(next(parts), runs)
    if scores is not None:
        _scores(next(parts), scores)
    for samples, title in ((best, "best reconstructions"), (worst, "worst reconstructions")):
        if samples:
            _reconstructions(next(parts), samples, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    # A palette makes it a third as large: the report ships with the bundled model.
    picture.quantize(64).save(path, optimize=True)


def _by_network(history: dict[str, list[EpochRecord]]) -> dict[str, dict[str, list[EpochRecord]]]:
    runs: dict[str, dict[str, list[EpochRecord]]] = {}
    for name, epochs in history.items():
        network, _, fold = name.partition(", ")
        if epochs:
            runs.setdefault(network, {})[fold or "all"] = epochs
    return runs


def _extremes(
    samples: Sequence[ReconstructionSample],
) -> tuple[list[ReconstructionSample], list[ReconstructionSample]]:
    """The best and the worst few, none twice."""
    ordered = sorted(samples, key=lambda sample: sample.error)
    half = min(PER_ROW, (len(ordered) + 1) // 2)
    return ordered[:half], ordered[half:][-PER_ROW:][::-1]


def _losses(part: Any, runs: dict[str, dict[str, list[EpochRecord]]]) -> None:
    """A panel a network: training and held-out loss of every fold."""
    part.suptitle("loss on normal beats", fontsize=11)
    for axes, (network, folds) in zip(_row(part, len(runs)), runs.items(), strict=True):
        for index, (fold, epochs) in enumerate(folds.items()):
            color = f"C{index}"
            numbers = [record.epoch for record in epochs]
            axes.plot(numbers, [record.train for record in epochs], color=color, label=f"{fold}: training")
            held_out = [record.held_out for record in epochs]
            if np.isfinite(held_out).any():
                axes.plot(numbers, held_out, color=color, linestyle="--", label=f"{fold}: held-out patients")
        axes.set(title=network, xlabel="epoch", ylabel="loss")
        axes.legend(fontsize=6)


def _scores(part: Any, scores: ReportScores) -> None:
    part.suptitle("scores", fontsize=11)
    histogram, roc, precision = _row(part, 3)
    _histogram(histogram, scores)
    for group, color in _CLASSES:
        used = np.isin(scores.label, (group, "N", "extra"))
        positive, score = scores.label[used] == group, scores.score[used]
        if not positive.any() or positive.all():
            continue
        false_rate, found_rate, _ = roc_curve(positive, score)
        roc.plot(
            false_rate, found_rate, color=color, label=f"{group} against N: {auc(false_rate, found_rate):.3f}"
        )
        predictivity, found, _ = precision_recall_curve(positive, score)
        area = average_precision_score(positive, score)
        precision.step(found, predictivity, where="post", color=color, label=f"{group} against N: {area:.3f}")
    roc.set(title="ROC (area)", xlabel="false positive rate", ylabel="sensitivity")
    precision.set(
        title="precision-recall (average precision)", xlabel="sensitivity", ylabel="positive predictivity"
    )
    for axes in (roc, precision):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)


def _histogram(axes: Any, scores: ReportScores) -> None:
    """Each class's share by score; log scale, since what is anomalous is rare."""
    for group, color in (("N", _NORMAL), *_CLASSES):
        values = scores.score[(scores.label == group) & (scores.score > MISSED)]
        if len(values):
            weights = np.full(len(values), 1 / len(values))
            clipped = np.minimum(values, _BINS[-1])
            axes.hist(
                clipped,
                _BINS,
                weights=weights,
                histtype="step",
                color=color,
                label=f"{group} ({len(values)})",
            )
    axes.axvline(scores.threshold, color=_INK, linestyle=":", label=f"threshold {scores.threshold:.2f}")
    axes.set(title="score by class", xlabel="surprise, −log10 p", ylabel="share of the class", yscale="log")
    axes.legend(fontsize=8)


def _reconstructions(part: Any, samples: Sequence[ReconstructionSample], title: str) -> None:
    part.suptitle(title, fontsize=11)
    for axes, sample in zip(_row(part, len(samples)), samples, strict=True):
        if sample.spread_mv is not None:
            low, high = sample.expected_mv - sample.spread_mv, sample.expected_mv + sample.spread_mv
            axes.fill_between(
                sample.time_s, low, high, color=_EXPECTED, alpha=0.2, linewidth=0, label="expected error"
            )
        axes.plot(sample.time_s, sample.expected_mv, color=_EXPECTED, label="expected")
        axes.plot(sample.time_s, sample.ecg_mv, color=_INK, linewidth=1, label="signal")
        axes.set_title(f"{sample.title}: {sample.error:.2f}", fontsize=9)
        axes.set(xlabel="s from the R peak", ylabel="mV")
    axes.legend(fontsize=7)


def _row(part: Any, count: int) -> list[Any]:
    axes = part.subplots(1, count, squeeze=False)[0]
    return list(axes)


def reconstruction_samples(
    model: Model, name: str, beats: BeatBatch, count: int = PER_ROW
) -> list[ReconstructionSample]:
    """The `count` beats that fit best and the `count` that fit worst, on each one's strangest lead.

    name: of the patient; beats: of one patient, at best held out of training.
    """
    # The contextual network judges a beat once its stream's usual beat is known.
    usable = beats.good & beats.known & beats.ready[:, None] if model.contextual else beats.good
    some = np.asarray(usable.any(axis=1), dtype=np.bool_)
    judged = np.flatnonzero(some)
    if not len(judged):
        return []
    verdicts = model.judge_beats(beats.rows(some))
    by_lead = np.where(usable[judged], np.nan_to_num(verdicts.by_lead, nan=-1.0), -1.0)
    order = np.argsort(verdicts.surprise, kind="stable")
    # Of a short recording the best and the worst may overlap.
    chosen = np.array(list(dict.fromkeys([*order[:count].tolist(), *order[-count:].tolist()])), np.int64)
    row, lead = judged[chosen], by_lead[chosen].argmax(axis=1)
    expected, spread = expected_beats(model, beats, row, lead, usual=True)
    spec = model.manifest.windows
    time_s = (np.arange(spec.samples) * spec.step - spec.left) / INTERNAL_RATE_HZ
    return [
        ReconstructionSample(
            title=f"{name}, lead {lead[i] + 1}",
            time_s=time_s,
            ecg_mv=beats.beat[row[i], lead[i]],
            expected_mv=expected[i],
            spread_mv=None if spread is None else spread[i],
            error=float(verdicts.surprise[chosen[i]]),
        )
        for i in range(len(chosen))
    ]
