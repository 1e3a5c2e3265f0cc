"""Resampling and band-pass against plain references, and what is carried from chunk to chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import resample_poly, sosfilt, sosfilt_zi

from monitor.ecg.filters import (
    FLAT_S,
    INTERNAL_RATE_HZ,
    MAX_PHASES,
    FilterState,
    InternalSignal,
    band_pass,
    delay_s,
    filtered,
    interpolator,
    to_internal,
)
from monitor.ecg.samples import FLAT, MISSING, SATURATED, Samples

RATES_HZ = (100.0, 128.0, 250.0, 257.0, 360.0, 500.0, 1000.0)


def run(
    ecg_mv: NDArray[np.float64],
    rate_hz: float,
    sizes: Sequence[int] = (),
    flags: NDArray[np.uint8] | None = None,
) -> InternalSignal:
    """One stream's internal signal from chunks of these sizes and a last one; ecg_mv: (n, leads) mV."""
    n, leads = ecg_mv.shape
    flags = np.zeros((n, leads), np.uint8) if flags is None else flags
    state, parts, at = FilterState.create(2, leads), [], 0
    for size in [*sizes, n]:
        new = slice(at, min(n, at + size))
        at = new.stop
        piece = ecg_mv[new].astype(np.float32)
        parts.append(to_internal(state, Samples.of_streams([piece], [flags[new]], [rate_hz], [1])))
    return InternalSignal(
        np.array([0, sum(len(part.raw_mv) for part in parts)]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("raw_mv", "band_mv", "flags")),
    )


def sine(rate_hz: float, frequency_hz: float, seconds: float = 4.0) -> NDArray[np.float64]:
    """A sine of 1 mV, (n, 1)."""
    phase = 2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz
    ecg_mv: NDArray[np.float64] = np.sin(phase)[:, None]
    return ecg_mv


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_band_pass_is_sosfilt(rate_hz: float) -> None:
    """The band-pass of any chunks equals scipy's recursion over the whole record, bit for bit."""
    ecg_mv = np.random.default_rng(0).standard_normal((1500, 2)) + 3
    signal = run(ecg_mv, rate_hz, [1, 100, 7, 400])
    for lead in range(2):
        settled = sosfilt_zi(band_pass()) * signal.raw_mv[0, lead]
        expected, _ = sosfilt(band_pass(), signal.raw_mv[:, lead], zi=settled)
        assert np.array_equal(signal.band_mv[:, lead], expected)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("frequency_hz", [1.0, 10.0, 30.0])
def test_a_sine_stays_a_sine(rate_hz: float, frequency_hz: float) -> None:
    """Internal sample k is the sine's value at k / 250 s, whatever the input rate."""
    raw_mv = run(sine(rate_hz, frequency_hz), rate_hz).raw_mv[:, 0]
    expected = sine(INTERNAL_RATE_HZ, frequency_hz)[: len(raw_mv), 0]
    inner = slice(50, -50)  # before the first sample stands the first sample, not the sine
    assert np.abs(raw_mv - expected)[inner].max() < 0.01


@pytest.mark.parametrize(
    ("rate_hz", "up", "down"), [(100.0, 5, 2), (360.0, 25, 36), (500.0, 1, 2), (1000.0, 1, 4)]
)
def test_resampler_agrees_with_resample_poly(rate_hz: float, up: int, down: int) -> None:
    """A signal within the ECG's band comes out as scipy's polyphase resampler gives it."""
    ecg_mv = sine(rate_hz, 3.0) + 0.5 * sine(rate_hz, 17.0) + 0.2 * sine(rate_hz, 28.0)
    raw_mv = run(ecg_mv, rate_hz).raw_mv[:, 0]
    expected = resample_poly(ecg_mv[:, 0], up, down)[: len(raw_mv)]
    assert np.abs(raw_mv - expected)[60:-60].max() < 0.01


def test_the_internal_rate_passes_through() -> None:
    """At 250 Hz the interpolating sinc is nearly a unit impulse within the band."""
    ecg_mv = sine(250.0, 20.0)
    raw_mv = run(ecg_mv, 250.0).raw_mv
    assert np.abs(raw_mv - ecg_mv[: len(raw_mv)])[30:-30].max() < 0.01


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_constant_is_no_signal(rate_hz: float) -> None:
    """A lead's offset passes the resampler as it is and the band-pass not at all, from the start."""
    signal = run(np.full((800, 1), 2.5), rate_hz)
    assert np.abs(signal.raw_mv - 2.5).max() < 1e-9
    assert np.abs(signal.band_mv).max() < 1e-6


def test_the_band_ends_where_it_says() -> None:
    """Baseline wander and mains are damped, the QRS band is not."""
    size = {hz: np.ptp(run(sine(500.0, hz, 20.0), 500.0).band_mv[2500:]) / 2 for hz in (0.05, 10.0, 60.0)}
    assert size[0.05] < 0.05
    assert size[10.0] == pytest.approx(1.0, abs=0.05)
    assert size[60.0] < 0.25


