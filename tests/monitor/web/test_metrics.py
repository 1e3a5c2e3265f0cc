"""The page's metrics and their documentation."""

from __future__ import annotations

import re

from monitor.web.metrics import new_web_metrics
from tests.support.project import ROOT

PAGE = ROOT / "docs" / "metrics.md"
_ROW = re.compile(
    r"^\| `(?P<name>ecg_web_\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*) \| [^|]* \| (?P<meaning>.+) \|$", re.M
)


def test_what_is_documented_is_what_is_served() -> None:
    """Names, types, labels and meanings, each in both."""
    text = PAGE.read_text(encoding="utf-8").replace("| |", "|  |").replace("| |", "|  |")
    documented = {
        row["name"]: (row["type"], re.findall(r"`(\w+)`", row["labels"]), row["meaning"].replace("`", ""))
        for row in _ROW.finditer(text)
    }
    metrics = new_web_metrics()
    served = {}
    for collector in metrics.registry._collector_to_names:
        for family in collector.collect():
            if family.name.startswith("ecg_web_"):
                name = family.name + ("_total" if family.type == "counter" else "")
                labels = list(getattr(collector, "_labelnames", ()))
                served[name] = (family.type, labels, family.documentation)
    assert documented == served
