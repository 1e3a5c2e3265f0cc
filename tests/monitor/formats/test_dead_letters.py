"""What is kept of a record that was refused."""

from __future__ import annotations

import hashlib

from monitor.formats.dead_letters import dead_letter
from tests.support.kafka_fakes import Record


def test_a_dead_letter_is_cut_and_keeps_hash_and_length() -> None:
    """A header without a value or a key of endless length does no harm."""
    value = bytes(range(256)) * 40
    record = Record(value, 7, b"k" * 5000, 2, headers=[("content-type", None)])
    letter = dead_letter(record, "malformed", "no" * 1000, 1024)
    headers = dict(letter.headers)
    assert (letter.value, letter.key) == (value[:1024], b"k" * 1000)
    assert headers["sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert (headers["length"], headers["source-partition"]) == (b"10240", b"2")
    assert len(headers["message"]) == 1000
