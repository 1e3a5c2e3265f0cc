"""/metrics, /healthz and /readyz."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from prometheus_client import CollectorRegistry, Gauge

from monitor.errors import ConfigError
from monitor.worker.health import Health, HealthServer


class Clock:
    """A clock that moves when told."""

    now_s = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """At 100 s."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """Of a worker that is ready."""
    health = Health(stalled_after_s=60, clock=clock)
    health.model_loaded = health.assigned = health.broker_reachable = True
    return health


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    """On a free port, with one gauge."""
    registry = CollectorRegistry()
    Gauge("answer", "Of everything", registry=registry).set(42)
    with HealthServer("127.0.0.1", 0, health, registry) as running:
        yield running


def _get(server: HealthServer, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_metrics_are_served(server: HealthServer) -> None:
    """In Prometheus's text form."""
    status, body = _get(server, "/metrics")
    assert status == 200
    assert b"answer 42.0" in body


def test_alive_and_ready(server: HealthServer) -> None:
    """Both answer 200 while all is well."""
    for path in ("/healthz", "/readyz"):
        status, body = _get(server, path)
        assert (status, json.loads(body)) == (200, {"ok": True, "reasons": []})


def test_a_loop_that_stands_still_is_first_unready_then_dead(
    server: HealthServer, clock: Clock, health: Health
) -> None:
    """Waiting for a broker is not death; standing still for long is; advancing heals both."""
    clock.now_s += 30
    assert (_get(server, "/healthz")[0], _get(server, "/readyz")[0]) == (200, 503)
    clock.now_s += 31
    status, body = _get(server, "/healthz")
    assert (status, json.loads(body)["reasons"]) == (503, ["main loop has not advanced for 61 s"])
    health.advance()
    assert (_get(server, "/healthz")[0], _get(server, "/readyz")[0]) == (200, 200)


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("model_loaded", "model not loaded"),
        ("assigned", "no partitions assigned yet"),
        ("broker_reachable", "broker not reachable"),
    ],
)
def test_unready_says_why(server: HealthServer, health: Health, flag: str, reason: str) -> None:
    """Each condition has its words; the process counts as alive all the same."""
    setattr(health, flag, False)
    status, body = _get(server, "/readyz")
    assert (status, json.loads(body)["reasons"]) == (503, [reason])
    assert _get(server, "/healthz")[0] == 200


def test_what_is_wrong_with_the_topics_makes_us_unready(server: HealthServer, health: Health) -> None:
    """In the watch's own words."""
    health.topic_problems = ("topic ecg.state has 4 partitions, wanted 5, as many as ecg.signal",)
    status, body = _get(server, "/readyz")
    assert (status, json.loads(body)["reasons"]) == (503, list(health.topic_problems))


def _dribble(server: HealthServer) -> socket.socket:
    """A client that has begun a request and doesn't end it."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    client.sendall(b"GET /he")
    return client


def _cut_off_after_s(client: socket.socket) -> float:
    """How long it could go on sending, 10 s at most."""
    began_s = time.monotonic()
    with suppress(OSError):
        while time.monotonic() < began_s + 10:
            client.sendall(b"a")
            time.sleep(0.05)
    return time.monotonic() - began_s


def test_a_client_that_dribbles_holds_up_nobody(
    server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off when its time is over, though it goes on sending."""
    monkeypatch.setattr("monitor.worker.health.REQUEST_S", 0.5)
    with _dribble(server) as client:
        assert _get(server, "/healthz")[0] == 200
        assert _cut_off_after_s(client) < 3
    assert _get(server, "/healthz")[0] == 200


def test_many_slow_clients_hold_up_nobody(server: HealthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest gives its place to the newest."""
    monkeypatch.setattr("monitor.worker.health.MAX_REQUESTS", 3)
    with ExitStack() as stack:
        clients = [stack.enter_context(_dribble(server)) for _ in range(5)]
        assert _get(server, "/readyz")[0] == 200
        assert clients[0].recv(100) == b""
        clients[-1].sendall(b"althz HTTP/1.0\r\n\r\n")
        assert clients[-1].recv(100).startswith(b"HTTP/1.0 200")


def test_other_paths_are_not_found(server: HealthServer) -> None:
    """And the answer says what there is."""
    status, body = _get(server, "/")
    assert status == 404
    assert b"/readyz" in body


def test_a_port_in_use_is_an_operators_error(server: HealthServer, health: Health) -> None:
    """It names the address."""
    with pytest.raises(ConfigError, match=f"127.0.0.1:{server.port}: Address already in use"):
        HealthServer("127.0.0.1", server.port, health, CollectorRegistry())


def test_a_socket_that_listens_already_is_served(health: Health) -> None:
    """Whoever started the worker may have chosen its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with HealthServer("nowhere", 1, health, CollectorRegistry(), listener) as server:
        assert server.port == port
        assert _get(server, "/readyz")[0] == 200
