"""Errors and statistics against plain numpy, and rows that don't depend on their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from monitor.adapt.usual_beat import FEATURES, HISTORY
from monitor.errors import ScoreError
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction
from monitor.model.autoencoders.registry import build
from monitor.model.scoring import (
    FLOOR,
    MIN_ERROR_MV2,
    MIN_POWER_MV2,
    NU,
    REGION,
    TILE,
    combine_leads,
    disorder,
    early_surprise,
    relative_error,
    run_tiled,
    spread_error,
)

SAMPLES = 104
SIZES = (
    ("lstm", {"hidden": 8, "latent": 4, "position": 2}),
    ("lstm", {"hidden": 64, "latent": 12, "position": 16}),
    ("lstm", {"patch": 5, "hidden": 20, "latent": 8, "position": 3}),
    ("contextual", {"hidden": 8, "latent": 4, "decoder": 8, "position": 2}),
    ("contextual", {"hidden": 64, "latent": 32, "decoder": 48, "position": 8}),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Torch as the worker runs it."""
    torch.set_num_threads(1)


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """White noise of 1."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def inputs(n: int, seed: int = 0) -> Inputs:
    """Inputs for either form."""
    return Inputs(
        window=torch.from_numpy(noise(n, SAMPLES, seed=seed)),
        usual=torch.from_numpy(noise(n, SAMPLES, seed=seed + 1)),
        past=torch.from_numpy(noise(n, HISTORY, FEATURES, seed=seed + 2)),
        log_scale=torch.from_numpy(noise(n, seed=seed + 3)),
    )


def network(form: str, sizes: dict[str, int]) -> EncoderDecoder:
    """An untrained network, the same every time."""
    torch.manual_seed(1)
    return build(form, sizes).eval()


def test_spread_error_is_the_student_likelihood() -> None:
    """Mean over samples of Student's negative log-likelihood of the centred error, and its worst region."""
    window, mean, log_spread = noise(20, SAMPLES), noise(20, SAMPLES, seed=1), noise(20, SAMPLES, seed=2)
    error, worst = spread_error(window, mean, log_spread)
    e = window.astype(np.float64) - mean
    e = np.abs(e - e.mean(axis=1, keepdims=True)) + FLOOR
    unlikely = 0.5 * (NU + 1) * np.log1p((e / np.exp(log_spread.astype(np.float64))) ** 2 / NU)
    assert error == pytest.approx((unlikely + log_spread).mean(axis=1), rel=1e-9)
    assert worst.tolist() == unlikely.reshape(20, -1, REGION).sum(axis=2).argmax(axis=1).tolist()


def test_a_step_of_the_baseline_is_no_error() -> None:
    """The same offset under a whole window changes the spread error by rounding alone."""
    window, mean, log_spread = (
        noise(5, SAMPLES),
        noise(5, SAMPLES, seed=1),
        np.zeros((5, SAMPLES), np.float32),
    )
    shifted, _ = spread_error(window + np.float32(2), mean, log_spread)
    assert shifted == pytest.approx(spread_error(window, mean, log_spread)[0], abs=1e-5)


def test_relative_error_is_log_error_less_half_log_power() -> None:
    """As in numpy, and its worst region is that of the largest squared error."""
    window, mean = noise(20, SAMPLES), noise(20, SAMPLES, seed=1)
    error, worst = relative_error(window, mean)
    square = (window.astype(np.float64) - mean) ** 2
    power = (window.astype(np.float64) ** 2).mean(axis=1)
    expected = np.log(square.mean(axis=1) + MIN_ERROR_MV2) - 0.5 * np.log(power + MIN_POWER_MV2)
    assert error == pytest.approx(expected, rel=1e-9)
    assert worst.tolist() == square.reshape(20, -1, REGION).sum(axis=2).argmax(axis=1).tolist()


