"""The Grafana dashboards as code: `python deploy/grafana/build.py` writes dashboards/*.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, VariableRefresh

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="ecg-prometheus")
JOB = 'job=~"$job"'


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSpec:
    """One panel: what it asks, and how its answer is read."""

    title: str
    description: str  # one sentence
    unit: str  # Grafana's name of it
    queries: tuple[tuple[str, str], ...]  # PromQL and legend
    empty: str = "no data yet"  # shown where the query returns nothing
    stacked: bool = False


STATS = (
    PanelSpec(
        title="Streams active",
        description="Streams that have sent within the silence limit.",
        unit="short",
        queries=((f"sum(ecg_monitor_streams_active{{{JOB}}})", ""),),
    ),
    PanelSpec(
        title="Streams silent",
        description="Known streams that have sent nothing for longer than the silence limit.",
        unit="short",
        queries=((f"sum(ecg_monitor_streams_silent{{{JOB}}})", ""),),
    ),
    PanelSpec(
        title="Streams learning",
        description="Streams whose usual beat is not yet known, judged against the population alone.",
        unit="short",
        queries=((f"sum(ecg_monitor_streams_learning{{{JOB}}})", ""),),
    ),
    PanelSpec(
        title="Episodes open",
        description="Runs, chaotic rhythms and signal losses that have begun and not ended.",
        unit="short",
        queries=((f"sum(ecg_monitor_episodes_open{{{JOB}}})", ""),),
    ),
    PanelSpec(
        title="Workers up",
        description="Workers whose main loop runs.",
        unit="short",
        queries=((f"sum(ecg_monitor_up{{{JOB}}})", ""),),
    ),
    PanelSpec(
        title="Since the last commit",
        description="Age of the newest commit of any worker.",
        unit="s",
        queries=((f"time() - max(ecg_monitor_last_commit_timestamp_seconds{{{JOB}}})", ""),),
    ),
)
GRAPHS = (
    PanelSpec(
        title="Windows scored",
        description="Windows that the model has scored a second, around beats and at fixed times.",
        unit="ops",
        queries=(
            (f"sum by (kind) (rate(ecg_monitor_windows_total{{{JOB}}}[$__rate_interval]))", "{{kind}}"),
        ),
    ),
    PanelSpec(
        title="Anomalies by kind",
        description="Windows found anomalous a second, by the kind of finding.",
        unit="ops",
        queries=(
            (f"sum by (kind) (rate(ecg_monitor_anomalies_total{{{JOB}}}[$__rate_interval]))", "{{kind}}"),
        ),
        empty="no anomaly since the start",
    ),
    PanelSpec(
        title="Events by kind",
        description="Events committed to the event topic a second, by kind.",
        unit="ops",
        queries=((f"sum by (kind) (rate(ecg_monitor_events_total{{{JOB}}}[$__rate_interval]))", "{{kind}}"),),
        empty="no event since the start",
    ),
    PanelSpec(
        title="Event latency",
        description="Time from an event's R peak to its commit, in quantiles; p99 should stay under 2 s.",
        unit="s",
        queries=tuple(
            (
                f"histogram_quantile({quantile}, sum by (le) "
                f'(rate(ecg_monitor_latency_seconds_bucket{{{JOB}, sample_of="event"}}[$__rate_interval])))',
                f"p{round(100 * quantile)}",
            )
            for quantile in (0.5, 0.95, 0.99)
        ),
        empty="no event in this time",
    ),
    PanelSpec(
        title="Consumer lag",
        description="Age of the last record processed where others wait, on the slowest partition.",
        unit="s",
        queries=((f"max(ecg_monitor_consumer_lag_seconds{{{JOB}}})", "slowest partition"),),
    ),
    PanelSpec(
        title="Records waiting",
        description="Records not yet processed, by worker.",
        unit="short",
        queries=((f"sum by (instance) (ecg_monitor_consumer_lag_records{{{JOB}}})", "{{instance}}"),),
        stacked=True,
    ),
    PanelSpec(
        title="Time by stage",
        description="Seconds of work a second that each stage of the path takes, over all workers.",
        unit="s",
        queries=(
            (f"sum by (stage) (rate(ecg_monitor_stage_seconds_sum{{{JOB}}}[$__rate_interval]))", "{{stage}}"),
        ),
        stacked=True,
    ),
    PanelSpec(
        title="Batch size",
        description="Mean number of records in one batch.",
        unit="short",
        queries=(
            (
                f"sum(rate(ecg_monitor_batch_records_sum{{{JOB}}}[$__rate_interval])) "
                f"/ sum(rate(ecg_monitor_batch_records_count{{{JOB}}}[$__rate_interval]))",
                "records",
            ),
        ),
    ),
    PanelSpec(
        title="Chunks and samples",
        description="Chunks and samples taken in a second.",
        unit="ops",
        queries=(
            (f"sum(rate(ecg_monitor_chunks_total{{{JOB}}}[$__rate_interval]))", "chunks"),
            (f"sum(rate(ecg_monitor_samples_total{{{JOB}}}[$__rate_interval]))", "samples"),
        ),
    ),
    PanelSpec(
        title="Dead letters by reason",
        description="Records sent to the dead-letter topic a second, by reason.",
        unit="ops",
        queries=(
            (
                f"sum by (reason) (rate(ecg_monitor_dead_letters_total{{{JOB}}}[$__rate_interval]))",
                "{{reason}}",
            ),
        ),
        empty="no dead letter since the start",
    ),
    PanelSpec(
        title="Signal quality",
        description="Share of windows by signal quality.",
        unit="percentunit",
        queries=(
            (
                "sum by (quality) "
                f"(rate(ecg_monitor_signal_quality_windows_total{{{JOB}}}[$__rate_interval])) / "
                f"scalar(sum(rate(ecg_monitor_signal_quality_windows_total{{{JOB}}}[$__rate_interval])))",
                "{{quality}}",
            ),
        ),
        stacked=True,
    ),
    PanelSpec(
        title="Gaps and repeats",
        description="Gaps in the sample numbers, chunks put back in order and chunks seen twice, a second.",
        unit="ops",
        queries=(
            (f"sum(rate(ecg_monitor_gaps_total{{{JOB}}}[$__rate_interval]))", "gaps"),
            (f"sum(rate(ecg_monitor_reordered_total{{{JOB}}}[$__rate_interval]))", "put in order"),
            (f"sum(rate(ecg_monitor_duplicates_total{{{JOB}}}[$__rate_interval]))", "seen twice"),
        ),
    ),
    PanelSpec(
        title="Rebalances",
        description="Changes of the partition assignment, by kind of change, counted over five minutes.",
        unit="short",
        queries=((f"sum by (change) (increase(ecg_monitor_rebalances_total{{{JOB}}}[5m]))", "{{change}}"),),
    ),
    PanelSpec(
        title="Model version",
        description="Workers by the model version that they run; two lines mean a roll-out under way.",
        unit="short",
        queries=((f"count by (name, version) (ecg_monitor_model_info{{{JOB}}})", "{{name}} {{version}}"),),
    ),
)


def _queries(spec: PanelSpec) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + index))
        for index, (expr, legend) in enumerate(spec.queries)
    ]


def _stat(spec: PanelSpec) -> stat.Panel:
    panel = stat.Panel().title(spec.title).description(spec.description).unit(spec.unit).no_value(spec.empty)
    panel = panel.datasource(SOURCE).height(4).span(24 // len(STATS))
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    for query in _queries(spec):
        panel = panel.with_target(query.instant())
    return panel


def _graph(spec: PanelSpec) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(spec.title)
        .description(spec.description)
        .unit(spec.unit)
        .no_value(spec.empty)
    )
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = panel.datasource(SOURCE).height(8).span(8).min(0).draw_style(GraphDrawStyle.LINE)
    panel = panel.legend(legend.show_legend(show_legend=True))
    if spec.stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    for query in _queries(spec):
        panel = panel.with_target(query.range())
    return panel


def fleet() -> str:
    """The *Fleet* dashboard as JSON text: is everything being looked at, in time and by which model?"""
    board = (
        dashboard.Dashboard("ECG monitor: Fleet")
        .uid("ecg-fleet")
        .tags(["ecg-monitor"])
        .refresh("5s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.QueryVariable("job")
            .label("Job")
            .query("label_values(ecg_monitor_up, job)")
            .datasource(SOURCE)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(include_all=True)
            .multi(multi=True)
        )
    )
    for spec in STATS:
        board = board.with_panel(_stat(spec))
    for spec in GRAPHS:
        board = board.with_panel(_graph(spec))
    tree = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    # Grafana numbers panels that have no id anew at each load; fixed ones keep links to a panel alive.
    for number, panel in enumerate(tree["panels"], start=1):
        panel["id"] = number
    return json.dumps(tree, indent=2, sort_keys=True) + "\n"


DASHBOARDS = {"fleet": fleet}

if __name__ == "__main__":
    for name, build in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(build(), encoding="utf-8")
