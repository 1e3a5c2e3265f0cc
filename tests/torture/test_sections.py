"""What sections measure by: each can miss its target, and poison is what it is called."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import zstandard
from kafka import TopicPartition

from monitor.errors import DecodeError
from monitor.formats.chunks import CONTENT_TYPE, decode_chunk
from monitor.formats.events import decode_event
from monitor.formats.figures import Figure
from monitor.formats.profiles import decode_profile
from monitor.formats.reviews import decode_review
from monitor.formats.signal_records import decode_signal
from tests.support.daemon import poison
from tests.support.kafka_fakes import Record
from tests.support.predecessor import history
from tests.support.stub_detector import StubDetector
from tests.torture import mixed
from tests.torture.__main__ import names_of, run
from tests.torture.comparison import compare
from tests.torture.flat import growth
from tests.torture.ground import Ground, of_streams
from tests.torture.ids import longest_take_up_s, streams_taken_up
from tests.torture.poison import BOMB
from tests.torture.poisoner import BOMB_SAMPLES, letters_of
from tests.torture.reference import Undisturbed
from tests.torture.sections import SECTIONS
from tests.torture.watch import Watch
from tests.torture.workers import Vitals, ended, took_up, vitals

HELD = Vitals(rss_mb=400.0, peak_mb=500.0, threads=9, descriptors=30)


def _missed(figures: list[Figure]) -> set[str]:
    return {each.name for each in figures if each.met is False}


def test_every_section_has_its_own_name() -> None:
    """None hides another."""
    assert set(SECTIONS) == {"crash", "freeze", "broker", "poison", "ids", "flat", "mixed"}


def test_the_short_form_does_without_the_history() -> None:
    """CI's clone may have none; by name the section runs there, too."""
    assert names_of(short=False) == list(SECTIONS)
    assert set(SECTIONS) - set(names_of(short=True)) == {"mixed"}


