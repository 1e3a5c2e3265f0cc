"""The bedside page's row of *Fleet*: who looks, and does the page keep up?"""

from __future__ import annotations

from panels import RATE, PanelSpec

PAGE = 'cluster=~"$cluster"'
NOBODY = "no page is served"
BEDSIDE_PAGE = (
    PanelSpec(
        title="Viewers",
        description="Browsers that are connected to the bedside page's live data.",
        unit="short",
        queries=((f"sum(ecg_web_clients{{{PAGE}}})", "viewers"),),
        empty=NOBODY,
        width=6,
    ),
    PanelSpec(
        title="Streams on the page",
        description="Streams of which the page holds signal, and those whose next chunk is overdue.",
        unit="short",
        queries=(
            (f"max(ecg_web_streams{{{PAGE}}})", "held"),
            (f"max(ecg_web_stale_streams{{{PAGE}}})", "stale"),
        ),
        empty=NOBODY,
        width=6,
    ),
    PanelSpec(
        title="Frames",
        description="Signal frames sent to browsers a second, and those left out for slow ones.",
        unit="ops",
        queries=(
            (f"sum(rate(ecg_web_frames_sent_total{{{PAGE}}}{RATE}))", "sent"),
            (f"sum(rate(ecg_web_frames_lost_total{{{PAGE}}}{RATE}))", "left out"),
        ),
        empty=NOBODY,
        width=6,
    ),
    PanelSpec(
        title="Records read by the page",
        description="Records that the page reads from Kafka a second, by topic.",
        unit="ops",
        queries=((f"sum by (topic) (rate(ecg_web_records_read_total{{{PAGE}}}{RATE}))", "{{topic}}"),),
        empty=NOBODY,
        width=6,
    ),
)
