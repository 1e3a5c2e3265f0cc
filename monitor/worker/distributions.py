"""A histogram for Prometheus that takes in a batch of values at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector


class BinnedHistogram(Collector):
    """Counts values in bins, per value of one label; the client library's own takes them one by one."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], label: str, values: Iterable[str]
    ) -> None:
        """bounds: upper ends of the bins, rising; each holds its end. values: all that the label can be."""
        self.name, self.label = name, label
        self._text = text
        self._bounds = np.array(bounds, np.float64)
        # Every label value from the start: a series that appears late has no increase().
        self._counts = {value: np.zeros(len(bounds) + 1, np.int64) for value in values}
        self._sums = dict.fromkeys(self._counts, 0.0)
        self._lock = threading.Lock()  # the HTTP server's thread reads

    def add(self, value: str, observed: NDArray[np.floating]) -> None:
        """Count observed values, (n,), under a value of the label; NaN is left out."""
        known = observed[~np.isnan(observed)].astype(np.float64)
        bins = np.searchsorted(self._bounds, known, side="left")
        counts = np.bincount(bins, minlength=len(self._bounds) + 1)
        with self._lock:
            self._counts[value] += counts
            self._sums[value] += float(known.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The one family, its buckets cumulative as Prometheus has them."""
        family = HistogramMetricFamily(self.name, self._text, labels=[self.label])
        ends = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        with self._lock:
            for value, counts in self._counts.items():
                buckets = list(zip(ends, np.cumsum(counts).astype(float).tolist(), strict=True))
                family.add_metric([value], buckets, self._sums[value])
        return [family]
