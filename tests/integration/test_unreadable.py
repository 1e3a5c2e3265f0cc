"""Records that the client cannot parse, on real Kafka: each buried at its place, and all else goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon.harness import Bench, chunk, ecg, wait_until, worker
from tests.support.daemon.kafka_node import KafkaNode
from tests.support.daemon.unreadable import spoil, without_snappy, write_bad_headers
from tests.support.project import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


def _letters(bench: Bench) -> list[tuple[str, int, int]]:
    """Reason and place of each dead letter, in order of place."""
    headers = [dict(letter.headers) for letter in bench.read("deadletter")]
    return sorted(
        (each["reason"].decode(), int(each["source-partition"]), int(each["source-offset"]))
        for each in headers
    )


def _good(bench: Bench) -> list[Any]:
    """The input but for what is about the stream `bad`."""
    return [record for record in bench.read("signal") if record.key != b"bad"]


def test_snappy_is_read(kafka_broker: str, tmp_path: Path) -> None:
    """As a Java producer writes it, beside the other codecs."""
    bench = Bench(kafka_broker, tmp_path)
    for number, codec in enumerate(("snappy", "gzip", "lz4", "zstd")):
        bench.send(ecg(4, 3 * number, 3 * number + 3), compression_type=codec, linger_ms=200)
    with worker(bench, "one"):
        bench.await_events()
    assert bench.events() == bench.expected()
    assert bench.read("deadletter") == []


def test_a_header_that_is_no_text_is_buried_and_met_once(kafka_broker: str, tmp_path: Path) -> None:
    """The good records of its batch and of all streams are judged; a restart goes on after it."""
    bench = Bench(kafka_broker, tmp_path, partitions=2)
    bench.send(ecg(4, 0, 3))
    write_bad_headers(bench.settings(), bench.topic("signal"), [(b"bad", chunk("bad", 0, peak=True))])
    bad = [("unreadable", each.partition, each.offset) for each in bench.read("signal") if each.key == b"bad"]
    assert len(bad) == 2
    with worker(bench, "one") as running:
        bench.send(ecg(4, 3, 6))
        wait_until(lambda: _letters(bench) == bad, 20, "the dead letters")
        assert running.end() == 0
    bench.send(ecg(4, 6, 9))
    wanted = bench.expected_of(_good(bench))
    with worker(bench, "one") as again:
        wait_until(lambda: bench.events() == wanted, 30, "the events")
        assert again.end() == 0
    assert _letters(bench) == bad
    letter = bench.read("deadletter")[0]
    assert (letter.key, letter.value) == (b"bad", chunk("bad", 0, peak=True))
    assert b"UnicodeDecodeError" in dict(letter.headers)["message"]


def test_a_codec_that_is_not_installed_is_named(
    kafka_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that cannot be opened is one dead letter, and the next one is read."""
    bench = Bench(kafka_broker, tmp_path, partitions=1)
    bench.send(ecg(2, 0, 3))
    bench.send([("bad", chunk("bad", 0)), ("bad", chunk("bad", 1))], compression_type="snappy", linger_ms=200)
    bench.send(ecg(2, 3, 6))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([without_snappy(tmp_path / "lacking"), str(ROOT)]))
    wanted = bench.expected_of(_good(bench))
    with worker(bench, "one"):
        wait_until(lambda: bench.events() == wanted, 30, "the events")
    assert _letters(bench) == [("unreadable", 0, 7)]
    message = dict(bench.read("deadletter")[0].headers)["message"].decode()
    assert message == (
        "offsets 6 to 7: compressed with snappy, which cannot be read here: install python-snappy"
    )


def test_a_spoilt_batch_is_passed_over(node: KafkaNode, tmp_path: Path) -> None:
    """Its checksum fails; what lies behind it is read."""
    bench = Bench(node.servers, tmp_path, partitions=1)
    bench.send(ecg(2, 0, 3))
    bench.send([("bad", chunk("bad", 0)), ("bad", chunk("bad", 1))], linger_ms=200)
    before = _good(bench)
    spoil(tmp_path / "kafka", bench.topic("signal"))
    bench.send(ecg(2, 3, 6))
    wanted = bench.expected_of([*before, *(each for each in bench.read("signal") if each.offset > 7)])
    with worker(bench, "one") as running:
        wait_until(lambda: bench.events() == wanted, 30, "the events")
        wait_until(lambda: _letters(bench) == [("unreadable", 0, 7)], 10, "the dead letter")
        assert running.end() == 0
