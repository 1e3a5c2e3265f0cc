"""The demo at a terminal and in a log, and what is received."""

from __future__ import annotations

import time
from io import StringIO
from itertools import chain, repeat
from pathlib import Path
from subprocess import Popen
from unittest.mock import Mock

import numpy as np
import pytest
from rich.console import Console

from monitor.config import KafkaSettings, load_settings
from monitor.demo import demo
from monitor.demo.demo import _shown
from monitor.demo.follower import Found, GroupProgress, latencies_s
from monitor.demo.report import DemoRun, demo_figures
from monitor.demo.services import DemoService, write_setup
from monitor.demo.stack import DemoStack
from monitor.demo.view import DemoView, PlainLines
from monitor.errors import MonitorError
from monitor.formats.events import Kind, Phase
from tests.support.scan_fakes import BEATS, ODD, RATE_HZ, fake_event, fake_recording, windows_at


def _found() -> Found:
    return Found(
        events=[fake_event()],
        event_values=[b"{}"],
        event_arrivals_s=[ODD / RATE_HZ + 0.8],
        windows=[windows_at(BEATS)],
        beats=6,
        anomalous=1,
        last_p_value=1e-6,
    )


def _view(found: Found, sent: int = 1800) -> DemoView:
    return DemoView(fake_recording(), found, 4.0, lambda sample: sample / RATE_HZ, sent)


def _text(view: DemoView) -> str:
    out = StringIO()
    Console(file=out, width=120).print(view)
    return out.getvalue()


def test_the_view_shows_signal_beats_and_figures() -> None:
    """A strip with its beats marked, the odd one differently, events, latency and how far it is."""
    text = _text(_view(_found()))
    assert text.count("▼") == 1
    assert text.count("▾") == 5
    assert "beat.morphology" in text
    assert "p50 0.80 s" in text
    assert "90 %" in text


def test_the_view_before_anything_came() -> None:
    """No sample and no event are no reason to fail."""
    assert "beats 0" in _text(_view(Found(), sent=0))


def test_beats_out_of_sight_are_not_drawn() -> None:
    """The strip scrolls: what was marked leaves it on the left."""
    found = _found()
    long = DemoView(fake_recording(60.0), found, 4.0, lambda sample: sample / RATE_HZ, 15000)
    assert "▾" not in _text(long)


def test_plain_lines_come_at_their_pace() -> None:
    """A log is not flooded."""
    out = StringIO()
    lines = PlainLines(Console(file=out), _view(_found()), every_s=100.0)
    for _ in range(5):
        lines.update()
    assert (
        out.getvalue()
        == "0:07.20 of 0:08.00: 6 beats, 1 anomalous, 1 events, latency p50 0.80 s, p99 0.80 s\n"
    )


def test_an_episodes_latency_counts_from_its_last_sample() -> None:
    """An update is decided where it ends, not where the episode began."""
    found = _found()
    found.events = [fake_event(250, kind=Kind.RUN, phase=Phase.UPDATE, last_sample=ODD)]
    assert latencies_s(found, lambda sample: sample / RATE_HZ)[0] == pytest.approx(0.8)


def test_without_events_there_is_no_latency() -> None:
    """A figure that could not be measured is not met and not missed."""
    run = DemoRun(
        recording=fake_recording(),
        labels=None,
        found=Found(),
        latency_s=np.empty(0),
        speed=1.0,
        targets={},
    )
    figures = {each.name: each for each in demo_figures(run, None)}
    assert figures["latency_p99_s"].value is None
    assert figures["latency_p99_s"].met is None
    assert run.windows is None


def test_a_terminal_gets_the_view_at_its_pace() -> None:
    """Refreshed by hand, and not more often than is of use."""
    out = StringIO()
    with _shown(Console(file=out, force_terminal=True, width=120), _view(_found())) as refresh:
        for _ in range(50):
            refresh()
    assert 1 <= out.getvalue().count("fake  II") <= 4


def test_a_worker_that_falls_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo does not wait for ever."""
    monkeypatch.setattr(demo, "CATCH_UP_S", 0.05)
    monkeypatch.setattr(demo, "QUIET_S", 0.01)
    group = Mock(spec=GroupProgress, lag=Mock(return_value=7))
    with pytest.raises(MonitorError, match="still has 7 records"):
        demo._catch_up(lambda seconds: 0, group)


def test_the_demo_ends_when_all_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens on while records come or the group lags."""
    monkeypatch.setattr(demo, "QUIET_S", 0.01)
    heard = chain([1, 1], repeat(0))
    lags = chain([3, 2], repeat(0))
    group = Mock(spec=GroupProgress, lag=Mock(side_effect=lambda: next(lags)))
    demo._catch_up(lambda seconds: next(heard), group)
    assert next(lags) == 0


def test_staying_up_ends_without_an_error() -> None:
    """Ctrl-C is how one leaves."""
    out = StringIO()
    worker = Mock(spec=DemoService, address="http://h:1", check=Mock(side_effect=[None, SystemExit(130)]))
    page = Mock(spec=DemoService, address="http://h:3")
    stack = DemoStack("h:2", KafkaSettings(), Mock(spec=GroupProgress), worker, page)
    demo._keep_up(Console(file=out, width=200), stack)
    assert "page on http://h:3/, Kafka on h:2, metrics on http://h:1/metrics" in out.getvalue()
    assert out.getvalue().endswith("stopping\n")


def test_a_worker_that_does_not_get_ready_is_told(tmp_path: Path) -> None:
    """The demo names the log to look at."""
    running = Mock(spec=Popen, poll=Mock(return_value=None))
    worker = DemoService("worker", running, tmp_path / "worker.log", "http://127.0.0.1:1", "/readyz")
    with pytest.raises(MonitorError, match=r"not ready after 0 s, see .*worker\.log"):
        worker.wait_until_ready(0.05)


def test_a_slow_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute of silence would look like a fault; a start that takes its seconds says nothing."""
    monkeypatch.setattr("monitor.demo.stack.PATIENCE_S", 0.2)
    for wait_s, told in ((0.0, False), (0.6, True)):
        out = StringIO()
        waiting = Mock(side_effect=lambda seconds=wait_s: time.sleep(seconds))
        worker = Mock(spec=DemoService, log=Path("worker.log"), wait_until_ready=waiting)
        stack = DemoStack("h:2", KafkaSettings(), Mock(spec=GroupProgress), worker, None)
        stack.wait_until_ready(Console(file=out))
        assert ("its log says why: worker.log" in out.getvalue()) is told


def test_ones_own_kafka_takes_its_settings_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How to log in there may stand in the environment; an embedded broker has nothing to do with it."""
    monkeypatch.setenv("ECG_MONITOR_KAFKA__CONNECT_TIMEOUT_S", "7")
    own = write_setup(tmp_path, "h:1", None, embedded=False)
    embedded = write_setup(tmp_path, "h:1", tmp_path / "model", embedded=True)
    assert own.kafka().connect_timeout_s == 7
    assert embedded.kafka().connect_timeout_s != 7
    assert "ECG_MONITOR_KAFKA__CONNECT_TIMEOUT_S" in own.environment
    assert "ECG_MONITOR_KAFKA__CONNECT_TIMEOUT_S" not in embedded.environment
    assert load_settings(embedded.path).detection.model == tmp_path / "model"
