"""How much of a window its latent vector keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models import small_model
from training.measure.distortion import keep, prd, prdn


def test_prd_is_the_closed_form() -> None:
    """Of a sine over whole periods kept at (1 − e) of its amplitude, PRD is 100 · e."""
    sine = np.sin(np.linspace(0, 4 * np.pi, 400, endpoint=False)).astype(np.float32)
    assert prd(sine, 0.9 * sine) == pytest.approx(10.0, rel=1e-5)
    assert prd(sine, np.zeros_like(sine)) == pytest.approx(100.0)


@settings(deadline=None, derandomize=True)
@given(st.floats(-5, 5), st.floats(0.1, 3), st.floats(0.01, 0.5))
def test_an_offset_makes_no_loss_look_small(offset: float, amplitude: float, lost: float) -> None:
    """PRDN does not see the mean; PRD shrinks by √(1 + 2 (offset / amplitude)²)."""
    sine = amplitude * np.sin(np.linspace(0, 4 * np.pi, 400, endpoint=False))
    signal = (offset + sine).astype(np.float32)
    back = (offset + (1 - lost) * sine).astype(np.float32)
    assert prdn(signal, back) == pytest.approx(100 * lost, rel=1e-2)
    shrunk = np.sqrt(1 + 2 * (offset / amplitude) ** 2)
    assert prd(signal, back) == pytest.approx(100 * lost / shrunk, rel=1e-2)


def test_no_signal_has_no_loss_to_measure() -> None:
    """A flat signal's PRD is not a number; arrays of two shapes are refused."""
    flat = np.zeros(4, np.float32)
    assert np.isnan(prd(flat, flat))
    assert np.isnan(prdn(np.zeros(0, np.float32), np.zeros(0, np.float32)))
    with pytest.raises(ValueError, match="one shape"):
        prd(flat, np.zeros(3, np.float32))


def test_what_is_kept_is_what_a_half_can_hold() -> None:
    """The ratio is samples over latent numbers; the window comes back from 16-bit numbers alone."""
    net = small_model().networks["population"]
    windows = np.random.default_rng(0).normal(size=(3, 104)).astype(np.float32)
    kept = keep(net, windows)
    width = small_model().manifest.networks["population"].settings["latent"]
    assert kept.ratio == 104 / width
    assert kept.back.shape == windows.shape
    assert kept.losses()[1] == prd(windows, kept.back)
    assert np.isnan(keep(net, windows[:0]).ratio)
