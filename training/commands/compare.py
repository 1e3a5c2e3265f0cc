"""`ecg-train compare`: every kind of encoder-decoder on the same data and budget."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.measure.protocol import Result

SUMMARY = (
    "every kind trained on the same beats for as many epochs, judged on DS2 and ECG5000; about 20 minutes"
)
SUMMARY_QUICK = (
    "every kind trained for a moment, judged on five patients and ECG5000: a look; about 3 minutes"
)


_Data = Annotated[Path, typer.Option(help="Folder that holds mitdb/, nstdb/ and ecg5000/.")]
_Kind = Annotated[
    list[str] | None, typer.Option(help="Only this kind beside the LSTM; repeat. A wrong one lists all.")
]
_Quick = Annotated[bool, typer.Option("--quick", help="A look in three minutes: few patients, few epochs.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write figures and details here.")]
_Docs = Annotated[
    Path | None, typer.Option(help="Replace the table's section of this Markdown page, or append it.")
]
_Figure = Annotated[Path | None, typer.Option(help="Draw the table as a PNG.")]


def compare(
    data: _Data,
    kind: _Kind = None,
    quick: _Quick = False,
    json_path: _Json = None,
    docs: _Docs = None,
    figure: _Figure = None,
) -> None:
    """Train every kind of autoencoder on the same normal beats, and say what each costs and gives."""
    from training.commands.output import show, write_json
    from training.compare.compare import compare as run
    from training.compare.contenders import contenders_of
    from training.compare.data import QUICK, Budget
    from training.measure.protocol import Protocol, Request
    from training.progress import bar
    from training.protocols.registry import evaluate
    from training.report.markdown import write_section

    try:
        kinds = contenders_of(kind or [])
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--kind") from exc
    budget = QUICK if quick else Budget()
    protocol = Protocol(
        name="compare",
        summary=SUMMARY_QUICK if quick else SUMMARY,
        run=lambda request: run(request, budget, kinds),
        needs_model=False,
    )
    result, report = evaluate(protocol, Request(data=data, bar=bar))
    for table in result.tables:
        show(table)
    print(f"compare: {protocol.summary}; this run took {report['elapsed_s']:.0f} s")
    if json_path is not None:
        write_json(json_path, report)
    if figure is not None:
        _draw(figure, result)
    if docs is not None:
        write_section(docs, report, result, _command(kind or (), quick=quick, docs=docs, figure=figure))


def _draw(path: Path, result: Result) -> None:
    from training.compare.chart import draw_kinds

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(draw_kinds(result.figures))


def _command(kinds: Sequence[str], *, quick: bool, docs: Path, figure: Path | None) -> str:
    """What to type to print the same; a page's reader has their data elsewhere."""
    words = ["ecg-train", "compare", "--data", "DATA"]
    words += [word for kind in kinds for word in ("--kind", kind)]
    words += ["--quick"] if quick else []
    words += ["--docs", str(docs)]
    words += ["--figure", str(figure)] if figure is not None else []
    return shlex.join(words)
