"""The variational objective: its divergence and its draws."""

from __future__ import annotations

import pytest
import torch

from monitor.autoencoders.interface import Inputs
from monitor.autoencoders.registry import build
from training.variational import VariationalSettings, draw, kl_to_prior


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
