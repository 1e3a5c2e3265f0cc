"""Put what was measured into a model's folder: report.png, CARD.md, and the manifest's measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor.model.artifact import Manifest, read_artifact, save_artifact
from monitor.model.model import Model
from training.data.normals import NormalRecord, normals_of
from training.fit.build import HISTORY
from training.fit.recipe import CHECKPOINTS
from training.measure.protocol import Result
from training.report.card import write_card
from training.report.picture import draw_report, read_history, reconstruction_samples, report_scores

PER_RECORD = 2  # best and worst reconstructions drawn of each record


def publish(folder: Path, result: Result | None, records: Sequence[NormalRecord]) -> Manifest:
    """Write report, card and measures; without a result only what needs none.

    records: whose normal beats are drawn beside their reconstructions, at best unseen in training.
    """
    manifest, networks = read_artifact(folder)
    if result is not None:
        measures = {f"{each.name} {each.group}".strip(): each.value for each in result.figures}
        manifest = save_artifact(folder, msgspec.structs.replace(manifest, measures=measures), networks)
    model = Model(manifest, networks)
    samples = [
        sample
        for record in records
        for sample in reconstruction_samples(
            model, record.name, normals_of(record, manifest.windows).beats, PER_RECORD
        )
    ]
    threshold = model.thresholds["usual" if model.contextual else "population"]["2"]
    scores = report_scores(result.patients, threshold) if result is not None and result.patients else None
    draw_report(folder / "report.png", read_history(folder / CHECKPOINTS / HISTORY), scores, samples)
    write_card(folder, manifest, result.figures if result is not None else ())
    return manifest
