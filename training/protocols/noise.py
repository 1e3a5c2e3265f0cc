"""Protocol `noise`: what is found and made up at known signal-to-noise ratios, with and without the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np

from monitor.adapt.path import SignalPath
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.quality import Quality
from monitor.ecg.windows import WindowSpec
from monitor.formats.figures import Figure
from training.data.records import NOISE, AnnotatedRecord, database, record_names
from training.data.side_by_side import sample_batches
from training.fit.crossfit import FIRST_RUN, CrossFit
from training.measure.annotated import known_peaks
from training.measure.evaluation import score_detected
from training.measure.measures import measured, ratio_figure
from training.measure.noise_counts import NoiseCount, count_noise
from training.measure.protocol import Protocol, Request, Result
from training.measure.qrs_counts import SNR_DB
from training.measure.tables import pivot

JUDGED_AT = "6dB"
FALSE_BEATS, V_SENSITIVITY, CLEAN_GATED = 20.0, 0.95, 0.02  # targets, the first two at JUDGED_AT
NOISY, UNGATED = "/noisy", "/ungated"
TAIL_S = 4.0  # until the last windows are complete
COLUMNS = {
    "sensitivity": "V sensitivity",
    "false_beats_per_hour": "false beats/h",
    "false_events_per_hour": "false events/h",
    "time_gated": "time gated",
    "v_gated": "V gated",
}


def run(request: Request) -> Result:
    """Both forms on the noise stress test, by models that have not seen the patient; gated clean time."""
    wanted = [name for name in record_names(database(request.data, "nstdb")) if name not in NOISE]
    names = [name for name in wanted if name in request.records] if request.records else wanted
    spec = request.required_model().manifest.windows
    figures: list[Figure] = []
    counts: list[dict[str, object]] = []
    if names:
        cross = request.cross_fitted(names)
        for gate, suffix in ((True, ""), (False, UNGATED)):
            found = _counts(request, cross, names, gate)
            for noisy_only, part in ((False, ""), (True, NOISY)):
                figures += _by_snr(found[noisy_only], part + suffix)
            counts += [{"gated": gate, **asdict(each)} for each in found[False]]
    figures += _clean_figures(request, spec)
    title = "Noise stress test: V flagged of those that passed the gate"
    table = pivot(title, figures, {each.group: each.group for each in figures}, COLUMNS)
    return Result(figures=figures, tables=[table], details={"counts": counts})


def _counts(
    request: Request, cross: CrossFit, names: Sequence[str], gate: bool
) -> dict[bool, list[NoiseCount]]:
    """Counts of whole records (False) and of their noisy stretches (True)."""
    out: dict[bool, list[NoiseCount]] = {False: [], True: []}
    what = "with the gate" if gate else "without it"
    for model, records, advance in request.by_model(cross, names, what, "nstdb"):
        for found in score_detected(records, model, advance, gate_noise=gate):
            for noisy_only, rows in out.items():
                rows.append(count_noise(found, noisy_only=noisy_only))
    return out


def _by_snr(counts: Sequence[NoiseCount], suffix: str) -> list[Figure]:
    figures = []
    for ending, snr in SNR_DB.items():
        group = f"{snr}dB"
        rows = [each for each in counts if each.name.endswith(ending)]
        if rows:
            figures += _figures(NoiseCount.total(rows), group + suffix, targets=group + suffix == JUDGED_AT)
    return figures


def _figures(count: NoiseCount, group: str, *, targets: bool) -> list[Figure]:
    """No intervals: there are two patients."""
    give = partial(measured, group=group)
    hours = count.hours or float("nan")
    return [
        give(
            "sensitivity",
            value=count.v_flagged / count.v_judged if count.v_judged else float("nan"),
            target=V_SENSITIVITY if targets else None,
        ),
        give(
            "false_beats_per_hour",
            value=count.false_beats / hours,
            target=FALSE_BEATS if targets else None,
            better="lower",
        ),
        give("false_events_per_hour", value=count.false_events / hours, better="lower"),
        give("time_gated", value=count.gated_hours / hours, better="lower"),
    ]


def _clean_figures(request: Request, spec: WindowSpec) -> list[Figure]:
    """How much the gate takes from records without added noise: of their time, and of their V beats."""
    known = record_names(database(request.data, "mitdb"))
    names = [name for name in known if name in request.records] if request.records else known
    rows = [gated_parts(record, spec) for record in request.each(names, what="clean records")]
    if not rows:
        return []
    shut, windows, v_gated, v_beats = zip(*rows, strict=True)
    return [
        ratio_figure("time_gated", "clean", shut, windows, target=CLEAN_GATED, better="lower"),
        ratio_figure("v_gated", "clean", v_gated, v_beats, better="lower"),
    ]


def gated_parts(record: AnnotatedRecord, spec: WindowSpec) -> tuple[float, float, float, float]:
    """Fixed windows without a usable lead, all of them, V beats without one, and all of those."""
    path = SignalPath(spec, 1, len(record.recording.leads))
    shut = windows = 0
    beats, good = [], []
    for new, first in sample_batches([record.recording], TAIL_S):
        cut = path.advance(new, known_peaks([record], first, new))
        inside = cut.fixed.sample + spec.fixed_span <= record.recording.duration_s * INTERNAL_RATE_HZ
        shut += int(((cut.fixed_quality != Quality.GOOD).all(axis=1) & inside).sum())
        windows += int(inside.sum())
        beats.append(cut.beats.sample)
        good.append((cut.beat_quality == Quality.GOOD).any(axis=1))
    order = np.argsort(np.concatenate(beats), kind="stable")
    is_v = record.labels[: len(order)] == "V"
    return float(shut), float(windows), float((is_v & ~np.concatenate(good)[order]).sum()), float(is_v.sum())


PROTOCOL = Protocol(
    name="noise",
    summary="118 and 119 with noise, after 5 minutes, cross-fitted, with and without the gate, and what it"
    f" takes from all 48 records; about 2 minutes, {FIRST_RUN}",
    run=run,
)
