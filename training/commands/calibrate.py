"""`ecg-train calibrate`: fit the scores' distributions on held-out normals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import Metrics, Pushgateway


def calibrate(
    data: Annotated[Path, typer.Option(help="Folder with mitdb/ in it, or the database's own folder.")],
    model: Annotated[Path, typer.Option(help="Model folder that `ecg-train fit` wrote.")],
    metrics: Metrics = None,
    pushgateway: Pushgateway = None,
) -> None:
    """Map scores to p-values and p-values to events an hour, on patients that the networks have not seen."""
    from rich.console import Console
    from rich.table import Table

    from monitor.model.artifact import read_manifest
    from monitor.model.model import threshold_for
    from training.data.records import normal_records
    from training.fit.build import all_normals, calibrate_model
    from training.progress import bar
    from training.report.publish import publish
    from training.report.textfile import TrainingMetrics, newest_file_s

    told = TrainingMetrics("calibrate", metrics, pushgateway)
    records = normal_records(data, read_manifest(model).data["records"])
    patients = all_normals(records, read_manifest(model).windows, bar)
    calibrate_model(model, patients)
    manifest = publish(model, None, records[:4])
    table = Table(
        "network", "leads", "p-value for 1 event/h", "for 10 events/h", title=f"{model}: {manifest.version}"
    )
    for name, terms in manifest.calibration.items():
        for leads, rates in terms.rates.items():
            table.add_row(name, leads, *(f"{10 ** -threshold_for(rates, rate):.2g}" for rate in (1.0, 10.0)))
    Console().print(table)
    newest_s = newest_file_s(data, [record.name for record in records])
    told.succeeded(manifest.name, manifest.version, data_s=newest_s)
