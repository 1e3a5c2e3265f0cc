"""What is called noise and what is not, however the signal is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.ecg.filters import InternalSignal
from monitor.ecg.noise import BLOCK, FIRST_MV, KEEP, LONG_NOISE, LOUD, MEMORY, NoiseState, follow

Ecg = NDArray[np.float64]
RATE = 250
FOUND = LOUD + LONG_NOISE  # blocks until noise is found


def beats(seconds: float, height_mv: float = 1.5) -> Ecg:
    """Narrow R waves and wide T waves at 75 a minute, (n, 1)."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    phase_s = np.mod(time_s, 0.8) - 0.3
    ecg_mv = np.exp(-0.5 * (phase_s / 0.012) ** 2) + 0.3 * np.exp(-0.5 * ((phase_s - 0.25) / 0.04) ** 2)
    one_lead: Ecg = (height_mv * ecg_mv)[:, None]
    return one_lead


def muscle(seconds: float, size_mv: float = 0.15) -> Ecg:
    """Broadband noise between 5 and 40 Hz, as the band-pass lets it through, (n, 1)."""
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    noise = np.fft.irfft(np.where((hz > 5) & (hz < 40), spectrum, 0), n)
    one_lead: Ecg = (size_mv * noise / noise.std())[:, None]
    return one_lead


def signal(band_mv: Ecg) -> InternalSignal:
    """One stream's new samples."""
    return InternalSignal(
        raw_mv=band_mv,
        band_mv=band_mv,
        flags=np.zeros(band_mv.shape, np.uint8),
        offsets=np.array([0, len(band_mv)]),
    )


def verdicts(band_mv: Ecg, cuts: list[int] | None = None) -> NDArray[np.bool_]:
    """The verdict at the end of each block, (blocks, leads)."""
    state, slot, parts = NoiseState.create(1, band_mv.shape[1]), np.array([0]), []
    for part in np.split(band_mv, sorted(cuts or [])):
        parts.append(follow(state, slot, signal(part)).noisy[KEEP:])
    return np.concatenate(parts)


def test_an_ecg_is_no_noise() -> None:
    """Beats of any size are quiet in between."""
    assert not verdicts(np.concatenate([beats(60), beats(60, height_mv=5.0)])).any()


def test_lasting_noise_is_found_and_left_again() -> None:
    """Six seconds into the noise the lead is noisy, and three seconds after it no longer."""
    ecg_mv = beats(90)
    ecg_mv[30 * RATE : 60 * RATE] += muscle(30)
    noisy = verdicts(ecg_mv)[:, 0]
    assert not noisy[:300].any()
    assert noisy[300 + FOUND : 600].all()
    assert not noisy[600 + MEMORY :].any()


def test_a_burst_is_judged() -> None:
    """Three seconds of noise are no reason to look away."""
    ecg_mv = beats(60)
    ecg_mv[30 * RATE : 33 * RATE] += muscle(3)
    assert not verdicts(ecg_mv).any()


def test_long_noise_may_pause() -> None:
    """A second without noise between two long stretches of it is no time to judge beats."""
    ecg_mv = beats(60)
    ecg_mv[10 * RATE :] += muscle(50)
    ecg_mv[40 * RATE : 42 * RATE] = beats(2)
    assert verdicts(ecg_mv)[100 + FOUND :].all()


def test_a_restless_lead_must_be_noisier() -> None:
    """What is usual for a lead is no noise; the same in a lead that was quiet before is."""
    small = muscle(180, 0.036)
    assert verdicts(beats(180) + small).mean() < 0.1
    small[: 120 * RATE] = 0
    assert verdicts(beats(180) + small)[1200 + FOUND :].mean() > 0.9


@pytest.mark.parametrize("hz", [3.0, 4.0, 5.0])
def test_flutter_is_no_noise(hz: float) -> None:
    """A large oscillation fills every block, but smoothly."""
    time_s = np.arange(60 * RATE) / RATE
    ecg_mv = 1.2 * np.sin(2 * np.pi * hz * time_s + 0.3 * np.sin(2 * np.pi * 0.7 * time_s))
    assert not verdicts(ecg_mv[:, None]).any()


def test_asystole_is_no_noise() -> None:
    """An amplifier's noise on a still line is judged."""
    line = 0.003 * np.random.default_rng(1).standard_normal((60 * RATE, 1))
    assert not verdicts(line).any()


def test_leads_are_apart() -> None:
    """Noise in one lead says nothing of the other."""
    both = np.concatenate([beats(20), beats(20) + muscle(20)], axis=1)
    assert verdicts(both)[FOUND:].mean(axis=0).tolist() == [0.0, 1.0]


@given(cuts=st.lists(st.integers(0, 10 * RATE), max_size=6))
@settings(max_examples=15, deadline=None)
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    """Chunks of any size give the verdicts of the whole, and the same usual level bit for bit."""
    ecg_mv = beats(10) + muscle(10, 0.08)
    assert np.array_equal(verdicts(ecg_mv, cuts), verdicts(ecg_mv))
    states = []
    for parts in (np.split(ecg_mv, sorted(cuts)), [ecg_mv]):
        state = NoiseState.create(1, 1)
        for part in parts:
            follow(state, np.array([0]), signal(part))
        states.append(state.quiet_mv[0, 0])
    assert states[0] == states[1] != FIRST_MV


def test_a_window_asks_at_its_right_edge() -> None:
    """The verdict of the last full block before the edge, of old blocks as of new ones."""
    ecg_mv = beats(20)
    ecg_mv[10 * RATE :] += muscle(10)
    whole = verdicts(ecg_mv)[:, 0]
    state, slot = NoiseState.create(2, 1), np.array([1])
    follow(state, slot, signal(ecg_mv[: 15 * RATE]))
    noise = follow(state, slot, signal(ecg_mv[15 * RATE :]))
    ends = np.array([13 * RATE, 15 * RATE + 7, 20 * RATE])
    got = noise.until(np.zeros(3, np.int64), ends)
    assert got[:, 0].tolist() == whole[ends // BLOCK - 1].tolist()


def test_nothing_in_nothing_out() -> None:
    """A stream without new samples keeps what it knows."""
    state = NoiseState.create(1, 1)
    noise = follow(state, np.array([0]), signal(np.zeros((0, 1))))
    assert noise.noisy.shape == (KEEP, 1)
    assert state.n[0] == 0
