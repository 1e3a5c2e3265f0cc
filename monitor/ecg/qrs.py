"""Streaming QRS detection over many streams: new samples in, R peaks out, the same for any chunking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.qrs_envelope import channel_envelopes, gabor_taps
from monitor.ecg.qrs_kernel import advance
from monitor.ecg.qrs_peaks import NEAR
from monitor.ecg.qrs_state import BANDS, HALF_TAPS, INTERNAL_RATE_HZ, PENDING, QrsRows, QrsState

__all__ = ["INTERNAL_RATE_HZ", "MAX_DELAY_S", "MAX_LATE_S", "Detections", "QrsState", "detect_beats"]

MAX_DELAY_S = 0.42  # from the R peak to the decision about a beat that is not late
MAX_LATE_S = 2.4  # from the R peak to a decision by search-back

# QRS energy is largest around 10 Hz (Thakor, Webster & Tompkins 1984): wide ventricular beats below it.
# Above it are narrow ones, which T waves and moving electrodes outweigh there. Each lead's noise decides
# which band counts.
_BANDS = ((9.0, 0.027), (25.0, 0.024))  # centre in Hz, width in s
_TAPS = np.stack([gabor_taps(hz, width_s, HALF_TAPS, INTERNAL_RATE_HZ) for hz, width_s in _BANDS])


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Beats in order of decision within each stream, streams one after the other; arrays (n_beats,)."""

    stream: NDArray[np.int64]  # index into the `slots` given
    r_sample: NDArray[np.int64]  # R peak, internal samples since the slot was fresh
    decided_at: NDArray[np.int64]  # internal sample whose arrival made the decision
    late: NDArray[np.bool_]  # found by search-back, more than MAX_DELAY_S after the R peak


def detect_beats(
    state: QrsState,
    slots: NDArray[np.int64],
    offsets: NDArray[np.int64],
    ecg_mv: NDArray[np.float64],
    usable: NDArray[np.bool_],
    n_leads: NDArray[np.int64],
) -> Detections:
    """Beats that the new samples decide; `state` moves on in place.

    slots: (n_streams,) all different; offsets: (n_streams + 1,) rows of ecg_mv, (total, max_leads) mV
    at 250 Hz, so that rows offsets[k] to offsets[k + 1] continue stream k; usable: like ecg_mv, False
    where the value is missing or saturated; n_leads: (n_streams,) leads each stream has, the first ones.
    """
    if ecg_mv.shape != usable.shape or ecg_mv.ndim != 2 or len(offsets) != len(slots) + 1:
        raise ValueError(f"shapes differ: {ecg_mv.shape=}, {usable.shape=}, {slots.shape=}, {offsets.shape=}")
    if len(slots) and n_leads.max() > min(ecg_mv.shape[1], state.raw_mv.shape[1]):
        raise ValueError(f"{n_leads.max()} leads, but {ecg_mv.shape=} and state for {state.raw_mv.shape[1]}")
    # One memory layout, one compilation.
    ecg_mv, usable = np.ascontiguousarray(ecg_mv, np.float64), np.ascontiguousarray(usable, np.bool_)
    # No two peaks of the feature are within 200 ms; those pending can come on top.
    room = len(ecg_mv) // NEAR + (PENDING + 1) * len(slots)
    found = np.empty((room, 4), np.int64)
    held_mv, envelope_mv = np.empty(ecg_mv.shape), np.empty((len(ecg_mv), ecg_mv.shape[1] * BANDS))
    channel_envelopes(
        *(state.raw_mv, state.usable_for, state.clock, slots, offsets, ecg_mv, usable, n_leads, _TAPS),
        *(held_mv, envelope_mv),
    )
    rows = cast(QrsState, QrsRows(**state.arrays()))
    count = np.zeros(1, np.int64)
    advance(rows, slots, offsets, held_mv, envelope_mv, n_leads, found, count)
    beats = found[: count[0]]
    return Detections(beats[:, 0], beats[:, 1], beats[:, 2], beats[:, 3] != 0)
