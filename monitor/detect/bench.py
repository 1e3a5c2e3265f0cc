"""How fast a model runs on one core: its networks alone, with scoring, and the whole detector."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from monitor.adapt.beats import BeatBatch
from monitor.adapt.usual_beat import FEATURES, HISTORY
from monitor.detect.detector import Detector
from monitor.formats.chunks import Chunk
from monitor.formats.figures import Figure, figure
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.model import Model
from monitor.model.scoring import TILE, run_tiled
from monitor.model.terms import halves
from monitor.recordings.synthetic import SyntheticEcg, synthetic_ecg

TARGET_WINDOWS = 20_000.0  # a second on one core: 10,000 two-lead streams at 60 beats a minute
BATCH = 256
STREAMS, LEADS, CHUNK_S, RATE_HZ = 64, 2, 1.0, 250.0
WARM_UP_S = 12  # of each stream, until its usual beat is known: that is the state to be measured in
_WINDOWS = 1024  # of one run: 20 to 100 ms
_REPEATS = 4  # batches of one run, for the same reason
_BEATS = _WINDOWS // LEADS


@dataclass(frozen=True, slots=True)
class Speed:
    """One measurement: the median over runs, and its extremes."""

    what: str
    name: str  # of the figure
    group: str
    per_second: float
    slowest: float
    fastest: float
    target: float | None = None


@dataclass(frozen=True, slots=True)
class _Subject:
    """Something to be timed: one call of `run` does `amount` of it."""

    what: str
    name: str
    group: str
    amount: float
    run: Callable[[], object]
    target: float | None = None


def bench(
    model: Model, *, seconds: int = 20, runs: int = 5, progress: Callable[[str], object] | None = None
) -> list[Speed]:
    """Speeds of a model on one core; `progress` is told what is measured next.

    A window is one lead of one beat, or of one fixed window. seconds: of every stream, in each run of
    the whole detector.
    """
    if seconds < 1 or runs < 1:
        raise ValueError(f"need seconds and runs of 1 at least; got {seconds=}, {runs=}")
    torch.set_num_threads(1)  # as the worker does
    found = []
    for subject in _subjects(model, seconds):
        if progress is not None:
            progress(subject.what)
        subject.run()  # compiles, and fills the caches
        rates = [subject.amount / _timed(subject.run) for _ in range(runs)]
        facts = subject.what, subject.name, subject.group
        found.append(Speed(*facts, median(rates), min(rates), max(rates), subject.target))
    return found


def _timed(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _subjects(model: Model, seconds: int) -> Iterator[_Subject]:
    name = "windows_per_second"
    for kind, net in model.networks.items():
        rows = 2 if kind == "fixed" else 1  # a fixed window is read in halves
        target = None if kind == "fixed" else TARGET_WINDOWS
        run = _batches(net, _inputs(model, kind, BATCH // rows))
        amount = _REPEATS * BATCH / rows
        yield _Subject(f"{kind} network, batch {BATCH}", name, f"{kind}/batch-{BATCH}", amount, run, target)
        tiled = partial(run_tiled, net, _inputs(model, kind, _WINDOWS))
        yield _Subject(f"{kind} network, tiles of {TILE}", name, f"{kind}/tile-{TILE}", _WINDOWS, tiled)
    kind = "usual" if model.contextual else "population"
    judge = partial(model.judge_beats, _beats(model))
    yield _Subject(f"{kind} network and scoring", name, f"{kind}/scored", _WINDOWS, judge, TARGET_WINDOWS)
    what = f"detector, {STREAMS} × {LEADS} leads (stream-s)"
    feed = _Feed(model, seconds)
    yield _Subject(what, "stream_seconds_per_second", "detector", STREAMS * seconds, feed.run)


def _batches(net: EncoderDecoder, inputs: Inputs) -> Callable[[], None]:
    @torch.inference_mode()
    def run() -> None:
        for _ in range(_REPEATS):
            net(inputs)

    return run


def _inputs(model: Model, kind: str, windows: int) -> Inputs:
    """Random input of a network: its speed does not depend on the values."""
    spec = model.manifest.windows
    random = np.random.default_rng(0)

    def noise(*shape: int) -> torch.Tensor:
        return torch.from_numpy(random.standard_normal(shape).astype(np.float32))

    if kind == "fixed":
        return Inputs(torch.from_numpy(halves(noise(windows, spec.fixed_samples).numpy())))
    if kind == "population":
        return Inputs(noise(windows, spec.samples))
    return Inputs(
        window=noise(windows, spec.samples),
        usual=noise(windows, spec.samples),
        past=noise(windows, HISTORY, FEATURES),
        log_scale=noise(windows),
    )


def _beats(model: Model) -> BeatBatch:
    """Beats of streams that know their usual beat, in random shapes."""
    spec = model.manifest.windows
    random = np.random.default_rng(0)
    shape = (_BEATS, LEADS, spec.samples)
    everywhere = np.ones((_BEATS, LEADS), np.bool_)
    return BeatBatch(
        beat=random.standard_normal(shape).astype(np.float32),
        usual=random.standard_normal(shape).astype(np.float32),
        past=random.standard_normal((_BEATS, LEADS, HISTORY, FEATURES)).astype(np.float32),
        scale_mv=np.ones((_BEATS, LEADS)),
        log_scale=np.zeros((_BEATS, LEADS), np.float32),
        good=everywhere,
        known=everywhere,
        rr_s=np.full(_BEATS, 0.8, np.float32),
        log_ratio=np.zeros(_BEATS, np.float32),
        ready=np.ones(_BEATS, np.bool_),
        recurrence=np.zeros(_BEATS),
        run=np.zeros(_BEATS, np.int64),
        second=np.full(_BEATS, -1),
        young=np.zeros(_BEATS, np.bool_),
        own_level=np.zeros(_BEATS),
    )


class _Feed:
    """Made-up streams, one chunk of each at a time, that never end."""

    def __init__(self, model: Model, seconds: int) -> None:
        self._detector = Detector(model)
        self._ecg = [_stream_ecg(index, seconds) for index in range(STREAMS)]
        self._seconds = seconds
        self._at = 0
        for _ in range(WARM_UP_S):
            self._second()

    def run(self) -> None:
        """Every stream's next seconds."""
        for _ in range(self._seconds):
            self._second()

    def _second(self) -> None:
        self._detector.process([_chunk(index, ecg, self._at) for index, ecg in enumerate(self._ecg)])
        self._at += 1


