"""What networks say of a window by a score of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from monitor.errors import ScoreError
from monitor.model.artifact import Manifest, NetworkSpec, read_artifact, save_artifact
from monitor.model.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.model.autoencoders.interface import Inputs
from monitor.model.autoencoders.scores import DRAWS, KEPT_BYTES, NearestLatent, ReconstructionProbability
from monitor.model.scoring import TiledOutput, run_tiled, window_error
from monitor.model.terms import fixed_terms, population_terms
from tests.support.normals import SPEC, patient
from tests.support.small_nets import waves
from training.fit.kept_latents import centres, keep_latents
from training.fit.loop import FitSettings, fit
from training.fit.objectives.examples import OBJECTIVES, Examples
from training.fit.objectives.settings import objective_settings, regularised

_KINDS: dict[str, dict[str, Any]] = {
    "neighbours": {},
    "probability": {"variational": True, "spread": True},
}


def _settings(score: str, samples: int = 104) -> ComposedSettings:
    return ComposedSettings(
        encoder="dense", decoder="dense", samples=samples, latent=4, score=score, **_KINDS[score]
    )


def _network(score: str, samples: int = 104) -> ComposedEncoderDecoder:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = ComposedEncoderDecoder(_settings(score, samples)).eval()
    keep_latents(net, waves(300, samples).inputs, 0)
    return net


def test_distance_is_that_of_scikit_learn() -> None:
    """To the nearest of the same set of normal latents."""
    net, tested = _network("neighbours"), waves(200, 104, seed=5).inputs
    assert isinstance(net.score, NearestLatent)
    out = run_tiled(net, tested)
    nearest = NearestNeighbors(n_neighbors=1).fit(net.score.kept.numpy())
    wanted = nearest.kneighbors(out.latent)[0][:, 0]
    assert out.score is not None
    assert np.allclose(out.score, wanted, atol=1e-6)
    assert wanted.min() > 0


def test_kept_latents_stay_under_their_size() -> None:
    """Whatever the width of a latent vector."""
    for latent in (4, 32, 256, 512):
        kept = NearestLatent(latent).kept
        assert 0 < kept.numel() * 4 <= KEPT_BYTES


def test_few_normals_are_kept_as_they_are_and_many_by_their_centres() -> None:
    """Centres lie among the normals, nearer to each than so many drawn at random."""
    random = np.random.default_rng(0)
    latent = random.standard_normal((500, 4)).astype(np.float32)
    few = centres(latent[:3], 7, 0)
    assert np.array_equal(few, latent[[0, 1, 2, 0, 1, 2, 0]])
    many, drawn = centres(latent, 40, 0), latent[:40]
    far = [np.linalg.norm(latent[:, None] - kept, axis=2).min(axis=1)[40:].mean() for kept in (many, drawn)]
    assert many.shape == (40, 4)
    assert far[0] < far[1]


def test_unfilled_neighbours_are_an_error() -> None:
    """A network that never saw a normal latent calls nothing normal."""
    net = ComposedEncoderDecoder(_settings("neighbours")).eval()
    with pytest.raises(ScoreError, match="not a number"):
        population_terms(net, patient("a").beats)


@pytest.mark.parametrize("score", sorted(_KINDS))
def test_score_does_not_depend_on_the_batch(score: str) -> None:
    """Every row gives bit for bit the same alone, in another place, and the next time."""
    net, inputs = _network(score), waves(70, 104).inputs
    together, again = (run_tiled(net, inputs).score for _ in range(2))
    order = torch.randperm(70, generator=torch.Generator().manual_seed(1))
    mixed = run_tiled(net, inputs.rows(order)).score
    assert together is not None
    assert mixed is not None
    assert np.array_equal(together, again)  # type: ignore[arg-type]
    assert np.array_equal(together[order.numpy()], mixed)
    for row in (0, 63, 64, 69):
        alone = run_tiled(net, inputs.rows(slice(row, row + 1))).score
        assert alone is not None
        assert alone[0] == together[row]


@pytest.mark.parametrize("score", sorted(_KINDS))
def test_score_travels_with_the_weights(score: str, tmp_path: Path) -> None:
    """Saved and loaded, the network scores the same."""
    net, inputs = _network(score), waves(9, 104, seed=2).inputs
    settings = {**_KINDS[score], "encoder": "dense", "decoder": "dense", "samples": 104, "latent": 4}
    specs = {"population": NetworkSpec("composed", {**settings, "score": score})}
    save_artifact(tmp_path, Manifest(name="scored", networks=specs), {"population": net})
    loaded = read_artifact(tmp_path)[1]["population"]
    assert np.array_equal(run_tiled(net, inputs).score, run_tiled(loaded, inputs).score)  # type: ignore[arg-type]


def test_probability_is_the_mean_density_of_the_draws() -> None:
    """Of each draw of the fixed table through the decoder's normal distribution."""
    net, inputs = _network("probability"), waves(5, 104).inputs
    assert isinstance(net.score, ReconstructionProbability)
    with torch.no_grad():
        mean, log_variance = net.encode_distribution(inputs)
        total = torch.zeros(5)
        for row in net.score.noise:
            out = net.decode(mean + torch.exp(0.5 * log_variance) * row, inputs)
            assert out.log_spread is not None
            density = torch.distributions.Normal(out.mean, torch.exp(out.log_spread))
            total -= density.log_prob(inputs.window).mean(dim=1)  # type: ignore[no-untyped-call]
    found = run_tiled(net, inputs).score
    assert len(net.score.noise) == DRAWS
    assert found is not None
    assert found.tolist() == pytest.approx((total / DRAWS).tolist(), rel=1e-5)


