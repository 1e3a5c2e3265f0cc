"""*Detection*: how much is found, and is what is found still to be believed?"""

from __future__ import annotations

from frame import build_board
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption
from panels import RATE, WORKERS, PanelSpec, Row, by_worker, rate_by, total

PATIENT_HOURS = f"(sum(rate(ecg_monitor_signal_seconds_total{{{WORKERS}}}{RATE})) / 3600)"
TENTHS = (*(f"0.{tenth}" for tenth in range(1, 10)), "1.0")
UNIFORM_SCORE = 0.434  # mean of minus log10 p where p is uniform: 1 / ln 10
KS_LIMIT = 0.25  # the alert's, see rules/detection.yml


def _share_of_p(kind: str, low: str | None, high: str) -> str:
    """Share of p-values above `low` and at most `high`."""
    bucket = f'ecg_monitor_p_value_bucket{{{WORKERS}, kind="{kind}", le="%s"}}'
    inside = f"sum(increase({bucket % high}[$__range]))"
    if low is not None:
        inside = f"({inside} - sum(increase({bucket % low}[$__range])))"
    return f"{inside} / sum(increase({bucket % '+Inf'}[$__range]))"


def _p_bars(kind: str, what: str) -> PanelSpec:
    pairs = zip((None, *TENTHS[:-1]), TENTHS, strict=True)
    return PanelSpec(
        title=f"p-values of {what}",
        description=f"Share of the p-values of {what} in each tenth, in the time shown; uniform is 10 %.",
        unit="percentunit",
        queries=tuple((_share_of_p(kind, low, high), f"≤ {high}") for low, high in pairs),
        shape="bars",
        width=12,
        empty="no window scored in this time",
    )


def _mean_score(kind: str, offset: str = "") -> str:
    sums = (
        f'sum(rate(ecg_monitor_score_{part}{{{WORKERS}, kind="{kind}"}}{RATE}{offset}))'
        for part in ("sum", "count")
    )
    return " / ".join(sums)


AT_A_GLANCE = (
    PanelSpec(
        title="Alarms per patient-hour",
        description="Single events and onsets of episodes in an hour of one patient's ECG.",
        unit="short",
        queries=((f"sum(rate(ecg_monitor_alarms_total{{{WORKERS}}}{RATE})) / {PATIENT_HOURS}", ""),),
        shape="stat",
        width=6,
    ),
    PanelSpec(
        title="Episodes open",
        description="Runs, chaotic rhythms, pauses and signal losses that have begun and not ended.",
        unit="short",
        queries=total("ecg_monitor_episodes_open"),
        shape="stat",
        width=6,
    ),
    PanelSpec(
        title="Anomalous windows",
        description="Share of the scored windows that were found anomalous, in the last five minutes.",
        unit="percentunit",
        queries=(('max(cluster:ecg_monitor_anomalies:ratio_rate5m{cluster=~"$cluster"})', ""),),
        shape="stat",
        width=6,
    ),
    PanelSpec(
        title="Distance from uniform",
        description="Largest gap between the distribution of an hour's p-values of beats and a uniform one.",
        unit="percentunit",
        queries=(('max(cluster:ecg_monitor_p_value:ks_1h{cluster=~"$cluster"})', ""),),
        shape="stat",
        width=6,
        limit=KS_LIMIT,
    ),
)
FOUND = (
    PanelSpec(
        title="Anomalies by kind",
        description="Windows found anomalous a second, by the kind of finding.",
        unit="ops",
        queries=rate_by("kind", "ecg_monitor_anomalies_total"),
        empty="no anomaly since the start",
    ),
    PanelSpec(
        title="Events by kind",
        description="Events committed a second, updates and ends included: by kind, and of muted streams.",
        unit="ops",
        queries=(
            *rate_by("kind", "ecg_monitor_events_total"),
            (f"sum(rate(ecg_monitor_muted_events_total{{{WORKERS}}}{RATE}))", "muted"),
        ),
        empty="no event since the start",
    ),
    PanelSpec(
        title="Alarms per patient-hour by kind",
        description="Single events and onsets of episodes in an hour of one patient's ECG, by kind.",
        unit="short",
        queries=(
            (
                f"sum by (kind) (rate(ecg_monitor_alarms_total{{{WORKERS}}}{RATE})) "
                f"/ scalar({PATIENT_HOURS})",
                "{{kind}}",
            ),
        ),
        stacked=True,
    ),
    PanelSpec(
        title="Share of anomalous windows",
        description="Share of each cluster's scored windows that were found anomalous, over five minutes.",
        unit="percentunit",
        queries=(('cluster:ecg_monitor_anomalies:ratio_rate5m{cluster=~"$cluster"}', "{{cluster}}"),),
    ),
    PanelSpec(
        title="Episodes open by worker",
        description="Episodes that have begun and not ended, by worker.",
        unit="short",
        queries=by_worker("ecg_monitor_episodes_open"),
        stacked=True,
    ),
    PanelSpec(
        title="Beats",
        description="Beats detected a second; a fall without fewer streams is a fault of the signal.",
        unit="ops",
        queries=((f"sum(rate(ecg_monitor_beats_total{{{WORKERS}}}{RATE}))", "beats"),),
    ),
)
CALIBRATION = (
    _p_bars("beat", "beats"),
    _p_bars("fixed", "fixed windows"),
    PanelSpec(
        title="Distance from uniform, in time",
        description="Largest gap between the distribution of an hour's p-values of beats and a uniform one.",
        unit="percentunit",
        queries=(('cluster:ecg_monitor_p_value:ks_1h{cluster=~"$cluster"}', "{{cluster}}"),),
        limit=KS_LIMIT,
    ),
    PanelSpec(
        title="Score drift of beats",
        description="Mean score of beats now and earlier; 0.43 where p-values are uniform.",
        unit="short",
        queries=(
            (_mean_score("beat"), "now"),
            (_mean_score("beat", " offset $before"), "$before before"),
            (f"vector({UNIFORM_SCORE})", "uniform"),
        ),
    ),
    PanelSpec(
        title="Score drift of fixed windows",
        description="Mean score of fixed windows now and earlier; 0.43 where p-values are uniform.",
        unit="short",
        queries=(
            (_mean_score("fixed"), "now"),
            (_mean_score("fixed", " offset $before"), "$before before"),
            (f"vector({UNIFORM_SCORE})", "uniform"),
        ),
    ),
)
ROWS = (
    Row("At a glance", AT_A_GLANCE),
    Row("What is found", FOUND),
    Row("Is it to be believed", CALIBRATION),
)


def detection() -> str:
    """The dashboard as JSON text."""
    day = VariableOption(selected=True, text="1d", value="1d")
    before = dashboard.CustomVariable("before").label("Compared with").values("1h,1d,7d").current(day)
    return build_board("ecg-detection", "Detection", ROWS, "now-6h", "30s", [before])
