"""Live records: keys, times and content types as senders have them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from monitor.errors import DecodeError
from monitor.formats.chunks import CONTENT_TYPE
from monitor.formats.signal_records import EARLIEST_US, LATEST_US, decode_signal
from tests.support.daemon.harness import chunk

NOW_US = 1_777_622_400_000_000


def record(key: bytes | None = b"s", headers: Any = (), **changes: Any) -> SimpleNamespace:
    """As the client gives it."""
    return SimpleNamespace(key=key, value=chunk("s", 0, **changes), headers=list(headers))


def refusal(refused: SimpleNamespace) -> tuple[str, str]:
    """Reason and message."""
    with pytest.raises(DecodeError) as caught:
        decode_signal(refused)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("start_us", [EARLIEST_US, NOW_US, LATEST_US - 1])
def test_a_live_time_is_taken(start_us: int) -> None:
    """From 2000 to 2100."""
    assert decode_signal(record(start_us=start_us)).start_us == start_us


@pytest.mark.parametrize(
    ("start_us", "message"),
    [
        (NOW_US // 1_000_000, "looks like s since"),
        (NOW_US // 1000, "looks like ms since"),
        (NOW_US * 1000, "looks like ns since"),
        (0, "in 1970, as of a device whose clock was not set"),
        (EARLIEST_US - 1, "in 1999, wanted"),
        (LATEST_US, "beyond 2100"),
        (1 << 62, "beyond 2100"),
        (-1, "before 1970"),
    ],
)
def test_a_time_that_is_not_live_is_refused_by_name(start_us: int, message: str) -> None:
    """The message says what it looks like, and what is wanted."""
    reason, said = refusal(record(start_us=start_us))
    assert reason == "start_us"
    assert message in said
    assert "wanted µs" in said


def test_a_record_without_a_key_is_refused() -> None:
    """It may lie in any partition: no worker would see all of its stream."""
    assert refusal(record(key=None)) == ("key", "record has no key, wanted the stream id")


def test_a_content_type_that_is_not_read_is_named() -> None:
    """The reason names the header and both forms that are read."""
    reason, said = refusal(record(headers=[(CONTENT_TYPE, b"text/csv; header=present")]))
    assert reason == "content_type"
    assert "content-type is 'text/csv', wanted application/msgpack or application/json" in said
