"""A day of requests in the height of a line of text, for the cards of the fleet (`spark_n` of the query `fleet`)."""

from collections.abc import Sequence

import pandas as pd

from monitor.charts import words
from monitor.charts.marks import Option


def requests_sparkline(counts: Sequence[float]) -> Option:
    """Requests per half hour over the last day, the newest one that is over at the right."""
    back = [(len(counts) - i) / 2 for i in range(len(counts))]
    source = pd.DataFrame(
        {
            "when": [f"{hours:g} h ago" for hours in back],
            "n": list(counts),
            "requests": [f"{words.count(n)} in 30 min" for n in counts],
        }
    )
    return {
        "animation": False,
        "dataset": {"source": source},
        "grid": {"left": 0, "right": 0, "top": 4, "bottom": 2},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "category", "show": False, "boundaryGap": False},
        "yAxis": {"type": "value", "show": False, "min": 0},
        "series": [
            {
                "type": "line",
                "name": "requests",
                "symbol": "none",
                "lineStyle": {"width": 1.5},
                "areaStyle": {"opacity": 0.15},
                "encode": {"x": "when", "y": "n", "tooltip": ["requests"]},
            }
        ],
    }
