"""Made-up patients: signal, beats and events, second by second, as devices and a worker send them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.formats.beats import ScoredWindows, encode_beats
from monitor.formats.chunks import Lead, encode_chunk
from monitor.formats.events import Event, Kind, Phase
from monitor.recordings.synthetic import synthetic_ecg

RATE_HZ = 250
LOOP_S = 30
WIDE = (5, 17, 28)  # beats of each loop that come early and wide
LEADS = (Lead("MLII"), Lead("V1"))
_GAIN = 200.0  # ADC units per mV, Lead's default


@dataclass(eq=False)
class Patient:
    """One stream of two leads, the same half minute again and again; `began_us`: of sample 0."""

    stream: str
    began_us: int
    seed: int = 0
    wide: tuple[int, ...] = WIDE

    def __post_init__(self) -> None:
        self.heart_rate = 60.0 + self.seed * 7 % 40
        made = synthetic_ecg(
            LOOP_S,
            rate_hz=RATE_HZ,
            beats_per_minute=self.heart_rate,
            ventricular=self.wide,
            seed=self.seed,
        )
        self._adc = np.rint(made.ecg_mv * _GAIN).astype(np.int16)
        self._peaks, self._ventricular = made.r_peak, made.ventricular

    def start_us(self, second: int) -> int:
        """When a second's first sample was measured."""
        return self.began_us + second * 1_000_000

    def chunk(self, second: int) -> bytes:
        """One second of signal for `ecg.signal`."""
        at = second % LOOP_S * RATE_HZ
        return encode_chunk(
            stream=self.stream,
            session="a",
            first_sample=second * RATE_HZ,
            start_us=self.start_us(second),
            rate_hz=float(RATE_HZ),
            leads=LEADS,
            adc=self._adc[at : at + RATE_HZ],
        )

    def peaks(self, second: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Sample numbers of the R peaks in a second, and which are wide."""
        at = second % LOOP_S * RATE_HZ
        here = (self._peaks >= at) & (self._peaks < at + RATE_HZ)
        return self._peaks[here] - at + second * RATE_HZ, self._ventricular[here]

    def windows(self, second: int) -> ScoredWindows:
        """What a worker scores in a second: its beats, and a fixed window."""
        sample, wide = self.peaks(second)
        sample = np.append(sample, second * RATE_HZ + RATE_HZ // 2)
        wide = np.append(wide, False)
        n = len(sample)
        kinds = ["beat.morphology" if each else "beat" for each in wide[:-1]]
        return ScoredWindows(
            stream=[self.stream] * n,
            session=["a"] * n,
            sample=sample,
            time_us=self.began_us + sample * (1_000_000 // RATE_HZ),
            rr_s=np.append(np.full(n - 1, 60.0 / self.heart_rate, np.float32), np.float32(np.nan)),
            score=np.where(wide, 4.6, 0.4).astype(np.float32),
            p_value=np.where(wide, 2.5e-5, 0.4).astype(np.float32),
            anomalous=wide,
            kind=[*kinds, "fixed"],
            quality=["good"] * n,
        )

    def events(self, second: int) -> list[Event]:
        """An event for each wide beat of a second."""
        sample, wide = self.peaks(second)
        return [self.event(int(each)) for each in sample[wide]]

    def event(self, sample: int, kind: Kind = Kind.BEAT_MORPHOLOGY, phase: Phase | None = None) -> Event:
        """An event at a sample."""
        return Event(
            stream=self.stream,
            session="a",
            kind=kind,
            r_peak_sample=sample,
            time_us=self.began_us + sample * (1_000_000 // RATE_HZ),
            first_sample=sample - RATE_HZ // 2,
            last_sample=sample + RATE_HZ // 2,
            rate_hz=float(RATE_HZ),
            model="made-up",
            model_version="7",
            score=4.61,
            p_value=2.5e-5,
            threshold=1e-4,
            why="morphology: most in the QRS; 0.52 s after the beat before, usually 0.83 s",
            leads=("MLII", "V1"),
            part_s=(-0.06, 0.1),
            part="QRS",
            rr_s=0.52,
            usual_rr_s=0.83,
            phase=phase,
            beats=None if phase is None else 4,
            latent=(float(self.seed), 1.0),
        )


def together(columns: list[ScoredWindows]) -> bytes:
    """One record of `ecg.beats` for some patients' windows."""
    join = np.concatenate
    return encode_beats(
        ScoredWindows(
            stream=[name for each in columns for name in each.stream],
            session=[name for each in columns for name in each.session],
            sample=join([each.sample for each in columns]),
            time_us=join([each.time_us for each in columns]),
            rr_s=join([each.rr_s for each in columns]),
            score=join([each.score for each in columns]),
            p_value=join([each.p_value for each in columns]),
            anomalous=join([each.anomalous for each in columns]),
            kind=[kind for each in columns for kind in each.kind],
            quality=[quality for each in columns for quality in each.quality],
        )
    )
