"""A made-up patient with ventricular beats, judged by the bundled model as a worker would."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from monitor.detect.detector import Detector
from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import MSGPACK, decode_chunk
from monitor.formats.events import Event
from monitor.model.model import Model, load_model
from monitor.recordings.recording import Recording, encoded_chunks, from_millivolts
from monitor.recordings.synthetic import synthetic_ecg
from monitor.web.held.store import Store
from tests.support.web.made import START_US, held, limits

SECONDS = 90
VENTRICULAR = range(40, 100, 7)


@dataclass(frozen=True)
class Judged:
    """The recording, what was found in it, and a store that has read all of it."""

    model: Model
    recording: Recording
    windows: ScoredWindows
    events: list[Event]
    store: Store

    def at_us(self, sample: int) -> int:
        """Time of a sample."""
        return START_US + round(sample * 1e6 / self.recording.rate_hz)


@lru_cache(maxsize=1)
def judged() -> Judged:
    """Ninety seconds of two leads at 360 Hz in chunks of a second; made once."""
    ecg = synthetic_ecg(SECONDS, ventricular=VENTRICULAR)
    recording = from_millivolts("p", ecg.rate_hz, ["II", "V1"], ecg.ecg_mv.astype(np.float64), START_US)
    model, store = load_model(None), Store(limits())
    detector, parts = Detector(model), []
    for value in encoded_chunks(recording, 1.0, stream="p", session="s", start_us=START_US):
        chunk = decode_chunk(value)
        parts.append(detector.process([chunk]))
        store.take_chunk(chunk, value, MSGPACK, chunk.start_us, recent=True)
        store.take_windows(parts[-1].windows)
        for event in parts[-1].events:
            store.take_event(held(event))
    events = [event for part in parts for event in part.events]
    return Judged(
        model,
        recording,
        ScoredWindows.joined([part.windows for part in parts]).in_time_order(),
        events,
        store,
    )
