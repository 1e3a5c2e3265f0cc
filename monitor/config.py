"""Settings of the daemon: defaults < TOML < environment (ECG_MONITOR_KAFKA__GROUP_ID) < flags."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from monitor.errors import ConfigError

ENV_PREFIX = "ECG_MONITOR_"
Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0: any free one
# One in six weeks: rarer than that is a mute, which has an end. An event a second: every beat.
MIN_BUDGET_PER_HOUR, MAX_BUDGET_PER_HOUR = 0.001, 3600.0
Budget = Annotated[float, Field(ge=MIN_BUDGET_PER_HOUR, le=MAX_BUDGET_PER_HOUR)]
Descriptor = Annotated[int, Field(ge=3)]  # beyond standard input, output and error


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Topics(_Section):
    """Topic names."""

    signal: str = "ecg.signal"
    events: str = "ecg.events"
    beats: str = "ecg.beats"
    state: str = "ecg.state"
    deadletter: str = "ecg.deadletter"
    profiles: str = "ecg.profiles"
    feedback: str = "ecg.feedback"


class KafkaSettings(_Section):
    """How the brokers are reached, and how this worker shares partitions with others."""

    bootstrap_servers: str = "localhost:9092"  # host:port, several with commas
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"] | None = None
    sasl_plain_username: str | None = None
    sasl_plain_password: SecretStr | None = None
    sasl_kerberos_service_name: str = "kafka"
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: SecretStr | None = None  # of ssl_keyfile
    ssl_crlfile: str | None = None
    ssl_ciphers: str | None = None
    ssl_check_hostname: bool = True
    connect_timeout_s: Seconds = 30.0

    group_id: Annotated[str, Field(min_length=1)] = "ecg-monitor"
    # Static membership: unique in the group and the same after a restart, such as a StatefulSet pod's name.
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")] | None = None
    transactional_id_prefix: str = "ecg-monitor"
    # Consumers of committed records wait at most this long for the transaction of a killed worker.
    transaction_timeout_s: Seconds = 10.0
    session_timeout_s: Seconds = 10.0  # a killed worker's partitions move after this long
    heartbeat_interval_s: Seconds = 3.0
    # noida-db drops a member only after this; Kafka's own default is 300 s.
    max_poll_interval_s: Seconds = 60.0
    max_poll_records: Annotated[int, Field(ge=1)] = 500
    # Where to go on if the commit is of a topic of another id, or lies past its end: it was made anew, or
    # has lost records.
    on_lost_position: Literal["earliest", "latest"] = "earliest"
    fetch_wait_s: Seconds = 0.1  # the broker answers an empty fetch after this long
    metadata_max_age_s: Seconds = 30.0  # how soon added partitions are seen
    topics: Topics = Topics()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.heartbeat_interval_s >= self.session_timeout_s:
            raise ValueError(
                f"heartbeat_interval_s is {self.heartbeat_interval_s}, "
                f"wanted less than session_timeout_s {self.session_timeout_s}"
            )
        if self.security_protocol.startswith("SASL_") and self.sasl_mechanism is None:
            raise ValueError(f"security_protocol is {self.security_protocol}, so sasl_mechanism is needed")
        return self


class DeliverySettings(_Section):
    """When results leave the worker, and with what promise."""

    mode: Literal["exactly_once", "at_least_once"] = "exactly_once"
    commit_interval_s: Annotated[float, Field(gt=0, le=0.5)] = 0.5  # at once where a batch holds an event
    snapshot_interval_s: Seconds = 5.0  # of each stream; bounds what a restart replays
    max_pending_records: Annotated[int, Field(ge=1)] = 5000  # input records processed but not committed
    max_record_bytes: Annotated[int, Field(ge=1024)] = 900_000  # dead letters and beats are cut to it
    write_beats: bool = True


class StateSettings(_Section):
    """What is kept of streams that do not send; docs/operations.md has the arithmetic."""

    forget_after_days: Annotated[float, Field(gt=0, le=3650)] = (
        7.0  # between two records: then it begins afresh
    )
    sleep_after_s: Seconds = (
        300.0  # without a record: then a stream leaves memory, its state stays in ecg.state
    )
    max_awake: Annotated[int, Field(ge=1)] = 10_000  # streams in a worker's memory; others leave it sooner
    max_streams: Annotated[int, Field(ge=1)] = 100_000  # of a partition; beyond it the oldest are forgotten
    memory_mb: Annotated[int, Field(ge=0)] = 256  # of states that were read at a start, for streams that come


class DetectionSettings(_Section):
    """What may be tuned without training: rate, window and calibration are the model's own."""

    false_alarm_budget_per_hour: Budget | None = None  # None: the model's default
    model: Path | None = None  # None: the bundled one


