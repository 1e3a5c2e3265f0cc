"""Whole recordings run side by side through parts of the signal path, as streams would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np

from monitor.ecg.samples import MISSING, Samples, flags_of
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
    ecg_mv, flags = [], []
    for recording, chunk in zip(recordings, batch, strict=True):
        if chunk is None:
            shape = (round(CHUNK_S * recording.rate_hz), len(recording.leads))
            ecg_mv.append(np.zeros(shape, np.float32))
            flags.append(np.full(shape, MISSING, np.uint8))
        else:
            ecg_mv.append(chunk.ecg_mv)
            flags.append(flags_of(chunk.valid, chunk.saturated))
    return Samples.of_streams(ecg_mv, flags, [recording.rate_hz for recording in recordings])
