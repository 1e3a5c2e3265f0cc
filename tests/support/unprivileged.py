"""Commands that may write only what file permissions allow, also where the tests run as root."""

from __future__ import annotations

import os


def unprivileged(*command: object) -> list[str]:
    """The same command; root keeps its name and its files, but not its power over permissions."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    return [*drop, *map(str, command)]
