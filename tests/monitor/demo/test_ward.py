"""The ward's demo as a process: streams flow, addresses are told, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.error
import urllib.request
from contextlib import nullcontext
from io import StringIO
from itertools import chain
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest
from rich.console import Console

from monitor.broker.clients import open_reader
from monitor.broker.reading import partitions_of
from monitor.config import KafkaSettings
from monitor.demo import ward
from monitor.demo.stack import DemoOptions, DemoStack
from monitor.demo.ward import run_ward
from monitor.errors import ConfigError
from tests.monitor.demo.test_demo import processes_with, start
from tests.support.daemon.harness import wait_until

pytestmark = pytest.mark.integration
_RUN = """
import sys, tempfile
from pathlib import Path
tempfile.tempdir = sys.argv[1]
from rich.console import Console
from monitor.demo import ward
from monitor.demo.stack import DemoOptions
ward._LATE_EVERY_S = 2.0
worker = (sys.executable, "-m", "tests.support.demo_stub_worker")
options = DemoOptions(output=Path(sys.argv[1]), speed=4.0, worker=worker)
ward.run_ward(options, 5, Console(width=200))
"""


def test_a_ward_stays_up_until_interrupted(tmp_path: Path) -> None:
    """Five beds on the broker and on the page, in time; then all is gone."""
    with start(_RUN, tmp_path) as demo:
        assert demo.stdout is not None
        opening = ""
        while "a ward of 5 streams" not in opening:
            opening += demo.stdout.readline()
        (page,) = re.findall(r"open (http://127\.0\.0\.1:\d+)/", opening)
        (broker,) = re.findall(r"broker (\S+),", opening)
        reader = open_reader(KafkaSettings(bootstrap_servers=broker))
        reader.assign(partitions_of(reader, "ecg.signal"))
        seen: dict[str, int] = {}

        def enough() -> bool:
            for records in reader.poll(timeout_ms=100).values():
                for record in records:
                    seen[record.key.decode()] = seen.get(record.key.decode(), 0) + 1
            return len(seen) == 5 and min(seen.values()) >= 8

        wait_until(enough, 20, "eight chunks of each bed")
        reader.close()
        wait_until(lambda: all(_is_shown(page, bed) for bed in seen), 20, "the beds on the page")
        assert float(demo.stdout.readline().split()[4]) < 1.0
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert sorted(seen) == [f"bed-{number:02d}" for number in range(1, 6)]
    assert processes_with(str(tmp_path)) == []


def test_a_ward_sends_until_it_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks after its children meanwhile, says how it keeps up, and delivers what it has sent."""
    sent: list[str] = []
    sender = MagicMock()
    sender.__enter__.return_value.send = lambda stream, value: sent.append(stream)
    checks = chain([None] * 20, [SystemExit(130)])
    stack = MagicMock(spec=DemoStack, page=None, check=Mock(side_effect=checks))
    monkeypatch.setattr(ward, "demo_stack", lambda *_: nullcontext(stack))
    monkeypatch.setattr(ward, "ChunkSender", lambda _: sender)
    monkeypatch.setattr(ward, "_LATE_EVERY_S", 0.0)
    out = StringIO()
    run_ward(DemoOptions(output=tmp_path, speed=1000.0), 3, Console(file=out, width=200))
    assert {"bed-01", "bed-02", "bed-03"} == set(sent)
    assert "a ward of 3 streams: no page; Ctrl-C ends it" in out.getvalue()
    assert "s behind its time" in out.getvalue()
    assert out.getvalue().endswith("stopping\n")
    sender.__exit__.assert_called_once()


def _is_shown(page: str, bed: str) -> bool:
    now_us = time.time_ns() // 1000
    query = f"from_us={now_us - 10_000_000}&to_us={now_us}&points=20"
    try:
        with urllib.request.urlopen(f"{page}/api/overview/{bed}?{query}", timeout=5) as answer:
            return bool(json.load(answer)["high"])
    except urllib.error.HTTPError:  # 404: not heard of yet
        return False


def test_a_ward_that_never_ends_needs_a_pace(tmp_path: Path) -> None:
    """As fast as possible would go on until the disk is full."""
    with pytest.raises(ConfigError, match="speed is 0"):
        run_ward(DemoOptions(output=tmp_path, speed=0.0), 3, Console(quiet=True))