def test_probability_leaves_padding_out() -> None:
    """A window's own samples count, whatever follows them."""
    net, window = _network("probability"), waves(4, 104).inputs.window
    lengths = torch.full((4,), 60)
    other = torch.where(torch.arange(104) < 60, window, 9.0)
    scores = [run_tiled(net, Inputs(each, lengths)).score for each in (window, other)]
    assert scores[0] is not None
    assert scores[1] is not None
    assert np.array_equal(scores[0], scores[1])


def test_a_trained_variational_network_tells_noise_from_humps(tmp_path: Path) -> None:
    """Its score is higher for what it never saw, and draws from the prior decode to humps."""
    torch.manual_seed(0)
    net = ComposedEncoderDecoder(_settings("probability", 16))
    objective = regularised(OBJECTIVES["population"], objective_settings("variational"))
    clean = waves(512).inputs.window
    examples = Examples(Inputs(clean + 0.1 * torch.randn(clean.shape)))
    settings = FitSettings(epochs=60, batch=64, learning_rate=1e-2)
    fit(net, objective, examples, None, settings, tmp_path / "net", lambda record: None)
    window = waves(100, seed=3).inputs.window
    strange = run_tiled(net, Inputs(-window)).score
    normal = run_tiled(net, Inputs(window)).score
    assert normal is not None
    assert strange is not None
    assert np.median(strange) > normal.max()
    with torch.no_grad():
        latent = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        drawn = net.decode(latent, Inputs(torch.zeros(50, 16))).mean
    apart = torch.cdist(drawn, clean).min(dim=1).values
    assert float(apart.median()) < 0.25 * float(clean.norm(dim=1).mean())


def test_training_fills_the_neighbours(tmp_path: Path) -> None:
    """After the last epoch, in the network and in its checkpoint; a continued run fills them alike."""
    objective, settings = OBJECTIVES["population"], FitSettings(epochs=1, batch=64)
    kept = []
    for _ in range(2):
        net = ComposedEncoderDecoder(_settings("neighbours", 16))
        fit(net, objective, waves(), None, settings, tmp_path / "net", lambda record: None)
        assert isinstance(net.score, NearestLatent)
        kept.append(net.score.kept)
    assert bool(torch.isfinite(kept[0]).all())
    assert torch.equal(kept[0], kept[1])


def test_own_score_takes_the_place_of_the_error() -> None:
    """Of beats, and of fixed windows by the mean of their halves; the worst region stays the error's."""
    net, normals = _network("neighbours"), patient("a")
    terms = population_terms(net, normals.beats)
    plain = ComposedEncoderDecoder(replace(_settings("neighbours"), score="error")).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("score.")})
    by_error = population_terms(plain, normals.beats)
    assert not np.array_equal(terms.error, by_error.error)
    assert np.array_equal(terms.worst, by_error.worst)
    fixed = _network("neighbours", SPEC.fixed_samples // 2)
    assert np.isfinite(fixed_terms(fixed, normals.fixed_mv, normals.fixed_good).error).any()
    out = TiledOutput(
        np.zeros((4, 8), np.float32), None, np.zeros((4, 4), np.float32), None, np.arange(4, dtype=np.float32)
    )
    assert window_error(out, np.ones((2, 16), np.float32))[0].tolist() == [0.5, 2.5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "likeness"}, "wanted one of error, probability, neighbours"),
        ({"score": "probability"}, "variational and tells its spread"),
        ({"score": "probability", "variational": True}, "variational and tells its spread"),
    ],
)
def test_scores_that_a_network_cannot_give_are_refused(change: dict[str, Any], message: str) -> None:
    """The message says what it lacks."""
    with pytest.raises(ValueError, match=message):
        ComposedEncoderDecoder(
            ComposedSettings(encoder="dense", decoder="dense", samples=16, latent=4, **change)
        )
