"""Kafka clients made from settings, and Kafka's errors in an operator's words."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kafka
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import AuthorizationError, KafkaConfigurationError, KafkaError

from monitor.broker.unreadable import tolerant
from monitor.config import KafkaSettings
from monitor.errors import BrokerError, ConfigError

logger = logging.getLogger(__name__)
RECENT_S, RECENT_LINES = 60.0, 100  # of the library's log: older lines are not about this error
_REFUSED = ("Authentication", "Sasl", "credential", "password")
_TLS = ("Handshake failed", "certificate", "[SSL")
# The answer to a failed login is often lost in the closing of the connection. That the version was
# exchanged before shows that the address and TLS were right.
_HUNG_UP = re.compile(r"broker_version=\(\d.*Connection lost: .*disconnected")
_KEYS = (
    "security_protocol",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_kerberos_service_name",
    "ssl_cafile",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_password",
    "ssl_crlfile",
    "ssl_ciphers",
    "ssl_check_hostname",
)


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every client is given; holds secrets in the clear, so never to be printed."""
    values = {key: getattr(settings, key) for key in _KEYS}
    plain = {
        key: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for key, value in values.items()
    }
    servers = [server.strip() for server in settings.bootstrap_servers.split(",")]
    return plain | {
        "bootstrap_servers": servers,
        "bootstrap_timeout_ms": _ms(settings.connect_timeout_s),
        # A broker that is back is to be found within seconds; the library's own 30 s are for crowds.
        "reconnect_backoff_max_ms": 1000,
        "metadata_max_age_ms": _ms(settings.metadata_max_age_s),
        "metrics_enabled": False,  # ours are in monitor.worker.metrics
    }


class InsistentAssignor(CooperativeStickyAssignor):  # type: ignore[misc]  # kafka-python has no types
    """Cooperative-sticky; what it says of a member who joins can be made to differ from what it said before.

    To a follower who says the same as before, the broker gives its old assignment and asks nobody else. Who
    leads, of whatever release, passes over what differs.
    """

    insisted = 0

    def metadata(self, topics: Any) -> Any:
        """What the member says of itself."""
        said = super().metadata(topics)
        said.user_data = str(self.insisted).encode() if self.insisted else b""
        return said


def open_consumer(settings: KafkaSettings, **options: Any) -> Any:
    """A consumer of the worker's group, cooperative-sticky, that commits nothing by itself."""
    return _open_reading(
        settings,
        **{
            "group_id": settings.group_id,
            "group_instance_id": settings.instance_id,
            "partition_assignment_strategy": [InsistentAssignor],
            "isolation_level": "read_committed",
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "session_timeout_ms": _ms(settings.session_timeout_s),
            "heartbeat_interval_ms": _ms(settings.heartbeat_interval_s),
            "max_poll_interval_ms": _ms(settings.max_poll_interval_s),
            "max_poll_records": settings.max_poll_records,
            "fetch_max_wait_ms": _ms(settings.fetch_wait_s),
        }
        | options,
    )


def open_reader(settings: KafkaSettings, **options: Any) -> Any:
    """A consumer without a group, for partitions assigned by hand; sees committed records only."""
    return _open_reading(
        settings,
        **{
            "isolation_level": "read_committed",
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "fetch_max_wait_ms": _ms(settings.fetch_wait_s),
        }
        | options,
    )


def open_producer(settings: KafkaSettings, transactional_id: str | None = None, **options: Any) -> Any:
    """An idempotent producer; with a transactional id, one that has fenced its predecessor."""
    transaction = {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": _ms(settings.transaction_timeout_s),
    }
    return _open(
        kafka.KafkaProducer,
        settings,
        **{
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": "lz4",
            "linger_ms": 5,
            "batch_size": 1 << 18,  # a commit interval's records leave in few requests
            "allow_auto_create_topics": False,
        }
        | (transaction if transactional_id else {})
        | options,
    )


def close_producer(producer: Any, timeout_s: float) -> None:
    """Close a producer in order, if the broker lets us; an open transaction is left to it."""
    try:
        producer.close(timeout=timeout_s)
    except KafkaError as error:
        logger.warning("producer did not close in order: %s", error)


def open_admin(settings: KafkaSettings, **options: Any) -> Any:
    """A client for topics and offsets."""
    return _open(kafka.KafkaAdminClient, settings, **options)


def _open_reading(settings: KafkaSettings, **options: Any) -> Any:
    return tolerant(_open(kafka.KafkaConsumer, settings, **options))


def _open(client: Any, settings: KafkaSettings, **options: Any) -> Any:
    # The admin client of kafka-python 3.0.12 knows no ssl_ciphers and no metrics_enabled.
    known = {key: value for key, value in client_options(settings).items() if key in client.DEFAULT_CONFIG}
    with explained(settings):
        return client(**known, **options)


def listens(settings: KafkaSettings, timeout_s: float = 1.0) -> bool:
    """True if a TCP connection to one of the servers can be made; asks nothing of it."""
    for server in settings.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout_s).close()
        except (OSError, ValueError):
            continue
        return True
    return False


@contextmanager
def explained(settings: KafkaSettings) -> Iterator[None]:
    """Turn what kafka-python raises in the block into BrokerError; its log often has the reason."""
    heard = _Overheard()
    library = logging.getLogger("kafka")
    library.addHandler(heard)
    try:
        yield
    except KafkaConfigurationError as exc:
        raise ConfigError(f"kafka: {exc}") from exc
    except (KafkaError, OSError) as exc:
        raise BrokerError(explain(exc, heard.recent(), settings)) from exc
    finally:
        library.removeHandler(heard)


class _Overheard(logging.Handler):
    """Keeps the last warnings and errors that kafka-python logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[tuple[float, str]] = deque(maxlen=RECENT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append((record.created, record.getMessage()))

    def recent(self) -> list[str]:
        since = time.time() - RECENT_S
        return [line for created, line in self._lines if created >= since]


def explain(error: Exception, heard: list[str], settings: KafkaSettings) -> str:
    """One line that tells a wrong password from a wrong certificate from an unreachable broker."""
    servers = settings.bootstrap_servers
    if isinstance(error, AuthorizationError):
        return f"{servers}: not allowed by the broker's access rules: {error}"
    lines = [str(error), *heard]
    for words, meaning in (
        (_REFUSED, "the broker refused our user or password"),
        (_TLS, "no TLS connection could be made"),
    ):
        reason = next((line for line in lines if any(word in line for word in words)), None)
        if reason is not None:
            return f"{servers}: {meaning}: {_short(reason)}"
    if settings.sasl_mechanism and any(map(_HUNG_UP.search, heard)):
        return f"{servers}: the broker refused our user or password: it closed the connection at login"
    if "bootstrap" in str(error).lower():
        reason = next((line for line in heard if "failed" in line.lower()), str(error))
        return f"{servers}: cannot be reached: {_short(reason)}"
    return f"{servers}: {type(error).__name__}: {_short(str(error))}"


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
