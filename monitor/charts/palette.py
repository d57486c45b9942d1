"""The one palette: colours of series, and of the meanings that are drawn alike in every chart.

Series take theirs from the theme (`.streamlit/config.toml` holds the same lists, a test compares them). The meanings
stand out on the light and on the dark background.
"""

LIGHT_BACKGROUND = "#FFFFFF"
DARK_BACKGROUND = "#0E1720"

SERIES_LIGHT = ("#0072B2", "#D55E00", "#004D3D", "#C45F9B", "#7A4B00", "#7B61FF")
SERIES_DARK = ("#56B4E9", "#F28E2B", "#3DDC97", "#F5A6D3", "#F0E442", "#8E7CF8")

THRESHOLD = "#D1495B"  # what an SLO promises
REFERENCE = "#8A93A0"  # the usual range: the same window a day or a week earlier
DEPLOY = "#7C8794"  # a checkpoint was deployed
MOVED, FAR = "#B5399C", "#7A1768"  # a feature moved, and far
MOVED_AREA = "rgba(181,57,156,0.12)"

STATE_COLOURS = {"ok": "#0F8A5F", "warn": "#C77700", "alert": "#D1495B", "no_data": "#7C8794"}

DASHES = ("solid", "dashed", "dotted")
"""Lines differ by dash as well as by colour."""
