"""The model in one piece: networks and calibrations → how surprising a beat or a fixed window is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.runs import LASTING_BEATS, RUN_SURPRISE
from monitor.errors import ArtifactError, ScoreError
from monitor.model.artifact import Manifest, RateTable, default_model, read_artifact
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.terms import Terms, fixed_terms, fuse, population_terms, usual_terms

USUAL_SURPRISE = RUN_SURPRISE  # above it a beat neither teaches what is usual nor ends a run
STRANGE_SURPRISE = 2.5  # p = 0.003: above it a beat's shape is kept as a strange one
RECURRENCE_WEIGHT = 3.0  # units of surprise that a strange shape is worth when it surely came before
FIXED_SHARE = 0.1  # of the false-alarm budget that fixed windows may spend; beats have the rest

# Surprise above which a window is anomalous, by kind (usual, population, fixed) and number of leads
Thresholds = dict[str, dict[str, float]]
OWN: Mapping[int, Thresholds] = {}  # rows whose stream has a budget of its own: none


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Calibrated findings of n windows; NaN where no lead was usable.

    surprise: (n,) minus log10 p of the fused statistic above the stream's own level, and up to
    RECURRENCE_WEIGHT more for a strange shape that recurs; recurrence: (n,) that part; raw: (n,)
    surprise for any stream, NaN where its own level is not known of; shape, rhythm: (n,) the statistic's
    parts, weighted; by_lead: (n, leads) minus log10 p of each lead's error; threshold: (n,) surprise in
    force; lenient: (n,) flagged beats may teach, since the stream is young or its run has LASTING_BEATS;
    worst: (n, leads) region of the largest error; latent: (n, leads, width).
    """

    surprise: NDArray[np.float64]
    raw: NDArray[np.float64]
    recurrence: NDArray[np.float64]
    shape: NDArray[np.float64]
    rhythm: NDArray[np.float64]
    by_lead: NDArray[np.float64]
    threshold: NDArray[np.float64]
    lenient: NDArray[np.bool_]
    worst: NDArray[np.int64]
    latent: NDArray[np.float32]

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """True where the surprise exceeds its threshold; a window that was not judged is not."""
        above: NDArray[np.bool_] = self.surprise > self.threshold
        return above

    @property
    def lesson(self) -> Lesson:
        """What the streams may learn from these beats: nothing usual from a flagged one, unless lenient."""
        alone = self.surprise - self.recurrence
        usual = (alone < np.minimum(self.threshold, USUAL_SURPRISE)) & (~self.anomalous | self.lenient)
        return Lesson(self.anomalous, usual, alone > STRANGE_SURPRISE, self.raw)


