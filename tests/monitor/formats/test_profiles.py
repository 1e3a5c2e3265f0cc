"""Settings of a stream to bytes and back, and every reason to refuse them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from monitor.config import MIN_BUDGET_PER_HOUR
from monitor.errors import DecodeError
from monitor.formats.profiles import Profile, decode_profile, encode_profile

FULL = Profile(
    stream="bed-1",
    at_us=1_700_000_000_000_000,
    by="Anna",
    muted_until_us=1_700_000_600_000_000,
    false_alarm_budget_per_hour=2.0,
    paced=True,
    lead_names=("II", "V5"),
)


def written(**changes: Any) -> bytes:
    """The full profile's record with some fields changed."""
    return json.dumps(json.loads(encode_profile(FULL)) | changes).encode()


def test_a_profile_survives_its_encoding() -> None:
    """Whatever is set, and where nothing is."""
    for profile in (FULL, Profile(stream="a", at_us=0)):
        assert decode_profile(encode_profile(profile), profile.stream.encode()) == profile


def test_a_record_without_a_value_takes_everything_back() -> None:
    """That is how a compacted topic forgets."""
    assert decode_profile(None, b"bed-1") is None


def test_muted_is_until_a_time() -> None:
    """An event of that very time is heard."""
    assert FULL.muted(1_700_000_599_999_999)
    assert not FULL.muted(1_700_000_600_000_000)
    assert not Profile(stream="a", at_us=0).muted(0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"{", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "field"),
        (b"{}", "schema_version"),
        (written(schema=2), "schema_version"),
        (written(stream=""), "field"),
        (written(at_us=-1), "field"),
        (written(false_alarm_budget_per_hour=0), "field"),
        (written(false_alarm_budget_per_hour=1e9), "field"),
        (written(muted_until_us="tomorrow"), "field"),
        (written(paced=1), "field"),
        (written(lead_names=[]), "field"),
        (written(lead_names=["II", "II"]), "field"),
    ],
)
def test_a_bad_profile_is_refused(value: bytes, reason: str) -> None:
    """With a word that can be a metric's label."""
    with pytest.raises(DecodeError) as caught:
        decode_profile(value)
    assert caught.value.reason == reason


def test_a_budget_of_before_the_bound_is_read_as_the_least() -> None:
    """From the topic and from a stream's state: what was written stays readable."""
    tiny = written(false_alarm_budget_per_hour=5e-324)
    for read in (decode_profile(tiny), msgspec.json.decode(tiny, type=Profile)):
        assert read is not None
        assert read.false_alarm_budget_per_hour == MIN_BUDGET_PER_HOUR
        assert read.lead_names == ("II", "V5")


def test_a_mute_ends_within_a_day() -> None:
    """Also one that was written to end in 2255."""
    profile = decode_profile(written(muted_until_us=1 << 53))
    assert profile is not None
    assert profile.muted(FULL.at_us + 24 * 3600 * 1_000_000 - 1)
    assert not profile.muted(FULL.at_us + 24 * 3600 * 1_000_000)


def test_the_key_is_the_stream() -> None:
    """Compaction keeps the last record of a key."""
    with pytest.raises(DecodeError, match="wanted the stream id 'bed-1'") as caught:
        decode_profile(encode_profile(FULL), b"bed-2")
    assert caught.value.reason == "key"
