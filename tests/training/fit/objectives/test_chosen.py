"""Settings of objectives and pre-training by the names and values that a user gives."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.test_docs import table
from training.fit.objectives.corruption import DenoisingSettings
from training.fit.objectives.settings import KINDS, objective_settings
from training.fit.objectives.sparse import SparseSettings
from training.fit.pretraining import PretrainingSettings, pretraining_settings


def test_what_is_not_given_stays_the_default() -> None:
    """One value is another one, the loss goes with it, and the defaults themselves stay as they are."""
    masked = objective_settings("denoising", "huber", {"noise": "masking"})
    assert (masked.loss, masked.denoising) == ("huber", DenoisingSettings(noise="masking"))
    assert objective_settings("denoising").denoising == DenoisingSettings()
    sparse = objective_settings("sparse", given={"penalty": "l1", "weight": 1}).sparse
    assert sparse == SparseSettings(penalty="l1", weight=1.0)
    assert pretraining_settings("rbm", {"epochs": 10}) == PretrainingSettings(kind="rbm", epochs=10)
    assert pretraining_settings(None, {}) is None


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("plain", {"weight": 1}, "objective plain has no settings; got weight"),
        ("sparse", {"noise": "l1"}, "no setting 'noise'; there are penalty=kl, target=0.05, weight=0.1"),
        ("sparse", {"penalty": "l3"}, "need kl or l1.*penalty='l3'.* defaults, are penalty=kl"),
        ("sparse", {"weight": "a"}, r"`float`, got `str` - at `\$\.weight`; its settings"),
        ("denoising", {"noise": "blue"}, "'additive', 'masking', 'records'.*got .*'blue'"),
        ("contractive", {"probes": 1.5}, r"at `\$\.probes`"),
    ],
)
def test_what_cannot_be_is_told_with_what_there_is(kind: str, given: dict[str, Any], said: str) -> None:
    """A name that is none, a value out of its range, one of another type."""
    with pytest.raises(ValueError, match=said):
        objective_settings(kind, given=given)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (None, {"epochs": 3}, "need one of greedy, rbm; got epochs"),
        ("greedy", {"kind": "rbm"}, "pre-training greedy has no setting 'kind'; there are epochs=5"),
        ("rbm", {"rbm_rate": 0}, "rates above 0"),
        ("deep", {}, "need a kind of .*'greedy', 'rbm'"),
    ],
)
def test_pretraining_alike(kind: str | None, given: dict[str, Any], said: str) -> None:
    """Its kind has an option of its own, and settings without a kind mean nothing."""
    with pytest.raises(ValueError, match=said):
        pretraining_settings(kind, given)


def test_settings_of_the_page_are_those_of_the_code() -> None:
    """Names and defaults of every objective's settings, and of the pre-training's."""
    told = {
        row[0]: row[1]
        for row in table("docs/autoencoders.md", "of", "settings, with their defaults", "what they are")
    }
    own = {kind: getattr(settings, kind, None) for kind, settings in KINDS.items()}
    known = {kind: asdict(each) for kind, each in own.items() if each is not None}
    known["pre-training"] = asdict(PretrainingSettings())
    del known["pre-training"]["kind"]
    assert told == {
        part: ", ".join(f"{name}={value}" for name, value in each.items()) for part, each in known.items()
    }
