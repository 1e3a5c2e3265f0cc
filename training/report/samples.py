"""Beats beside what a model expected of them, for the report's pictures."""

from __future__ import annotations

import numpy as np

from monitor.adapt.usual_beat import BeatBatch
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.model.model import Model
from monitor.scan.explain import expected_beats
from training.report.picture import PER_ROW, ReconstructionSample


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
