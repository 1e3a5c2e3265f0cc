"""`ecg-train fit`: train a model's networks on normal beats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.options import Metrics, Pushgateway

if TYPE_CHECKING:
    from monitor.model.artifact import Manifest
    from training.data.normals import NormalRecord
    from training.fit.architecture import Architecture
    from training.fit.loop import EpochRecord
    from training.fit.objectives.settings import ObjectiveSettings
    from training.fit.pretraining import PretrainingSettings
    from training.fit.recipe import Recipe

Names = list[str] | None
_Data = Annotated[Path, typer.Option(help="Folder with mitdb/ in it, or the database's own folder.")]
_Out = Annotated[Path, typer.Option(help="Model folder to write; a killed run is continued.")]
_Form = Annotated[str, typer.Option(help="contextual, or plain.")]
_Encoder = Annotated[
    str | None, typer.Option(help="Of the networks that see the window: lstm, dense, conv, pca.")
]
_Decoder = Annotated[str | None, typer.Option(help="The same choice. Default: as the encoder.")]
_Latent = Annotated[int | None, typer.Option(min=4, help="Numbers of the latent vector.")]
_Ahead = Annotated[float, typer.Option(min=0, help="Seconds at a window's end to predict from the rest.")]
_EncoderSetting = Annotated[Names, typer.Option(help="Of the encoder, as depth=2, hidden=[32,16]; repeat.")]
_DecoderSetting = Annotated[Names, typer.Option(help="Of the decoder, likewise.")]
_Objective = Annotated[str, typer.Option(help="plain, sparse, denoising, contractive, or variational.")]
_ObjectiveSetting = Annotated[
    Names, typer.Option(help="Of the objective, as noise=masking, weight=0.5; repeat.")
]
_Loss = Annotated[str, typer.Option(help="log, mse, mae, huber, bce, or gaussian. Default: the objective's.")]
_Pretraining = Annotated[str | None, typer.Option(help="Of dense layers, one by one: greedy, or rbm.")]
_PretrainingSetting = Annotated[Names, typer.Option(help="Of the pre-training, as epochs=10; repeat.")]
_Score = Annotated[str, typer.Option(help="error, probability (variational), or neighbours.")]
_Name = Annotated[str, typer.Option(help="The model's name in events and metrics.")]
_Folds = Annotated[int, typer.Option(min=2, help="Parts of the patients for cross-fitting.")]
_Epochs = Annotated[int | None, typer.Option(min=1, help="Most epochs of each network.")]
_Seed = Annotated[int, typer.Option(help="Of weights, order and augmentation.")]
_Record = Annotated[Names, typer.Option(help="Training record; repeat. Default: DS1 but 201, 208.")]


def fit(
    data: _Data,
    out: _Out,
    form: _Form = "contextual",
    encoder: _Encoder = None,
    decoder: _Decoder = None,
    latent: _Latent = None,
    ahead: _Ahead = 0.0,
    encoder_setting: _EncoderSetting = None,
    decoder_setting: _DecoderSetting = None,
    objective: _Objective = "plain",
    objective_setting: _ObjectiveSetting = None,
    loss: _Loss = "",
    pretraining: _Pretraining = None,
    pretraining_setting: _PretrainingSetting = None,
    score: _Score = "error",
    name: _Name = "",
    folds: _Folds = 4,
    epochs: _Epochs = None,
    seed: _Seed = 0,
    record: _Record = None,
    metrics: Metrics = None,
    pushgateway: Pushgateway = None,
) -> None:
    """Train the encoder-decoders on the normal beats of the training patients.

    Early stopping looks at held-out normal patients; no anomaly label is read.
    """
    networks = _Networks(encoder, decoder, latent, ahead, score, encoder_setting, decoder_setting)
    training = _Training(objective, objective_setting, loss, pretraining, pretraining_setting)
    parts = _recipes(form, networks, training, seed, epochs)
    title = name or "-".join(filter(None, ("mitdb", form, encoder)))
    _train(data, out, title, parts, folds, record, (metrics, pushgateway))


@dataclass(frozen=True, slots=True)
class _Networks:
    """Of the networks that see the window, as it was typed."""

    encoder: str | None
    decoder: str | None
    latent: int | None
    ahead_s: float
    score: str
    encoder_setting: Names
    decoder_setting: Names

    def architecture(self) -> Architecture:
        """What it comes to; raises ValueError for one that can't be."""
        from training.fit.architecture import Architecture, parse_settings

        return Architecture(
            encoder=self.encoder or "lstm",
            decoder=self.decoder,
            latent=self.latent,
            ahead_s=self.ahead_s,
            score=self.score,
            encoder_settings=parse_settings(self.encoder_setting or []),
            decoder_settings=parse_settings(self.decoder_setting or []),
        )


