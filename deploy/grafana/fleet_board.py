"""*Fleet*: is every stream being looked at, in time, and by which model?"""

from __future__ import annotations

from frame import build_board
from page_panels import BEDSIDE_PAGE
from panels import LAG, RATE, WORKERS, PanelSpec, Row, by_worker, increase_by, rate_by, total

AT_A_GLANCE = (
    PanelSpec(
        title="Streams active",
        description="Streams that have sent within the silence limit.",
        unit="short",
        queries=total("ecg_monitor_streams_active"),
        shape="stat",
        width=4,
    ),
    PanelSpec(
        title="Streams silent",
        description="Known streams that have sent nothing for longer than the silence limit.",
        unit="short",
        queries=total("ecg_monitor_streams_silent"),
        shape="stat",
        width=4,
        limit=1,
    ),
    PanelSpec(
        title="Streams learning",
        description="Streams whose usual beat is not yet known, judged against the population alone.",
        unit="short",
        queries=total("ecg_monitor_streams_learning"),
        shape="stat",
        width=4,
    ),
    PanelSpec(
        title="Workers up",
        description="Workers whose main loop runs.",
        unit="short",
        queries=total("ecg_monitor_up"),
        shape="stat",
        width=4,
        empty="no worker is seen",
    ),
    PanelSpec(
        title="Since the last commit",
        description="Age of the newest commit of any worker.",
        unit="s",
        queries=((f"time() - max(ecg_monitor_last_commit_timestamp_seconds{{{WORKERS}}})", ""),),
        shape="stat",
        width=4,
        limit=30,
    ),
    PanelSpec(
        title="Lag",
        description="Age of the last record processed where others wait, on the slowest partition.",
        unit="s",
        queries=((f"max(ecg_monitor_consumer_lag_seconds{{{LAG}}})", ""),),
        shape="stat",
        width=4,
        limit=10,
    ),
)
DELAY = (
    PanelSpec(
        title="Event latency, end to end",
        description="Time from an event's R peak to its commit, in quantiles; p99 should stay under 2 s.",
        unit="s",
        queries=tuple(
            (
                f"histogram_quantile({quantile}, sum by (le) "
                f'(rate(ecg_monitor_latency_seconds_bucket{{{WORKERS}, sample_of="event"}}{RATE})))',
                f"p{round(100 * quantile)}",
            )
            for quantile in (0.5, 0.95, 0.99)
        ),
        empty="no event in this time",
        limit=2,
    ),
    PanelSpec(
        title="Lag by partition",
        description="Age of the last record processed of each partition where others wait.",
        unit="s",
        queries=(
            (
                f"max by (topic, partition) (ecg_monitor_consumer_lag_seconds{{{LAG}}})",
                "{{topic}}[{{partition}}]",
            ),
        ),
        limit=10,
    ),
    PanelSpec(
        title="Records waiting",
        description="Records that are not yet processed, by worker.",
        unit="short",
        queries=by_worker("ecg_monitor_consumer_lag_records", LAG),
        stacked=True,
    ),
)
WORK = (
    PanelSpec(
        title="Windows scored",
        description="Windows that the model has scored a second, around beats and at fixed times.",
        unit="ops",
        queries=rate_by("kind", "ecg_monitor_windows_total"),
    ),
    PanelSpec(
        title="Time by stage",
        description="Seconds of work a second that each stage of the path takes, over all workers.",
        unit="s",
        queries=rate_by("stage", "ecg_monitor_stage_seconds_sum"),
        stacked=True,
    ),
    PanelSpec(
        title="Time by stage and batch",
        description="Mean time that one batch spends in each stage of the path.",
        unit="s",
        queries=(
            (
                f"sum by (stage) (rate(ecg_monitor_stage_seconds_sum{{{WORKERS}}}{RATE})) "
                f"/ sum by (stage) (rate(ecg_monitor_stage_seconds_count{{{WORKERS}}}{RATE}))",
                "{{stage}}",
            ),
        ),
    ),
    PanelSpec(
        title="Chunks and samples",
        description="Chunks and samples taken in a second.",
        unit="ops",
        queries=(
            (f"sum(rate(ecg_monitor_chunks_total{{{WORKERS}}}{RATE}))", "chunks"),
            (f"sum(rate(ecg_monitor_samples_total{{{WORKERS}}}{RATE}))", "samples"),
        ),
    ),
    PanelSpec(
        title="Batch size",
        description="Mean number of records in one batch.",
        unit="short",
        queries=(
            (
                f"sum(rate(ecg_monitor_batch_records_sum{{{WORKERS}}}{RATE})) "
                f"/ sum(rate(ecg_monitor_batch_records_count{{{WORKERS}}}{RATE}))",
                "records",
            ),
        ),
    ),
    PanelSpec(
        title="Processor",
        description="Cores that each worker keeps busy.",
        unit="short",
        queries=rate_by("instance", "process_cpu_seconds_total"),
    ),
)
FAULTS = (
    PanelSpec(
        title="Signal quality",
        description="Share of windows by signal quality.",
        unit="percentunit",
        queries=(
            (
                f"sum by (quality) (rate(ecg_monitor_signal_quality_windows_total{{{WORKERS}}}{RATE})) / "
                f"scalar(sum(rate(ecg_monitor_signal_quality_windows_total{{{WORKERS}}}{RATE})))",
                "{{quality}}",
            ),
        ),
        stacked=True,
    ),
    PanelSpec(
        title="Dead letters by reason",
        description="Records sent to the dead-letter topic a second, by reason.",
        unit="ops",
        queries=rate_by("reason", "ecg_monitor_dead_letters_total"),
        empty="no dead letter since the start",
    ),
    PanelSpec(
        title="Gaps and repeats",
        description="Gaps in the sample numbers, chunks put back in order, seen twice or of a second sender, "
        "counters begun again, a second.",
        unit="ops",
        queries=(
            (f"sum(rate(ecg_monitor_gaps_total{{{WORKERS}}}{RATE}))", "gaps"),
            (f"sum(rate(ecg_monitor_reordered_total{{{WORKERS}}}{RATE}))", "put in order"),
            (f"sum(rate(ecg_monitor_duplicates_total{{{WORKERS}}}{RATE}))", "seen twice"),
            (f"sum(rate(ecg_monitor_conflicting_chunks_total{{{WORKERS}}}{RATE}))", "of a second sender"),
            (f"sum(rate(ecg_monitor_restarts_total{{{WORKERS}}}{RATE}))", "begun again"),
        ),
    ),
    PanelSpec(
        title="Commits",
        description="Commits a second by outcome; an aborted one is tried again.",
        unit="ops",
        queries=rate_by("outcome", "ecg_monitor_commits_total"),
    ),
    PanelSpec(
        title="Waiting for a commit",
        description="Input records processed but not committed; fetching pauses when they are too many.",
        unit="short",
        queries=by_worker("ecg_monitor_pending_records"),
    ),
    PanelSpec(
        title="Records lost",
        description="Input records that retention deleted before any worker had processed them.",
        unit="short",
        queries=total("ecg_monitor_lost_records_total"),
        limit=1,
    ),
)
CHANGES = (
    PanelSpec(
        title="Rebalances",
        description="Changes of the partition assignment, by kind of change, counted over five minutes.",
        unit="short",
        queries=increase_by("change", "ecg_monitor_rebalances_total"),
    ),
    PanelSpec(
        title="Streams rebuilt",
        description="Streams rebuilt from their saved state after a start or a rebalance, over five minutes.",
        unit="short",
        queries=increase_by("outcome", "ecg_monitor_restores_total"),
    ),
    PanelSpec(
        title="Model version",
        description="Workers by the model version that they run; two lines mean a roll-out under way.",
        unit="short",
        queries=(
            (
                f"count by (name, version) (ecg_monitor_model_info{{{WORKERS}}})",
                "{{name}} {{version}}",
            ),
        ),
    ),
)
ROWS = (
    Row("At a glance", AT_A_GLANCE),
    Row("Delay", DELAY),
    Row("Work", WORK),
    Row("Faults", FAULTS),
    Row("Changes", CHANGES),
    Row("Bedside page", BEDSIDE_PAGE),
)


def fleet() -> str:
    """The dashboard as JSON text."""
    return build_board("ecg-fleet", "Fleet", ROWS, "now-30m", "5s")
