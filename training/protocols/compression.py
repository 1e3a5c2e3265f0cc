"""Protocol `compression`: what a window loses if its latent vector is kept in place of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.detect.findings import Row
from monitor.formats.figures import Figure
from monitor.model.model import Model
from monitor.model.terms import halves
from monitor.scan.latents import NETWORK
from training.data.records import CLASSES, DS2, AnnotatedRecord, label_beats, total_s
from training.errors import DataError
from training.measure.distortion import keep
from training.measure.evaluation import score_detected, watch_each
from training.measure.measures import draws, interval, measured
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import Table, shown

FIXED = "fixed"
_NAMES = ("compression_ratio", "prd", "prdn")


@dataclass(slots=True)
class _Collector:
    """The windows that a detector judges: beats of every usable lead, fixed ones that do not overlap."""

    every: int  # of the fixed windows, so many overlap
    beats: list[NDArray[np.float32]] = field(default_factory=list)
    sample: list[int] = field(default_factory=list)  # R peak of each
    fixed: list[NDArray[np.float32]] = field(default_factory=list)
    seen: int = 0

    def __call__(self, stream: str, sample: int, row: Row) -> None:
        """Take a window in."""
        del stream
        usable = row.window_mv[~np.isnan(row.by_lead)]
        if row.kind != FIXED:
            self.beats += list(usable)
            self.sample += [sample] * len(usable)
            return
        if self.seen % self.every == 0:
            self.fixed += list(usable)
        self.seen += 1


def _losses(
    record: AnnotatedRecord, found: _Collector, model: Model
) -> dict[str, tuple[float, float, float]]:
    """A record's losses by network, that of beats also by class: "population/V"."""
    out = {}
    if found.beats:
        beats = keep(model.networks[NETWORK], np.stack(found.beats))
        # A beat of two leads is there twice, and is matched once.
        sample, own = np.unique(found.sample, return_inverse=True)
        label = label_beats(record, sample).labels[own]
        out = {
            f"{NETWORK}/{group}": beats.losses(label == group) for group in CLASSES if (label == group).any()
        }
        out[NETWORK] = beats.losses()
    if found.fixed:
        out[FIXED] = keep(model.networks[FIXED], halves(np.stack(found.fixed))).losses()
    return out


def run(request: Request) -> Result:
    """Losses of every record's windows; figures are means over records with intervals over patients."""
    model = request.required_model()
    _check_whole(model)
    records = request.read(request.names(DS2))
    spec = model.manifest.windows
    every = -(-spec.fixed_span // spec.fixed_hop)
    collectors = {record.name: _Collector(every) for record in records}
    with request.bar("windows", total_s(records)) as advance:
        score_detected(records, model, advance, watch=watch_each(collectors))
    by_record = {}
    with request.bar("keeping", len(records)) as advance:
        for record in records:
            by_record[record.name] = _losses(record, collectors[record.name], model)
            advance(1)
    groups = [NETWORK, *(f"{NETWORK}/{each}" for each in CLASSES), FIXED]
    figures = [each for group in groups for each in _figures(group, list(by_record.values()))]
    rows = [
        (group, *(shown(each) for each in figures if each.group == group))
        for group in groups
        if any(each.group == group for each in figures)
    ]
    columns = ("network", "samples for each number kept", "PRD, %", "PRDN, %")
    return Result(
        figures=figures,
        tables=[Table("Latent vectors in place of samples", columns, rows)],
        details={"by_record": by_record},
    )


def _check_whole(model: Model) -> None:
    """Raise DataError for a predictor: what it is given of a window would have to be kept as samples, too."""
    for name in (NETWORK, FIXED):
        ahead = model.manifest.networks[name].settings.get("ahead", 0)
        if ahead:
            raise DataError(
                f"{model.name}: {name} predicts a window's last {ahead} samples, its latent vector does not"
                " hold the rest; compression needs a model fitted without --ahead"
            )


def _figures(group: str, records: Sequence[dict[str, tuple[float, float, float]]]) -> list[Figure]:
    """The three figures of a group; none if no record has such windows."""
    values = np.array([each[group] for each in records if group in each]).reshape(-1, len(_NAMES))
    if not len(values):
        return []
    drawn = draws(len(values), 1000) @ values / len(values)
    figures = [measured(_NAMES[0], group, float(values[0, 0]))]
    for column, name in enumerate(_NAMES[1:], 1):
        low, high = interval(drawn[:, column])
        figures.append(measured(name, group, float(values[:, column].mean()), low, high, better="lower"))
    return figures


PROTOCOL = Protocol(
    name="compression",
    summary="DS2's filtered windows kept as latent vectors of 16-bit numbers: ratio and loss; 3 minutes",
    run=run,
)
