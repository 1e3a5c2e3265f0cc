"""The model's runs over strips that somebody looks at: one at a time, on a thread of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from monitor.config import DetectionSettings
from monitor.model.model import Model, load_model
from monitor.web.metrics import WebMetrics
from monitor.web.requests import Refused

logger = logging.getLogger(__name__)
MAX_WAITING = 4  # runs, that in progress included: more would be answered after people have gone
LIMIT_S = 30.0
T = TypeVar("T")


class ModelRuns:
    """Runs work that needs the model, which is loaded for the first one."""

    def __init__(self, settings: DetectionSettings, metrics: WebMetrics, limit_s: float = LIMIT_S) -> None:
        self._settings, self._metrics, self._limit_s = settings, metrics, limit_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting = 0
        self._model: Model | None = None

    async def run(self, work: Callable[[Model], T]) -> T:
        """What `work` makes of the model; raises Refused where too many wait or it takes too long."""
        if self._waiting >= MAX_WAITING:
            self._metrics.model_runs.labels("refused").inc()
            raise Refused(503, "the model is busy with other strips, try again")
        self._waiting += 1
        future = self._pool.submit(lambda: work(self._loaded()))
        # Counted until it has really ended: a thread can't be stopped, and must not be overrun either.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._ended(loop))
        try:
            result = await asyncio.wait_for(asyncio.wrap_future(future), self._limit_s)
        except TimeoutError as exc:
            self._metrics.model_runs.labels("too_long").inc()
            raise Refused(504, f"the model took more than {self._limit_s:g} s") from exc
        self._metrics.model_runs.labels("done").inc()
        return result

    def close(self) -> None:
        """Begin no more runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        def count() -> None:
            self._waiting -= 1

        if not loop.is_closed():
            loop.call_soon_threadsafe(count)

    def _loaded(self) -> Model:
        if self._model is None:
            self._model = load_model(self._settings.model, self._settings.false_alarm_budget_per_hour)
        return self._model
