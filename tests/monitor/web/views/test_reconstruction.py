"""What the model expected: by the one signal path, with the worker's own verdicts."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from monitor.scan.explain import Wanted, explain
from monitor.web.held.store import Store
from monitor.web.views.reconstruction import reconstruction
from tests.support.web.judged import judged
from tests.support.web.made import limits

FROM_S, TO_S = 60, 80


@lru_cache(maxsize=1)
def shown() -> list[dict[str, Any]]:
    """Windows between 60 and 80 s."""
    made = judged()
    rate_hz = round(made.recording.rate_hz)
    found = reconstruction(
        made.model, made.store, "p", made.at_us(FROM_S * rate_hz), made.at_us(TO_S * rate_hz)
    )
    assert found is not None
    assert found["rate_hz"] == 125.0
    return list(found["windows"])


def test_every_judged_beat_is_explained_in_every_lead() -> None:
    """With the p-value, score and kind that are in `ecg.beats`."""
    windows, rate_hz = judged().windows, judged().recording.rate_hz
    inside = (windows.sample >= FROM_S * rate_hz) & (windows.sample < TO_S * rate_hz)
    beats = [i for i in np.flatnonzero(inside) if windows.kind[i] != "fixed" and windows.quality[i] == "good"]
    assert len(beats) > 15
    assert [each["sample"] for each in shown() if each["kind"] != "fixed"] == windows.sample[beats].tolist()
    for each, i in zip([each for each in shown() if each["kind"] != "fixed"], beats, strict=True):
        assert np.float32(each["p_value"]) == windows.p_value[i]
        assert np.float32(each["score"]) == windows.score[i]
        assert (each["kind"], each["anomalous"]) == (windows.kind[i], bool(windows.anomalous[i]))
        assert [part["lead"] for part in each["parts"]] == ["II", "V1"]


def test_what_is_shown_is_what_the_scan_shows() -> None:
    """The same arrays as `explain` makes of the recording itself, in the same place."""
    made = judged()
    beat = next(each for each in shown() if each["anomalous"])
    (wanted,) = explain(made.model, made.recording, [Wanted(beat["sample"], "II")])
    assert wanted is not None
    part = beat["parts"][0]
    assert part["observed"] == pytest.approx(wanted.ecg_mv, abs=1e-4)
    assert part["expected"] == pytest.approx(wanted.expected_mv, abs=1e-4)
    assert wanted.spread_mv is not None
    assert part["spread"] == pytest.approx(wanted.spread_mv, abs=1e-4)
    assert part["start_us"] == pytest.approx(made.at_us(0) + 1e6 * wanted.time_s[0], abs=2)


def test_the_strange_beat_strays_further_than_the_usual_one() -> None:
    """What is shaded under the strip is what the verdict is about."""

    def strays(anomalous: bool) -> float:
        errors = [
            np.square(np.subtract(each["parts"][0]["observed"], each["parts"][0]["expected"])).mean()
            for each in shown()
            if each["anomalous"] is anomalous and each["kind"] != "fixed"
        ]
        return float(np.median(errors))

    assert strays(anomalous=True) > 10 * strays(anomalous=False)


def test_the_reason_is_the_events() -> None:
    """Word for word, and none where there is no event."""
    reasons = {event.r_peak_sample: event.why for event in judged().events if not event.technical}
    assert any(each["why"] for each in shown())
    for each in shown():
        assert each["why"] == reasons.get(each["sample"])


def test_of_an_unknown_stream_there_is_nothing() -> None:
    """Nor does the model run."""
    assert reconstruction(judged().model, Store(limits()), "p", 0, 1) is None
