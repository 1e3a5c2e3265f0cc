"""CARD.md of a model folder: what the model is, what it was made from, how well it does, and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.formats.figures import Figure
from monitor.model.artifact import Manifest
from monitor.model.model import FIXED_SHARE, threshold_for
from training.measure.tables import by_form
from training.report.markdown import markdown_table

NOTICE = "Research use, not a medical device."
SHOWN = (
    "auroc",
    "average_precision",
    "sensitivity",
    "positive_predictivity",
    "false_beats_per_hour",
    "false_events_per_hour",
)
LIMITS = (
    "It tells how unusual a beat is, not what it means: a flagged one may be harmless, another not.",
    "Paced recordings were left out of training and testing.",
    "A rhythm that is regular but wrong, such as a steady atrial flutter, becomes the stream's usual one.",
    "The false-alarm budget is that of the median patient it was calibrated on; single patients "
    "differ several times over.",
)
MITDB = "MIT-BIH"
MITDB_LIMIT = (
    "It was trained on a few dozen adults, recorded in Boston between 1975 and 1979 on two Holter leads; "
    "other leads, children and other recorders may need a calibration of their own."
)
MITDB_CREDIT = (
    "The recordings are from the MIT-BIH Arrhythmia Database (Moody & Mark, IEEE Eng. in Med. and Biol. "
    "20(3), 2001; PhysioNet, Open Data Commons Attribution License 1.0)."
)


def render_card(manifest: Manifest, figures: Sequence[Figure] = ()) -> str:
    """The card as Markdown; figures: of `ecg-train evaluate`, those of SHOWN are listed."""
    mitdb = MITDB in str(manifest.data.get("database", ""))
    limits = (MITDB_LIMIT, *LIMITS) if mitdb else LIMITS
    parts = [
        f"# {manifest.name}, version {manifest.version}",
        f"**{NOTICE}**" if manifest.card == NOTICE else f"**{NOTICE}** {manifest.card}",
        _purpose(manifest),
        "## Data",
        _facts(manifest.data) + (f"\n\n{MITDB_CREDIT}" if mitdb else ""),
        "## Training",
        _facts(manifest.code),
        "## Operating point",
        _operating_point(manifest),
        "## Measures",
        _measures(figures),
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits),
    ]
    return "\n\n".join(parts) + "\n"


def write_card(folder: Path, manifest: Manifest, figures: Sequence[Figure] = ()) -> Path:
    """Write the card into the model's folder; returns its path."""
    path = folder / "CARD.md"
    path.write_text(render_card(manifest, figures), encoding="utf-8")
    return path


def _purpose(manifest: Manifest) -> str:
    spec = manifest.windows
    rate = INTERNAL_RATE_HZ / spec.step
    networks = "\n".join(
        f"| {name} | {net.form} | {', '.join(f'{key} {value}' for key, value in net.settings.items())} |"
        for name, net in manifest.networks.items()
    )
    return (
        "Encoder-decoders that learned normal heartbeats. A beat (or a stretch of signal) that they "
        "reconstruct worse than nearly all normal ones is flagged.\n\n"
        f"| network | form | sizes |\n|---|---|---|\n{networks}\n\n"
        f"Beat windows: {spec.left / INTERNAL_RATE_HZ:g} s before the R peak to "
        f"{spec.right / INTERNAL_RATE_HZ:g} s after it. Fixed windows: {spec.fixed_samples / rate:g} s, "
        f"every {spec.fixed_hop / INTERNAL_RATE_HZ:g} s. Both at {rate:g} Hz, in mV, 0.5 to 40 Hz, any lead."
    )


def _facts(facts: dict[str, object]) -> str:
    rows = [f"- {key.replace('_', ' ')}: {_fact(value)}" for key, value in facts.items()]
    return "\n".join(rows) or "Not stated."


def _fact(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_fact(each)}" for key, each in value.items())
    return str(value)


def _operating_point(manifest: Manifest) -> str:
    if not manifest.calibration:
        return "Not calibrated yet: `ecg-train calibrate` does it."
    budget = manifest.default_budget_per_hour
    rows = []
    for name, calibration in manifest.calibration.items():
        share = FIXED_SHARE if name == "fixed" else 1 - FIXED_SHARE
        for leads, table in calibration.rates.items():
            p_value = 10 ** -threshold_for(table, budget * share)
            rows.append(f"| {name} | {'2 or more' if leads == '2' else leads} | {p_value:.2g} |")
    head = (
        f"Budget: {budget:g} events an hour on the median patient's normal ECG; the daemon's settings may "
        "say another."
    )
    return head + "\n\n| network | leads | p-value below which it flags |\n|---|---|---|\n" + "\n".join(rows)


def _measures(figures: Sequence[Figure]) -> str:
    table = by_form("", [each for each in figures if each.name in SHOWN])
    if not table.rows:
        return "Not measured yet: `ecg-train evaluate` does it."
    notes = (
        "On DS2 of MIT-BIH, whose patients the model has not seen; in brackets the middle 95 % when patients "
        "are drawn anew. Detected: our own beat detections, missed beats ranked last, false ones counted as "
        "negatives; − 232: without the record in which the abnormal beats are the regular rhythm."
    )
    return f"{notes}\n\n{markdown_table(table)}"
