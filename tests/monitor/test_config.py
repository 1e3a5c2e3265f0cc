"""Where a setting comes from, and what is said of a wrong one."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from monitor.config import LoggingSettings, load_settings
from monitor.errors import ConfigError
from monitor.logs import configure_logging


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A file that sets the group and the interval."""
    path = tmp_path / "worker.toml"
    path.write_text(
        '[kafka]\ngroup_id = "file"\n[kafka.topics]\nsignal = "mine"\n[delivery]\ncommit_interval_s = 0.3\n'
    )
    return path


def test_defaults_suffice() -> None:
    """Nothing has to be set."""
    settings = load_settings()
    assert settings.kafka.topics.signal == "ecg.signal"
    assert settings.delivery.mode == "exactly_once"
    assert settings.detection.model is None


def test_a_file_beats_the_defaults(toml: Path) -> None:
    """What the file does not name keeps its default."""
    settings = load_settings(toml)
    assert (settings.kafka.group_id, settings.delivery.commit_interval_s) == ("file", 0.3)
    assert (settings.kafka.topics.signal, settings.kafka.topics.events) == ("mine", "ecg.events")


def test_the_environment_beats_the_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key of a section, the others staying as they were."""
    monkeypatch.setenv("ECG_MONITOR_KAFKA__GROUP_ID", "environment")
    monkeypatch.setenv("ECG_MONITOR_KAFKA__TOPICS__EVENTS", "alarms")
    kafka = load_settings(toml).kafka
    assert (kafka.group_id, kafka.topics.signal, kafka.topics.events) == ("environment", "mine", "alarms")


def test_a_flag_beats_the_environment(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that was not given changes nothing."""
    monkeypatch.setenv("ECG_MONITOR_KAFKA__GROUP_ID", "environment")
    settings = load_settings(toml, {"kafka.group_id": "flag", "kafka.bootstrap_servers": None})
    assert (settings.kafka.group_id, settings.kafka.bootstrap_servers) == ("flag", "localhost:9092")


@pytest.mark.parametrize("text", ["[kafka]\ngroupid = 'x'", "[kafca]\ngroup_id = 'x'"])
def test_an_unknown_key_of_a_file_is_named(tmp_path: Path, text: str) -> None:
    """The message holds the file and the key."""
    path = tmp_path / "worker.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"worker\.toml: kaf[ck]a(\.groupid)?: unknown key"):
        load_settings(path)


@pytest.mark.parametrize("name", ["KAFKA__GROUPID", "KAFCA__GROUP_ID"])
def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A misspelt variable is not overlooked."""
    monkeypatch.setenv(f"ECG_MONITOR_{name}", "x")
    with pytest.raises(ConfigError, match=r"unknown"):
        load_settings()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"delivery.commit_interval_s": 2.0}, "delivery.commit_interval_s"),
        ({"kafka.heartbeat_interval_s": 20.0}, "wanted less than session_timeout_s"),
        ({"kafka.security_protocol": "SASL_SSL"}, "sasl_mechanism is needed"),
        ({"detection.false_alarm_budget_per_hour": 1e-9}, "false_alarm_budget_per_hour"),
        ({"kafka.instance_id": "a b"}, "kafka.instance_id"),
    ],
)
def test_settings_that_make_no_sense_are_refused(flags: dict[str, object], words: str) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=words):
        load_settings(None, flags)


@pytest.mark.parametrize("content", [b"[kafka", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """So is one that cannot be decoded."""
    path = tmp_path / "worker.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"worker\.toml: not TOML"):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that was asked for has to be there."""
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "none.toml")


def test_secrets_do_not_print() -> None:
    """Neither as text nor in the dump that a log would hold."""
    settings = load_settings(None, {"kafka.sasl_plain_password": "hunter2", "kafka.ssl_password": "hunter2"})
    assert "hunter2" not in f"{settings!r} {settings.model_dump()}"


def test_a_wrong_secret_does_not_print() -> None:
    """An error about a password holds no password."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {"kafka.sasl_plain_password": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def _restored_logging() -> object:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("_restored_logging")
def test_logs_are_json_where_there_is_no_terminal() -> None:
    """One object a line, with time, level and logger."""
    out = io.StringIO()
    configure_logging(LoggingSettings(), out)
    logging.getLogger("monitor.test").warning("lag is %d", 7)
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("lag is 7", "warning", "monitor.test")
    assert line["timestamp"].endswith("Z")


@pytest.mark.usefixtures("_restored_logging")
def test_logs_for_people_and_exceptions_in_them() -> None:
    """The console form is one line of text; an exception is shown in either form."""
    for form in ("console", "json"):
        out = io.StringIO()
        configure_logging(LoggingSettings(format=form), out)
        try:
            json.loads("{}")["gone"]
        except KeyError:
            logging.getLogger("monitor.test").exception("failed")
        assert "failed" in out.getvalue()
        assert "KeyError" in out.getvalue()


@pytest.mark.usefixtures("_restored_logging")
def test_the_client_librarys_chatter_is_kept_down() -> None:
    """kafka-python has a level of its own."""
    out = io.StringIO()
    configure_logging(LoggingSettings(), out)
    logging.getLogger("kafka.net").info("bootstrap")
    assert not out.getvalue()