class Model:
    """Networks and calibrations of one artifact at one false-alarm budget."""

    def __init__(
        self, manifest: Manifest, networks: dict[str, EncoderDecoder], budget_per_hour: float | None = None
    ) -> None:
        if budget_per_hour is not None and not budget_per_hour > 0:
            raise ValueError(f"need a false-alarm budget above 0 events an hour; got {budget_per_hour}")
        if set(manifest.calibration) != set(networks):
            got, wanted = sorted(manifest.calibration), sorted(networks)
            raise ArtifactError(
                f"{manifest.name}: calibrated are {got}, wanted {wanted}; run `ecg-train calibrate`"
            )
        self.manifest = manifest
        self.networks = networks
        self.name, self.version = manifest.name, manifest.version
        self.budget_per_hour = budget_per_hour or manifest.default_budget_per_hour
        self.thresholds = self.thresholds_for(self.budget_per_hour)

    def thresholds_for(self, budget_per_hour: float) -> Thresholds:
        """What a false-alarm budget comes to by the calibration: a handful of numbers."""
        return {
            name: {
                leads: threshold_for(
                    table, budget_per_hour * (FIXED_SHARE if name == "fixed" else 1 - FIXED_SHARE)
                )
                for leads, table in c.rates.items()
            }
            for name, c in self.manifest.calibration.items()
        }

    @property
    def contextual(self) -> bool:
        """True if beats are judged by the beats before them once a stream's usual beat is known."""
        return "usual" in self.networks

    def judge(self, kind: str, terms: Terms, own_level: NDArray[np.float64] | None = None) -> Verdicts:
        """Calibrate and fuse terms of one kind: usual, population or fixed.

        own_level: (n,) what is taken off the surprise, where the calibration knows of it; nothing if None.
        """
        calibration = self.manifest.calibration[kind]
        by_lead = calibration.terms["error"].surprise(terms.error)
        statistic, shape, rhythm = fuse(calibration, by_lead, terms)
        leads = np.minimum(terms.usable.sum(axis=1), 2)
        if not np.isfinite(statistic[leads > 0]).all():
            raise ScoreError(f"{self.name}: a {kind} statistic is not a number")
        none = np.zeros(len(leads))
        taken = none if own_level is None else own_level
        surprise, raw, threshold = (np.full(len(leads), value) for value in (np.nan, np.nan, np.inf))
        for count in (1, 2):
            rows, key = leads == count, str(count)
            surprise[rows] = calibration.fused[key].surprise(statistic[rows])
            threshold[rows] = self.thresholds[kind][key]
            if calibration.settled:
                raw[rows] = surprise[rows]
                surprise[rows] = calibration.settled[key].surprise(raw[rows] - taken[rows])
        lenient = np.zeros(len(leads), np.bool_)
        return Verdicts(
            surprise, raw, none, shape, rhythm, by_lead, threshold, lenient, terms.worst, terms.latent
        )

    def judge_beats(self, batch: BeatBatch, own: Mapping[int, Thresholds] = OWN) -> Verdicts:
        """Every beat against its stream's usual one, or the population while that is not known."""
        alone = self._judge_alone(batch)
        if own:
            usual = self._by_usual(batch) & self.contextual
            usable = np.where(usual[:, None], batch.good & batch.known, batch.good)
            for row, thresholds in own.items():
                kind = "usual" if usual[row] else "population"
                set_threshold(alone, row, thresholds[kind], usable[row])
        again = RECURRENCE_WEIGHT * batch.recurrence
        in_force = np.where(batch.run > 0, np.minimum(alone.threshold, RUN_SURPRISE), alone.threshold)
        return replace(
            alone,
            surprise=alone.surprise + again,
            recurrence=again,
            threshold=in_force,
            lenient=batch.young | (batch.run > LASTING_BEATS),
        )

    def _judge_alone(self, batch: BeatBatch) -> Verdicts:
        """Every beat as if no strange shape had been seen before."""
        n = len(batch.ready)
        if not self.contextual:
            return self.judge("population", population_terms(self.networks["population"], batch))
        usual = self._by_usual(batch)
        if usual.all() and n:
            return self.judge("usual", usual_terms(self.networks["usual"], batch), batch.own_level)
        both = [
            (rows, self.judge(kind, terms(self.networks[kind], batch.rows(rows)), batch.own_level[rows]))
            for kind, terms, rows in (("usual", usual_terms, usual), ("population", population_terms, ~usual))
        ]
        return _interleave(n, both)

    @staticmethod
    def _by_usual(batch: BeatBatch) -> NDArray[np.bool_]:
        """Beats that a contextual model judges by their streams' usual ones, (n,)."""
        usual: NDArray[np.bool_] = batch.ready & (batch.good & batch.known).any(axis=1)
        return usual

    def judge_fixed(
        self,
        fixed_mv: NDArray[np.float32],
        good: NDArray[np.bool_],
        own: Mapping[int, Thresholds] = OWN,
    ) -> Verdicts:
        """Every fixed window, (n, samples, leads), beats or no beats."""
        verdicts = self.judge("fixed", fixed_terms(self.networks["fixed"], fixed_mv, good))
        for row, thresholds in own.items():
            set_threshold(verdicts, row, thresholds["fixed"], good[row])
        return verdicts


def load_model(folder: Path | None = None, budget_per_hour: float | None = None) -> Model:
    """The model in a folder, the bundled one by default; raises ArtifactError."""
    torch.set_num_threads(1)  # processes scale, threads do not
    manifest, networks = read_artifact(folder or default_model())
    return Model(manifest, networks, budget_per_hour)


def set_threshold(
    verdicts: Verdicts, row: int, by_leads: Mapping[str, float], usable: NDArray[np.bool_]
) -> None:
    """Put another threshold in force for one window; one without a usable lead is not judged at all."""
    if usable.any():
        verdicts.threshold[row] = by_leads[str(min(int(usable.sum()), 2))]


def threshold_for(table: RateTable, per_hour: float) -> float:
    """Surprise above which normal ECG gives so many events an hour; raises ValueError for per_hour <= 0."""
    if per_hour <= 0:
        raise ValueError(f"need a rate above 0; got {per_hour}")
    surprise, rate = np.array(table.surprise), np.log10(np.array(table.per_hour))
    if np.log10(per_hour) >= rate[-1]:
        # np.interp wants rising abscissae; rates fall as thresholds rise.
        return float(np.interp(-np.log10(per_hour), -rate, surprise))
    # Rarer than was ever seen: a tenfold rarer event needs one more unit of surprise.
    return float(surprise[-1] + rate[-1] - np.log10(per_hour))


def _interleave(n: int, parts: list[tuple[NDArray[np.bool_], Verdicts]]) -> Verdicts:
    """One Verdicts from those of disjoint rows; latent vectors are padded to the wider of the two."""
    leads = parts[0][1].by_lead.shape[1]
    width = max(part.latent.shape[2] for _, part in parts)
    out = Verdicts(
        surprise=np.full(n, np.nan),
        raw=np.full(n, np.nan),
        recurrence=np.zeros(n),
        shape=np.full(n, np.nan),
        rhythm=np.full(n, np.nan),
        by_lead=np.full((n, leads), np.nan),
        threshold=np.full(n, np.inf),
        lenient=np.zeros(n, np.bool_),
        worst=np.zeros((n, leads), np.int64),
        latent=np.full((n, leads, width), np.nan, np.float32),
    )
    for rows, part in parts:
        for name in ("surprise", "raw", "shape", "rhythm", "by_lead", "threshold", "worst"):
            getattr(out, name)[rows] = getattr(part, name)
        out.latent[rows, :, : part.latent.shape[2]] = part.latent
    return out
