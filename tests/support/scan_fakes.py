"""Stand-ins for the detector and the model's explanation, and a recording to try them on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from monitor.detect.interface import Detection
from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event, Kind
from monitor.recordings.recording import Recording, from_millivolts
from monitor.scan.explain import Explanation, Wanted

RATE_HZ = 250.0
BEATS = (250, 500, 750, 1000, 1250, 1500)
ODD = 750  # the beat that the fake detector flags


def fake_recording(seconds: float = 8.0) -> Recording:
    """One lead, a 1 mV triangle at every beat and a tall one at the odd beat."""
    ecg_mv = np.zeros((round(seconds * RATE_HZ), 1))
    for beat in BEATS:
        ecg_mv[beat - 5 : beat + 6, 0] = (3.0 if beat == ODD else 1.0) * np.bartlett(11)
    return from_millivolts("fake", RATE_HZ, ["II"], ecg_mv, start_us=1_600_000_000_000_000)


def fake_event(sample: int = ODD, kind: Kind = Kind.BEAT_MORPHOLOGY, **changes: object) -> Event:
    """An event on a beat of the fake recording."""
    fields: dict[str, object] = {
        "stream": "fake",
        "session": "recording",
        "kind": kind,
        "r_peak_sample": sample,
        "time_us": 1_600_000_000_000_000 + sample * 4000,
        "first_sample": max(0, sample - 100),
        "last_sample": sample + 125,
        "rate_hz": RATE_HZ,
        "model": "fake",
        "model_version": "1",
        "p_value": 1e-6,
        "why": "morphology",
        "leads": ("II",),
    }
    return Event(**(fields | changes))  # type: ignore[arg-type]


def windows_at(samples: Sequence[int], stream: str = "fake", odd: Sequence[int] = (ODD,)) -> ScoredWindows:
    """A good beat window at each sample, anomalous at the odd ones."""
    sample = np.array(samples, np.int64)
    anomalous = np.isin(sample, odd)
    return ScoredWindows(
        stream=[stream] * len(sample),
        session=["recording"] * len(sample),
        sample=sample,
        time_us=sample * 4000,
        rr_s=np.ones(len(sample), np.float32),
        score=np.where(anomalous, 6, 1).astype(np.float32),
        p_value=np.where(anomalous, 1e-6, 0.1).astype(np.float32),
        anomalous=anomalous,
        kind=["beat.morphology" if each else "beat" for each in anomalous],
        quality=["good"] * len(sample),
    )


class FakeDetector:
    """Knows where the beats are; says so once a chunk holds what lies half a second later."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._told = 0
        self._now = 0

    def process(self, chunks: Sequence[Chunk]) -> Detection:
        """The beats that lie half a second before the chunks' end."""
        self.sizes += [len(chunk) for chunk in chunks]
        self._now = chunks[-1].first_sample + len(chunks[-1])
        return self._tell(self._now - 125)

    def finish(self, stream: str) -> Detection:
        """The beats that are left."""
        return self._tell(self._now)

    def _tell(self, limit: int) -> Detection:
        ready = [beat for beat in BEATS[self._told :] if beat < limit]
        self._told += len(ready)
        events = [fake_event(beat) for beat in ready if beat == ODD]
        none = np.zeros(0, np.int64)
        return Detection(events, windows_at(ready), [], none, none, Counter(beats=len(ready)))


def fake_explain(recording: Recording, wanted: Sequence[Wanted]) -> list[Explanation | None]:
    """What a model might have expected of the 0.4 s around each R peak: half of what came."""
    found: list[Explanation | None] = []
    for each in wanted:
        at = np.arange(max(0, each.sample - 100), min(each.sample + 101, len(recording)))
        piece = recording.ecg_mv[at, 0]
        spread = None if each.fixed else np.full_like(piece, 0.1)
        found.append(Explanation("II", at / RATE_HZ, piece, piece / 2, spread))
    return found
