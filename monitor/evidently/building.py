"""Makes a report with Evidently: the only module that imports it, and only in a process of its own (`__main__`)."""

import html
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import evidently
import orjson
import pandas as pd
import pyarrow as pa
from evidently import DataDefinition, Dataset, Report
from evidently.core.report import Snapshot
from evidently.descriptors import NonLetterCharacterPercentage, SentenceCount, TextLength, WordCount
from evidently.presets import DataDriftPreset, DataSummaryPreset, TextEvals

from monitor.errors import BadInput
from monitor.evidently.frames import Frames, frames
from monitor.evidently.orders import HTML, JSON, REFERENCE, WINDOW, Order

DESCRIPTORS = {
    "length": TextLength,
    "words": WordCount,
    "sentences": SentenceCount,
    "signs without letters, %": NonLetterCharacterPercentage,
}
"""Those that need no downloads and take empty texts; the others fetch word lists or models, and wait for minutes."""

CALLED = {"input_text": "prompt", "output_text": "answer"}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'"
)
"""What the page of a report may do, wherever it is opened: draw itself, and nothing else."""

BY_P = "p_value"
"""In the names of methods whose score is small for a drift."""


def build(folder: Path, order: Order, on_step: Callable[[str], None]) -> dict[str, Any]:
    """Write the files of a report into a folder that holds both sides; returns its summary. Raises BadInput."""
    on_step("describe")
    both = frames(_read(folder / WINDOW), _read(folder / REFERENCE), order.features, texts=order.with_texts)
    sides = [_dataset(side, both, order) for side in (both.window, both.reference)]
    on_step("compare")
    left_out = dict(both.left_out)
    snapshot = _compare(order, sides, both, left_out)
    on_step("render")
    summary = _summary(snapshot, both, left_out)
    about = order.about | {"summary": summary}
    told = {"watchpoint": about} | json.loads(snapshot.json())
    (folder / JSON).write_bytes(orjson.dumps(told, default=str))  # what is no number becomes null
    if order.html:
        (folder / HTML).write_text(_page(snapshot.get_html_str(as_iframe=False), about), "utf-8")
    return summary


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as stored:
        return stored.read_all()


def _dataset(side: pd.DataFrame, both: Frames, order: Order) -> Dataset:
    """One side with the kinds of its columns; in a report of texts only these and what describes them."""
    only_texts = order.preset == "text"
    columns = both.texts if only_texts else [*both.numbers, *both.categories, *both.texts]
    kinds = DataDefinition(
        numerical_columns=[] if only_texts else both.numbers,
        categorical_columns=[] if only_texts else both.categories,
        text_columns=both.texts,
    )
    descriptors = [
        make(column, alias=f"{CALLED[column]}: {what}") for column in both.texts for what, make in DESCRIPTORS.items()
    ]
    return Dataset.from_pandas(side[columns], data_definition=kinds, descriptors=descriptors or None)


def _compare(order: Order, sides: list[Dataset], both: Frames, left_out: dict[str, str]) -> Snapshot:
    """Run the presets. Texts whose words cannot be compared, such as a single one, are left out of the drift."""
    if order.preset == "text" and not both.texts:
        raise BadInput("there are no texts on both sides: choose another preset")
    try:
        return _run(order, sides, None)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
    left_out |= dict.fromkeys(both.texts, "no words that only some of the texts have, which their drift is told by")
    apart = [name for name in sides[0].as_dataframe().columns if name not in both.texts]
    return _run(order, sides, apart)


def _run(order: Order, sides: list[Dataset], columns: list[str] | None) -> Snapshot:
    drift = DataDriftPreset(columns=columns, drift_share=order.drift_share)
    presets = {
        "drift": [drift],
        "summary": [DataSummaryPreset()],
        "text": [TextEvals(), drift],
        "all": [drift, DataSummaryPreset()],
    }
    return Report(presets[order.preset], include_tests=order.tests).run(*sides)


def _summary(snapshot: Snapshot, both: Frames, left_out: Mapping[str, str]) -> dict[str, Any]:
    """What a list of reports shows: how many columns drifted and which, and how the tests ended."""
    told = snapshot.dict()
    features = [one for metric in told["metrics"] if (one := _feature(metric))]
    tests = [
        {"name": one["name"], "status": str(getattr(one["status"], "value", one["status"])), "said": one["description"]}
        for one in told.get("tests") or ()
    ]
    return {
        "evidently": evidently.__version__,
        "columns": len(features) or len(both.window.columns),
        "drifted": sum(one["drifted"] for one in features) if features else None,
        "features": sorted(features, key=lambda one: (not one["drifted"], one["feature"])),
        "left_out": dict(left_out),
        "by_p": sum(BY_P in one["method"] for one in features),
        "tests": tests,
    }


def _feature(metric: Mapping[str, Any]) -> dict[str, Any] | None:
    """A column that was judged; its score is a p-value, which is small for a drift, or an effect, which is large."""
    config = metric["config"]
    if not str(config.get("type")).endswith(":ValueDrift"):
        return None
    score, threshold, method = float(metric["value"]), float(config["threshold"]), str(config["method"])
    return {
        "feature": config["column"],
        "method": method,
        "score": score if math.isfinite(score) else None,
        "threshold": threshold,
        "drifted": bool(score < threshold if BY_P in method else score >= threshold),
    }


def _page(page: str, about: Mapping[str, Any]) -> str:
    """Evidently's page with a head line of what was compared, and with the policy that it keeps when it is saved."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">'
    head, head_tag, rest = page.partition("<head>")
    start, body_tag, end = rest.rpartition("<body>")
    if not (head_tag and body_tag):
        raise BadInput("the page that Evidently wrote has no head and body; this version of it is not known")
    lines = "".join(f"<div>{html.escape(line)}</div>" for line in about.get("lines", ()))
    banner = f'<div style="font: 14px sans-serif; padding: 12px 16px; border-bottom: 1px solid #ccc">{lines}</div>'
    return f"{head}{head_tag}{policy}{start}{body_tag}{banner}{end}"
