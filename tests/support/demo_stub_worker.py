"""The daemon with a detector that knows the excerpt's labels: quick, and its verdicts are known."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monitor.commands.run import serve
from monitor.config import load_settings
from monitor.detect.interface import Detection, Tuning
from monitor.errors import MonitorError
from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event
from monitor.logs import configure_logging
from monitor.recordings.excerpt import read_excerpt_beats
from tests.support.scan_fakes import fake_event, windows_at

LOOK_AHEAD = 180  # samples


class LabelDetector:
    """Flags every V half a second after its R peak, and nothing else."""

    model_name = "labels"
    model_version = "1"

    def __init__(self) -> None:
        labels = read_excerpt_beats()
        self._samples = labels.sample
        self._odd = labels.sample[np.array(labels.symbol) == "V"]
        self._told: dict[str, int] = {}

    def self_test(self) -> None:
        """Nothing is ever wrong."""

    def process(self, chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
        """A window for each beat that lies half a second before the end of its chunk."""
        events: list[Event] = []
        windows = windows_at([])
        for chunk in chunks:
            told = self._told.get(chunk.stream, 0)
            end = int(np.searchsorted(self._samples, chunk.first_sample + len(chunk) - LOOK_AHEAD))
            ready = self._samples[told:end]
            self._told[chunk.stream] = max(told, end)
            windows = _joined(windows, windows_at(ready.tolist(), chunk.stream, self._odd.tolist()), chunk)
            events += [_event(int(sample), chunk) for sample in ready if sample in self._odd]
        none = np.zeros(len(events), np.int64)
        return Detection(events, windows, [], none, np.zeros(len(windows), np.int64), Counter(), {})

    def tune(self, stream: str, tuning: Tuning, partition: int = 0) -> None:
        """Nobody sets anything here."""
        raise NotImplementedError(stream, tuning, partition)

    def snapshot(self, stream: str, partition: int = 0) -> bytes:
        """How many beats have been told."""
        return str(self._told[stream]).encode()

    def restore(self, stream: str, state: bytes, partition: int = 0) -> None:
        """Go on after so many beats."""
        self._told[stream] = int(state)

    def forget(self, stream: str, partition: int = 0) -> None:
        """Drop a stream."""
        self._told.pop(stream, None)

    def streams(self) -> list[str]:
        """Streams that were seen."""
        return list(self._told)

    def holds(self, stream: str, partition: int = 0) -> bool:
        """True if the stream was seen."""
        return stream in self._told

    def learning(self) -> int:
        """None ever is."""
        return 0

    def rate_drift(self) -> float:
        """None is looked at."""
        return 0.0

    def open_episodes(self) -> int:
        """None ever is."""
        return 0


def _event(sample: int, chunk: Chunk) -> Event:
    time_us = chunk.start_us + round((sample - chunk.first_sample) * 1e6 / chunk.rate_hz)
    return fake_event(
        sample, stream=chunk.stream, session=chunk.session, time_us=time_us, rate_hz=chunk.rate_hz
    )


def _joined(first: ScoredWindows, second: ScoredWindows, chunk: Chunk) -> ScoredWindows:
    second.session = [chunk.session] * len(second)
    return ScoredWindows.joined([first, second]).in_time_order()


def main() -> None:
    """Serve until stopped, with the flags of `ecg-monitor run` that the demo sets."""
    parser = argparse.ArgumentParser()
    for flag in ("config", "bootstrap-servers", "group-id", "instance-id"):
        parser.add_argument(f"--{flag}", required=True)
    flags = vars(parser.parse_args())
    kafka = {f"kafka.{name}": flags[name] for name in ("bootstrap_servers", "group_id", "instance_id")}
    settings = load_settings(Path(flags["config"]), kafka)
    configure_logging(settings.logging)
    try:
        serve(settings, LabelDetector())
    except MonitorError as error:
        sys.stderr.write(f"ecg-monitor: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
