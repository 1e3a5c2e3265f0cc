"""Whole recordings run side by side through parts of the signal path, as streams would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np

from monitor.adapt.path import Samples
from monitor.ecg.filters import MISSING, SATURATED
from monitor.formats.chunks import Chunk
from monitor.recordings.recording import Recording, chunks

CHUNK_S = 10.0  # any length gives the same findings


def sample_batches(
    recordings: Sequence[Recording], tail_s: float = 0.0
) -> Iterator[tuple[Samples, list[int]]]:
    """Each recording's next samples, recording i in slot i, with the number of the first of each.

    All have equally many leads. After a recording's end come missing samples, for `tail_s` longer than
    the longest lasts, so that all windows become complete.
    """
    streams = [chunks(recording, CHUNK_S, stream=recording.name) for recording in recordings]
    first = [0] * len(recordings)
    for batch in zip_longest(*streams):
        samples = _samples(recordings, batch)
        yield samples, first
        first = [at + int(n) for at, n in zip(first, np.diff(samples.offsets), strict=True)]
    for _ in range(int(np.ceil(tail_s / CHUNK_S))):
        samples = _samples(recordings, [None] * len(recordings))
        yield samples, first


def _samples(recordings: Sequence[Recording], batch: Sequence[Chunk | None]) -> Samples:
    leads = len(recordings[0].leads)
    ecg_mv, flags = [], []
    for recording, chunk in zip(recordings, batch, strict=True):
        if chunk is None:
            shape = (round(CHUNK_S * recording.rate_hz), leads)
            ecg_mv.append(np.zeros(shape, np.float32))
            flags.append(np.full(shape, MISSING, np.uint8))
        else:
            ecg_mv.append(chunk.ecg_mv)
            flags.append(
                np.where(chunk.valid, np.where(chunk.saturated, SATURATED, 0), MISSING).astype(np.uint8)
            )
    return Samples(
        slots=np.arange(len(recordings)),
        offsets=np.concatenate([[0], np.cumsum([len(each) for each in ecg_mv])]).astype(np.int64),
        ecg_mv=np.concatenate(ecg_mv),
        flags=np.concatenate(flags),
        n_leads=np.full(len(recordings), leads, np.int64),
        rates_hz=np.array([recording.rate_hz for recording in recordings]),
    )


def seconds(samples: Samples) -> float:
    """Seconds of signal in a batch, over all its recordings."""
    return float(np.sum(np.diff(samples.offsets) / samples.rates_hz))
