"""The textbooks' one-class detectors on made-up beats."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.model.autoencoders.lstm import LstmEncoderDecoder, LstmSettings
from tests.support.beat_windows import SPEC, made_up_beats
from training.compare.learned import (
    Fit,
    dense_autoencoder,
    isolation_forest,
    lstm,
    one_class_svm,
    principal_components,
)


def _windows(n: int, strange: bool = False) -> NDArray[np.float32]:
    beats = made_up_beats(n, range(n) if strange else ())
    return np.ascontiguousarray(beats.centred_mv(SPEC)[:, 0])


@pytest.mark.parametrize("fit", [principal_components, one_class_svm, isolation_forest, dense_autoencoder])
def test_each_finds_what_it_has_not_seen(fit: Fit) -> None:
    """Trained on normal beats, it calls all of another shape stranger, and the same ones every time."""
    normal, strange = _windows(400), _windows(20, strange=True)
    score = fit(normal)
    assert score(strange).min() > np.quantile(score(normal), 0.95)
    assert np.array_equal(score(strange), fit(normal)(strange))


def test_a_trained_lstm_is_scored_by_its_squared_error() -> None:
    """A network that says nothing leaves the whole window as error."""
    net = LstmEncoderDecoder(LstmSettings(hidden=4, latent=4, steps=13)).eval()
    for parameter in net.parameters():
        parameter.data.zero_()
    windows = _windows(5)
    assert lstm(net)(windows) == pytest.approx((windows.astype(float) ** 2).mean(axis=1))
