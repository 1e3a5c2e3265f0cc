"""Settings of a training part, changed by names and values that a user gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import msgspec

Settings = TypeVar("Settings")  # a dataclass


def changed(settings: Settings, given: Mapping[str, Any], what: str, fixed: tuple[str, ...] = ()) -> Settings:
    """The settings with the values given; raises ValueError that lists what there is, with the defaults.

    what: whose settings they are, in the message; fixed: fields that have an option of their own.
    """
    own: dict[str, Any] = asdict(settings)  # type: ignore[call-overload]
    there = ", ".join(f"{name}={value}" for name, value in own.items() if name not in fixed)
    for name in given:
        if name not in own or name in fixed:
            raise ValueError(f"{what} has no setting {name!r}; there are {there}")
    try:
        return msgspec.convert({**own, **given}, type(settings))
    except msgspec.ValidationError as exc:
        raise ValueError(f"{what}: {exc}; its settings, with their defaults, are {there}") from exc
