"""The kinds that are compared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monitor.model.autoencoders.composed import ComposedEncoderDecoder
from training.compare.contenders import CONTENDERS, DEFAULT, OVERCOMPLETE, Contender, contenders_of
from training.compare.trial import train_kind, window_scores
from training.fit.loop import FitSettings


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda each: each.name)
def test_every_kind_trains_and_scores(contender: Contender) -> None:
    """An epoch on a few windows leaves finite scores, of whatever length the windows are."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=1000).astype(np.float32)
    for samples in (104, 140):
        windows = rng.normal(size=(96, samples)).astype(np.float32)
        settings = FitSettings(epochs=1, batch=32)
        net, epochs = train_kind(contender, windows[:64], windows[64:], settings, noise)
        assert epochs == 1
        assert np.isfinite(window_scores(net, windows)).all()
        assert isinstance(net, ComposedEncoderDecoder)
        assert net.settings.latent == (OVERCOMPLETE if contender.name == "sparse" else 12)


def test_the_same_seed_gives_the_same_network() -> None:
    """Two trainings of one kind score alike, whatever was drawn in between."""
    windows = np.random.default_rng(0).normal(size=(96, 104)).astype(np.float32)
    settings, dense = FitSettings(epochs=1, batch=32), contenders_of(["dense"])[1]
    first = train_kind(dense, windows, windows, settings, None)[0]
    torch.rand(3)
    assert np.array_equal(
        window_scores(first, windows),
        window_scores(train_kind(dense, windows, windows, settings, None)[0], windows),
    )


def test_the_default_is_always_among_them() -> None:
    """Others are held against it; without names all are taken, and an unknown one is refused."""
    assert [each.name for each in contenders_of(["pca"])] == [DEFAULT, "pca"]
    assert contenders_of([]) == list(CONTENDERS)
    assert len({each.name for each in CONTENDERS}) == len(CONTENDERS)
    with pytest.raises(ValueError, match=r"kind is gan, wanted some of lstm, .*neighbours"):
        contenders_of(["pca", "gan"])
