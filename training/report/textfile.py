"""What Prometheus learns of training: a textfile for node_exporter, and a push to a Pushgateway.

A run of `ecg-train` has ended long before anyone scrapes it, so its last figures stay in a file. Commands
share one: each replaces what it says itself, and keeps what others said.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, push_to_gateway, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from monitor.errors import ConfigError, MonitorError
from monitor.formats.figures import Figure
from training.data.records import database, record_names

JOB = "ecg-train"  # the pushed series' label `job`
NO_MODEL = "none"  # the label `model` of a protocol that judges no model
_SUCCESS = "ecg_train_last_success_timestamp_seconds"
_DURATION = "ecg_train_duration_seconds"
_MEASURE = "ecg_train_measure"
_DATA = "ecg_train_data_timestamp_seconds"
_INFO = "ecg_train_info"
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    _SUCCESS: ("When the command last succeeded, since the epoch", ("command", "model")),
    _DURATION: ("How long that run of the command took", ("command", "model")),
    _MEASURE: ("What the protocol measured", ("model", "protocol", "measure", "group")),
    _DATA: ("When the newest training file was last changed, since the epoch", ("model",)),
    _INFO: ("The model's version", ("model", "version")),
}
_Series = tuple[str, tuple[str, ...]]  # a family's name, and the labels' values in its order


class TrainingMetrics:
    """One run's words to Prometheus; its clock starts here."""

    def __init__(self, command: str, path: Path | None, pushgateway: str | None) -> None:
        """path: textfile, None for nothing at all. Raises ConfigError, before hours of training, where
        the path holds something else, or where there is a pushgateway (its URL) and no path."""
        if pushgateway is not None and path is None:
            # A push replaces the group of a model: without the file the other commands' series would go.
            raise ConfigError("--pushgateway is given without --metrics, the file whose series are pushed")
        self._command, self._path, self._pushgateway = command, path, pushgateway
        self._begun_s = time.monotonic()
        if path is not None:
            _read(path)
            _make_folder(path.parent)

    def succeeded(
        self,
        model: str = NO_MODEL,
        version: str | None = None,
        *,
        data_s: float | None = None,
        protocol: str = "",
        figures: Iterable[Figure] = (),
    ) -> None:
        """Write the file in one step and push it; data_s: the newest training file's time, since the epoch.

        Raises MonitorError where the gateway does not take it; the file is written by then.
        """
        if self._path is None:
            return
        series = dict(_kept(_read(self._path), model, version, protocol))
        series[_SUCCESS, (self._command, model)] = time.time()
        series[_DURATION, (self._command, model)] = time.monotonic() - self._begun_s
        for figure in figures:
            if figure.value is not None:
                series[_MEASURE, (model, protocol, figure.name, figure.group)] = figure.value
        if data_s is not None:
            series[_DATA, (model,)] = data_s
        if version is not None:
            series[_INFO, (model, version)] = 1.0
        write_to_textfile(str(self._path), _registry(series))
        if self._pushgateway is not None:
            _push(self._pushgateway, model, series)


def newest_file_s(data: Path, names: Sequence[str]) -> float:
    """When the newest file of these MIT-BIH records was last changed, seconds since the epoch."""
    folder = database(data, "mitdb")
    files = [path for name in record_names(folder, names) for path in folder.glob(f"{name}.*")]
    return max(path.stat().st_mtime for path in files)


class _Written(Collector):
    """The series as the client library's families."""

    def __init__(self, series: Mapping[_Series, float]) -> None:
        self._series = series

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (text, labels) in FAMILIES.items():
            family = GaugeMetricFamily(name, text, labels=labels)
            for (owner, values), value in sorted(self._series.items()):
                if owner == name:
                    family.add_metric(values, value)
            yield family


def _registry(series: Mapping[_Series, float]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Written(series))
    return registry


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{folder}: cannot be made: {exc.strerror}") from exc


def _read(path: Path) -> dict[_Series, float]:
    """What earlier commands wrote; raises ConfigError for a file that is not theirs."""
    if not path.exists():
        return {}
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
        return {
            (family.name, tuple(sample.labels[label] for label in FAMILIES[family.name][1])): sample.value
            for family in families
            for sample in family.samples
        }
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError) as exc:
        raise ConfigError(f"{path}: not a textfile of ecg-train: {exc}") from exc


def _kept(
    series: Mapping[_Series, float], model: str, version: str | None, protocol: str
) -> Iterator[tuple[_Series, float]]:
    """All but what this run says anew: its protocol's measures, and what was true of another version."""
    changed = version is not None and (_INFO, (model, version)) not in series
    for (name, values), value in series.items():
        said_anew = name == _MEASURE and values[1] == protocol
        outdated = changed and name in (_MEASURE, _INFO)
        if _model(name, values) != model or not (said_anew or outdated):
            yield (name, values), value


def _model(name: str, values: tuple[str, ...]) -> str:
    """Whose series this is."""
    return values[FAMILIES[name][1].index("model")]


def _push(url: str, model: str, series: Mapping[_Series, float]) -> None:
    own = {key: value for key, value in series.items() if _model(*key) == model}
    try:
        push_to_gateway(url, job=JOB, registry=_registry(own), grouping_key={"model": model})
    except (OSError, ValueError) as exc:
        raise MonitorError(f"{url}: the Pushgateway did not take the metrics: {exc}") from exc
