"""What the QRS detector carries from one sample of a stream to the next."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.slots import SlotState

INTERNAL_RATE_HZ = 250  # the detector's own sampling rate; filters.py resamples to it

BANDS = 2  # envelopes a lead; "channel" below is lead * BANDS + band
HALF_TAPS = 18  # 72 ms, the filters' delay
RING = 128  # samples kept of raw signal, envelopes and feature; a power of two
HISTORY = 8  # latest beats, peaks of noise and RR intervals kept (Pan & Tompkins 1985)
PENDING = 16  # peaks since the last beat that search-back may still take for one


@dataclass(slots=True, eq=False)
class QrsState(SlotState):
    """One stream's detector a slot; positions and times count internal samples since it was fresh.

    Shapes leave out the slot axis. A ring holds sample n at index n % RING.
    """

    clock: NDArray[np.int64]  # () samples received
    raw_mv: NDArray[np.float64]  # (max_leads, RING)
    usable_for: NDArray[np.int64]  # (max_leads,) usable samples in a row
    envelope_mv: NDArray[np.float64]  # (channels, RING); negative where it saw an unusable sample
    feature: NDArray[np.float64]  # (RING,) channels combined; a usual beat peaks near 1
    beat_peak_mv: NDArray[np.float64]  # (channels, HISTORY) envelope peaks of the latest beats
    beat_level_mv: NDArray[np.float64]  # (channels,) their median
    noise_peak_mv: NDArray[np.float64]  # (channels, HISTORY) the same for peaks that were no beats
    noise_level_mv: NDArray[np.float64]  # (channels,)
    usual_mv: NDArray[np.float64]  # (channels,) running median of beat peaks over minutes
    background_mv: NDArray[np.float64]  # (channels,) running mean of the envelope over seconds
    rr: NDArray[np.float64]  # (HISTORY,) samples between the latest beats
    usual_rr: NDArray[np.float64]  # () their median
    n_beats: NDArray[np.int64]  # ()
    n_noise: NDArray[np.int64]  # ()
    last_peak: NDArray[np.int64]  # () the last beat's peak in the feature
    last_r: NDArray[np.int64]  # () its R peak
    blind: NDArray[np.int64]  # () samples since then without any usable lead
    polarity: NDArray[np.float64]  # () -1 (Q or S larger) to 1 (R larger), mean over recent beats
    n_pending: NDArray[np.int64]  # ()
    pending_peak: NDArray[np.int64]  # (PENDING,)
    pending_r: NDArray[np.int64]  # (PENDING,)
    pending_polarity: NDArray[np.float64]  # (PENDING,)
    pending_mv: NDArray[np.float64]  # (PENDING, channels) envelope peaks

    @classmethod
    def create(cls, capacity: int, max_leads: int) -> Self:
        """Fresh state for `capacity` streams of up to `max_leads` leads."""
        if capacity < 0 or max_leads < 1:
            raise ValueError(f"need capacity >= 0 and max_leads >= 1; got {capacity=}, {max_leads=}")
        channels = max_leads * BANDS
        tails: dict[str, tuple[int, ...]] = {
            "raw_mv": (max_leads, RING),
            "usable_for": (max_leads,),
            "envelope_mv": (channels, RING),
            "feature": (RING,),
            "beat_peak_mv": (channels, HISTORY),
            "noise_peak_mv": (channels, HISTORY),
            "rr": (HISTORY,),
            "pending_peak": (PENDING,),
            "pending_r": (PENDING,),
            "pending_polarity": (PENDING,),
            "pending_mv": (PENDING, channels),
        }
        per_channel = ("beat_level_mv", "noise_level_mv", "usual_mv", "background_mv")
        tails |= dict.fromkeys(per_channel, (channels,))
        types = {field.name: np.int64 if "int64" in str(field.type) else np.float64 for field in fields(cls)}
        arrays: dict[str, Any] = {
            name: np.zeros((capacity, *tails.get(name, ())), dtype) for name, dtype in types.items()
        }
        state = cls(**arrays)
        state.rr[:] = state.usual_rr[:] = 0.8 * INTERNAL_RATE_HZ  # 75 beats a minute until measured
        state.last_r[:] = -INTERNAL_RATE_HZ
        return state


# Compiled code takes the state's arrays as a named tuple: numba knows no dataclasses.
QrsRows = namedtuple("QrsRows", [field.name for field in fields(QrsState)])  # type: ignore[misc]
