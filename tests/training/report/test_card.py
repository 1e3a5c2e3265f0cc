"""A model's card."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monitor.formats.figures import Figure
from monitor.model.artifact import Manifest
from tests.support.models import small_model
from training.report.card import NOTICE, render_card, write_card

_FIGURES = [
    Figure(name="auroc", group="V", value=0.9961, low=0.99, high=0.999, target=0.98, met=True),
    Figure(name="false_beats_per_hour", group="all", value=None),
    Figure(name="elapsed", group="all", value=1.0),
]


def test_card_names_version_data_and_limits(tmp_path: Path) -> None:
    """The card has the notice, what the model was made from, its operating point and its limits."""
    manifest = small_model(tmp_path).manifest
    card = write_card(tmp_path, manifest).read_text(encoding="utf-8")
    assert card.startswith(f"# small, version {manifest.version}\n\n**{NOTICE}**")
    assert "- records: made up" in card
    assert "| usual | 2 or more |" in card
    assert "| usual | contextual | hidden 8" in card
    assert "Not measured yet" in card
    assert "MIT-BIH" not in card


def test_card_lists_the_measures(tmp_path: Path) -> None:
    """Measures come with interval and target; what is none of the card's is left out."""
    card = render_card(small_model().manifest, _FIGURES)
    assert "| auroc | V | 0.996 (0.990–0.999) ≥ 0.98 ✓ |" in card
    assert "| false beats per hour | all | – |" in card
    assert "elapsed" not in card


def test_card_of_an_uncalibrated_model() -> None:
    """Before calibration there is no operating point; nested facts are written out."""
    manifest = Manifest(name="new", code={"fit": {"usual": {"epochs": 10}}, "seeds": [1, 2]}, card="Not yet.")
    card = render_card(manifest)
    assert "Not calibrated yet" in card
    assert "- fit: usual: epochs: 10" in card
    assert f"**{NOTICE}** Not yet." in card
    assert "## Data\n\nNot stated." in card


def test_card_credits_the_database() -> None:
    """MIT-BIH's licence asks to be named, and its recordings have limits of their own."""
    manifest = msgspec.structs.replace(
        small_model().manifest, data={"database": "MIT-BIH Arrhythmia Database 1.0.0"}
    )
    card = render_card(manifest)
    assert "Moody & Mark" in card
    assert "recorded in Boston" in card