def test_exact_zeros_have_a_finite_error() -> None:
    """A flat window that is perfectly reconstructed divides by nothing."""
    zeros = np.zeros((2, SAMPLES), np.float32)
    assert np.isfinite(relative_error(zeros, zeros)[0]).all()
    assert np.isfinite(spread_error(zeros, zeros, zeros)[0]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_reconstruction_is_an_error(bad: float) -> None:
    """A score that is not a number raises, and is never taken for normal."""
    window, mean = noise(3, SAMPLES), noise(3, SAMPLES, seed=1)
    mean[1, 50] = bad
    with np.errstate(invalid="ignore"):  # without numba, inf - inf warns
        with pytest.raises(ScoreError, match="1 of 3"):
            relative_error(window, mean)
        with pytest.raises(ScoreError, match="1 of 3"):
            spread_error(window, mean, np.zeros_like(window))


def test_disorder_is_kurtosis_and_slowness() -> None:
    """As in numpy: minus log kurtosis, and the log ratio of the power below 8 Hz to the rest."""
    window = 0.5 * noise(10, 512) + 0.7 * np.sin(np.arange(512) / 9).astype(np.float32)
    x = window.astype(np.float64) - window.astype(np.float64).mean(axis=1, keepdims=True)
    slow = np.stack([np.convolve(row, np.full(15, 1 / 15), "valid") for row in x])
    x = x[:, 7:-7]
    second, fourth = (x**2).mean(axis=1), (x**4).mean(axis=1)
    kurtosis = np.log((second**2 + MIN_POWER_MV2**2) / (fourth + MIN_POWER_MV2**2))
    slowness = np.log(
        ((slow**2).mean(axis=1) + MIN_POWER_MV2) / (((x - slow) ** 2).mean(axis=1) + MIN_POWER_MV2)
    )
    assert disorder(window) == pytest.approx(np.stack([kurtosis, slowness], axis=1), abs=1e-5)


def test_flutter_is_disordered_and_beats_are_not() -> None:
    """A sine at 5 Hz is stranger in both columns than narrow peaks, and a still line is finite."""
    time_s = np.arange(512) / 125
    flutter = np.sin(2 * np.pi * 5 * time_s)
    beats = np.exp(-0.5 * (((time_s + 0.4) % 0.8 - 0.4) / 0.012) ** 2)
    table = disorder(np.stack([flutter, beats, 0 * beats]).astype(np.float32))
    assert (table[0] > table[1]).all()
    assert np.isfinite(table).all()


def test_leads_are_combined_by_mean_and_minimum() -> None:
    """Half of each over the usable leads; none is not a number."""
    surprise = np.array([[1.0, 3.0, 9.0], [1.0, 3.0, 9.0], [1.0, np.nan, np.nan], [1.0, 2.0, 3.0]])
    usable = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]], np.bool_)
    expected = [0.5 * 13 / 3 + 0.5, 0.5 * 2 + 0.5, 1.0, np.nan]
    assert combine_leads(surprise, usable) == pytest.approx(expected, nan_ok=True)


def test_only_early_beats_surprise_by_their_rhythm() -> None:
    """Minus the log RR ratio; late and unknown ones give 0."""
    ratio = np.array([-0.5, 0.5, np.nan, 0.0], np.float32)
    assert early_surprise(ratio).tolist() == [0.5, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("form", "sizes"), SIZES)
@given(order=st.permutations(range(150)), count=st.integers(1, 150))
@settings(max_examples=5, deadline=None, derandomize=True)
def test_a_row_depends_on_that_row_alone(
    form: str, sizes: dict[str, int], order: list[int], count: int
) -> None:
    """Any rows in any order and number have, bit for bit, the result that each has among all."""
    net, every = network(form, sizes), inputs(150)
    whole, some = run_tiled(net, every), run_tiled(net, every.rows(torch.tensor(order[:count])))
    for name in ("mean", "latent", "log_spread", "rhythm"):
        reference, got = getattr(whole, name), getattr(some, name)
        assert (reference is None) == (got is None)
        assert got is None or np.array_equal(got, reference[order[:count]])


@pytest.mark.parametrize(("form", "sizes"), SIZES)
def test_no_rows_give_no_rows(form: str, sizes: dict[str, int]) -> None:
    """An empty batch runs no network."""
    out = run_tiled(network(form, sizes), inputs(3).rows(slice(0, 0)))
    assert out.mean.shape == (0, SAMPLES)
    assert len(out.latent) == 0


def test_every_call_has_the_same_shape() -> None:
    """Whatever the number of rows, the network sees whole tiles, with all inputs padded alike."""

    class Spy(EncoderDecoder):
        def encode(self, inputs: Inputs) -> Tensor:
            return inputs.window[:, :4]

        def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
            assert inputs.lengths is not None
            assert inputs.lengths.min() >= 1
            shapes.append(tuple(inputs.window.shape))
            return Reconstruction(inputs.window, latent)

    shapes: list[tuple[int, ...]] = []
    window = torch.from_numpy(noise(TILE + 1, SAMPLES))
    out = run_tiled(Spy(), Inputs(window, torch.full((TILE + 1,), SAMPLES)))
    assert shapes == [(TILE, SAMPLES)] * 2
    assert np.array_equal(out.mean, window.numpy())
    assert out.log_spread is None
