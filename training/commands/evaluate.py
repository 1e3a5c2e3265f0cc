"""`ecg-train evaluate`: measure a model by a protocol."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.commands.options import Metrics, Pushgateway

if TYPE_CHECKING:
    from training.measure.protocol import Protocol, Request, Result

_Protocol = Annotated[str, typer.Option(help="Its name, such as ec57 or qrs; a wrong one lists all.")]
_Data = Annotated[Path, typer.Option(help="Folder that holds mitdb/, as `ecg-train data` fills it.")]
_Model = Annotated[Path | None, typer.Option(help="A model folder; the bundled one otherwise.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write figures and details here.")]
_Docs = Annotated[
    Path | None, typer.Option(help="Replace the protocol's section of this Markdown page, or append it.")
]
_Report = Annotated[
    Path | None, typer.Option("--report", help="Write tables, curves and the worst beats as an HTML page.")
]
_Annotations = Annotated[
    Path | None, typer.Option(help="ec57: write what was found as WFDB annotation files into this folder.")
]
_Publish = Annotated[
    bool,
    typer.Option("--publish", help="Write report.png, CARD.md and the measures into the model's folder."),
]
_Records = Annotated[
    list[str] | None, typer.Option("--records", help="Only this record (repeat, or with commas).")
]


def evaluate(
    *,
    data: _Data,
    protocol: _Protocol = "inter-patient",
    model: _Model = None,
    json_path: _Json = None,
    records: _Records = None,
    docs: _Docs = None,
    report_path: _Report = None,
    annotations: _Annotations = None,
    publish: _Publish = False,
    metrics: Metrics = None,
    pushgateway: Pushgateway = None,
) -> None:
    """Measure a model, or the QRS detector, on annotated recordings."""
    from monitor.model.artifact import default_model
    from monitor.model.model import load_model
    from training.commands.output import show, write_json
    from training.measure.protocol import Request
    from training.progress import bar
    from training.protocols.registry import evaluate as run
    from training.report.textfile import NO_MODEL, TrainingMetrics

    told = TrainingMetrics("evaluate", metrics, pushgateway)
    chosen = _protocol(protocol)
    names = [name for part in records or () for name in part.split(",") if name]
    loaded, folder = load_model(model) if chosen.needs_model else None, model or default_model()
    request = Request(data=data, model=loaded, model_folder=folder, records=names, bar=bar)
    result, report = run(chosen, replace(request, annotations=annotations))
    for table in result.tables:
        show(table)
    if publish:
        _publish(folder, data, result)
    print(f"{chosen.name}: {chosen.summary}; this run took {report['elapsed_s']:.0f} s")
    if json_path is not None:
        write_json(json_path, report)
    _write_pages(docs, report_path, (protocol, model, names), report, result, request)
    judged = (loaded.name, loaded.version) if loaded is not None else (NO_MODEL, None)
    told.succeeded(*judged, protocol=chosen.name, figures=result.figures)


def _protocol(name: str) -> Protocol:
    from training.protocols.registry import find

    try:
        return find(name)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--protocol") from exc


def _write_pages(
    docs: Path | None,
    page: Path | None,
    asked: tuple[str, Path | None, Sequence[str]],
    report: dict[str, Any],
    result: Result,
    request: Request,
) -> None:
    """The protocol's section of a Markdown page, and an HTML page; asked: protocol, model and records."""
    from training.report.markdown import write_section
    from training.report.page import write_page

    if docs is not None:
        write_section(docs, report, result, _command(*asked, "--docs", docs))
    if page is not None:
        command = _command(*asked, "--report", page)
        write_page(page, report, result, command, request.data, request.model)


def _command(protocol: str, model: Path | None, names: Sequence[str], option: str, path: Path) -> str:
    """What to type to print the same; a page's reader has their data elsewhere."""
    words = ["ecg-train", "evaluate", "--protocol", protocol, "--data", "DATA"]
    words += ["--model", str(model)] if model is not None else []
    words += ["--records", ",".join(names)] if names else []
    return shlex.join([*words, option, str(path)])


def _publish(folder: Path, data: Path, result: Result) -> None:
    from training.data.records import DS2, normal_records
    from training.report.publish import publish

    publish(folder, result, normal_records(data, DS2[:4]))
