"""A stretch of a stream's history as a recording, in the device's own integers where they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.detect.order import MAX_FILL_S
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.formats.chunks import INVALID
from monitor.recordings.recording import Recording, from_millivolts
from monitor.web.held.beats import FIXED
from monitor.web.held.history import Held
from monitor.web.held.store import Store, StreamHeld

MAX_CUT_S = 3600.0  # of a recording, missing samples included: as long as `web.history_s` may be


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Samples of one session without a long gap; sample 0 of the recording is `first_sample`."""

    recording: Recording
    session: str
    first_sample: int

    def index(self, sample: int) -> int:
        """The recording's number of a sample of the stream."""
        return sample - self.first_sample

    def __contains__(self, sample: int) -> bool:
        return 0 <= self.index(sample) < len(self.recording)

    def from_sample(self, sample: int) -> Cut:
        """The rest of it from this sample of the stream on."""
        kept = self.recording.adc[self.index(sample) :]
        start_us = (self.recording.start_us or 0) + round(self.index(sample) * 1e6 / self.recording.rate_hz)
        return Cut(replace(self.recording, adc=kept, start_us=start_us), self.session, sample)


def cut(store: Store, stream: str, from_us: int, to_us: int) -> Cut | None:
    """The signal between two times of the last session there, back to the last long gap; None without any."""

    def wanted(known: StreamHeld) -> list[Held]:
        return known.history.between(from_us, to_us)

    held = store.look(stream, wanted)
    return cut_of(stream, held) if held else None


def cut_of(stream: str, held: Sequence[Held]) -> Cut:
    """Whole records as a recording; held: at least one, in order of arrival."""
    mine = _without_gap([each for each in held if each.continues(held[-1])])
    first, end = mine[0].first_sample, max(each.first_sample + each.samples for each in mine)
    recording = _in_adc_units(stream, mine, first, end) or _in_millivolts(stream, mine, first, end)
    return Cut(replace(recording, start_us=mine[0].time_us), mine[0].session, first)


def on_the_grid(whole: Cut, store: Store, stream: str, spec: WindowSpec) -> Cut:
    """Without the samples before a fixed window of the worker's, so that such windows lie where its lay."""
    rows = store.look(stream, lambda known: known.beats.rows(whole.session))
    fixed = rows[rows["kind"] == FIXED] if rows is not None else None
    if fixed is None or not len(fixed):
        return whole
    rate_hz = whole.recording.rate_hz
    half = spec.fixed_span / 2 * rate_hz / INTERNAL_RATE_HZ
    hop = spec.fixed_hop * rate_hz / INTERNAL_RATE_HZ
    ahead = round((whole.index(int(fixed["sample"][-1])) - half) % hop)
    ahead = 0 if hop - ahead < 1 else ahead  # a rounded centre may lie just before the next window's
    return whole.from_sample(whole.first_sample + ahead) if ahead < len(whole.recording) - 1 else whole


def _without_gap(held: Sequence[Held]) -> list[Held]:
    """Records by sample, from the last gap on that the worker would not fill, and no longer than MAX_CUT_S.

    Records of one sample each with gaps between them would make days out of a minute of signal.
    """
    kept: list[Held] = []
    end = 0
    for each in sorted(held, key=lambda each: each.first_sample):
        if kept and each.first_sample - end > MAX_FILL_S * each.rate_hz:
            kept = []
        kept.append(each)
        end = max(end, each.first_sample + each.samples)
    return [each for each in kept if end - each.first_sample <= MAX_CUT_S * each.rate_hz]


def _in_adc_units(stream: str, held: Sequence[Held], first: int, end: int) -> Recording | None:
    """None where records are in mV, or not all of the same gains."""
    leads = None
    adc = np.full((end - first, len(held[0].leads)), INVALID, np.int16)
    for each in reversed(held):
        found = each.adc()
        if found is None or leads not in (None, found[0]):
            return None
        leads = found[0]
        adc[each.first_sample - first : each.first_sample - first + each.samples] = found[1]
    return None if leads is None else Recording(stream, held[0].rate_hz, leads, adc)


def _in_millivolts(stream: str, held: Sequence[Held], first: int, end: int) -> Recording:
    ecg_mv = np.full((end - first, len(held[0].leads)), np.nan)
    for each in reversed(held):
        chunk, at = each.chunk(), each.first_sample - first
        ecg_mv[at : at + len(chunk)] = np.where(chunk.valid, chunk.ecg_mv, np.nan)
    return from_millivolts(stream, held[0].rate_hz, list(held[0].leads), ecg_mv)
