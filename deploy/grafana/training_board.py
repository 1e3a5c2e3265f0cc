"""*Training*: when was the model made last, of what, how good is it, and is it the one that runs?"""

from __future__ import annotations

from frame import build_board, query_variable
from panels import WORKERS, PanelSpec, Row

TRAINED = 'cluster=~"$cluster", model=~"$model"'
DAY_S = 86400
OVERDUE_S = 8 * DAY_S  # the alert's, see rules/training.yml
NOTHING = "no training is known: see `ecg-train fit --metrics`"


def _since(command: str, what: str, limit: float | None = None) -> PanelSpec:
    return PanelSpec(
        title=f"Since the last {what}",
        description=f"Time since `ecg-train {command}` last succeeded.",
        unit="s",
        queries=(
            (
                f'time() - max(ecg_train_last_success_timestamp_seconds{{{TRAINED}, command="{command}"}})',
                "",
            ),
        ),
        shape="stat",
        width=6,
        empty=NOTHING,
        limit=limit,
    )


STATE = (
    _since("fit", "fit", OVERDUE_S),
    _since("calibrate", "calibration"),
    _since("evaluate", "evaluation"),
    PanelSpec(
        title="Age of the data",
        description="Time since the newest of the training files was last changed.",
        unit="s",
        queries=((f"time() - max(ecg_train_data_timestamp_seconds{{{TRAINED}}})", ""),),
        shape="stat",
        width=6,
        empty=NOTHING,
    ),
)
VERSIONS = (
    PanelSpec(
        title="Trained",
        description="The newest version of each model that training tells of.",
        unit="short",
        queries=((f"max by (model, version) (ecg_train_info{{{TRAINED}}})", "{{model}} {{version}}"),),
        shape="table",
        empty=NOTHING,
    ),
    PanelSpec(
        title="Running",
        description="Workers by the model version that they run.",
        unit="short",
        queries=(
            (
                f"count by (name, version) (ecg_monitor_model_info{{{WORKERS}}})",
                "{{name}} {{version}}",
            ),
        ),
        shape="table",
        empty="no worker is seen",
    ),
    PanelSpec(
        title="Duration",
        description="How long the last successful run of each command took.",
        unit="s",
        queries=(
            (f"max by (command, model) (ecg_train_duration_seconds{{{TRAINED}}})", "{{command}} {{model}}"),
        ),
        empty=NOTHING,
    ),
)
MEASURES = (
    PanelSpec(
        title="Measures",
        description="What `ecg-train evaluate` last measured, by protocol, measure and group.",
        unit="none",
        queries=(
            (
                "max by (model, protocol, measure, group) (ecg_train_measure"
                f'{{{TRAINED}, protocol=~"$protocol", measure=~"$measure"}})',
                "{{protocol}} {{measure}} {{group}}",
            ),
        ),
        shape="table",
        width=12,
        empty="no evaluation is known: see `ecg-train evaluate --metrics`",
    ),
    PanelSpec(
        title="Ranking, from one training to the next",
        description="AUROC and average precision over all classes, of each protocol, in time.",
        unit="percentunit",
        queries=(
            (
                "max by (model, protocol, measure) (ecg_train_measure"
                f'{{{TRAINED}, measure=~"auroc|average_precision", group="all"}})',
                "{{model}} {{protocol}} {{measure}}",
            ),
        ),
        width=12,
        empty="no evaluation is known: see `ecg-train evaluate --metrics`",
    ),
)
ROWS = (Row("State", STATE), Row("Versions", VERSIONS), Row("Quality", MEASURES))


def training() -> str:
    """The dashboard as JSON text."""
    cluster = 'cluster=~"$cluster"'
    measures = f'ecg_train_measure{{{TRAINED}, protocol=~"$protocol"}}'
    variables = [
        query_variable("model", "Model", f"label_values(ecg_train_info{{{cluster}}}, model)"),
        query_variable("protocol", "Protocol", f"label_values(ecg_train_measure{{{TRAINED}}}, protocol)"),
        query_variable("measure", "Measure", f"label_values({measures}, measure)"),
    ]
    return build_board("ecg-training", "Training", ROWS, "now-30d", "5m", variables)