def test_a_section_without_the_history_says_what_to_do(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, before any worker is started; and it fails."""
    monkeypatch.setattr(history, "COMMIT", "0000000")
    (found,) = run(ground, ["mixed"])
    said = capsys.readouterr()
    assert (found.name, found.met) == ("failed", False)
    assert "git fetch --unshallow" in said.out.splitlines()[0]
    assert "Traceback" not in said.err


def test_what_was_forgotten_begins_afresh_in_the_undisturbed_run() -> None:
    """So that a stream which older workers went on with would be found."""
    seconds = [value for number in range(16) for _, value in mixed.made_up(["gone-0", "bed-0"], number)]
    undisturbed = mixed.twice_begun(seconds)
    assert undisturbed.chunks == 32
    assert compare(undisturbed.beats(), Undisturbed(seconds, detector=StubDetector).beats()).different == 8


@pytest.mark.parametrize(
    ("more", "missed"),
    [
        ({}, set()),
        ({"rss_mb": 415.0, "peak_mb": 900.0}, set()),
        ({"rss_mb": 425.0}, {"rss_growth"}),
        ({"threads": 10}, {"threads_more"}),
        ({"descriptors": 31}, {"descriptors_more"}),
    ],
)
def test_what_grows_misses_its_target(more: dict[str, Any], missed: set[str]) -> None:
    """Memory by a share, threads and descriptors by one; what it held for a moment is no growth."""
    assert _missed(growth([HELD] * 6 + [replace(HELD, **more)] * 3)) == missed


def test_one_look_is_no_growth() -> None:
    """A median of few; and too few cycles show nothing."""
    assert _missed(growth([HELD] * 8 + [replace(HELD, threads=40)])) == set()
    assert _missed(growth([HELD] * 3)) == {"cycles"}


def test_vitals_are_those_of_the_process() -> None:
    """A thread and a pipe more are seen."""
    before, over = vitals(os.getpid()), threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    ends = os.pipe()
    after = vitals(os.getpid())
    for end in ends:
        os.close(end)
    over.set()
    thread.join()
    assert (after.threads, after.descriptors) == (before.threads + 1, before.descriptors + 2)
    assert 10 < before.rss_mb <= before.peak_mb


def _worker(code: int | None, text: str = "") -> Any:
    return SimpleNamespace(process=SimpleNamespace(poll=lambda: code), text=lambda: text)


def test_workers_are_told_by_exit_code_and_log() -> None:
    """Also one that ended in order, which nobody had asked of it."""
    said = "took up 3 partitions in 0.2 s\ntook up 2 partitions in 1.5 s\n"
    workers = [_worker(None, said), _worker(0), _worker(4)]
    assert (ended(workers, "x").value, ended(workers, "x").met) == (2.0, False)
    assert ended(workers[:1], "x").met
    assert (took_up(workers[0]), longest_take_up_s(workers)) == (2, 1.5)


def test_streams_that_came_with_their_state_are_told_by_the_log() -> None:
    """Where input is read again from its beginning, none did."""
    said = "a[1] from 0, output from 9, 7 streams\na[2] from 5, output from 9, 3 streams\n"
    assert streams_taken_up([_worker(None, said), _worker(None, said)]) == 6


def test_offsets_are_waited_for_and_named() -> None:
    """Until all are committed, or too long."""
    bench: Any = SimpleNamespace(topic=lambda name: name, partitions=2)
    watch, place = Watch(bench), TopicPartition("signal", 1)
    watch.committed[place] = 7
    assert watch.await_({place: 7}, 0.0) < 1
    with pytest.raises(TimeoutError, match=r"\{1: \(7, 8\)\}"):
        watch.await_({place: 8}, 0.1)


def test_records_are_chosen_by_their_stream() -> None:
    """Or all are."""
    records = [SimpleNamespace(key=b"a", value=b"1"), SimpleNamespace(key=None, value=b"2")]
    assert list(of_streams(records, ["a"])) == [b"1"]
    assert list(of_streams(records, None)) == [b"1", b"2"]


def test_letters_of_good_streams_are_seen() -> None:
    """Hostile streams may have some; all others are wanted or too many."""
    place = [("source-partition", b"1"), ("source-offset", b"5"), ("reason", b"field")]
    letters = [SimpleNamespace(key=key, headers=place) for key in (b"bad", b"bad-rates", b"bed-0", None)]
    bench: Any = SimpleNamespace(read=lambda name: letters)
    assert list(letters_of(bench)) == [((1, 5), "field")] * 3


@pytest.mark.parametrize(("value", "kind", "reason"), poison.REFUSED.values(), ids=poison.REFUSED)
def test_poison_is_refused_by_its_reason(value: bytes | None, kind: str, reason: str) -> None:
    """Else it would not be wanted as a dead letter."""
    with pytest.raises(DecodeError) as caught:
        decode_signal(Record(value, key=poison.BAD_KEY, headers=[(CONTENT_TYPE, kind.encode())]))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("decode", "values"),
    [
        (decode_event, poison.no_events()),
        (decode_review, poison.no_reviews()),
        (lambda value: decode_profile(value, b"a"), [v for k, v in poison.no_profiles("a") if k == b"a"]),
    ],
    ids=["events", "feedback", "profiles"],
)
def test_poison_of_other_topics_is_none(decode: Callable[[Any], Any], values: list[Any]) -> None:
    """Or nobody would count it."""
    for value in values:
        with pytest.raises((DecodeError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)):
            decode(value)


def test_hostile_chunks_are_valid() -> None:
    """They get past the decoder, and there is no other gate."""
    for stream, make in (("r", poison.restless), ("z", lambda stream, n: poison.zeros(stream, n, 100))):
        assert [decode_chunk(each).stream for each in make(stream, 3)] == [stream] * 3
    assert [decode_chunk(each).first_sample for each in poison.leaping("l")] == [0, 1 << 43]
    assert 100_000 < len(poison.many_short_beats()) < 130_000
    assert decode_chunk(poison.many_short_beats()).stream == poison.LONG_ID


def test_a_bomb_is_small_until_it_is_opened() -> None:
    """A share of it, for time's sake."""
    part = b"".join(poison.zeros("z", 10, BOMB_SAMPLES))
    assert len(part) * BOMB / 10 > 400 << 20
    assert len(zstandard.compress(part)) * BOMB / 10 < 100_000
