"""Records that kafka-python cannot read, and does not write unless it is tricked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from monitor.config import Settings
from tests.support.daemon.harness import producer

NAME = b"\xff\xfe"  # no UTF-8


class BadName(str):
    """A header's name that is written as NAME."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        """What no client in Java or C would stop, either."""
        return NAME


BAD_HEADERS = [("content-type", b"application/msgpack"), (BadName("bad"), b"x")]


def write_bad_headers(settings: Settings, topic: str, records: Iterable[tuple[bytes | None, Any]]) -> None:
    """Produce (key, value) to every partition of a topic."""
    with producer(settings) as out:
        for key, value in records:
            for number in out.partitions_for(topic):
                out.send(topic, value, key=key, headers=BAD_HEADERS, partition=number)


def without_snappy(folder: Path) -> str:
    """A folder for PYTHONPATH in which the codec cannot be imported."""
    folder.mkdir()
    (folder / "snappy.py").write_text("raise ImportError\n")
    return str(folder)


def spoil(data: Path, topic: str) -> None:
    """Flip the last byte of a topic's only partition, as a disk does; the broker notices nothing."""
    (segment,) = data.rglob(f"{topic}-0/*.log")
    with segment.open("r+b") as log:
        end = log.seek(-1, os.SEEK_END)
        byte = log.read(1)[0]
        log.seek(end)
        log.write(bytes([byte ^ 0xFF]))
