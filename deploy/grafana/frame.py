"""What the dashboards have in common: variables, annotations, links, and panels in rows, as JSON text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
)
from panels import SOURCE, WORKERS, Row, build_panel

TAG = "ecg-monitor"
ALL = VariableOption(selected=True, text="All", value="$__all")
_CLUSTER = 'cluster=~"$cluster"'
# Name, query, colour, what the mark says, and its labels shown as tags.
ANNOTATIONS = (
    (
        "Model changes",
        # `unless` what ran a minute ago: the mark stands where a version is new, not as long as it runs.
        f"count by (name, version) (ecg_monitor_model_info{{{WORKERS}}}) "
        f"unless on (name, version) ecg_monitor_model_info{{{WORKERS}}} offset 1m",
        "purple",
        "model {{name}} {{version}}",
        "version",
    ),
    (
        "Rebalances",
        f"sum by (change) (increase(ecg_monitor_rebalances_total{{{WORKERS}}}[1m])) > 0",
        "orange",
        "partitions {{change}}",
        "change",
    ),
)


def query_variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable whose values are a label's, All of them at first."""
    variable = dashboard.QueryVariable(name).label(label).query(query).datasource(SOURCE).current(ALL)
    variable = variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    return variable.include_all(include_all=True).multi(multi=True)


def _common_variables() -> list[Any]:
    # `.*` also takes in targets that bear no such label.
    cluster = query_variable("cluster", "Cluster", "label_values(ecg_monitor_up, cluster)").all_value(".*")
    topic = query_variable("topic", "Topic", f"label_values(ecg_monitor_worker_info{{{_CLUSTER}}}, topic)")
    # Only a worker's info and its lag bear the topic; everything else is found by these workers.
    of_topic = f'ecg_monitor_worker_info{{{_CLUSTER}, topic=~"$topic"}}'
    instance = query_variable("instance", "Worker", f"label_values({of_topic}, instance)")
    return [cluster, topic, instance.hide(VariableHide.HIDE_VARIABLE)]


def build_board(
    uid: str, title: str, rows: Sequence[Row], span: str, refresh: str, variables: Sequence[Any] = ()
) -> str:
    """A dashboard as JSON text. span: the time shown at first; variables: beside the common ones."""
    links = dashboard.DashboardLink("Other dashboards").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    board = (
        dashboard.Dashboard(f"ECG monitor: {title}")
        .uid(uid)
        .tags([TAG])
        .refresh(refresh)
        .time(span, "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(links.include_vars(include_vars=True).keep_time(keep_time=True))
    )
    for variable in (*_common_variables(), *variables):
        board = board.with_variable(variable)
    for name, expr, colour, *_ in ANNOTATIONS:
        annotation = dashboard.AnnotationQuery().name(name).datasource(SOURCE).expr(expr)
        board = board.annotation(annotation.enable(enable=True).icon_color(colour))
    for row in rows:
        board = board.with_row(dashboard.Row(row.title))
        for spec in row.panels:
            board = board.with_panel(build_panel(spec))
    return _finished(json.loads(json.dumps(board.build(), cls=JSONEncoder)))


def _finished(tree: dict[str, Any]) -> str:
    """What the SDK has no word for: fixed panel numbers, and the Prometheus part of annotations."""
    # Grafana numbers panels that have no id anew at each load; fixed ones keep links to a panel alive.
    for number, panel in enumerate(tree["panels"], start=1):
        panel["id"] = number
    for annotation, (*_, words, label) in zip(tree["annotations"]["list"], ANNOTATIONS, strict=True):
        annotation |= {"titleFormat": words, "tagKeys": label, "step": "10s", "useValueForTime": False}
    return json.dumps(tree, indent=2, sort_keys=True) + "\n"
