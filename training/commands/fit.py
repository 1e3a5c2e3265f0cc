"""`ecg-train fit`: train a model's networks on normal beats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import Metrics, Pushgateway


def fit(
    data: Annotated[Path, typer.Option(help="Folder with mitdb/ in it, or the database's own folder.")],
    out: Annotated[Path, typer.Option(help="Model folder to write; a killed run is continued.")],
    form: Annotated[str, typer.Option(help="contextual, or plain.")] = "contextual",
    encoder: Annotated[
        str | None, typer.Option(help="Of the networks that see the window: lstm, dense, conv, pca.")
    ] = None,
    decoder: Annotated[str | None, typer.Option(help="The same choice. Default: as the encoder.")] = None,
    latent: Annotated[int | None, typer.Option(min=4, help="Numbers of the latent vector.")] = None,
    ahead: Annotated[
        float, typer.Option(min=0, help="Seconds at a window's end to predict from the rest.")
    ] = 0.0,
    encoder_setting: Annotated[
        list[str] | None, typer.Option(help="Of the encoder, as depth=2, hidden=[32,16]; repeat.")
    ] = None,
    decoder_setting: Annotated[list[str] | None, typer.Option(help="Of the decoder, likewise.")] = None,
    objective: Annotated[
        str, typer.Option(help="plain, sparse, denoising, contractive, or variational.")
    ] = "plain",
    objective_setting: Annotated[
        list[str] | None, typer.Option(help="Of the objective, as noise=masking, weight=0.5; repeat.")
    ] = None,
    loss: Annotated[
        str, typer.Option(help="log, mse, mae, huber, bce, or gaussian. Default: the objective's.")
    ] = "",
    pretraining: Annotated[
        str | None, typer.Option(help="Of dense layers, one by one: greedy, or rbm.")
    ] = None,
    pretraining_setting: Annotated[
        list[str] | None, typer.Option(help="Of the pre-training, as epochs=10; repeat.")
    ] = None,
    score: Annotated[str, typer.Option(help="error, probability (variational), or neighbours.")] = "error",
    name: Annotated[str, typer.Option(help="The model's name in events and metrics.")] = "",
    folds: Annotated[int, typer.Option(min=2, help="Parts of the patients for cross-fitting.")] = 4,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs of each network.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    record: Annotated[
        list[str] | None, typer.Option(help="Training record; repeat. Default: DS1 but 201, 208.")
    ] = None,
    metrics: Metrics = None,
    pushgateway: Pushgateway = None,
) -> None:
    """Train the encoder-decoders on the normal beats of the training patients.

    Early stopping looks at held-out normal patients; no anomaly label is read.
    """
    from rich.console import Console

    from monitor.ecg.windows import WindowSpec
    from monitor.model.artifact import Manifest
    from training.data.noise_records import training_noise
    from training.data.records import TRAINING, normal_records
    from training.fit.architecture import Architecture, parse_settings
    from training.fit.build import all_normals, data_facts, fit_model, noise_facts
    from training.fit.loop import EpochRecord
    from training.fit.objectives.settings import ObjectiveSettings, objective_settings
    from training.fit.pretraining import pretraining_settings
    from training.fit.recipe import needs_noise, recipes
    from training.progress import bar
    from training.report.textfile import TrainingMetrics, newest_file_s

    told = TrainingMetrics("fit", metrics, pushgateway)
    spec = WindowSpec()
    try:
        architecture = Architecture(
            encoder=encoder or "lstm",
            decoder=decoder,
            latent=latent,
            ahead_s=ahead,
            score=score,
            encoder_settings=parse_settings(encoder_setting or []),
            decoder_settings=parse_settings(decoder_setting or []),
        )
        # Without a choice the plain LSTM form, whose weights have names of their own.
        aim = objective_settings(objective, loss, parse_settings(objective_setting or []))
        first = pretraining_settings(pretraining, parse_settings(pretraining_setting or []))
        default = (architecture, aim, first, encoder) == (Architecture(), ObjectiveSettings(), None, None)
        parts = recipes(form, spec, seed, epochs, None if default else architecture, aim, first)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    names = list(dict.fromkeys(record or TRAINING))  # twice named, a patient would be in two folds
    if folds > len(names):
        raise typer.BadParameter(
            f"{folds} folds need as many records; got {len(names)}", param_hint="--folds"
        )
    records = normal_records(data, names)
    patients = all_normals(records, spec, bar)
    noise = training_noise(data) if needs_noise(parts.values()) else None
    manifest = Manifest(
        name=name or "-".join(filter(None, ("mitdb", form, encoder))),
        windows=spec,
        data=data_facts(records, "MIT-BIH Arrhythmia Database 1.0.0") | noise_facts(noise),
    )
    total = sum(recipe.settings.epochs * (folds + 1) for recipe in parts.values())
    with bar("training", total) as advance:

        def on_epoch(label: str, record: EpochRecord) -> None:
            advance(1, f"{label}: {record}")

        manifest = fit_model(out, manifest, parts, patients, folds, on_epoch, noise)
    Console().print(f"trained {manifest.name} on {len(records)} patients → {out}; next: ecg-train calibrate")
    told.succeeded(manifest.name, manifest.version, data_s=newest_file_s(data, names))
