"""What the networks are fed in training, and what they are held to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from monitor.adapt.usual_beat import HISTORY, LEARN
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction
from monitor.model.autoencoders.registry import build
from monitor.model.scoring import spread_error
from tests.support.normals import SPEC, patient, patients
from training.fit.objectives.examples import FORGET, OBJECTIVES, Examples, population_examples, usual_examples


class _Fixed(EncoderDecoder):
    """Says the same whatever comes in, and keeps what came."""

    def __init__(self, output: Reconstruction) -> None:
        super().__init__()
        self.output = output
        self.seen: list[Inputs] = []

    def forward(self, inputs: Inputs) -> Reconstruction:
        self.seen.append(inputs)
        return self.output


def _expects(mean: Tensor, log_spread: Tensor | None = None, rhythm: Tensor | None = None) -> _Fixed:
    return _Fixed(Reconstruction(mean, torch.zeros(len(mean), 4), log_spread, rhythm))


def _usual(examples: Examples, **change: Tensor) -> _Fixed:
    """What expects the windows themselves, but for the changes."""
    n = len(examples)
    known = {
        "mean": examples.inputs.window,
        "log_spread": torch.zeros(n, SPEC.samples),
        "rhythm": torch.zeros(n, 2),
    }
    return _expects(**{**known, **change})


def _loss(
    name: str, net: EncoderDecoder, examples: Examples, generator: torch.Generator | None = None
) -> float:
    return float(OBJECTIVES[name].loss(net, examples, generator))


def test_contextual_examples_are_beats_with_a_past() -> None:
    """Both leads of every beat that has a usual one, in units of its size; others are left out."""
    beats = patient("a").beats
    examples = usual_examples([patient("a")])
    ready = np.flatnonzero(beats.ready & ~np.isnan(beats.log_ratio))
    assert LEARN - 2 <= len(beats.ready) - len(ready) <= LEARN
    assert len(examples) == 2 * len(ready)
    assert examples.log_ratio is not None
    window = examples.inputs.window[0] * float(beats.scale_mv[ready[0], 0])
    assert np.allclose(window.numpy(), beats.beat[ready[0], 0], atol=1e-6)


def test_examples_are_the_patients_one_after_the_other() -> None:
    """Nothing of a patient who was not given is in them."""
    for objective in OBJECTIVES.values():
        both, one = (objective.examples(patients(names)) for names in ("ab", "a"))
        assert len(one) < len(both)
        assert torch.equal(both.rows(torch.arange(len(one))).inputs.window, one.inputs.window)


def test_leads_that_are_not_good_are_left_out() -> None:
    """The population's network learns from the good leads of every normal beat."""
    normals = patient("a")
    good = normals.beats.good.copy()
    good[5, 1] = False
    beats = replace(normals.beats, good=good)
    assert len(population_examples([replace(normals, beats=beats)])) == 2 * len(normals.r_peak) - 1


def test_fixed_windows_come_in_halves() -> None:
    """As the network reads them in the monitor."""
    normals = patient("a")
    window = OBJECTIVES["fixed"].examples([normals]).inputs.window
    assert window.shape == (4 * len(normals.fixed_mv), SPEC.fixed_samples // 2)
    assert np.array_equal(window[:2].numpy().ravel(), normals.fixed_mv[0, :, 0])


def test_contextual_loss_is_the_score_of_the_monitor() -> None:
    """Training minimises the very error that the monitor later finds surprising."""
    examples = usual_examples([patient("a")])
    generator = torch.Generator().manual_seed(0)
    window = examples.inputs.window
    mean = window + 0.1 * torch.randn(window.shape, generator=generator)
    log_spread = torch.randn(window.shape, generator=generator) - 2
    error, _ = spread_error(window.numpy(), mean.numpy(), log_spread.numpy())
    surely = torch.full((len(window), 2), 0.0)
    found = _loss("usual", _usual(examples, mean=mean, log_spread=log_spread, rhythm=surely), examples)
    rhythm = found - _loss("usual", _usual(examples, rhythm=surely), examples)
    floor, _ = spread_error(window.numpy(), window.numpy(), np.zeros_like(window.numpy()))
    assert rhythm == pytest.approx(error.mean() - floor.mean(), abs=1e-4)


def test_contextual_loss_knows_its_own_doubt() -> None:
    """Of three expected spreads the one that the errors have is the best; a late beat costs, too."""
    examples = usual_examples([patient("a")])
    window = examples.inputs.window
    noise = torch.randn(window.shape, generator=torch.Generator().manual_seed(1))
    losses = [
        _loss(
            "usual",
            _usual(examples, mean=window + 0.1 * noise, log_spread=torch.full_like(window, spread)),
            examples,
        )
        for spread in (-4.0, float(np.log(0.1)), 0.0)
    ]
    assert min(losses) == losses[1]
    late = torch.tensor([[1.0, -2.0]]).expand(len(examples), 2)
    assert _loss("usual", _usual(examples, rhythm=late), examples) > _loss(
        "usual", _usual(examples), examples
    )


def test_a_step_of_the_baseline_costs_nothing() -> None:
    """The error's own mean is no change of shape."""
    examples = usual_examples([patient("a")])
    stepped = _usual(examples, mean=examples.inputs.window + 0.3)
    assert _loss("usual", stepped, examples) == pytest.approx(
        _loss("usual", _usual(examples), examples), abs=1e-3
    )


def test_some_examples_forget_their_older_past() -> None:
    """About FORGET of them lose all but their newest beats; windows and usual beats stay as they are."""
    examples = usual_examples(patients("abcd"))
    net = _usual(examples)
    _loss("usual", net, examples, torch.Generator().manual_seed(3))
    (seen,), given = net.seen, examples.inputs
    assert seen.past is not None
    assert given.past is not None
    same = (seen.past == given.past).all(dim=2)
    changed = ~same.all(dim=1)
    assert 0.5 * FORGET < float(changed.float().mean()) < 1.5 * FORGET
    # What was blanked is the oldest: from the first kept beat on all are.
    blank = (seen.past == 0).all(dim=2)
    first = HISTORY - same.flip(1).int().cumprod(dim=1).sum(dim=1)
    assert all(blank[i, : first[i]].all() for i in torch.nonzero(changed)[:, 0].tolist())
    assert torch.equal(seen.window, given.window)


def test_nothing_is_forgotten_without_a_generator() -> None:
    """Held-out losses are of the examples as they are."""
    examples = usual_examples([patient("a")])
    net = _usual(examples)
    _loss("usual", net, examples)
    assert net.seen[0] is examples.inputs


def test_plain_loss_counts_leads_alike() -> None:
    """Half the error saves as much on a small lead as on a large one."""
    large = population_examples([patient("a")])
    small = Examples(Inputs(large.inputs.window / 5))
    saved = [
        _loss("population", _expects(0.5 * e.inputs.window), e)
        - _loss("population", _expects(0.75 * e.inputs.window), e)
        for e in (large, small)
    ]
    assert saved[0] == pytest.approx(saved[1], rel=0.2)
    assert saved[0] > 1


def test_plain_form_cannot_be_trained_contextually() -> None:
    """A network that tells no spread does not fit the objective."""
    net = build("lstm", {"hidden": 8, "latent": 4, "position": 2})
    with pytest.raises(ValueError, match="must tell spread and rhythm"):
        _loss("usual", net, usual_examples([patient("a")]))


def test_forgetting_needs_a_past() -> None:
    """Windows alone are not the contextual form's examples."""
    examples = population_examples([patient("a")])
    with pytest.raises(ValueError, match="needs a past"):
        _loss("usual", _usual(examples), examples, torch.Generator())
