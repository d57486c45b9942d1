"""From two windows to a report: reads the rows through the door, and has the process of Evidently make it.

Used by the job, for reports that are kept, and by the commands.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa

from monitor.doors import OpenDoor
from monitor.errors import BadInput
from monitor.evidently.child import Made, make
from monitor.evidently.orders import DRIFT_SHARE, KEEP, READ, SMALL, STEPS, Order

ALL_STEPS = (READ, *STEPS, KEEP)

OnStep = Callable[[str, dict[str, int]], None]
"""Told the step that begins, and once they are known the counts of rows."""


def made_of(
    door: OpenDoor,
    spec: dict[str, Any],
    on_step: OnStep = lambda *_: None,
    *,
    tests: bool = False,
    html: bool = True,
    drift_share: float = DRIFT_SHARE,
) -> tuple[Made, dict[str, int]]:
    """A report and its counts of rows; `spec` is a row of `drift_reports`. Raises BadInput."""
    on_step(READ, {})
    order = Order(spec["preset"], tuple(spec["features"]), tests, html, drift_share)
    window, reference = (_rows(door, spec, side, texts=order.with_texts) for side in ("", "reference_"))
    counts = {
        "n_window": window.num_rows,
        "n_reference": reference.num_rows,
        "of_window": window["of_rows"][0].as_py(),
        "of_reference": reference["of_rows"][0].as_py(),
    }
    about = {key: str(value) for key, value in spec.items() if value is not None} | counts
    about["lines"] = lines_of(spec, counts)
    told = Order(order.preset, order.features, tests, html, drift_share, about)
    return make(told, window, reference, lambda step: on_step(step, counts)), counts


def lines_of(spec: dict[str, Any], counts: dict[str, int]) -> list[str]:
    """What was compared, in words, for the head of the page."""
    lines = []
    for side, name, key in (("", "Window", "window"), ("reference_", "Reference", "reference")):
        n, of = counts[f"n_{key}"], counts[f"of_{key}"]
        deployment = spec[f"{side}deployment"]
        span = f"{_minute(spec[f'{side}starts'])} to {_minute(spec[f'{side}ends'])} UTC"
        sample = f"all {n:,} described predictions" if n == of else f"a sample of {n:,} of {of:,} described predictions"
        lines.append(f"{name}: {deployment} (source {spec['source']}), {span}, {sample}")
    lines.append(f"Rows were chosen by the hash of their event id (seed {spec['seed']}): the same ones each time.")
    lines.append(
        f"Evidently judges a column with at most {SMALL:,} values in the reference by p < 0.05: it calls one in "
        "twenty without any drift; the others by the size of the effect."
    )
    return lines


def compared(source: str, sides: list[dict[str, Any]]) -> dict[str, Any]:
    """What a report compares, for the verb that asks for it. Raises BadInput for a side without predictions."""
    window, reference = sides
    for side in sides:
        if not side["n"]:
            raise BadInput(
                f"{side['deployment']} (source {source}) has no described predictions in the {side['side']}, from "
                f"{_minute(side['start'])} to {_minute(side['end'])} UTC; the job drift describes hours that are over"
            )
    return {
        "source": source,
        "deployment": window["deployment"],
        "starts": window["start"],
        "ends": window["end"],
        "reference": reference["reference"],
        "reference_name": reference["name"],
        "reference_deployment": reference["deployment"],
        "reference_starts": reference["start"],
        "reference_ends": reference["end"],
    }


def _rows(door: OpenDoor, spec: dict[str, Any], side: str, *, texts: bool) -> pa.Table:
    window = {"start": _moment(spec[f"{side}starts"]), "end": _moment(spec[f"{side}ends"])}
    whose = {"source": spec["source"], "deployment": spec[f"{side}deployment"]}
    rows = door.table("drift_report_rows", **whose, **window, sample=spec["sample"], seed=spec["seed"], texts=texts)
    if not rows.num_rows:
        what = "reference" if side else "window"
        raise BadInput(
            f"{whose['deployment']} (source {spec['source']}) has no described predictions in the {what}, from "
            f"{_minute(spec[f'{side}starts'])} to {_minute(spec[f'{side}ends'])} UTC; they may have left by age"
        )
    return rows


def _moment(moment: datetime | str) -> str:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def _minute(moment: datetime | str) -> str:
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at:%Y-%m-%d %H:%M}"
