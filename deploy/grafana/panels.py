"""Panels of the dashboards: what one asks, and how each shape of it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="ecg-prometheus")
# The workers that the variables name; `instance` is a hidden variable that follows cluster and topic.
WORKERS = 'cluster=~"$cluster", instance=~"$instance"'
LAG = 'cluster=~"$cluster", topic=~"$topic"'
RATE = "[$__rate_interval]"
STAT_HEIGHT, GRAPH_HEIGHT, ROW_WIDTH = 4, 8, 24
Shape = Literal["stat", "graph", "bars", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSpec:
    """One panel: what it asks, and how its answer is read."""

    title: str
    description: str  # one sentence
    unit: str  # Grafana's name of it
    queries: tuple[tuple[str, str], ...]  # PromQL and legend
    shape: Shape = "graph"
    empty: str = "no data yet"  # shown where the query returns nothing
    width: int = 8  # of a row's 24
    stacked: bool = False
    limit: float | None = None  # a line across the graph, or where a figure turns red


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[PanelSpec]


def rate_by(label: str, metric: str) -> tuple[tuple[str, str], ...]:
    """The query of a counter's rate, a line for each value of a label."""
    return ((f"sum by ({label}) (rate({metric}{{{WORKERS}}}{RATE}))", f"{{{{{label}}}}}"),)


def increase_by(label: str, metric: str) -> tuple[tuple[str, str], ...]:
    """The query of a counter's increase over five minutes, a line for each value of a label."""
    return ((f"sum by ({label}) (increase({metric}{{{WORKERS}}}[5m]))", f"{{{{{label}}}}}"),)


def by_worker(metric: str, selector: str = WORKERS) -> tuple[tuple[str, str], ...]:
    """The query of a gauge's sum over each worker."""
    return ((f"sum by (instance) ({metric}{{{selector}}})", "{{instance}}"),)


def total(metric: str) -> tuple[tuple[str, str], ...]:
    """The query of a gauge's sum over all workers."""
    return ((f"sum({metric}{{{WORKERS}}})", ""),)


def build_panel(spec: PanelSpec) -> Any:
    """The SDK's builder of a panel."""
    panel = {"stat": _stat, "graph": _graph, "bars": _bars, "table": _table}[spec.shape](spec)
    panel = panel.title(spec.title).description(spec.description).unit(spec.unit).no_value(spec.empty)
    panel = panel.datasource(SOURCE).span(spec.width)
    panel = panel.height(STAT_HEIGHT if spec.shape == "stat" else GRAPH_HEIGHT)
    panel = panel.thresholds(_thresholds(spec.limit))
    for index, (expr, legend) in enumerate(spec.queries):
        query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + index))
        query = query.range() if spec.shape == "graph" else query.instant()
        panel = panel.with_target(query.format(PromQueryFormat.TABLE) if spec.shape == "table" else query)
    return panel


def _thresholds(limit: float | None) -> dashboard.ThresholdsConfig:
    # Not left to Grafana, which turns whatever reaches 80 red.
    steps = [Threshold(value=None, color="blue")]
    if limit is not None:
        steps = [Threshold(value=None, color="green"), Threshold(value=limit, color="red")]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _last_value() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def _stat(spec: PanelSpec) -> stat.Panel:
    del spec
    return stat.Panel().reduce_options(_last_value())


def _graph(spec: PanelSpec) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = timeseries.Panel().min(0).draw_style(GraphDrawStyle.LINE)
    panel = panel.legend(legend.show_legend(show_legend=True))
    if spec.stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    if spec.limit is not None:
        style = common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(style)
    return panel


def _bars(spec: PanelSpec) -> bargauge.Panel:
    del spec
    return bargauge.Panel().reduce_options(_last_value()).orientation(VizOrientation.VERTICAL).min(0)


def _table(spec: PanelSpec) -> table.Panel:
    del spec
    # What Grafana adds of its own says nothing here.
    hidden = dict.fromkeys(("Time",), True)
    return (
        table.Panel()
        .show_header(show_header=True)
        .with_transformation(DataTransformerConfig(id_val="organize", options={"excludeByName": hidden}))
    )
