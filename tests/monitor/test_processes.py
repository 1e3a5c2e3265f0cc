"""Children that end with their parent, and signals that do not tear cleaning up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.processes import Interrupts, child_process, handling, inherited_listener, log_tail, stop

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
DEAF = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


def _await_text(log: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in log.read_text():
        assert time.monotonic() < deadline, "the child said nothing"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    """Even where the block ends in an error."""
    with pytest.raises(KeyError), child_process(SLEEP, tmp_path / "log") as process:
        raise KeyError
    assert process.returncode == -signal.SIGTERM


def test_a_deaf_child_is_made_to_end(tmp_path: Path) -> None:
    """SIGKILL follows where SIGTERM is not heard."""
    with child_process(DEAF, tmp_path / "log") as process:
        _await_text(tmp_path / "log", "up")
        stop(process, wait_s=0.2)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """A parent that is killed cannot clean up; the kernel does."""
    log = tmp_path / "log"
    code = (
        "import sys, time; from pathlib import Path; from monitor.processes import child_process\n"
        f"with child_process({SLEEP!r}, Path({str(log)!r})) as child:\n"
        "    print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        _await_text(log, "up")
        parent.kill()
    deadline = time.monotonic() + 5
    while _alive(child):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.02)


def test_the_log_ends_with_the_last_words(tmp_path: Path) -> None:
    """Only so many lines of it."""
    with child_process((sys.executable, "-c", "print(*range(9), sep='\\n')"), tmp_path / "log") as process:
        process.wait()
    assert log_tail(tmp_path / "log", 2) == "7\n8"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_once(number: signal.Signals) -> None:
    """The first one unwinds with the usual exit code; a second one leaves the cleaning up alone."""
    cleaned: list[bool] = []

    def clean() -> None:
        os.kill(os.getpid(), number)
        cleaned.append(True)

    def work() -> None:
        with Interrupts(), ExitStack() as stack:
            stack.callback(clean)
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 128 + number
    assert cleaned


def test_a_swallowed_interrupt_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may catch whatever its tasks raise; where the cleaning has begun there is no second one."""
    monkeypatch.setattr("monitor.processes.RAISED_AGAIN_S", 0.1)

    def work(interrupts: Interrupts) -> None:
        with suppress(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        interrupts.ignore()  # not reached

    with pytest.raises(SystemExit) as ended, Interrupts() as interrupts:
        work(interrupts)
    assert ended.value.code == 128 + signal.SIGTERM
    time.sleep(0.3)  # nothing comes after the end


def test_a_held_signal_waits() -> None:
    """It is raised at the end of the block, not in the middle of a child's start."""
    interrupts, reached = Interrupts(), []

    def start() -> None:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(True)

    with pytest.raises(SystemExit), interrupts:
        start()
    assert reached


def test_old_handlers_come_back() -> None:
    """Pytest's own Ctrl-C works afterwards."""
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.ignore()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_holds_for_a_block() -> None:
    """Both signals come to it; after the block, also one that failed, the old handlers are back."""
    seen, before = list[int](), signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with handling(lambda number, _: seen.append(number)):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        work()
    assert seen == [signal.SIGTERM, signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_child_gets_a_socket_that_listens(tmp_path: Path) -> None:
    """Who connects before the child has started is answered by it."""
    code = (
        "import sys; from monitor.processes import inherited_listener\n"
        "inherited_listener(int(sys.argv[1])).accept()[0].sendall(b'child')"
    )
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname(), 10) as client:
        descriptor = listener.fileno()
        command = (sys.executable, "-c", code, str(descriptor))
        with child_process(command, tmp_path / "log", descriptors=[descriptor]):
            listener.close()
            assert client.recv(10) == b"child"


def test_a_descriptor_that_is_no_listener_is_refused(tmp_path: Path) -> None:
    """Neither a file nor a socket that waits for nobody is one."""
    with (tmp_path / "file").open("w") as file, pytest.raises(ConfigError, match="is no socket"):
        inherited_listener(file.fileno())
    unbound = socket.socket()
    with pytest.raises(ConfigError, match="does not listen"):
        inherited_listener(unbound.detach())
