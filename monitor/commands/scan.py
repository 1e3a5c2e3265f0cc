"""`ecg-monitor scan`: anomalies of a recording, without Kafka."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from monitor.model.model import Model as LoadedModel
    from monitor.recordings.recording import Recording
    from monitor.recordings.wfdb_records import Annotations
    from monitor.scan.groups import Group
    from monitor.scan.latents import LatentCollector
    from monitor.scan.scan import ScanResult

Record = Annotated[
    Path,
    typer.Argument(
        help="A WFDB record (path without suffix), an EDF file, or a CSV file in mV with a header."
    ),
]
Rate = Annotated[float | None, typer.Option(help="Sampling rate of a CSV without time column, Hz.")]
Lead = Annotated[list[str] | None, typer.Option(help="A lead to use (repeatable); otherwise all.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write figures and events here.")]
_Beats = Annotated[Path | None, typer.Option(help="Write a CSV row for each scored window here.")]
_Plot = Annotated[Path | None, typer.Option(help="Draw the strangest findings into this PNG.")]
_Extension = Annotated[
    str | None,
    typer.Option(metavar="EXT", help="Write WFDB annotations with this extension beside the recording."),
]
_Reference = Annotated[
    str | None,
    typer.Option(metavar="EXT", help="Compare with these WFDB annotations; atr if they are there."),
]
_Group = Annotated[
    bool, typer.Option("--group", help="Put alike anomalous beats together; --plot then draws one of each.")
]
Budget = Annotated[
    float | None, typer.Option(min=0.001, help="False events an hour and stream that are acceptable.")
]
Model = Annotated[Path | None, typer.Option(help="A model folder; the bundled one otherwise.")]


def scan(
    record: Record,
    *,
    json_path: _Json = None,
    beats: _Beats = None,
    plot: _Plot = None,
    group: _Group = False,
    annotations: _Extension = None,
    reference: _Reference = None,
    budget: Budget = None,
    model: Model = None,
    rate: Rate = None,
    lead: Lead = None,
) -> None:
    """Find anomalies in a WFDB, EDF or CSV recording."""
    from rich.console import Console

    from monitor.model.model import load_model
    from monitor.recordings.files import read_recording
    from monitor.scan.export import check_extension, report, write_annotations, write_beats
    from monitor.scan.terminal import print_scan

    if annotations is not None:
        check_extension(annotations)
    recording = read_recording(record, rate_hz=rate, leads=lead or ())
    labels = _reference_labels(record, reference)
    loaded = load_model(model, budget)
    result, groups = _found(recording, loaded, group)
    print_scan(Console(), result, labels, groups)
    if json_path is not None:
        _write_json(json_path, report(result, labels, groups))
    if beats is not None:
        write_beats(result, _in_a_folder(beats))
    if plot is not None:
        _draw(result, groups, loaded, _in_a_folder(plot))
    if annotations is not None:
        print(f"annotations: {write_annotations(result, record, annotations)}")


def _found(recording: Recording, model: LoadedModel, group: bool) -> tuple[ScanResult, list[Group] | None]:
    """What is found, and alike beats in groups if that is wanted."""
    from monitor.scan.groups import group_anomalies
    from monitor.scan.latents import LatentCollector

    collector = LatentCollector(model) if group else None
    result = _scan_with_progress(recording, model, collector)
    return result, None if collector is None else group_anomalies(collector.latents())


def _in_a_folder(path: Path) -> Path:
    """The path, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_json(path: Path, found: dict[str, Any]) -> None:
    _in_a_folder(path).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _draw(result: ScanResult, groups: list[Group] | None, model: LoadedModel, path: Path) -> None:
    from functools import partial

    from monitor.scan.beat_strips import draw_groups
    from monitor.scan.explain import explain
    from monitor.scan.finding_strips import draw_findings

    recording, windows, expected = result.recording, result.windows, partial(explain, model)
    if groups is None:
        draw_findings(recording, result.events, windows, expected, path=path)
    else:
        draw_groups(recording, groups, windows, expected, path=path)


def _reference_labels(record: Path, extension: str | None) -> Annotations | None:
    """The annotations to compare with: those asked for, or `atr` if there are any."""
    from monitor.errors import RecordingError
    from monitor.recordings.wfdb_records import read_beats, record_path

    labels = read_beats(record, extension or "atr")
    if labels is None and extension is not None:
        raise RecordingError(f"{record_path(record)}.{extension}: no such annotation file")
    return labels


def _scan_with_progress(
    recording: Recording, model: LoadedModel, collector: LatentCollector | None
) -> ScanResult:
    from rich.console import Console
    from rich.progress import Progress

    from monitor.detect.detector import Detector
    from monitor.scan.scan import scan as scan_recording

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(recording.name, total=len(recording))
        detector = Detector(model, watch=collector)
        return scan_recording(recording, detector, progress=lambda samples: bars.advance(bar, samples))
