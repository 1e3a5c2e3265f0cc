"""Settings of one stream ↔ bytes: the records of `ecg.profiles`, JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.config import MAX_BUDGET_PER_HOUR, MIN_BUDGET_PER_HOUR
from monitor.errors import DecodeError
from monitor.formats.chunks import LeadName, StreamId
from monitor.formats.versioned import decode_versioned

PROFILE_SCHEMA = 1
MAX_MUTE_US = 24 * 3600 * 1_000_000  # whoever goes off duty may forget it

TimeUs = Annotated[int, Meta(ge=0, le=1 << 53)]  # since the epoch
Person = Annotated[str, Meta(max_length=100)]  # whoever set it, as the page was told
Budget = Annotated[float, Meta(ge=MIN_BUDGET_PER_HOUR, le=MAX_BUDGET_PER_HOUR)]
_WrittenBudget = Annotated[float, Meta(gt=0, le=MAX_BUDGET_PER_HOUR)]  # it had no lower bound once


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has set for a stream; every field but the first three has the unset default.

    A record replaces the one before it as a whole. muted_until_us: what input of this time and after it
    leads to is heard again; lead_names: what the leads are called in events, in the order of the signal,
    where there are as many.
    """

    stream: StreamId
    at_us: TimeUs  # when it was set
    by: Person = ""
    muted_until_us: TimeUs | None = None
    false_alarm_budget_per_hour: _WrittenBudget | None = None  # None: the daemon's
    paced: bool = False
    lead_names: Annotated[tuple[LeadName, ...], Meta(min_length=1, max_length=12)] | None = None
    schema: int = PROFILE_SCHEMA

    def __post_init__(self) -> None:
        """What was written before there were these bounds, also in a state, is read within them."""
        budget, latest_us = self.false_alarm_budget_per_hour, self.at_us + MAX_MUTE_US
        if budget is not None and budget < MIN_BUDGET_PER_HOUR:
            msgspec.structs.force_setattr(self, "false_alarm_budget_per_hour", MIN_BUDGET_PER_HOUR)
        if self.muted_until_us is not None and self.muted_until_us > latest_us:
            msgspec.structs.force_setattr(self, "muted_until_us", latest_us)

    def muted(self, time_us: int) -> bool:
        """True if a pager is to leave out what input of this time leads to."""
        return self.muted_until_us is not None and time_us < self.muted_until_us


def encode_profile(profile: Profile) -> bytes:
    """A record's value; its key is the stream id. A record without a value takes everything back."""
    return msgspec.json.encode(profile)


def decode_profile(value: bytes | None, key: bytes | None = None) -> Profile | None:
    """The profile in a record's value, None if it takes everything back; raises DecodeError.

    Reasons: malformed, schema_version, field, key.
    """
    if value is None:
        return None
    profile = decode_versioned(value, Profile, PROFILE_SCHEMA)
    names = profile.lead_names or ()
    if len(set(names)) != len(names):
        raise DecodeError("field", f"lead names repeat: {list(names)}")
    if key is not None and key != profile.stream.encode():
        raise DecodeError("key", f"record key is {key!r:.60}, wanted the stream id {profile.stream!r:.60}")
    return profile
