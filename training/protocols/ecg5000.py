"""Protocol `ecg5000`: the UCR archive's 5,000 beats of one patient, learned from normal ones alone.

The rule of the LSTM autoencoder tutorials: 85 % of the normal beats (of both files together) to learn
from, the other 15 % and all anomalous beats to test on. Theirs pick the threshold by looking at both
histograms; here it comes from the normal beats to learn from alone. 1 to 3 % of these look anomalous
themselves, so that no high quantile serves: it is the median of their scores' logarithm plus two
robust standard deviations of the scores above it, which a few odd beats do not move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.model.autoencoders.lstm import LstmSettings
from training.compare.contenders import ECG5000_FIT
from training.compare.neighbours import local_scorer, nearest, nearest_others
from training.data.ecg5000_beats import HELD_OUT, read_beats, split_normals
from training.fit.loop import FitSettings
from training.fit.windows import squared_error, train_plain
from training.measure.protocol import Protocol, Request, Result
from training.measure.splits import areas, by_split, collect, scorer_table, split_figures
from training.measure.tables import Table

SPLITS = 8
DEVIATIONS = 2.0  # a Gaussian's upper 2.3 %: about as many as are odd among the normal beats
MAD_TO_SD = 1.4826  # of a Gaussian
BALANCED = 145  # of each sort, as the PyTorch tutorial tests on
LSTM_SPLITS = 3
LSTM_SIZES = LstmSettings(patch=4, steps=35, hidden=64, latent=12)
TARGETS = {("auroc", "all"): 0.993, ("accuracy", "all"): 0.985}
PUBLISHED = (
    ("LSTM autoencoders", "accuracy 0.986 to 0.987, F1 0.978"),
    ("PyTorch tutorial, hand-picked threshold", "142 of 145 normal, 142 of 145 anomalous"),
)
SCORERS = {
    "": "local Mahalanobis",
    "/nearest": "nearest normal beat",
    "/plain-lstm": f"plain LSTM ({LSTM_SPLITS} splits)",
}
_BALANCED_FORM = "/balanced"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One scorer's findings in one split. own: of normal beats that set the threshold."""

    own: NDArray[np.float64]
    normal: NDArray[np.float64]
    anomalous: NDArray[np.float64]


def run(request: Request) -> Result:
    """Areas, and accuracy and F1 at the label-free threshold, mean over the splits."""
    beats, normal = read_beats(request.data)
    anomalous = beats[~normal]
    values: dict[tuple[str, str], list[float]] = {}
    with request.bar("splits", SPLITS) as advance:
        for seed in range(SPLITS):
            train, tested = split_normals(beats[normal], seed)
            scored = neighbour_scores(train, tested, anomalous)
            if seed < LSTM_SPLITS:
                scored["/plain-lstm"] = lstm_scores(train, tested, anomalous, seed)
            for suffix, found in scored.items():
                _measure(values, suffix, found, seed)
            advance(1)
    figures = split_figures(values, TARGETS)
    balanced = {suffix + _BALANCED_FORM: text for suffix, text in SCORERS.items()}
    title = f"mean of {SPLITS} splits (lowest–highest)"
    return Result(
        figures=figures,
        tables=[
            scorer_table(f"15 % of the normal beats and all anomalous ones, {title}", figures, SCORERS),
            scorer_table(f"{BALANCED} normal and {BALANCED} anomalous beats, {title}", figures, balanced),
            Table("Published, not measured here", ("method", "result"), PUBLISHED),
        ],
        details={
            "beats": {"normal": int(normal.sum()), "anomalous": len(anomalous)},
            "splits": by_split(values),
            "lstm_splits": LSTM_SPLITS,
        },
    )


def neighbour_scores(
    train: NDArray[np.float32], tested: NDArray[np.float32], anomalous: NDArray[np.float32]
) -> dict[str, Scored]:
    """Local Mahalanobis distance and nearest neighbour; each normal beat's own leaves itself out."""
    local = local_scorer(train)
    every = np.arange(len(train))

    def distance(beats: NDArray[np.float32]) -> NDArray[np.float64]:
        return nearest(train, beats, 1).distance[:, 0].astype(np.float64)

    own = nearest_others(train, every, 1).distance[:, 0].astype(np.float64)
    return {
        "": Scored(local.own_scores(), local.score(tested), local.score(anomalous)),
        "/nearest": Scored(own, distance(tested), distance(anomalous)),
    }


def lstm_scores(
    train: NDArray[np.float32], tested: NDArray[np.float32], anomalous: NDArray[np.float32], seed: int
) -> Scored:
    """The plain encoder-decoder's squared error; `train` comes shuffled."""
    held = round(HELD_OUT * len(train))
    settings = FitSettings(
        epochs=ECG5000_FIT.epochs, batch=ECG5000_FIT.batch, patience=ECG5000_FIT.patience, seed=seed
    )
    net = train_plain(train[held:], train[:held], LSTM_SIZES, settings)
    return Scored(*(squared_error(net, beats) for beats in (train[:held], tested, anomalous)))


def robust_threshold(own: NDArray[np.float64]) -> float:
    """What a normal beat rarely exceeds: exp(median + 2 × 1.4826 × spread) of log scores, (n,).

    The spread is the median of what lies above the median: scores of normal beats are skewed to the
    right even on the log scale, and the threshold is on that side. Raises ValueError without scores.
    """
    if not len(own):
        raise ValueError("need scores of normal beats; got none")
    logs = np.log(own + np.finfo(np.float32).tiny)
    median = np.median(logs)
    above = logs[logs >= median] - median
    return float(np.exp(median + DEVIATIONS * MAD_TO_SD * np.median(above)))


def decisions(normal: NDArray[np.bool_], anomalous: NDArray[np.bool_]) -> dict[str, float]:
    """Accuracy, F1 (of the anomalous class), sensitivity and specificity; which beats were flagged."""
    found, false = int(anomalous.sum()), int(normal.sum())
    total = len(normal) + len(anomalous)
    return {
        "accuracy": (found + len(normal) - false) / total,
        "f1": 2 * found / (found + false + len(anomalous)),
        "sensitivity": found / len(anomalous),
        "specificity": 1 - false / len(normal),
    }


def _measure(values: dict[tuple[str, str], list[float]], suffix: str, found: Scored, seed: int) -> None:
    threshold = robust_threshold(found.own)
    normal, anomalous = found.normal > threshold, found.anomalous > threshold
    collect(values, f"all{suffix}", areas(found.normal, found.anomalous) | decisions(normal, anomalous))
    drawn = np.random.default_rng(seed)
    few = (drawn.permutation(each)[:BALANCED] for each in (normal, anomalous))
    collect(values, f"all{suffix}{_BALANCED_FORM}", decisions(*few))


PROTOCOL = Protocol(
    name="ecg5000",
    summary="ECG5000's normal beats split 85/15 eight times, all 2,081 anomalous ones; about 2 minutes",
    run=run,
    needs_model=False,
)
