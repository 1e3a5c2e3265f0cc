"""Rules, dashboards, and the metric names that code, rules and pages use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql

from monitor.web.metrics import new_web_metrics
from monitor.worker.metrics import new_metrics
from tests.support.deploy_files import DEPLOY, read_yaml
from training.report.textfile import FAMILIES

PROMETHEUS = DEPLOY / "prometheus"
GRAFANA = DEPLOY / "grafana"
RULE_FILES = sorted(PROMETHEUS.glob("rules/*.yml"))
CASE_FILES = sorted(PROMETHEUS.glob("tests/*.yml"))
BOARD_FILES = sorted(GRAFANA.glob("dashboards/*.json"))
SUFFIXES = {
    "counter": ["_total"],
    "gauge": [""],
    "histogram": ["_bucket", "_sum", "_count"],
    "info": ["_info"],
}
METRIC_NAME = re.compile(r"(?<![\w:])(?:\w+:)?ecg_(?:monitor|train|web)_[a-z0-9_]+(?::\w+)?")
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


def exposed_names() -> set[str]:
    """Names of all time series of ours that a program can expose."""
    families = [*new_metrics().registry.collect(), *new_web_metrics().registry.collect()]
    ours = {
        family.name + suffix
        for family in families
        for suffix in SUFFIXES[family.type]
        if family.name.startswith("ecg_")
    }
    return ours | set(FAMILIES)


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules with the key `record` or `alert`, in the files' order."""
    groups = [group for path in RULE_FILES for group in read_yaml(path)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def boards() -> dict[str, dict[str, Any]]:
    """The dashboards as committed, by file name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in BOARD_FILES}


def panels() -> list[tuple[str, dict[str, Any]]]:
    """Every panel that is no row, with its dashboard's name."""
    return [
        (name, panel)
        for name, board in boards().items()
        for panel in board["panels"]
        if panel["type"] != "row"
    ]


def filled(query: str, window: str = "5m") -> str:
    """A panel's query as Grafana sends it with every variable at All."""
    for variable, value in {"before": "5s", "__rate_interval": window, "__range": window}.items():
        query = query.replace(f"${variable}", value)
    return re.sub(r"\$\w+", ".*", query)


def panel_queries() -> list[tuple[str, str]]:
    """Every query of panels and annotations as written, with its place in words."""
    found = [
        (f"{name}: {panel['title']}", str(target["expr"]))
        for name, panel in panels()
        for target in panel["targets"]
    ]
    for name, board in boards().items():
        found += [(f"{name}: {one['name']}", one["expr"]) for one in board["annotations"]["list"]]
    return found


def _children(node: Any) -> list[Any]:
    match type(node).__name__:
        case "BinaryExpr":
            return [node.lhs, node.rhs]
        case "Call":
            return list(node.args)
        case "AggregateExpr" | "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            return [node.expr]
        case "MatrixSelector":
            return [node.vector_selector]
    return []


def nodes(query: str) -> Iterator[Any]:
    """Every node of a query's syntax tree, the whole first; ValueError if it is no PromQL."""
    waiting = [promql.parse(query)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _children(node)


def metric_names(query: str) -> set[str]:
    """Names of the metrics that a query selects."""
    return {node.name for node in nodes(query) if type(node).__name__ == "VectorSelector"}


def comparison_sides(query: str) -> list[str]:
    """Both sides of every comparison in a query, as queries of their own."""
    found = [
        node for node in nodes(query) if type(node).__name__ == "BinaryExpr" and str(node.op) in COMPARISONS
    ]
    return [side.prettify() for node in found for side in (node.lhs, node.rhs)]
