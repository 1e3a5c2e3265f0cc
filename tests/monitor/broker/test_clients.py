"""Clients from settings, topics, and Kafka's errors in plain words."""

from __future__ import annotations

import logging
import time
import uuid

import pytest
from kafka import TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaConfigurationError, KafkaTimeoutError, TopicAlreadyExistsError
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from monitor.broker.clients import InsistentAssignor, client_options, explain, explained, open_admin
from monitor.broker.embedded import free_ports
from monitor.broker.topics import (
    check_topics,
    create_topics,
    partition_counts,
    topic_problems,
    topic_specs,
)
from monitor.config import KafkaSettings, Topics, load_settings
from monitor.errors import BrokerError, ConfigError
from tests.support.daemon.harness import complaint

SASL = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN")


def test_options_are_kafka_pythons() -> None:
    """Servers as a list, secrets in the clear, times in milliseconds."""
    settings = load_settings(
        None, {"kafka.bootstrap_servers": "a:1, b:2", "kafka.sasl_plain_password": "sesame"}
    )
    options = client_options(settings.kafka)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["sasl_plain_password"] == "sesame"
    assert options["bootstrap_timeout_ms"] == 30_000
    assert options["metadata_max_age_ms"] == 30_000


def test_a_leader_of_before_reads_who_insists() -> None:
    """f2233cd assigns by the library's own assignor; the name is the same, what was added is passed over."""
    ours, library = InsistentAssignor(), CooperativeStickyAssignor()
    ours.on_assignment(ConsumerProtocolAssignment(1, [("ecg.signal", [0, 3])], b""), 5)
    plain = ours.metadata(["ecg.signal"]).encode()
    ours.insisted = 2
    loud = ours.metadata(["ecg.signal"]).encode()
    decode, parse = ConsumerProtocolSubscription.decode, library.parse_member_metadata
    read = [parse(decode(said)) for said in (plain, loud)]
    assert plain != loud
    assert ours.name == library.name
    assert read[0] == read[1]
    assert read[0].partitions == [TopicPartition("ecg.signal", number) for number in (0, 3)]


def test_an_unreachable_broker_is_named() -> None:
    """With the reason that kafka-python only logs."""
    servers = f"127.0.0.1:{free_ports(1)[0]}"
    said = complaint({"bootstrap_servers": servers, "connect_timeout_s": 0.3})
    assert said.startswith(f"{servers}: cannot be reached: ")
    assert "ECONNREFUSED" in said


@pytest.mark.parametrize(
    ("heard", "meaning"),
    [
        ("Connection failed: SaslAuthenticationFailedError: 58", "the broker refused our user or password"),
        ("Connection failed: Handshake failed: CERTIFICATE_VERIFY_FAILED", "no TLS connection could be made"),
        ("<KafkaConnection broker_version=(4, 3)>: Connection lost: socket disconnected", "refused our user"),
        ("<KafkaConnection broker_version=unknown>: Connection lost: disconnected", "cannot be reached"),
        ("Connection failed: 111 ECONNREFUSED", "cannot be reached: Connection failed: 111"),
    ],
)
def test_reasons_are_told_apart(heard: str, meaning: str) -> None:
    """By what the library logs while it says only that it could not bootstrap."""
    error = KafkaTimeoutError("Unable to bootstrap from localhost")
    assert meaning in explain(error, [heard], SASL)


def test_a_long_reason_is_cut() -> None:
    """One line stays one line."""
    assert len(explain(KafkaTimeoutError("x" * 5000), [], SASL)) < 400


def test_what_the_library_refuses_is_a_wrong_setting() -> None:
    """Exit code 2, not 4."""
    with pytest.raises(ConfigError, match=r"kafka: .*nonsense"), explained(KafkaSettings()):
        raise KafkaConfigurationError("nonsense")


def test_the_librarys_log_is_left_alone() -> None:
    """No handler stays behind."""
    before = list(logging.getLogger("kafka").handlers)
    with explained(KafkaSettings()):
        pass
    assert logging.getLogger("kafka").handlers == before


def _log_and_fail(record: logging.LogRecord) -> None:
    logging.getLogger("kafka").handle(record)
    raise KafkaTimeoutError("no answer")


@pytest.mark.parametrize(("seconds_ago", "blamed"), [(10, True), (3600, False)])
def test_only_what_was_logged_of_late_explains_an_error(seconds_ago: float, blamed: bool) -> None:
    """A worker runs for months: a login refused at noon has nothing to do with a disconnection at night."""
    record = logging.LogRecord("kafka", logging.WARNING, __file__, 1, "SaslAuthenticationFailed", None, None)
    record.created = time.time() - seconds_ago
    with pytest.raises(BrokerError) as caught, explained(SASL):
        _log_and_fail(record)
    assert ("password" in str(caught.value)) == blamed
    assert ("no answer" in str(caught.value)) != blamed


def test_topics_suit_what_they_hold() -> None:
    """State is compacted and as wide as the signal; whatever expires does so by whole segments."""
    specs = {spec.name: spec for spec in topic_specs(Topics(), partitions=7)}
    assert specs["ecg.state"].config["cleanup.policy"] == "compact"
    assert {
        specs[f"ecg.{name}"].partitions
        for name in ("signal", "state", "beats", "events", "profiles", "feedback")
    } == {7}
    for spec in specs.values():
        assert ("retention.ms" in spec.config) == (spec.config["cleanup.policy"] == "delete")
        assert "segment.ms" in spec.config


def _own_topics(broker: str) -> KafkaSettings:
    own = uuid.uuid4().hex[:8]
    names = {name: f"{own}.{name}" for name in Topics.model_fields}
    return KafkaSettings(bootstrap_servers=broker, topics=Topics(**names))


@pytest.mark.integration
def test_topics_are_created_once(broker: str) -> None:
    """A second time there is nothing to do, and nothing is wrong."""
    settings = _own_topics(broker)
    assert set(create_topics(settings, 3)) == set(settings.topics.model_dump().values())
    assert create_topics(settings, 3) == []
    assert partition_counts(settings)[settings.topics.state] == 3
    assert topic_problems(settings) == []


@pytest.mark.integration
def test_missing_and_uneven_topics_are_named(broker: str) -> None:
    """Each with what is wrong; beats count only where they are written."""
    settings = _own_topics(broker)
    names = settings.topics
    admin = open_admin(settings)
    try:
        for name, count in ((names.signal, 3), (names.state, 2), (names.beats, 1)):
            admin.create_topics({name: {"num_partitions": count, "replication_factor": 1}})
    finally:
        admin.close()
    problems = "; ".join(topic_problems(settings))
    assert f"topic {names.events} does not exist" in problems
    assert f"topic {names.state} has 2 partitions, wanted 3" in problems
    assert f"topic {names.beats} has 1 partitions" in problems
    assert names.beats not in "".join(topic_problems(settings, write_beats=False))
    whole = load_settings(None, {"kafka.bootstrap_servers": broker, "kafka.topics": names.model_dump()})
    with pytest.raises(BrokerError, match="`ecg-monitor topics` creates"):
        check_topics(whole)


@pytest.mark.integration
def test_two_creators_do_not_quarrel(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may be quicker between looking and creating."""
    settings = _own_topics(broker)
    create_topics(settings, 2)
    monkeypatch.setattr("kafka.KafkaAdminClient.list_topics", lambda _: [])
    assert len(create_topics(settings, 2)) == len(Topics.model_fields)
    assert TopicAlreadyExistsError.errno == 36
