"""The quality gate against plain numpy, and that it swallows neither flutter nor asystole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.ecg.quality import (
    BLOCK,
    HIGH_MV,
    LOW_MV,
    MAX_FLAT,
    MAX_MISSING,
    MAX_SATURATED,
    NOISE_MV,
    NOISE_SHARE,
    Quality,
    is_low,
    window_quality,
)
from monitor.ecg.samples import FLAT, MISSING, SATURATED

N = 500  # internal samples: 2 s


def beats() -> NDArray[np.float32]:
    """Two seconds with two narrow peaks of 1 mV, (N,)."""
    time_s = np.arange(N) / 250
    peaks = np.exp(-0.5 * ((time_s[:, None] - [0.5, 1.5]) / 0.012) ** 2).sum(axis=1)
    ecg_mv: NDArray[np.float32] = (peaks + 0.005 * np.random.default_rng(0).standard_normal(N)).astype(
        np.float32
    )
    return ecg_mv


def judge(ecg_mv: NDArray[np.float32], flags: NDArray[np.uint8] | None = None) -> Quality:
    """Quality of one window of one lead, (N,)."""
    flags = np.zeros(len(ecg_mv), np.uint8) if flags is None else flags
    return Quality(int(window_quality(ecg_mv[None, :, None], flags[None, :, None])[0, 0]))


def flagged(share: float, bit: int) -> NDArray[np.uint8]:
    """Flags of a window of which this share has the bit."""
    flags = np.zeros(N, np.uint8)
    flags[: round(share * N)] = bit
    return flags


def plain(band_mv: NDArray[np.float32], flags: NDArray[np.uint8]) -> int:
    """The gate in numpy, for one window of one lead."""

    def share(bit: int) -> float:
        return float(((flags & bit) > 0).mean())

    blocks = (len(band_mv) - 2) // BLOCK
    second = np.diff(band_mv.astype(np.float64), 2)[: blocks * BLOCK].reshape(blocks, BLOCK)
    noise = np.median(np.sqrt((second**2).mean(axis=1) / 6))
    size = float(np.ptp(band_mv))
    if share(MISSING) > MAX_MISSING:
        return Quality.MISSING
    if share(FLAT) > MAX_FLAT:
        return Quality.FLAT
    if share(SATURATED) > MAX_SATURATED:
        return Quality.SATURATED
    return (
        Quality.NOISE if (noise > NOISE_MV and noise > NOISE_SHARE * size) or size > HIGH_MV else Quality.GOOD
    )


def test_the_gate_is_what_numpy_says() -> None:
    """Random windows of all kinds are judged as by the same rules in plain numpy."""
    random = np.random.default_rng(1)
    n = 60
    noise_mv = random.exponential(0.1, (n, 1, 2)) * random.standard_normal((n, N, 2))
    band = (beats()[None, :, None] + noise_mv).astype(np.float32)
    band[::10] *= 15
    flags = np.zeros((n, N, 2), np.uint8)
    for bit, limit in ((MISSING, MAX_MISSING), (SATURATED, MAX_SATURATED), (FLAT, MAX_FLAT)):
        flags[random.random((n, N, 2)) < random.choice([0, 0, 2 * limit], (n, 1, 2))] |= bit
    got = window_quality(band, flags)
    assert got.tolist() == [[plain(band[i, :, k], flags[i, :, k]) for k in range(2)] for i in range(n)]
    assert set(np.unique(got)) == {int(code) for code in Quality}


def test_a_row_does_not_depend_on_the_others() -> None:
    """A window alone is judged as in a batch."""
    band = np.random.default_rng(2).standard_normal((9, N, 1)).astype(np.float32) * 0.06
    flags = np.zeros(band.shape, np.uint8)
    whole = window_quality(band, flags)
    assert [window_quality(band[i : i + 1], flags[:1])[0, 0] for i in range(9)] == whole[:, 0].tolist()


def test_beats_are_good() -> None:
    """An ordinary ECG passes."""
    assert judge(beats()) is Quality.GOOD


@pytest.mark.parametrize(
    ("bit", "limit", "quality"),
    [
        (MISSING, MAX_MISSING, Quality.MISSING),
        (SATURATED, MAX_SATURATED, Quality.SATURATED),
        (FLAT, MAX_FLAT, Quality.FLAT),
    ],
)
def test_shares_have_limits(bit: int, limit: float, quality: Quality) -> None:
    """A little that is missing, saturated or still is borne; more of it is not."""
    assert judge(beats(), flagged(limit - 0.01, bit)) is Quality.GOOD
    assert judge(beats(), flagged(limit + 0.01, bit)) is quality


def test_the_worst_finding_counts() -> None:
    """Missing outweighs flat, flat outweighs saturated."""
    assert judge(beats(), flagged(1.0, MISSING | FLAT | SATURATED)) is Quality.MISSING
    assert judge(beats(), flagged(1.0, FLAT | SATURATED)) is Quality.FLAT


def test_muscle_noise_and_moving_electrodes_are_noise() -> None:
    """White noise beyond both limits, and a swing that no heart gives, are not judged."""
    noise = np.random.default_rng(3).standard_normal(N).astype(np.float32)
    assert judge(beats() + 4 * NOISE_MV * noise) is Quality.NOISE
    assert judge(beats() + np.linspace(0, 1.1 * HIGH_MV, N, dtype=np.float32)) is Quality.NOISE


def test_flutter_is_not_swallowed() -> None:
    """A large smooth oscillation at 5 Hz is judged, not gated."""
    assert judge((1.5 * np.sin(2 * np.pi * 5 * np.arange(N) / 250)).astype(np.float32)) is Quality.GOOD


def test_asystole_is_not_swallowed() -> None:
    """A line with an amplifier's noise is judged, and known to hold no deflection."""
    line = (0.002 * np.random.default_rng(4).standard_normal(N)).astype(np.float32)
    assert judge(line) is Quality.GOOD
    low = is_low(np.stack([line, beats()], axis=1)[None])
    assert low.tolist() == [[True, False]]
    assert np.ptp(line) < LOW_MV
