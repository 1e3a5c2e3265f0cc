"""`ecg-monitor run` with models of other kinds than the bundled one's, over the embedded broker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from monitor.detect.detector import Detector
from monitor.formats.beats import ScoredWindows, decode_beats, encode_beats
from monitor.formats.chunks import decode_chunk
from monitor.formats.events import encode_event
from monitor.recordings.recording import encoded_chunks
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.daemon.harness import REAL_WORKER, START_US, Bench, by_stream, wait_until, worker
from tests.support.models import composed_model, recording_of
from training.fit.architecture import Architecture
from training.fit.objectives.settings import objective_settings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("one_thread")]

SECONDS = 60
MIXED = Architecture(
    encoder="conv",
    decoder="lstm",
    latent=8,
    encoder_settings={"channels": [4, 8]},
    decoder_settings={"hidden": 8, "position": 4},
)
AHEAD = Architecture(encoder="dense", ahead_s=0.2, latent=8)
PROBABLE = Architecture(encoder="dense", latent=8, score="probability")

Row = tuple[object, ...]


def _ecg() -> list[tuple[str, bytes]]:
    """A minute of two streams with wide beats, in the order of time."""
    streams = {}
    for seed, stream in enumerate(("bed-1", "bed-2")):
        recording = recording_of(synthetic_ecg(SECONDS, ventricular=range(20, 60, 7), seed=seed))
        streams[stream] = list(encoded_chunks(recording, 1.0, stream=stream, start_us=START_US))
    return [(stream, values[at]) for at in range(SECONDS) for stream, values in streams.items()]


def _rows(records: Iterable[bytes]) -> dict[str, list[Row]]:
    """Every scored window of each stream, in its order, from records of `ecg.beats`."""
    found: dict[str, list[Row]] = {}
    for value in records:
        windows: ScoredWindows = decode_beats(value)
        for i, stream in enumerate(windows.stream):
            numbers = (windows.score[i].tobytes(), windows.p_value[i].tobytes(), windows.rr_s[i].tobytes())
            row = (int(windows.sample[i]), int(windows.time_us[i]), *numbers, bool(windows.anomalous[i]))
            found.setdefault(stream, []).append((*row, windows.kind[i], windows.quality[i]))
    return found


@pytest.mark.parametrize(
    ("architecture", "objective"),
    [
        (MIXED, "plain"),
        pytest.param(AHEAD, "denoising", marks=pytest.mark.slow),
        pytest.param(PROBABLE, "variational", marks=pytest.mark.slow),
    ],
    ids=["conv to lstm", "dense predictor", "variational"],
)
def test_the_worker_says_what_the_detector_says(
    noida_broker: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: Architecture,
    objective: str,
) -> None:
    """Whatever its model is composed of: the same events and the same scored windows, bit for bit."""
    model = composed_model(tmp_path / "model", architecture, objective_settings(objective))
    sent, detector = _ecg(), Detector(model)
    said = [detector.process([decode_chunk(value)]) for _, value in sent]
    events = by_stream((event.stream.encode(), encode_event(event)) for part in said for event in part.events)
    beats = _rows(encode_beats(part.windows) for part in said)
    assert all(len(events[stream]) >= 1 and len(beats[stream]) > SECONDS for stream in ("bed-1", "bed-2"))
    monkeypatch.setenv("ECG_MONITOR_DETECTION__MODEL", str(tmp_path / "model"))
    bench = Bench(noida_broker, tmp_path)
    bench.send(sent)
    with worker(bench, "one", command=REAL_WORKER) as running:
        wait_until(lambda: _counted(bench) == {name: len(rows) for name, rows in beats.items()}, 90, "beats")
        assert running.end() == 0
    assert bench.events() == events
    assert _rows(record.value for record in bench.read("beats")) == beats
    assert bench.read("deadletter") == []


def _counted(bench: Bench) -> dict[str, int]:
    return {name: len(rows) for name, rows in _rows(each.value for each in bench.read("beats")).items()}
