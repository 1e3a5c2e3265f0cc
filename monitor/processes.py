"""Child processes that go when their parent does, and the signals that end a process in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from monitor.errors import ConfigError

RAISED_AGAIN_S = 5.0  # an interrupt that has led to no cleaning up by then
STOP_S = 15.0  # a worker finishes its batch, commits and leaves its group in far less
# Linux: the kernel kills the child when the thread that started it dies, even by SIGKILL.
_DIE_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """The same command, killed by the kernel when the thread that starts it dies; it begins with a path."""
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]


@contextmanager
def child_process(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A running child that writes to `log`; asked to stop at the end of the block, then made to.

    command: the first entry is a path. descriptors: open files that it gets under the same numbers.
    Enter the block on a thread that lives as long as the child shall.
    """
    with log.open("wb") as out:
        # A session of its own: Ctrl-C at the terminal comes to the parent, which stops its children in order.
        process = subprocess.Popen(
            dying_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=descriptors,
            env=None if environment is None else dict(environment),
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], wait_s: float = STOP_S) -> None:
    """End a child: SIGTERM, and SIGKILL if it takes too long."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def inherited_listener(descriptor: int) -> socket.socket:
    """The listening socket that this process was started with; raises ConfigError if it is none."""
    try:
        listener = socket.socket(fileno=descriptor)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as exc:
        raise ConfigError(f"listen_fd {descriptor} is no socket: {exc.strerror}") from exc
    if not listens:
        listener.close()
        raise ConfigError(f"listen_fd {descriptor} is a socket that does not listen")
    return listener


def log_tail(log: Path, lines: int = 5) -> str:
    """The last lines that a child wrote."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@contextmanager
def handling(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """SIGTERM and SIGINT go to this handler; afterwards the old ones are back. Needs the main thread."""
    old = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


class Interrupts:
    """While in a `with` block, the first SIGINT or SIGTERM raises SystemExit(128 + number).

    Later ones are ignored. Needs the main thread, as all Python signal handlers do. Where the exception is
    swallowed it is raised again: kafka-python 3.0.12 catches whatever a task of its loop is interrupted by.
    """

    def __init__(self) -> None:
        self._handling = handling(self._handle)
        self._held = 0
        self._pending: int | None = None
        self._done = False  # raised, or not to be raised any more
        self._cleaning = False
        self._lock = threading.Lock()  # so that no signal is sent once the cleaning has begun

    def __enter__(self) -> Self:
        self._handling.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ignore()
        self._handling.__exit__(kind, error, trace)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Signals wait until the block ends: between a child's start and the note to stop it, say."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending is not None and not self._held:
            self._raise(self._pending)

    def ignore(self) -> None:
        """From now on nothing is interrupted: what follows is the cleaning up."""
        with self._lock:
            self._done = self._cleaning = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._done:
            return
        if self._held:
            self._pending = number
            return
        self._raise(number)

    def _raise(self, number: int) -> None:
        self._done = True
        again = threading.Timer(RAISED_AGAIN_S, self._raise_again, (number,))
        again.daemon = True
        again.start()
        raise SystemExit(128 + number)

    def _raise_again(self, number: int) -> None:
        with self._lock:
            if not self._cleaning:
                self._done = False  # for nothing: whatever was interrupted has swallowed it
                os.kill(os.getpid(), number)