def _stream_ecg(index: int, seconds: int) -> SyntheticEcg:
    return synthetic_ecg(
        max(seconds, 10), rate_hz=RATE_HZ, leads=LEADS, beats_per_minute=55 + index % 50, seed=index
    )


def _chunk(index: int, ecg: SyntheticEcg, second: int) -> Chunk:
    size = round(CHUNK_S * RATE_HZ)
    begin = second * size % len(ecg.ecg_mv)
    ecg_mv = ecg.ecg_mv[begin : begin + size]
    return Chunk(
        stream=f"bench-{index}",
        session="bench",
        first_sample=second * size,
        start_us=round(second * CHUNK_S * 1e6),
        rate_hz=RATE_HZ,
        leads=tuple(f"lead {lead + 1}" for lead in range(LEADS)),
        ecg_mv=ecg_mv,
        valid=np.ones(ecg_mv.shape, np.bool_),
        saturated=np.zeros(ecg_mv.shape, np.bool_),
    )


def bench_figures(speeds: list[Speed]) -> list[Figure]:
    """The speeds as figures; low and high are the slowest and fastest run."""
    found = []
    for speed in speeds:
        drawn = figure(speed.name, speed.per_second, speed.group, target=speed.target)
        found.append(
            Figure(
                name=drawn.name, group=drawn.group, value=drawn.value, low=speed.slowest, high=speed.fastest,
                target=drawn.target, better=drawn.better, met=drawn.met,
            )
        )  # fmt: skip
    return found


def machine() -> dict[str, Any]:
    """What the speeds were measured on."""
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": 1,
    }


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - no file of ours
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
