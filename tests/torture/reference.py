"""The undisturbed run: the detector alone over the same records. By invariant 1 it is the same to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice

from monitor.detect.detector import Detector
from monitor.detect.interface import StreamDetector
from monitor.detect.warm_up import warm_up
from monitor.formats.beats import ScoredWindows, decode_beats, encode_beats
from monitor.formats.chunks import decode_chunk
from monitor.formats.events import encode_event
from monitor.model.model import Model, load_model
from tests.torture.comparison import Verdict, beat_verdicts, event_verdicts

BATCH = 256  # chunks at a time


class Undisturbed:
    """What would have been written of these records, each stream's in their order.

    Of several lots each goes to a detector of its own: its streams begin afresh.
    """

    def __init__(self, *lots: Iterable[bytes], detector: Callable[[], StreamDetector] | None = None) -> None:
        """detector: instead of the real one."""
        self._events: list[bytes] = []
        self._beats: list[ScoredWindows] = []
        self.chunks = 0
        for lot in lots:
            self._judge(lot, detector() if detector is not None else Detector(_model()))

    def _judge(self, values: Iterable[bytes], detector: StreamDetector) -> None:
        left = iter(values)
        while batch := [decode_chunk(value) for value in islice(left, BATCH)]:
            found = detector.process(batch)
            self.chunks += len(batch)
            self._events += map(encode_event, found.events)
            if len(found.windows):
                self._beats.append(decode_beats(encode_beats(found.windows)))

    def events(self) -> Iterable[Verdict]:
        """Of `ecg.events`."""
        return event_verdicts(self._events)

    def beats(self) -> Iterable[Verdict]:
        """Of `ecg.beats`."""
        return beat_verdicts(self._beats)


@cache
def _model() -> Model:
    model = load_model()
    warm_up(model)  # it takes torch down to one thread, as the worker does
    return model