@given(sizes=st.lists(st.integers(0, 200), max_size=8), rate_hz=st.sampled_from(RATES_HZ))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_chunks_do_not_matter(sizes: list[int], rate_hz: float) -> None:
    """Chunks of any size, empty ones included, give the whole record's signal and flags, bit for bit."""
    random = np.random.default_rng(1)
    ecg_mv = random.standard_normal((500, 2))
    flags = random.choice(np.array([0, 0, 0, MISSING, SATURATED], np.uint8), (500, 2))
    whole, parts = run(ecg_mv, rate_hz, (), flags), run(ecg_mv, rate_hz, sizes, flags)
    for name in ("raw_mv", "band_mv", "flags"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_resampler_looks_no_further_than_it_says(rate_hz: float) -> None:
    """Samples later than `delay_s` after an internal sample don't change it, and none is given out late."""
    ecg_mv = np.random.default_rng(2).standard_normal((600, 1))
    short, long = run(ecg_mv[:400], rate_hz).raw_mv, run(ecg_mv, rate_hz).raw_mv
    assert np.array_equal(long[: len(short)], short)
    newest_s = (len(short) - 1) / INTERNAL_RATE_HZ
    assert 0 <= 400 / rate_hz - newest_s - delay_s(rate_hz) < 1 / rate_hz + 1 / INTERNAL_RATE_HZ


def test_streams_of_different_rates_share_a_batch() -> None:
    """Two slots in one call give what each gives alone."""
    random = np.random.default_rng(3)
    ecgs = {360.0: random.standard_normal((720, 1)), 128.0: random.standard_normal((300, 1))}
    both = to_internal(
        FilterState.create(3, 1),
        Samples.of_streams(
            [ecg_mv.astype(np.float32) for ecg_mv in ecgs.values()],
            [np.zeros(ecg_mv.shape, np.uint8) for ecg_mv in ecgs.values()],
            list(ecgs),
            [2, 0],
        ),
    )
    for i, (rate_hz, ecg_mv) in enumerate(ecgs.items()):
        alone = run(ecg_mv, rate_hz)
        assert np.array_equal(both.band_mv[both.offsets[i] : both.offsets[i + 1]], alone.band_mv)


def test_missing_samples_hold_the_last_value() -> None:
    """What was not measured is flagged and leaves the filters at rest."""
    ecg_mv, flags = np.full((1000, 1), 1.0), np.zeros((1000, 1), np.uint8)
    ecg_mv[500:600], flags[500:600] = 0.0, MISSING
    signal = run(ecg_mv, 250.0, (), flags)
    assert np.abs(signal.raw_mv - 1).max() < 1e-9
    missing = np.flatnonzero(signal.flags[:, 0] & MISSING)
    assert missing[0] in (499, 500)
    assert missing[-1] == 599
    assert len(missing) == 600 - missing[0]


def test_a_still_value_is_flat_after_a_while() -> None:
    """The very same number is flagged once it has lasted FLAT_S, and no longer than it lasts."""
    ecg_mv = np.random.default_rng(4).standard_normal((1500, 1))
    ecg_mv[500:1000] = 0.7
    flat = np.flatnonzero(run(ecg_mv, 500.0).flags[:, 0] & FLAT)
    assert flat[0] == pytest.approx((500 + 500 * FLAT_S) / 2, abs=2)
    assert flat[-1] == pytest.approx(1000 / 2, abs=2)


def test_missing_is_not_flat() -> None:
    """A held value is no measured one."""
    flags = np.full((1000, 1), MISSING, np.uint8)
    assert not (run(np.zeros((1000, 1)), 250.0, (), flags).flags & FLAT).any()


def test_leads_that_a_stream_lacks_stay_empty() -> None:
    """Columns beyond a stream's leads are zeros without flags."""
    ecg_mv = np.random.default_rng(5).standard_normal((300, 2)).astype(np.float32)
    both = Samples.of_streams([ecg_mv], [np.full((300, 2), SATURATED, np.uint8)], [250.0])
    signal = filtered(replace(both, n_leads=np.array([1])))
    assert signal.band_mv[:, 0].any()
    assert not signal.band_mv[:, 1].any()
    assert not signal.flags[:, 1].any()


@pytest.mark.parametrize("rate_hz", [*RATES_HZ, 333.5, 360.01])
def test_each_phase_sums_to_one(rate_hz: float) -> None:
    """Every phase of the interpolator leaves a constant as it is, and the step is the rates' ratio."""
    bank, num, den = interpolator(rate_hz)
    assert bank.shape[0] == min(den, MAX_PHASES) + 1
    assert np.allclose(bank.sum(axis=1), 1)
    assert num / den == pytest.approx(rate_hz / INTERNAL_RATE_HZ, rel=1e-6)


@pytest.mark.parametrize("rate_hz", [100.01, 333.37, 360.007, 999.99])
def test_an_odd_rate_has_a_small_bank_and_a_true_signal(rate_hz: float) -> None:
    """Of a rate that anybody may send there is less than a megabyte, and a sine of 30 Hz stays within 2 %."""
    bank, num, den = interpolator(rate_hz)
    assert den > MAX_PHASES
    assert bank.nbytes < 1_000_000
    signal = run(sine(rate_hz, 30.0), rate_hz).raw_mv[:, 0]
    times_s = np.arange(len(signal)) * num / den / rate_hz
    inner = slice(50, -50)
    assert np.abs(signal - np.sin(2 * np.pi * 30.0 * times_s))[inner].max() < 0.02
