"""An evaluation as one self-contained HTML page: tables, curves, records, and the worst beats as strips."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from monitor.model.model import Model
from monitor.scan.paper import strip_picture
from monitor.scan.strip import Strip
from training.data.records import database
from training.errors import DataError
from training.measure.measures import PatientScores
from training.measure.protocol import Result
from training.measure.tables import ODD_ONE, RECORD, Table, targets_table, without_odd_one
from training.report.charts import draw_curves, draw_over_time, draw_records, worst_records
from training.report.markdown import circumstances
from training.report.worst_beats import PER_RECORD, strips_of, worst_false_alarms, worst_misses

_DATABASES = ("mitdb", "nstdb")
_SVG = "svg+xml"
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 1180px;
  margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
nav a { margin-right: 1.1rem; } a { color: #1f66ad; } p, li { max-width: 52rem; }
pre { background: #f4f5f7; padding: .6rem .8rem; overflow-x: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums;
  margin: .4rem 0 1rem; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; border-bottom: 1px solid #e3e5e8;
  white-space: nowrap; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
.met { color: #1a7a3c; font-weight: 600; } .missed { color: #c0271a; font-weight: 600; }
img { max-width: 100%; height: auto; } summary { cursor: pointer; font-weight: 600; }
.strips { display: grid; grid-template-columns: repeat(auto-fill, minmax(367px, 1fr)); gap: .8rem;
  align-items: start; }
"""


def write_page(
    path: Path, report: dict[str, Any], result: Result, command: str, data: Path, model: Model | None
) -> None:
    """Write the page; data: the folder whose records are drawn, model: what they are explained by.

    Raises DataError if the records are no longer there.
    """
    targets = replace(targets_table(result.figures), title="")  # the section has it
    sections = {"Targets": _table(targets) or "<p>None.</p>"}
    timed = [each for each in result.patients if each.time_s is not None]
    if result.patients:
        sections |= _charts(result.patients)
    if timed:
        sections |= _strips(timed, _folder(data, timed), model)
    sections["Tables"] = "\n".join(_table(table) for table in result.tables)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(report, command, sections), encoding="utf-8")


def _page(report: dict[str, Any], command: str, sections: dict[str, str]) -> str:
    title = f"Evaluation: {escape(str(report['protocol']))}"
    links = "".join(f'<a href="#{_anchor(name)}">{name}</a>' for name in sections)
    parts = [f'<h2 id="{_anchor(name)}">{name}</h2>\n{body}' for name, body in sections.items()]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{title}</h1>\n<p>{escape(circumstances(report)).replace('`', '')}</p>",
            f"<pre>{escape(command)}</pre>\n<nav>{links}</nav>",
            *parts,
            "</body>\n</html>\n",
        ]
    )


def _charts(patients: Sequence[PatientScores]) -> dict[str, str]:
    others = without_odd_one(patients)
    text = "<p>Each class against normal beats. Bands: the middle 95 % when patients are drawn anew.</p>"
    drawn = {"Curves": text + _image(draw_curves(patients), "ROC and precision-recall", _SVG)}
    if others and len(others) < len(patients):
        drawn[f"Curves without {ODD_ONE}"] = _image(draw_curves(others), "the same without it", _SVG)
    drawn["Records"] = _image(draw_records(patients), "measures by record", _SVG)
    worst = worst_records(patients)
    if worst:
        text = "<p>The records with the lowest AUROC. Filled: flagged; below the line: not detected, or in "
        text += "signal too poor to judge.</p>"
        drawn["Over time"] = text + _image(draw_over_time(worst), "scores over time")
    return drawn


def _strips(patients: Sequence[PatientScores], folder: Path, model: Model | None) -> dict[str, str]:
    legend = (
        "<p>Black: the signal, filtered as the model saw it where there is an expectation; blue: what it "
        "expected, with two expected spreads; red: the error. Over the beats the reference's class and what "
        f"was said of them. At most {PER_RECORD} beats of a record.</p>"
    )
    worst = {"Worst misses": worst_misses(patients), "Worst false alarms": worst_false_alarms(patients)}
    # In one go: records that both need are read and run once.
    strips = iter(strips_of([beat for beats in worst.values() for beat in beats], folder, model))
    out = {}
    for name, beats in worst.items():
        pictures = [_strip(next(strips)) for _ in beats]
        out[name] = f'{legend}<div class="strips">{"".join(pictures)}</div>' if beats else "<p>None.</p>"
    return out


def _strip(strip: Strip) -> str:
    picture = strip_picture(strip)
    # All at one scale, whatever their length; a PNG's width stands in its header.
    shown = int.from_bytes(picture[16:20], "big") * 2 // 3
    return _image(picture, f"{strip.title}: {strip.why}", width=shown)


def _folder(data: Path, patients: Sequence[PatientScores]) -> Path:
    """The database that holds the first of the patients' records."""
    for name in _DATABASES:
        try:
            folder = database(data, name)
        except DataError:
            continue
        if (folder / f"{patients[0].name}.hea").is_file():
            return folder
    raise DataError(f"{data}: no record {patients[0].name} in it, so there is nothing to draw")


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.columns)
    rows = "\n".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in table.rows)
    folded = table.columns[0] == RECORD
    caption = "" if folded or not table.title else f"<caption>{escape(table.title)}</caption>"
    text = f'<div class="wide"><table>{caption}<tr>{heads}</tr>\n{rows}\n</table></div>'
    return f"<details><summary>{escape(table.title)}</summary>{text}</details>" if folded else text


def _cell(text: str) -> str:
    """A verdict in its colour."""
    if text in ("met", "not met"):
        return f'<td class="{"met" if text == "met" else "missed"}">{text}</td>'
    marked = escape(text)
    for sign, kind in (("✓", "met"), ("✗", "missed")):
        marked = marked.replace(sign, f'<span class="{kind}">{sign}</span>')
    return f"<td>{marked}</td>"


def _image(picture: bytes, alternative: str, form: str = "png", width: int | None = None) -> str:
    data = b64encode(picture).decode()
    size = "" if width is None else f' width="{width}"'
    return f'<img src="data:image/{form};base64,{data}"{size} alt="{escape(alternative, quote=True)}">'


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
