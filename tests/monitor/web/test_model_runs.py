"""The model's runs: one at a time, a few waiting, none for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from monitor.config import DetectionSettings
from monitor.web.metrics import WebMetrics, new_web_metrics
from monitor.web.model_runs import MAX_WAITING, ModelRuns
from monitor.web.requests import Refused


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often a model is loaded."""
    loaded: list[int] = []

    def load(*_: object) -> object:
        loaded.append(1)
        return object()

    monkeypatch.setattr("monitor.web.model_runs.load_model", load)
    return loaded


def with_runs(work: Callable[[ModelRuns, WebMetrics], Awaitable[None]], limit_s: float = 5.0) -> None:
    """Let a coroutine use runs."""

    async def main() -> None:
        metrics = new_web_metrics()
        runs = ModelRuns(DetectionSettings(), metrics, limit_s)
        try:
            await work(runs, metrics)
        finally:
            runs.close()

    asyncio.run(main())


def outcome(metrics: WebMetrics, name: str) -> float:
    """Runs that ended so."""
    return float(metrics.model_runs.labels(name)._value.get())


def test_runs_come_one_after_the_other(no_model: list[int]) -> None:
    """On one thread, with a model that is loaded once."""
    threads: list[str] = []
    at_once: list[int] = []

    async def work(runs: ModelRuns, metrics: WebMetrics) -> None:
        def one(model: object) -> int:
            at_once.append(1)
            threads.append(threading.current_thread().name)
            assert len(at_once) == 1
            at_once.pop()
            return 7

        assert await asyncio.gather(*(runs.run(one) for _ in range(MAX_WAITING))) == [7] * MAX_WAITING
        assert await runs.run(one) == 7
        assert outcome(metrics, "done") == MAX_WAITING + 1

    with_runs(work)
    assert set(threads) == {"model_0"}
    assert len(no_model) == 1


def test_more_than_a_few_are_refused(no_model: list[int]) -> None:
    """At once: whoever asked would be gone by their turn. The event loop goes on meanwhile."""

    async def work(runs: ModelRuns, metrics: WebMetrics) -> None:
        go = threading.Event()
        tasks = [asyncio.create_task(runs.run(lambda _: go.wait(5))) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await runs.run(lambda _: None)
        assert refused.value.status == 503
        assert outcome(metrics, "refused") == 1
        go.set()
        assert await asyncio.gather(*tasks) == [True] * MAX_WAITING
        await runs.run(lambda _: None)

    with_runs(work)


def test_a_run_that_takes_too_long_is_given_up_on(no_model: list[int]) -> None:
    """It still counts as one that waits until it has ended, so that nobody piles up more."""

    async def work(runs: ModelRuns, metrics: WebMetrics) -> None:
        go = threading.Event()
        with pytest.raises(Refused) as refused:
            await runs.run(lambda _: go.wait(5))
        assert refused.value.status == 504
        assert outcome(metrics, "too_long") == 1
        assert runs._waiting == 1
        go.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not runs._waiting:
                break
        assert runs._waiting == 0

    with_runs(work, limit_s=0.1)


def test_a_fault_in_a_run_is_the_callers(no_model: list[int]) -> None:
    """And the next one runs."""

    async def work(runs: ModelRuns, metrics: WebMetrics) -> None:
        with pytest.raises(ZeroDivisionError):
            await runs.run(lambda _: 1 / 0)
        assert await runs.run(lambda _: 3) == 3

    with_runs(work)
