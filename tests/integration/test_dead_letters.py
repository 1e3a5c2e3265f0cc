"""Records that are no chunks: put aside with their reason and place, and nothing else is touched."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon.harness import Bench, chunk, ecg, producer, wait_until, worker
from tests.support.daemon.poison import BAD_KEY, REFUSED

pytestmark = pytest.mark.integration
LIMIT = 50_000


def _send_bad(bench: Bench) -> None:
    with producer(bench.settings()) as out:
        for value, kind, _ in REFUSED.values():
            headers = [("content-type", kind.encode())]
            out.send(bench.topic("signal"), value, key=BAD_KEY, headers=headers)


@pytest.fixture
def buried(broker: str, tmp_path: Path) -> tuple[Bench, list[tuple[Any, dict[str, str]]]]:
    """The dead letters of a run in which bad records lie among good streams, with their headers."""
    bench = Bench(broker, tmp_path, partitions=1, delivery={"max_record_bytes": LIMIT})
    bench.send(ecg(streams=3, first=0, last=4))
    _send_bad(bench)
    with worker(bench, "one"):
        bench.send(ecg(streams=3, first=4, last=8))
        wanted = len(REFUSED)
        wait_until(lambda: len(bench.read("deadletter")) >= wanted, 20, "the dead letters")
        wait_until(lambda: sum(map(len, bench.events().values())) >= 8, 20, "the events")
    letters = bench.read("deadletter")
    return bench, [(letter, {key: value.decode() for key, value in letter.headers}) for letter in letters]


def test_bad_records_are_put_aside_and_good_streams_unharmed(
    buried: tuple[Bench, list[tuple[Any, dict[str, str]]]],
) -> None:
    """Each has its reason, place, hash and length; long ones are cut; events are those of the good."""
    bench, letters = buried
    sent = {record.offset: record for record in bench.read("signal")}
    assert [headers["reason"] for _, headers in letters] == [reason for *_, reason in REFUSED.values()]
    for letter, headers in letters:
        source = sent[int(headers["source-offset"])]
        value = source.value or b""
        assert (headers["source-topic"], headers["source-partition"]) == (bench.topic("signal"), "0")
        assert headers["sha256"] == hashlib.sha256(value).hexdigest()
        assert int(headers["length"]) == len(value)
        assert headers["content-type"] == dict(source.headers)["content-type"].decode()
        assert (letter.key, letter.value) == (source.key, value[:LIMIT])
    good = [record for record in sent.values() if record.key != BAD_KEY]
    assert bench.events() == bench.expected_of(good)


def test_a_chunk_that_the_detector_refuses_is_put_aside(broker: str, tmp_path: Path) -> None:
    """The detector's reason and message are the letter's."""
    bench = Bench(broker, tmp_path)
    bench.send([("s", chunk("s", 5)), ("s", chunk("s", 2)), ("s", chunk("s", 6, peak=True))])
    with worker(bench, "one"):
        wait_until(lambda: bool(bench.read("deadletter")), 20, "the dead letter")
    headers = dict(bench.read("deadletter")[0].headers)
    assert (headers["reason"], headers["message"]) == (b"out_of_order", b"sample 500")
    assert len(bench.events()["s"]) == 1


def test_dead_letters_are_written_once(broker: str, tmp_path: Path) -> None:
    """A restart that reads bad records again to rebuild state does not bury them again."""
    bench = Bench(broker, tmp_path, partitions=1, delivery={"snapshot_interval_s": 60.0})
    bench.send(ecg(streams=2, first=0, last=3))
    _send_bad(bench)
    with worker(bench, "one"):
        wait_until(lambda: len(bench.read("deadletter")) == len(REFUSED), 20, "the dead letters")
    bench.send(ecg(streams=2, first=3, last=9))
    with worker(bench, "one") as again:
        again.says("from 0, output from")
        wait_until(lambda: sum(map(len, bench.events().values())) >= 6, 20, "the events")
    assert len(bench.read("deadletter")) == len(REFUSED)