class MetricsSettings(_Section):
    """The HTTP server of /metrics, /healthz and /readyz."""

    host: str = "127.0.0.1"
    port: Port = 9464
    listen_fd: Descriptor | None = None  # a listening socket that this process was started with, instead
    stalled_after_s: Seconds = 20.0  # in one call of the main loop: then /healthz fails, and the process ends
    # A stream without a record for this long counts as silent; the gauge may be a second late.
    silent_after_s: Seconds = 4.0


class WebSettings(_Section):
    """The bedside page; docs/bedside.md has the arithmetic of its memory."""

    host: str = "127.0.0.1"  # the page asks nobody who they are: elsewhere, put a proxy that does before it
    port: Port = 8080
    listen_fd: Descriptor | None = None  # a listening socket that this process was started with, instead
    allowed_hosts: tuple[str, ...] = ()  # names in a request's Host; none: loopback's, or any elsewhere
    # The request header in which a proxy says who has logged in; None: people say it themselves.
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] | None = None
    history_s: Annotated[float, Field(ge=30, le=3600)] = 600.0  # of signal and beats of each stream
    events_back_h: Annotated[float, Field(gt=0, le=24 * 31)] = 24.0
    memory_mb: Annotated[int, Field(ge=16)] = 512  # of signal in all; then histories get shorter
    max_streams: Annotated[int, Field(ge=1)] = 2000
    max_clients: Annotated[int, Field(ge=1)] = 100  # browsers at once
    forget_after_s: Seconds = 3600.0  # a stream without a record for so long leaves the page


class LoggingSettings(_Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"  # auto: JSON when not a terminal
    kafka_level: Literal["debug", "info", "warning", "error"] = "warning"  # of the client library


class Settings(BaseSettings):
    """All sections; every default stands here, once."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    kafka: KafkaSettings = KafkaSettings()
    delivery: DeliverySettings = DeliverySettings()
    state: StateSettings = StateSettings()
    detection: DetectionSettings = DetectionSettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    logging: LoggingSettings = LoggingSettings()


def load_settings(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force; flags are dotted names ("kafka.group_id"), None meaning not given."""
    in_file = _read_toml(path)
    _check_environment()

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            return init_settings, env_settings, InitSettingsSource(settings_cls, in_file)

    try:
        return Loaded(**_nested(flags or {}))
    except ValidationError as exc:
        raise ConfigError("; ".join(_explain(error, path, in_file) for error in exc.errors())) from exc


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: not TOML: {exc}") from exc


def _check_environment() -> None:
    # pydantic-settings overlooks variables that name no section; a misspelt one would be ignored silently.
    for name in os.environ:
        section = name.removeprefix(ENV_PREFIX).split("__")[0].lower()
        if name.startswith(ENV_PREFIX) and section not in Settings.model_fields:
            known = ", ".join(sorted(Settings.model_fields))
            raise ConfigError(
                f"environment variable {name}: unknown section {section!r}, wanted one of {known}"
            )


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        if value is not None:
            *sections, key = name.split(".")
            branch = tree
            for section in sections:
                branch = branch.setdefault(section, {})
            branch[key] = value
    return tree


def _explain(error: Any, path: Path | None, in_file: dict[str, Any]) -> str:
    keys = [str(key) for key in error["loc"]]
    where = f"{path}: " if path is not None and _holds(in_file, keys) else ""
    what = (
        "unknown key"
        if error["type"] == "extra_forbidden"
        else str(error["msg"]).removeprefix("Value error, ")
    )
    return f"{where}{'.'.join(keys)}: {what}"


def _holds(tree: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True
