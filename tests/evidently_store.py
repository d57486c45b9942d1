"""What the tests of Evidently's reports share: two hours of described predictions, of which the second differs."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa

from monitor.doors import OpenDoor
from monitor.store.profiles import as_stream

HOUR = timedelta(hours=1)
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
REFERENCE, WINDOW = END - 25 * HOUR, END - HOUR
N = 1050
"""Enough for Evidently to go by effect sizes; fewer texts it would resample, for half a minute."""

HOSTILE = "</script><script>window.broken = 1</script>"
SPANS = {
    "start": WINDOW.isoformat(),
    "end": (WINDOW + HOUR).isoformat(),
    "reference_start": REFERENCE.isoformat(),
    "reference_end": (REFERENCE + HOUR).isoformat(),
}


def features_of(start: datetime, deployment: str, *, longer: float, images: bool) -> pa.Table:
    """Rows of `features`; `longer` is by how much prompts are, and only windows with images have their widths."""
    rng = random.Random(deployment + start.isoformat())
    values: dict[str, list[Any]] = {
        "ts": [(start + timedelta(seconds=3 * i)).replace(tzinfo=None) for i in range(N)],
        "event_id": [f"{deployment}-{start:%d%H}-{i}" for i in range(N)],
        "prompt_chars": [rng.gauss(60, 10) * longer for _ in range(N)],
        "answer_chars": [rng.gauss(20, 4) for _ in range(N)],
        "answer_words": [3.0] * N,
        "image_width": [640.0 if images else None] * N,
        "prompt_language": [rng.choice(("en", "de")) for _ in range(N)],
        "outcome": ["ok"] * N,
    }
    table = pa.table({name: pa.array(column, from_pandas=True) for name, column in values.items()})
    carried = [[("client", rng.choice(("web", HOSTILE))), (HOSTILE, "x")] for _ in range(N)]
    table = table.append_column("carried_str", pa.array(carried, pa.map_(pa.string(), pa.string())))
    return table.append_column("wrong", pa.array([rng.random() < 0.2 for _ in range(N)], pa.bool_()))


def fill(door: OpenDoor, deployment: str = "watched", longer: float = 1.5) -> None:
    """Send the predictions of both hours and what they look like."""
    for start, factor in ((REFERENCE, 1.0), (WINDOW, longer)):
        table = features_of(start, deployment, longer=factor, images=start == WINDOW)
        rng = random.Random(factor)
        events = [
            {
                "event_id": row["event_id"],
                "ts": row["ts"].replace(tzinfo=UTC).isoformat(),
                "deployment": deployment,
                "input_text": f"{rng.choice(('which', 'how many', 'what kind of'))} {rng.choice(('ball', 'cube'))} {i}",
                "output_text": rng.choice(("a red one", "blue", "none")) if i % 50 else None,
            }
            for i, row in enumerate(table.select(["ts", "event_id"]).to_pylist())
        ]
        assert door.send([orjson.dumps(event) for event in events])["accepted"] == N
        place = {"source": "production", "deployment": deployment, "hour": start.isoformat(), "part": 0}
        door.write("drift-features", place | {"table": as_stream(table)})
    door.maintain("retention", {})  # returns once all is loaded
