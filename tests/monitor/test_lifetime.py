"""When a process is ended by its watchdog, and when it is not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from monitor.lifetime import OUT_S, Standstill

LIMIT_S = 20.0
_PROGRAM = """
import sys, time
from monitor.lifetime import Watchdog
turns = 0
def stand():
    print("up", flush=True)
    {body}
with Watchdog(lambda: turns, limit_s={limit_s}, tick_s=0.1) as watchdog:
    turns = 1
    {before}
    stand()
"""


def _after(standstill: Standstill, seconds: int, first: int, turns: int, leaving: bool = False) -> list[int]:
    """Tick once a second; the seconds at which the process would have been ended."""
    return [
        now
        for now in range(first, first + seconds)
        if standstill.tick(float(now), turns, leaving) is not None
    ]


def test_a_loop_that_stands_is_ended_after_its_limit() -> None:
    """Counted from when it last got on."""
    standstill = Standstill(LIMIT_S, 1.0)
    assert standstill.tick(0.0, 1, leaving=False) is None
    assert _after(standstill, 25, first=1, turns=1)[0] == 20


def test_a_loop_that_gets_on_is_never_ended() -> None:
    """However seldom, as long as it is before the limit."""
    standstill = Standstill(LIMIT_S, 1.0)
    assert all(standstill.tick(float(now), now // 19, leaving=False) is None for now in range(1000))


def test_what_has_not_begun_is_not_watched() -> None:
    """A start may take long: it has limits of its own."""
    standstill = Standstill(LIMIT_S, 1.0)
    assert not _after(standstill, 100, first=0, turns=0)
    assert not _after(standstill, 20, first=100, turns=1)


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    """Frozen for an hour in the middle of a call, it goes on."""
    standstill = Standstill(LIMIT_S, 1.0)
    assert not _after(standstill, 10, first=0, turns=1)
    assert not _after(standstill, 8, first=3600, turns=1)


def test_a_clock_that_goes_back_ends_nothing() -> None:
    """Nor does it make good what has passed."""
    standstill = Standstill(LIMIT_S, 1.0)
    assert not _after(standstill, 15, first=100, turns=1)
    assert not _after(standstill, 5, first=0, turns=1)


def test_the_way_out_has_a_limit_though_it_gets_on() -> None:
    """From when the process was told, not from its last turn."""
    standstill = Standstill(LIMIT_S, 1.0)
    assert not _after(standstill, 15, first=0, turns=1)
    ended = [now for now in range(15, 50) if standstill.tick(float(now), now, leaving=True) is not None]
    assert ended[0] == 15 + OUT_S


def _run(body: str, limit_s: float = 1.0, before: str = "pass") -> subprocess.Popen[str]:
    code = _PROGRAM.format(body=body, limit_s=limit_s, before=before)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_it_says_where_the_loop_stands() -> None:
    """In one line, and every thread's stack after it."""
    said = _run("time.sleep(60)").communicate(timeout=8)
    assert "the main loop has not got on for 1 s, so the process ends: it stands in" in said[1]
    assert said[1].splitlines()[0].partition("stands in ")[2].endswith("<module>")
    assert " stand < " in said[1].splitlines()[0]
    assert "Current thread" in said[1]


def test_its_code_is_the_brokers() -> None:
    """As it is where Kafka cannot be reached: it is the broker that calls wait for."""
    process = _run("time.sleep(60)")
    process.communicate(timeout=8)
    assert process.returncode == 4


def test_a_process_that_leaves_in_time_is_left_alone() -> None:
    """The thread ends with its block."""
    process = _run("time.sleep(0.3)", before="watchdog.leave()")
    process.communicate(timeout=8)
    assert process.returncode == 0


def test_a_process_that_is_not_out_in_time_is_ended() -> None:
    """Told to stop, it stands in a call, though it might for longer."""
    before = "import monitor.lifetime; monitor.lifetime.OUT_S = 1.0; watchdog.leave()"
    process = _run("time.sleep(60)", limit_s=60.0, before=before)
    said = process.communicate(timeout=8)
    assert process.returncode == 4
    assert "not out 1 s after being told to stop" in said[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_can_swallow_an_end_at_once(number: int) -> None:
    """It is no exception that whatever goes on could catch."""
    code = (
        "import os, signal\nfrom monitor.lifetime import quit_at_once\n"
        f"signal.signal({number}, quit_at_once)\n"
        f"try: os.kill(os.getpid(), {number})\nexcept BaseException: pass\nos._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the process is frozen and thawed as Linux does")
def test_a_frozen_process_goes_on_when_it_is_thawed() -> None:
    """Though it was stopped for longer than the loop may stand."""
    process = _run("time.sleep(1.2)", limit_s=2.0)
    process.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=8)
    assert process.returncode == 0


def test_compiled_code_that_keeps_the_interpreter_is_ended_too() -> None:
    """No thread of Python runs then: a timer of CPU time ends it, with the stack."""
    # PyDLL keeps it, as numba's kernels do; a sort by a rule that never holds takes its time.
    never = "ctypes.pythonapi.Py_IsInitialized"
    body = f"import ctypes; ctypes.PyDLL(None).qsort((ctypes.c_char * (1 << 29))(), 1 << 29, 1, {never})"
    process = _run(body, before="import monitor.lifetime; monitor.lifetime.SEIZED_S = 0.0; time.sleep(0.3)")
    said = process.communicate(timeout=9)
    assert process.returncode == -signal.SIGPROF, said
    assert " in stand" in said[1]
