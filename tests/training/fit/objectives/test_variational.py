"""The variational objective: its divergence and its draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.registry import build
from monitor.recordings.excerpt import read_excerpt, read_excerpt_beats
from tests.support.normals import SPEC
from training.data.normals import NormalRecord, normals_of
from training.fit.architecture import Architecture
from training.fit.loop import FitSettings, fit
from training.fit.objectives.examples import OBJECTIVES, Examples, population_examples
from training.fit.objectives.settings import ObjectiveSettings, objective_settings, regularised
from training.fit.objectives.variational import VariationalSettings, draw, kl_to_prior


def test_divergence_is_that_of_torch() -> None:
    """KL of a normal distribution from the standard one, summed over the units."""
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 5, 4, generator=generator)
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, torch.exp(0.5 * log_variance)), torch.distributions.Normal(0.0, 1.0)
    ).sum(dim=1)
    assert kl_to_prior(mean, log_variance).tolist() == pytest.approx(wanted.tolist(), rel=1e-5)
    assert kl_to_prior(torch.zeros(1, 4), torch.zeros(1, 4)).tolist() == [0.0]


def test_draws_have_the_distribution() -> None:
    """Mean and spread as told; without a generator the mean itself."""
    mean, log_variance = torch.full((20_000, 1), 2.0), torch.full((20_000, 1), 2 * -0.7)
    drawn = draw(mean, log_variance, torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(2.0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.4966, abs=0.02)
    assert draw(mean, log_variance, None) is mean


def test_other_networks_have_no_distribution() -> None:
    """The message names the network."""
    net = build("lstm", {"hidden": 8, "latent": 4, "position": 2})
    with pytest.raises(ValueError, match="LstmEncoderDecoder is not variational"):
        net.encode_distribution(Inputs(torch.zeros(1, 32)))


def test_a_prior_that_counts_nothing_is_refused() -> None:
    """Then it would be no variational objective."""
    with pytest.raises(ValueError, match="need a weight above 0"):
        VariationalSettings(weight=0.0)


def _real_beats() -> Examples:
    """The 351 usable normal beats of record 208's five minutes, one lead."""
    recording, labels = read_excerpt(), read_excerpt_beats()
    normal = labels.sample[np.array(labels.symbol) == "N"]
    return population_examples(
        [normals_of(NormalRecord("208", recording.rate_hz, recording.ecg_mv, normal), SPEC)]
    )


def _fitted(train: Examples, aim: ObjectiveSettings, folder: Path) -> EncoderDecoder:
    sizes: dict[str, Any] = {"encoder_settings": {"hidden": [32]}, "decoder_settings": {"hidden": [32]}}
    spec = Architecture(encoder="dense", latent=8, **sizes).network(SPEC.samples, 125.0, 8, aim)
    torch.manual_seed(0)
    net = build(spec.form, spec.settings)
    training = FitSettings(epochs=30, batch=32, learning_rate=1e-2)
    fit(
        net, regularised(OBJECTIVES["population"], aim), train, None, training, folder / "net", lambda _: None
    )
    return net


def _drawn(net: EncoderDecoder) -> Tensor:
    """What 500 draws of the prior decode to, (500, samples) mV."""
    latent = torch.randn(500, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return net.decode(latent, Inputs(torch.zeros(500, SPEC.samples))).mean


def _away(found: Tensor, real: Tensor) -> float:
    """Median distance to the nearest real beat, in real beats' median distances from their mean."""
    return float(
        torch.cdist(found, real).amin(dim=1).median() / (real - real.mean(dim=0)).norm(dim=1).median()
    )


@pytest.mark.usefixtures("one_thread")
def test_samples_from_the_prior_decode_to_real_beats(tmp_path: Path) -> None:
    """Near to beats not trained on, as other real ones are, and as varied; other decodings are not.

    Without the divergence nothing keeps latent vectors where the prior is; with the right spread, but
    without the decoder, noise around the mean beat is no beat.
    """
    beats = _real_beats()
    train, held = beats.rows(torch.arange(0, len(beats), 2)), beats.inputs.window[1::2]
    found = _drawn(_fitted(train, objective_settings("variational"), tmp_path / "variational"))
    other = _drawn(_fitted(train, ObjectiveSettings(loss="mse"), tmp_path / "plain"))
    noise = torch.randn(500, SPEC.samples, generator=torch.Generator().manual_seed(2))
    around = held.mean(dim=0) + held.std(dim=0) * noise
    assert _away(found, held) < 1.5 * _away(train.inputs.window, held)
    assert min(_away(other, held), _away(around, held)) > 1.25 * _away(found, held)
    assert 0.5 < float(found.std(dim=0).mean() / held.std(dim=0).mean()) < 1.5
