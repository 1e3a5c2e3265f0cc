"""Findings and verdicts in internal samples → events and window rows in the stream's own terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.adapt.strange_shapes import RECURS
from monitor.detect.episodes import Finding
from monitor.detect.interface import Source
from monitor.detect.order import Stream
from monitor.detect.reasons import beat_reason, part_name
from monitor.ecg.filters import INTERNAL_RATE_HZ, interpolator
from monitor.ecg.quality import Quality
from monitor.formats.beats import ScoredWindows
from monitor.formats.events import TECHNICAL, Event, Kind, Phase
from monitor.model.model import Model
from monitor.model.scoring import REGION

SMALLEST_P = 1e-300
_UNSCORED = TECHNICAL | {Kind.RHYTHM_PAUSE}  # a window tells of these, but its score is not why
NAMED_LEADS = 3  # leads that an event names, the strangest first


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One scored window, in internal samples."""

    sample: int
    rr_s: float
    surprise: float
    threshold: float
    anomalous: bool
    kind: str
    quality: Quality
    by_lead: NDArray[np.float64]  # (leads,) minus log10 p of each lead's error; NaN if not judged
    worst: NDArray[np.int64]  # (leads,) region of the largest error
    learning: bool
    late: bool
    latent: NDArray[np.float32]  # (leads, width)
    window_mv: NDArray[np.float32]  # (leads, samples); a beat fitted to the usual one
    usual_rr_s: float = float("nan")
    recurrence: float = 0.0  # 0 to 1, how surely its strange shape came before

    @property
    def strangest(self) -> int:
        """Lead with the largest surprise."""
        return int(np.argmax(np.nan_to_num(self.by_lead, nan=-1.0)))


# Is shown every scored window: stream, sample of the stream's own, and all that is known of it.
Watch = Callable[[str, int, Row], object]


