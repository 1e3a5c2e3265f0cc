"""Protocol `beatgan`: normal beats of 44 MIT-BIH records in five folds, all other beats anomalous.

As in Zhou et al., "BeatGAN" (IJCAI 2019), and its public preprocessing: the folds share patients,
so that a beat is told by its likeness to the same patient's others. Theirs stops training where the
labelled validation beats are told best; here nothing sees an anomaly before the test.

The best scorer, `training.compare.neighbours.local_mahalanobis`, looks at the beat scaled from −1 to 1 and,
beside it, in mV: 24 principal components of both, 60 neighbours. These sizes and the ridge were chosen on
DS1's 22 records by the same rule; DS2's beats had no part in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.model.autoencoders.lstm import LstmSettings
from training.compare.neighbours import local_scorer, nearest, principal_components, scaled_distance
from training.data.beatgan_beats import CutBeats, cut_beats, folds, join, min_max, shape_and_size, size_mv
from training.data.records import PACED, database, record_names
from training.errors import DataError
from training.fit.loop import FitSettings
from training.fit.windows import squared_error, train_plain
from training.measure.protocol import Protocol, Request, Result
from training.measure.splits import areas, by_split, class_table, collect, scorer_table, split_figures
from training.measure.tables import Table

TARGETS = {("auroc", "all"): 0.970, ("average_precision", "all"): 0.935}
PUBLISHED = (
    ("BeatGAN (Zhou et al. 2019), epoch chosen by labelled beats", "0.945", "0.911"),
    ("SIA-GAN, ECG-ADGAN", "0.959", ""),
    ("EB-GAME (unverified)", "about 0.97", ""),
)
SCORERS = {
    "": "local Mahalanobis",
    "/nearest-scaled": "nearest normal beat, over its own distance^0.6",
    "/nearest": "nearest normal beat",
    "/plain-lstm": "plain LSTM (first fold)",
}
BASELINE_COMPONENTS = 48
LSTM_FOLDS = 1  # trained on this many: a network takes minutes, and the folds hardly differ
# The filter leaves nothing above 45 Hz: every other sample is enough.
LSTM_STEP = 2
LSTM_SIZES = LstmSettings(patch=8, steps=20, hidden=64, latent=16)
LSTM_FIT = FitSettings(epochs=20, examples_per_epoch=40_000)
HELD_OUT = 0.1  # of the normal beats to train on, for early stopping; theirs holds out as many

Scores = dict[str, NDArray[np.float64]]  # by scorer, of the beats tested


def run(request: Request) -> Result:
    """AUROC and average precision of each scorer, mean over the folds."""
    beats = _read(request)
    anomalous = np.flatnonzero(beats.group != "N")
    values: dict[tuple[str, str], list[float]] = {}
    with request.bar("folds", 1) as advance:
        for k, (train, normal) in enumerate(folds(beats.group)):
            tested = np.concatenate([normal, anomalous])
            scores = neighbour_scores(beats.beat_mv[train], beats.beat_mv[tested])
            if k < LSTM_FOLDS:
                scores["/plain-lstm"] = lstm_scores(beats.beat_mv[train], beats.beat_mv[tested])
            _measure(values, scores, beats.group[tested])
            advance(1 / 5)
    figures = split_figures(values, TARGETS)
    return Result(
        figures=figures,
        tables=[
            scorer_table("All anomalous beats, mean of five folds (lowest–highest)", figures, SCORERS),
            class_table("By class against N, local Mahalanobis", figures, sorted(_sizes(beats))),
            Table("Published, not measured here", ("method", "AUROC", "average precision"), PUBLISHED),
        ],
        details={"beats": _sizes(beats), "folds": by_split(values), "lstm_folds": LSTM_FOLDS},
    )


def _read(request: Request) -> CutBeats:
    folder = database(request.data, "mitdb")
    names = [name for name in record_names(folder, request.records) if name not in PACED]
    beats = join([cut_beats(record) for record in request.each(names)])
    if (beats.group == "N").sum() < 2 * BASELINE_COMPONENTS:
        raise DataError(f"{folder}: {len(beats.group)} beats in {len(names)} records: too few to learn from")
    return beats


def neighbour_scores(train_mv: NDArray[np.float32], tested_mv: NDArray[np.float32]) -> Scores:
    """The local Mahalanobis distance, and the nearest neighbour as it is and scaled; (n, 320) mV both."""
    unit = size_mv(train_mv)
    local = local_scorer(shape_and_size(train_mv, unit)).score(shape_and_size(tested_mv, unit))
    axes = principal_components(min_max(train_mv), BASELINE_COMPONENTS)
    normals = axes.project(min_max(train_mv))
    near = nearest(normals, axes.project(min_max(tested_mv)), 1)
    return {
        "": local,
        "/nearest-scaled": scaled_distance(normals, near),
        "/nearest": near.distance[:, 0].astype(np.float64),
    }


def lstm_scores(train_mv: NDArray[np.float32], tested_mv: NDArray[np.float32]) -> NDArray[np.float64]:
    """The plain encoder-decoder's squared error, trained on nine tenths of (n, 320) normal beats."""
    train = np.ascontiguousarray(min_max(train_mv)[:, ::LSTM_STEP])
    order = np.random.default_rng(LSTM_FIT.seed).permutation(len(train))
    held = round(HELD_OUT * len(train))
    net = train_plain(train[order[held:]], train[order[:held]], LSTM_SIZES, LSTM_FIT)
    return squared_error(net, np.ascontiguousarray(min_max(tested_mv)[:, ::LSTM_STEP]))


def _measure(values: dict[tuple[str, str], list[float]], scores: Scores, group: NDArray[np.str_]) -> None:
    """Add a fold's areas: all anomalies for each scorer, and each class for the best one."""
    normal = group == "N"
    for suffix, score in scores.items():
        collect(values, f"all{suffix}", areas(score[normal], score[~normal]))
    for each in sorted(set(group[~normal].tolist())):
        collect(values, each, areas(scores[""][normal], scores[""][group == each]))


def _sizes(beats: CutBeats) -> dict[str, int]:
    groups, counts = np.unique(beats.group, return_counts=True)
    return dict(zip(groups.tolist(), counts.tolist(), strict=True))


PROTOCOL = Protocol(
    name="beatgan",
    summary="BeatGAN's five folds over 44 records, all normal beats against all others; about 10 minutes",
    run=run,
    needs_model=False,
)
