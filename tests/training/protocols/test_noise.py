"""The `noise` protocol on made-up records with noise of known place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.ecg.windows import WindowSpec
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.databases import write_record
from tests.support.models import recording_of, small_model
from training.data.records import AnnotatedRecord, annotated
from training.measure.evaluation import DetectedRecord, score_detected
from training.measure.noise_counts import NoiseCount, count_noise
from training.measure.protocol import Request
from training.protocols.noise import gated_parts
from training.protocols.registry import find

RATE_HZ = 250
WIDE = range(400, 560, 10)  # ventricular beats, from 300 s on
NOISE = slice(300 * RATE_HZ, 420 * RATE_HZ)


@pytest.fixture(scope="module")
def record() -> AnnotatedRecord:
    """Seven and a half minutes, of which the two after the fifth are muscle noise."""
    ecg = synthetic_ecg(450, rate_hz=RATE_HZ, ventricular=WIDE, seed=4)
    noise = np.random.default_rng(0).standard_normal((NOISE.stop - NOISE.start, 2))
    ecg.ecg_mv[NOISE] += 0.4 * (noise + np.roll(noise, 1, axis=0) + np.roll(noise, 2, axis=0))
    notes = [(int(r), "V" if wide else "N", "") for r, wide in zip(ecg.r_peak, ecg.ventricular, strict=True)]
    return annotated(recording_of(ecg, "118e06"), notes)


@pytest.fixture(scope="module")
def gated(record: AnnotatedRecord) -> DetectedRecord:
    """As the worker judges it."""
    return score_detected([record], small_model())[0]


def test_noise_is_gated_and_excused(gated: DetectedRecord) -> None:
    """Once it is found nothing is judged in noise, and no beat counts as missed there."""
    count = count_noise(gated, noisy_only=True)
    assert count.hours == pytest.approx(120 / 3600)
    assert count.gated_hours > 0.95 * count.hours
    assert count.v_gated >= count.v_judged
    # Until then, about six seconds, noise may look like two beats a second.
    assert count.false_beats <= 12


def test_without_the_gate_noise_is_judged(record: AnnotatedRecord, gated: DetectedRecord) -> None:
    """The same record with noise judged gives false beats where the gate gave none."""
    open_gate = count_noise(score_detected([record], small_model(), gate_noise=False)[0], noisy_only=True)
    assert open_gate.gated_hours == 0
    assert open_gate.v_gated == 0
    assert open_gate.false_beats > count_noise(gated, noisy_only=True).false_beats


def test_clean_stretches_count_in_the_whole(gated: DetectedRecord) -> None:
    """The first five minutes never count; what follows the noise does, unless noise alone is asked for."""
    whole, noisy = (count_noise(gated, noisy_only=only) for only in (False, True))
    assert whole.hours == pytest.approx(150 / 3600)
    assert whole.v_judged > noisy.v_judged
    assert whole.v_judged + whole.v_gated == sum(gated.record.labels == "V")
    assert NoiseCount.total([whole, whole]).v_judged == 2 * whole.v_judged


def test_scores_without_times_are_refused(gated: DetectedRecord) -> None:
    """A beat without a time lies neither in noise nor outside."""
    scores = replace(gated.scores, time_s=None)
    with pytest.raises(ValueError, match="times and kinds"):
        count_noise(replace(gated, scores=scores), noisy_only=True)


def test_clean_records_lose_nothing(record: AnnotatedRecord) -> None:
    """Made-up ECG without noise has no gated window; with two noisy minutes about as many seconds."""
    clean = synthetic_ecg(30, ventricular=(20,), seed=1)
    notes = [
        (int(r), "V" if wide else "N", "") for r, wide in zip(clean.r_peak, clean.ventricular, strict=True)
    ]
    shut, windows, v_gated, v_beats = gated_parts(annotated(recording_of(clean, "100"), notes), WindowSpec())
    assert (shut, v_gated, v_beats) == (0, 0, 1)
    assert windows == 26
    assert 110 < gated_parts(record, WindowSpec())[0] < 130


def test_groups_by_ratio_place_and_gate(tmp_path: Path) -> None:
    """Each signal-to-noise ratio with and without the gate, in noise and over all; clean records."""
    write_record(tmp_path / "mitdb", "100", 20)
    write_record(tmp_path / "nstdb", "119e06", 310)
    write_record(tmp_path / "nstdb", "em", 10)
    result = find("noise").run(Request(data=tmp_path, model=small_model()))
    found = {(each.name, each.group): each for each in result.figures}
    groups = {"6dB", "6dB/noisy", "6dB/ungated", "6dB/noisy/ungated", "clean"}
    assert {group for _, group in found} == groups
    assert found["false_beats_per_hour", "6dB"].target == 20
    assert found["false_beats_per_hour", "6dB/noisy"].target is None
    assert found["time_gated", "clean"].met is True
    assert len(result.tables[0].rows) == len(groups)
    only = find("noise").run(Request(data=tmp_path, model=small_model(), records=["119e06"]))
    assert "clean" not in {each.group for each in only.figures}
    rest = find("noise").run(Request(data=tmp_path, model=small_model(), records=["100"]))
    assert {each.group for each in rest.figures} == {"clean"}
