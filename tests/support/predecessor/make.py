"""Makes `f2233cd.msgpack.zst` with f2233cd's own code; a later release's file gets a script of its own.

    git worktree add /tmp/f2233cd f2233cd
    cd /tmp/f2233cd
    PYTHONPATH=. python REPOSITORY/tests/support/predecessor/make.py REPOSITORY/tests/support/predecessor

It is run by hand, once: what a running daemon has written is read for good, and is never made anew. The ECG
is made up. Modules are named, as that release's layout is not this one's.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import zstandard
from kafka import TopicPartition
from kafka.structs import ConsumerGroupMetadata, MemberState

SECONDS, FIRST_COMMIT_S, SECOND_COMMIT_S, EARLY_S = 51, 38, 40, 37
GAIN = 50.0  # ADC units per mV
START_US = 1_700_000_000_000_000
STREAMS = {"bed-1": (250.0, ["II"]), "bed-2": (360.0, ["MLII", "V1"]), "bed-3": (250.0, ["II"])}
BORN_S = {"bed-3": 30}  # still learning when it is stopped
STRANGE = (10, *range(51, 56), 59)  # beats: after the stop a run and one alone
PROFILE = {"stream": "bed-2", "at_us": START_US, "paced": True, "schema": 1}


def signal() -> list[SimpleNamespace]:
    """The input: a second each of all streams, one after the other; two of bed-3 are the wrong way round."""
    seconds = {name: list(range(BORN_S.get(name, 0), SECONDS)) for name in STREAMS}
    at = seconds["bed-3"].index(EARLY_S)
    seconds["bed-3"][at : at + 2] = [EARLY_S + 1, EARLY_S]
    order = [(second, name) for second in range(SECONDS) for name in STREAMS]
    records: list[SimpleNamespace] = []
    for second, name in order:
        if second >= BORN_S.get(name, 0):
            records.append(record(name, seconds[name][second - BORN_S.get(name, 0)], len(records), second))
    return records


def record(name: str, second: int, offset: int, sent_s: int) -> SimpleNamespace:
    """One chunk as a consumer gives it."""
    rate_hz, leads = STREAMS[name]
    ecg = import_module("monitor.synthetic").synthetic_ecg(
        SECONDS, rate_hz=rate_hz, leads=len(leads), ventricular=STRANGE, seed=list(STREAMS).index(name)
    )
    messages = import_module("monitor.messages")
    first, after = round(second * rate_hz), round((second + 1) * rate_hz)
    value = messages.encode_chunk(
        stream=name,
        session="first",
        first_sample=first,
        start_us=START_US + 1_000_000 * second,
        rate_hz=rate_hz,
        leads=tuple(messages.Lead(lead, GAIN) for lead in leads),
        adc=np.rint(GAIN * ecg.ecg_mv[first:after]).astype(np.int16),
    )
    headers = [("content-type", b"application/msgpack")]
    return SimpleNamespace(
        topic="ecg.signal",
        partition=0,
        key=name.encode(),
        value=value,
        headers=headers,
        offset=offset,
        timestamp=START_US // 1000 + 1000 * sent_s,
    )


class Line:
    """That release's worker without a broker: parcels are kept."""

    def __init__(self) -> None:
        settings = import_module("monitor.config").load_settings(
            None, {"delivery.snapshot_interval_s": 1e6, "kafka.group_id": "ecg-monitor"}
        )
        metrics = import_module("monitor.metrics").new_metrics()
        detector = import_module("monitor.detector").Detector(import_module("monitor.model").load_model())
        tunings = import_module("monitor.tunings").Tunings(metrics)
        profile = msgspec.json.encode(PROFILE)
        tunings.learn(SimpleNamespace(key=b"bed-2", value=profile, offset=0, timestamp=START_US // 1000))
        self.batches = import_module("monitor.batches").Batches(
            detector, metrics, settings.kafka.topics, settings.delivery, tunings
        )
        self.parcels: list[Any] = []
        member = ConsumerGroupMetadata("ecg-monitor", 1, "member", None, MemberState.STABLE)
        consumer = SimpleNamespace(group_metadata=lambda: member, assignment=set)
        self.committer = import_module("monitor.commits").Committer(
            settings, detector, metrics, consumer, self, tunings
        )
        place = TopicPartition("ecg.signal", 0)
        start = import_module("monitor.recovery").StartPoint(0, 0)
        self.progress = import_module("monitor.progress").PartitionProgress(place, start, 1e6)
        self.owned = {place: self.progress}
        self.stage_seconds = {"produce": 0.0, "commit": 0.0}

    def deliver(self, parcel: Any) -> bool:
        """Keep it."""
        self.parcels.append(parcel)
        return True

    def commit(self, *streams: str) -> Any:
        """A commit with these streams' state."""
        for stream in streams:
            self.progress.hasten(stream)
        assert self.committer._try_commit(self.owned, everything=False)
        return self.parcels[-1]


def kept(record: Any, offset: int = 0) -> dict[str, Any]:
    """What is kept of a record."""
    timestamp = getattr(record, "timestamp", 0)
    fields = {"key": record.key, "value": record.value, "headers": record.headers}
    return {**fields, "offset": getattr(record, "offset", offset), "timestamp": timestamp}


def main(folder: Path) -> None:
    """Write the file."""
    line, records = Line(), signal()
    times_ms = [START_US // 1000 + 1000 * at for at in (FIRST_COMMIT_S, SECOND_COMMIT_S)]
    begins = [next(each.offset for each in records if each.timestamp >= time_ms) for time_ms in times_ms]
    parts = [records[: begins[0]], records[begins[0] : begins[1]], records[begins[1] :]]
    parcels = []
    for part, due in zip(parts, (list(STREAMS), ["bed-3"], []), strict=True):
        # One chunk of each a poll.
        for at in range(0, len(part), len(STREAMS)):
            line.batches.process({line.progress: part[at : at + len(STREAMS)]})
        parcels.append(line.commit(*due))
    commits = [entry for parcel in parcels[:2] for entry in parcel.offsets.values()]
    out = {
        "group": "ecg-monitor",
        "commits": [(entry.offset, entry.metadata) for entry in commits],
        "records": ["state", "signal", "events", "beats"],
        "state": [kept(each) for parcel in parcels for each in parcel.snapshots],
        "signal": [kept(each) for part in parts[1:] for each in part],
        **{
            name: [kept(each) for each in parcels[2].records if each.topic == f"ecg.{name}"]
            for name in ("events", "beats")
        },
    }
    packed = zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(out))
    (folder / "f2233cd.msgpack.zst").write_bytes(packed)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
