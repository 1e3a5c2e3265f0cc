"""The plain encoder-decoder as a baseline."""

from __future__ import annotations

import numpy as np

from monitor.model.autoencoders.lstm import LstmSettings
from training.fit.loop import FitSettings
from training.fit.windows import squared_error, train_plain


def test_learns_what_it_is_shown() -> None:
    """Sines of one frequency are reconstructed better than those of another; the seed fixes the result."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 2 * np.pi, 32)

    def sines(n: int, cycles: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return np.sin(cycles * time + rng.uniform(0, 6, (n, 1))).astype(np.float32)

    sizes = LstmSettings(patch=8, steps=4, hidden=16, latent=4, position=4)
    settings = FitSettings(epochs=8, batch=16, learning_rate=2e-2)
    train, held = sines(320, 2), sines(50, 2)
    tested, other = sines(50, 2), sines(50, 5)
    net = train_plain(train, held, sizes, settings)
    assert np.median(squared_error(net, tested)) < 0.5 * np.median(squared_error(net, other))
    again = train_plain(train, held, sizes, settings)
    assert np.array_equal(squared_error(net, tested), squared_error(again, tested))