class Findings:
    """Collects a batch's events and windows, each stream's in its order of decision."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._events: list[tuple[Source, Event]] = []
        self._rows: list[tuple[Source, str, int, int, Row]] = []

    @property
    def events(self) -> list[Event]:
        """All events."""
        return [event for _, event in self._events]

    @property
    def event_sources(self) -> list[Source]:
        """Whose each event is."""
        return [source for source, _ in self._events]

    @property
    def window_sources(self) -> list[Source]:
        """Whose each window is."""
        return [source for source, *_ in self._rows]

    def window(self, stream: Stream, row: Row) -> None:
        """Take in a scored window."""
        sample = to_input(stream, row.sample)
        self._rows.append((stream.source, stream.session, sample, stream.time_us(sample), row))

    def add(self, stream: Stream, findings: list[Finding], row: Row | None = None) -> None:
        """Take in what a window led to; `row` is the window."""
        for finding in findings:
            self._events.append((stream.source, self._event(stream, finding, row)))

    def gap(self, stream: Stream, covered: int, end: int) -> None:
        """Report input samples up to `end` that no window covers: those from internal sample `covered`."""
        first = to_input(stream, covered)
        if first >= end:
            return
        event = self._event_of(
            stream, Kind.SIGNAL_LOST, first, first, end - 1, why="missing samples", phase=Phase.ONSET
        )
        self._events.append((stream.source, event))

    def conflict(self, stream: Stream, why: str) -> None:
        """Report that chunks came under the stream's id which are none of its own."""
        at = stream.expected
        event = self._event_of(stream, Kind.STREAM_CONFLICT, at, at, at, why=why)
        self._events.append((stream.source, event))

    def cut_at(self, end: int) -> None:
        """Drop what is said of samples from input sample `end` on: they were padding."""
        self._rows = [row for row in self._rows if row[2] < end]
        self._events = [
            said for said in self._events if not (said[1].kind in TECHNICAL and said[1].last_sample >= end)
        ]

    def show(self, watch: Watch) -> None:
        """Show every window, in each stream's order of decision."""
        for (name, _), _, sample, _, row in self._rows:
            watch(name, sample, row)

    def windows(self) -> ScoredWindows:
        """All windows as columns."""
        rows = [row for *_, row in self._rows]
        surprise = np.array([row.surprise for row in rows], np.float64)
        return ScoredWindows(
            stream=[name for (name, _), *_ in self._rows],
            session=[session for _, session, *_ in self._rows],
            sample=np.array([sample for _, _, sample, _, _ in self._rows], np.int64),
            time_us=np.array([time for _, _, _, time, _ in self._rows], np.int64),
            rr_s=np.array([row.rr_s for row in rows], np.float32),
            score=surprise.astype(np.float32),
            p_value=np.array([p_value(row.surprise) for row in rows], np.float32),
            anomalous=np.array([row.anomalous for row in rows], np.bool_),
            kind=[row.kind for row in rows],
            quality=[row.quality.name.lower() for row in rows],
        )

    def _event(self, stream: Stream, finding: Finding, row: Row | None) -> Event:
        at, first, last = (to_input(stream, sample) for sample in (finding.at, finding.first, finding.last))
        event = self._event_of(
            stream, finding.kind, at, first, last, why=finding.why, phase=finding.phase, beats=finding.beats
        )
        if row is None or not row.anomalous or finding.kind in _UNSCORED or finding.phase is Phase.END:
            return event
        order = np.argsort(-np.nan_to_num(row.by_lead, nan=-1.0), kind="stable")
        judged = [lead for lead in order if not np.isnan(row.by_lead[lead])]
        names = stream.tuning.names(stream.leads)
        latent = row.latent[row.strangest]
        # A fixed window has no place relative to an R peak.
        if row.kind != "fixed":
            event = self._of_beat(event, row)
        return msgspec.structs.replace(
            event,
            score=round(row.surprise, 6),
            p_value=p_value(row.surprise),
            threshold=p_value(row.threshold),
            leads=tuple(names[lead] for lead in judged[:NAMED_LEADS]),
            learning=row.learning,
            late=row.late,
            latent=tuple(round(float(value), 5) for value in latent[~np.isnan(latent)]),
        )

    def _of_beat(self, event: Event, row: Row) -> Event:
        """The event with what is strange about its beat."""
        part_s = self._part(int(row.worst[row.strangest]))
        rr_s, usual_rr_s = _seconds(row.rr_s), _seconds(row.usual_rr_s)
        again = row.recurrence > RECURS
        reason = beat_reason(row.kind.removeprefix("beat."), part_name(part_s), rr_s, usual_rr_s, again=again)
        why = reason if event.phase is None else f"{event.why}; this one {reason}"
        return msgspec.structs.replace(
            event, why=why, part_s=part_s, part=part_name(part_s), rr_s=rr_s, usual_rr_s=usual_rr_s
        )

    def _event_of(
        self,
        stream: Stream,
        kind: Kind,
        at: int,
        first: int,
        last: int,
        *,
        why: str,
        phase: Phase | None = None,
        beats: int | None = None,
    ) -> Event:
        return Event(
            stream=stream.name,
            session=stream.session,
            kind=kind,
            r_peak_sample=at,
            time_us=stream.time_us(at),
            first_sample=first,
            last_sample=last,
            rate_hz=stream.rate_hz,
            model=self.model.name,
            model_version=self.model.version,
            why=why,
            phase=phase,
            beats=beats,
            muted=stream.tuning.muted,
            paced=stream.tuning.paced,
        )

    def _part(self, region: int) -> tuple[float, float]:
        """Seconds from the R peak between which a beat window's region lies."""
        spec = self.model.manifest.windows
        start = (region * REGION * spec.step - spec.left) / INTERNAL_RATE_HZ
        return round(start, 3), round(start + REGION * spec.step / INTERNAL_RATE_HZ, 3)


def to_input(stream: Stream, sample: int) -> int:
    """The stream's own number of an internal sample."""
    # The resampler's own step: for odd rates its ratio is rounded, and positions must not drift from it.
    _, num, den = interpolator(stream.rate_hz)
    return max(stream.segment, stream.segment + round(sample * num / den))


def _seconds(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)


def p_value(surprise: float) -> float:
    """The p-value of a surprise; NaN stays NaN."""
    return surprise if np.isnan(surprise) else max(10.0**-surprise, SMALLEST_P)
