"""New samples of several streams, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

MISSING, SATURATED, FLAT = 1, 2, 4  # bits of a sample's flags


def flags_of(valid: NDArray[np.bool_], saturated: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Bits MISSING and SATURATED of samples of any shape; what was not measured is not saturated."""
    measured = 0 if saturated is None else np.where(saturated, SATURATED, 0)
    return np.where(valid, measured, MISSING).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """New input samples of several streams, one run a stream.

    slots, n_leads, rates_hz: (streams,); offsets: (streams + 1,); ecg_mv, flags: (rows, leads).
    """

    slots: NDArray[np.int64]
    offsets: NDArray[np.int64]
    ecg_mv: NDArray[np.float32]
    flags: NDArray[np.uint8]
    n_leads: NDArray[np.int64]
    rates_hz: NDArray[np.float64]

    @classmethod
    def of_streams(
        cls,
        ecg_mv: Sequence[NDArray[np.float32]],
        flags: Sequence[NDArray[np.uint8]],
        rates_hz: Sequence[float],
        slots: Sequence[int] | None = None,
    ) -> Self:
        """A run of each stream, (n, leads), with equally many leads; slots: 0, 1, ... if not given."""
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in ecg_mv])]).astype(np.int64)
        count, leads = len(ecg_mv), ecg_mv[0].shape[1]
        places = np.arange(count) if slots is None else np.array(slots, np.int64)
        return cls(
            slots=places,
            offsets=offsets,
            ecg_mv=np.concatenate(ecg_mv),
            flags=np.concatenate(flags),
            n_leads=np.full(count, leads, np.int64),
            rates_hz=np.array(rates_hz, np.float64),
        )

    @classmethod
    def of_signal(cls, ecg_mv: NDArray[np.float32], rate_hz: float) -> Self:
        """All of one stream's samples, (n, leads) mV, NaN where nothing was measured, in slot 0."""
        valid = ~np.isnan(ecg_mv)
        return cls.of_streams([np.where(valid, ecg_mv, 0).astype(np.float32)], [flags_of(valid)], [rate_hz])

    @property
    def seconds(self) -> float:
        """Seconds of signal, over all streams."""
        return float(np.sum(np.diff(self.offsets) / self.rates_hz))
