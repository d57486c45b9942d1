"""`python -m bench.drift_evidently REFERENCE WINDOW`: Evidently's preset on two Parquet files.

`bench/drift.py` starts it. Reading them into data frames is not counted, and no page is written.
"""

import json
import sys

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

from bench.spent import Spent, peak_mib


def main(reference: str, window: str) -> None:
    """Print what it spent and the largest resident memory, in all and with the data frames alone, as JSON."""
    before, now = pd.read_parquet(reference), pd.read_parquet(window)
    loaded, spent = peak_mib(), Spent()
    found = Report([DataDriftPreset()]).run(now, before).dict()
    measured = spent.upto_now()
    print(json.dumps({**measured, "loaded_mib": loaded, "results": len(found["metrics"]), "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
