"""Child processes that are gone when their parent is done with them, whatever happens to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import ConfigError

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
