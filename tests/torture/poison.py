"""All poison that we know, among good streams: it is buried or counted, and nobody else notices."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from monitor.formats.beats import decode_beats
from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import Bench, wait_until
from tests.support.daemon.poison import LONG_ID
from tests.torture.comparison import beat_verdicts, compare
from tests.torture.ground import Ground, of_streams
from tests.torture.poisoner import Poisoner, dribbling, letters_of, seconds_for
from tests.torture.reference import Undisturbed
from tests.torture.ward import Ward
from tests.torture.watch import Watch
from tests.torture.workers import Served, await_partitions, counted, ended, served, vitals

NAME = "poison"
STREAMS, SPEED = 10, 1.0
ROUNDS, ROUNDS_SHORT = 10, 2
BOMB, BOMB_SHORT = 300, 20  # records of zeros in one batch: five hours of twelve leads take minutes to judge
PARTITIONS = 6
BEFORE_S = 10  # of signal that lies there when the workers start
CAUGHT_UP_S = 600.0
DRIBBLERS = 80  # more than are served at once
ANSWER_S = 2.0
# A worker that judged the whole batch at once would need about 900 MB in the short form; by parts, 570.
WORKER_MB, WORKER_SHORT_MB, PAGE_MB = 1500, 750, 1500
KAFKA = {"session_timeout_s": 8.0, "heartbeat_interval_s": 1.0}
PAGE = ("web", "--port")


def run(ground: Ground) -> list[Figure]:
    """Poison lies there when the workers start, comes while they work, and when one has been killed."""
    with ExitStack() as stack:
        bench = ground.bench(NAME, partitions=PARTITIONS, kafka=KAFKA)
        ward, odd = Ward(bench, STREAMS), Ward(bench, 3, "odd")
        poisoner, most_mb = Poisoner(bench), ground.often(WORKER_MB, WORKER_SHORT_MB)
        for one in (ward, odd):
            one.send(BEFORE_S)
        for number in range(PARTITIONS):
            poisoner.refused(number)
        poisoner.state()
        poisoner.spoilt(ground.folder / "broker")
        watch = stack.enter_context(Watch(bench))
        with ward.sending(SPEED), odd.sending(SPEED):
            workers = [stack.enter_context(served(bench, name)) for name in ("one", None)]
            page = stack.enter_context(served(bench, None, PAGE))
            await_partitions(workers)
            figures = _under_way(ground, bench, poisoner, workers, page, odd)
            watch.await_end(CAUGHT_UP_S)
            peak_mb = max(vitals(one.process.pid).peak_mb for one in workers)
            workers[0].end(signal.SIGKILL)
            workers[0] = stack.enter_context(served(bench, "one"))
            poisoner.refused(0)
            await_partitions(workers)
        watch.await_end(CAUGHT_UP_S)
        return [
            figure("worker_peak_mb", peak_mb, NAME, target=most_mb, better="lower"),
            *figures,
            ended(workers, NAME),
            *_of_the_page(bench, poisoner, page, [*ward.streams, *odd.streams]),
            *_letters(ground, bench, poisoner),
            *_odd(bench, odd.streams),
            *ground.judged(NAME, bench, watch, {*ward.streams, LONG_ID}),
        ]


def _under_way(
    ground: Ground, bench: Bench, poisoner: Poisoner, workers: list[Served], page: Served, odd: Ward
) -> list[Figure]:
    """All kinds while they work; what the workers have counted, and how soon they answer meanwhile."""
    slowest_s = 0.0
    for turn in range(ground.often(ROUNDS, ROUNDS_SHORT)):
        if turn == 0:
            poisoner.settings_of(odd.streams)
            poisoner.what_the_page_reads()
            poisoner.bomb(ground.often(BOMB, BOMB_SHORT))
        poisoner.hostile()
        poisoner.refused(turn % PARTITIONS)
        with dribbling(workers[0].port, DRIBBLERS):
            slowest_s = max(slowest_s, seconds_for(partial(workers[0].answer, "/healthz")))
    wanted = len(workers) * poisoner.profiles
    profiles = partial(counted, workers, "ecg_monitor_profile_records_total", outcome="refused")
    _await_at_least(profiles, wanted)
    refused = counted(workers, "ecg_monitor_restores_total", outcome="refused")
    return [
        figure("healthz_beside_dribblers_s", slowest_s, NAME, target=ANSWER_S, better="lower"),
        figure("profiles_not_counted", wanted - profiles(), NAME, target=0, better="lower"),
        # Partitions that have moved while the workers started are read twice.
        figure("snapshots_counted", refused, NAME, target=poisoner.snapshots),
    ]


def _of_the_page(bench: Bench, poisoner: Poisoner, page: Served, streams: list[str]) -> list[Figure]:
    sent = {"events": poisoner.events, "feedback": poisoner.reviews, "profiles": poisoner.profiles}
    missing = 0.0
    for name, count in sent.items():
        bad = partial(counted, [page], "ecg_web_bad_records_total", topic=bench.topic(name))
        _await_at_least(bad, count)
        missing += max(0.0, count - bad())
    held = counted([page], "ecg_web_streams")
    return [
        figure("page_not_well", float(page.answer("/healthz")[0] != 200), NAME, target=0, better="lower"),
        figure("page_not_counted", missing, NAME, target=0, better="lower"),
        figure("page_streams", held, NAME, target=len(streams)),
        figure("page_peak_mb", vitals(page.process.pid).peak_mb, NAME, target=PAGE_MB, better="lower"),
    ]


def _letters(ground: Ground, bench: Bench, poisoner: Poisoner) -> list[Figure]:
    found = compare(poisoner.letters, letters_of(bench))
    if found.examples:
        ground.note(NAME, letters_that_differ=found.examples)
    return found.figures("letters", NAME)


def _odd(bench: Bench, streams: Iterable[str]) -> list[Figure]:
    """Streams with settings that nobody should set: judged all the same, whatever the verdict."""
    names = set(streams)
    wanted = Undisturbed(of_streams(bench.read("signal"), names)).beats()
    rows = beat_verdicts(decode_beats(each.value) for each in bench.read("beats"))
    got = ((name, b"") for name, _ in rows if name[0] in names)
    return compare(((name, b"") for name, _ in wanted), got).figures("beats_with_odd_settings", NAME)


def _await_at_least(value: partial[float], wanted: float) -> None:
    try:
        wait_until(lambda: value() >= wanted, 20.0, "all to be counted")
    except AssertionError:
        return  # the figure tells
