"""Stretches of history as recordings."""

from __future__ import annotations

import json

import numpy as np

from monitor.ecg.windows import WindowSpec
from monitor.formats.chunks import INVALID, JSON, Lead
from monitor.web.requests import LATEST_US
from monitor.web.views.cuts import cut, on_the_grid
from tests.support.web.made import CHUNK, LEADS, START_US, chunk_value, ramp, send, store_of, windows


def test_a_cut_holds_the_devices_own_integers() -> None:
    """With its gains, so that the signal path sees what the worker saw."""
    found = cut(store_of(10), "a", START_US + 2_500_000, START_US + 4_500_000)
    assert found is not None
    assert (found.first_sample, found.session) == (2 * CHUNK, "s")
    assert found.recording.leads == LEADS
    assert found.recording.start_us == START_US + 2_000_000
    assert np.array_equal(found.recording.adc, np.concatenate([ramp(2), ramp(3), ramp(4)]))
    assert 600 in found
    assert 100 not in found


def test_a_short_gap_is_missing_signal_and_a_long_one_a_beginning() -> None:
    """As for the worker, which starts anew after five seconds."""
    store = store_of(3)
    for number in (4, 12, 13):
        send(store, chunk_value(number))
    short = cut(store, "a", START_US, START_US + 5_000_000)
    assert short is not None
    assert (short.recording.adc[3 * CHUNK : 4 * CHUNK] == INVALID).all()
    long = cut(store, "a", 0, LATEST_US)
    assert long is not None
    assert (long.first_sample, len(long.recording)) == (12 * CHUNK, 2 * CHUNK)


def test_records_in_millivolts_are_cut_too() -> None:
    """JSON gateways send no ADC units; 1 µV is kept."""
    store = store_of(0)
    samples = [[0.1234 * index % 1.7, None if index == 5 else 0.5] for index in range(CHUNK)]
    value = {
        "schema": 1,
        "stream": "a",
        "session": "s",
        "first_sample": 0,
        "start_us": START_US,
        "rate_hz": 250.0,
        "leads": [{"name": "II"}, {"name": "V1"}],
        "samples": samples,
    }
    send(store, json.dumps(value).encode(), content_type=JSON)
    found = cut(store, "a", 0, LATEST_US)
    assert found is not None
    wanted = np.array([[left, np.nan if right is None else right] for left, right in samples])
    assert np.allclose(found.recording.ecg_mv, wanted, atol=0.0006, equal_nan=True)


def test_a_gain_that_changes_is_no_reason_to_fail() -> None:
    """Then millivolts are what the records have in common."""
    store = store_of(1)
    leads = (Lead("II", gain=400.0), Lead("V1", gain=400.0))
    send(store, chunk_value(1, leads=leads))
    found = cut(store, "a", 0, LATEST_US)
    assert found is not None
    assert np.allclose(found.recording.ecg_mv[:CHUNK], ramp(0) / 200, atol=0.001)
    assert np.allclose(found.recording.ecg_mv[CHUNK:], ramp(1) / 400, atol=0.001)


def test_fixed_windows_lie_where_the_workers_lay() -> None:
    """Whatever record the history happens to begin with."""
    spec = WindowSpec()
    store = store_of(20)
    first = 137 + 250 * 10  # of a fixed window of a worker that began at sample 137
    store.take_windows(windows([(first + spec.fixed_span // 2, "fixed", False, "good")]))
    found = cut(store, "a", START_US + 3_000_000, LATEST_US)
    assert found is not None
    placed = on_the_grid(found, store, "a", spec)
    assert (first - placed.first_sample) % spec.fixed_hop == 0
    assert 0 <= placed.first_sample - found.first_sample < spec.fixed_hop
    assert np.array_equal(placed.recording.adc[0], ramp(3)[placed.first_sample - 3 * CHUNK])
    assert placed.recording.start_us == START_US + round(placed.first_sample * 4000)


def test_nothing_is_cut_from_nothing() -> None:
    """Neither of an unknown stream nor at a time without signal."""
    store = store_of(2)
    assert cut(store, "b", 0, LATEST_US) is None
    assert cut(store, "a", 0, 1) is None
    whole = cut(store, "a", 0, LATEST_US)
    assert whole is not None
    assert on_the_grid(whole, store, "a", WindowSpec()) is whole
