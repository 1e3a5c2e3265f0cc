"""Which networks a model has, and who trains which."""

from __future__ import annotations

from pathlib import Path
from statistics import median_high

import pytest
import torch

from monitor.adapt.usual_beat import FEATURES, HISTORY
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.registry import build
from tests.support.normals import SPEC, KilledError, patients, quiet, small_recipes
from training.data.normals import PatientNormals, folds
from training.fit import recipe as recipe_module
from training.fit.loop import EpochRecord
from training.fit.objectives.corruption import DenoisingSettings
from training.fit.objectives.examples import OBJECTIVES, Examples, Objective
from training.fit.objectives.settings import ObjectiveSettings, objective_settings
from training.fit.recipe import CHECKPOINTS, Trained, fit_all, needs_noise, recipes


def _weights(net: EncoderDecoder) -> list[list[float]]:
    return [value.flatten().tolist() for value in net.state_dict().values()]


def _all_weights(trained: Trained) -> list[list[list[float]]]:
    return [_weights(net) for net in (trained.final, *trained.by_fold)]


def _train(folder: Path, normals: list[PatientNormals], name: str = "population", seed: int = 0) -> Trained:
    torch.set_num_threads(1)  # a sum's rounding depends on how many share it
    return fit_all(name, small_recipes(seed=seed)[name], normals, 2, folder, quiet)


def test_forms_and_their_networks() -> None:
    """The plain form has no network for a stream's usual beat."""
    assert set(recipes("plain", SPEC)) == {"population", "fixed"}
    assert set(recipes("contextual", SPEC)) == {"population", "fixed", "usual"}
    with pytest.raises(ValueError, match="form is 'odd', wanted 'contextual' or 'plain'"):
        recipes("odd", SPEC)


def test_seed_and_epochs_reach_every_network() -> None:
    """What the command line sets holds for all networks; epochs have defaults of their own otherwise."""
    parts = recipes("contextual", SPEC, seed=5, epochs=3)
    assert {(part.settings.seed, part.settings.epochs) for part in parts.values()} == {(5, 3)}
    assert all(part.settings.epochs > 3 for part in recipes("contextual", SPEC).values())


def test_networks_fit_the_windows() -> None:
    """Each network reconstructs windows of the length that the spec cuts."""
    for name, part in recipes("contextual", SPEC).items():
        window = torch.zeros(2, SPEC.fixed_samples // 2 if name == "fixed" else SPEC.samples)
        past = torch.zeros(2, HISTORY, FEATURES)
        net = build(part.network.form, part.network.settings)
        assert net(Inputs(window, None, window, past, torch.zeros(2))).mean.shape == window.shape


def test_no_network_trains_on_the_patients_it_is_tested_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold trains on all others and stops by its own; the last network trains on all."""
    asked: list[list[str]] = []

    def examples(normals: list[PatientNormals]) -> Examples:
        asked.append([each.name for each in normals])
        return OBJECTIVES["population"].examples(normals)

    plain = OBJECTIVES["population"]
    monkeypatch.setattr(recipe_module, "OBJECTIVES", {"population": Objective(examples, plain.loss)})
    _train(tmp_path, patients("abcde"))
    first, second = folds(list("abcde"), 2)
    assert asked == [second, first, first, second, list("abcde")]


def test_another_patients_ecg_changes_the_others_networks(tmp_path: Path) -> None:
    """The network of a patient's own fold does not know him, but that of the other fold does."""
    normals = patients("abcd")
    stranger = [*normals[:3], patients("axyd", seconds=70.0)[3]]
    one, other = _train(tmp_path / "one", normals), _train(tmp_path / "other", stranger)
    # d is in the second fold.
    assert one.history["fold 0"] != other.history["fold 0"]
    assert [e.train for e in one.history["fold 1"]] == [e.train for e in other.history["fold 1"]]
    assert [e.held_out for e in one.history["fold 1"]] != [e.held_out for e in other.history["fold 1"]]


def test_the_last_network_trains_as_long_as_the_folds_did(tmp_path: Path) -> None:
    """For the median of their best epochs: it has nobody left to stop by."""
    history = _train(tmp_path, patients()).history
    best = [
        min(epochs, key=lambda e: e.held_out).epoch for label, epochs in history.items() if label != "all"
    ]
    assert list(history) == ["fold 0", "fold 1", "all"]
    assert len(history["all"]) == median_high(best)


def test_order_of_patients_does_not_matter(tmp_path: Path) -> None:
    """A run continued with the patients named in another order is the same run."""
    one, other = _train(tmp_path / "one", patients()), _train(tmp_path / "other", patients()[::-1])
    assert _all_weights(one) == _all_weights(other)


def test_seed_decides_the_networks(tmp_path: Path) -> None:
    """All networks of a seed begin alike, and other seeds give others."""
    one, same, other = (_train(tmp_path / str(i), patients(), seed=seed) for i, seed in enumerate((0, 0, 1)))
    assert _all_weights(one) == _all_weights(same)
    assert _all_weights(one) != _all_weights(other)


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4, 5])
def test_killed_between_networks(tmp_path: Path, killed_at: int) -> None:
    """Whichever epoch of whichever fold was the last, a second call ends in the undisturbed result."""
    seen: list[str] = []

    def on_epoch(label: str, record: EpochRecord) -> None:
        seen.append(label)
        if len(seen) == killed_at:
            raise KilledError

    torch.set_num_threads(1)
    with pytest.raises(KilledError):
        fit_all("usual", small_recipes()["usual"], patients(), 2, tmp_path / "killed", on_epoch)
    resumed = fit_all("usual", small_recipes()["usual"], patients(), 2, tmp_path / "killed", on_epoch)
    whole = _train(tmp_path / "whole", patients(), "usual")
    assert _all_weights(resumed) == _all_weights(whole)
    assert str(resumed.history) == str(whole.history)  # NaN is unequal to itself
    assert seen == ["usual, fold 0"] * 2 + ["usual, fold 1"] * 2 + ["usual, all"] * len(whole.history["all"])
    assert (tmp_path / "killed" / CHECKPOINTS / "usual-fold-1.safetensors").exists()


def test_noise_is_wanted_where_a_recipe_asks_for_it() -> None:
    """Denoising by the noise of records wants it; masking, and no denoising at all, do not."""
    masked = ObjectiveSettings(denoising=DenoisingSettings(noise="masking"))
    wanted, plain, other = (
        needs_noise(recipes("plain", SPEC, objective=each).values())
        for each in (objective_settings("denoising"), objective_settings("plain"), masked)
    )
    assert (wanted, plain, other) == (True, False, False)