@dataclass(frozen=True, slots=True)
class _Training:
    """What they are trained to do and what they begin with, as it was typed."""

    objective: str
    objective_setting: Names
    loss: str
    pretraining: str | None
    pretraining_setting: Names

    def settings(self) -> tuple[ObjectiveSettings, PretrainingSettings | None]:
        """What it comes to; raises ValueError for what there is not."""
        from training.fit.architecture import parse_settings
        from training.fit.objectives.settings import objective_settings
        from training.fit.pretraining import pretraining_settings

        aim = objective_settings(self.objective, self.loss, parse_settings(self.objective_setting or []))
        return aim, pretraining_settings(self.pretraining, parse_settings(self.pretraining_setting or []))


def _recipes(
    form: str, networks: _Networks, training: _Training, seed: int, epochs: int | None
) -> dict[str, Recipe]:
    from monitor.ecg.windows import WindowSpec
    from training.fit.architecture import Architecture
    from training.fit.objectives.settings import ObjectiveSettings
    from training.fit.recipe import recipes

    try:
        architecture, (aim, first) = networks.architecture(), training.settings()
        # Without a choice the plain LSTM form, whose weights have names of their own.
        chosen = (architecture, aim, first, networks.encoder)
        default = chosen == (Architecture(), ObjectiveSettings(), None, None)
        return recipes(form, WindowSpec(), seed, epochs, None if default else architecture, aim, first)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _train(
    data: Path,
    out: Path,
    title: str,
    parts: dict[str, Recipe],
    folds: int,
    record: Names,
    told_to: tuple[Path | None, str | None],
) -> None:
    from rich.console import Console

    from training.data.records import TRAINING, normal_records
    from training.report.textfile import TrainingMetrics, newest_file_s

    told = TrainingMetrics("fit", *told_to)
    names = list(dict.fromkeys(record or TRAINING))  # twice named, a patient would be in two folds
    if folds > len(names):
        raise typer.BadParameter(
            f"{folds} folds need as many records; got {len(names)}", param_hint="--folds"
        )
    records = normal_records(data, names)
    manifest = _fitted(data, out, title, parts, folds, records)
    Console().print(f"trained {manifest.name} on {len(records)} patients → {out}; next: ecg-train calibrate")
    told.succeeded(manifest.name, manifest.version, data_s=newest_file_s(data, names))


def _fitted(
    data: Path, out: Path, title: str, parts: dict[str, Recipe], folds: int, records: list[NormalRecord]
) -> Manifest:
    """Train every network of every fold, under a bar over all of their epochs."""
    from monitor.ecg.windows import WindowSpec
    from monitor.model.artifact import Manifest
    from training.data.noise_records import training_noise
    from training.fit.build import all_normals, data_facts, fit_model, noise_facts
    from training.fit.recipe import needs_noise
    from training.progress import bar

    patients = all_normals(records, WindowSpec(), bar)
    noise = training_noise(data) if needs_noise(parts.values()) else None
    facts = data_facts(records, "MIT-BIH Arrhythmia Database 1.0.0") | noise_facts(noise)
    manifest = Manifest(name=title, windows=WindowSpec(), data=facts)
    total = sum(recipe.settings.epochs * (folds + 1) for recipe in parts.values())
    with bar("training", total) as advance:

        def on_epoch(label: str, epoch: EpochRecord) -> None:
            advance(1, f"{label}: {epoch}")

        return fit_model(out, manifest, parts, patients, folds, on_epoch, noise)
