"""Made-up ECG through the whole path once, so that all of it is compiled before anything waits for it."""

from __future__ import annotations

from monitor.detect.detector import Detector
from monitor.model.model import Model


def warm_up(model: Model) -> None:
    """Judge a minute of made-up ECG in a detector of its own, which is then dropped.

    Without numba's cache that takes a minute or two; a consumer that compiled in its first poll would be
    taken for dead by its group.
    """
    Detector(model).self_test()
