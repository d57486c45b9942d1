"""The table of importers, and which of them a file is for. A new format is one more line here."""

from monitor.errors import BadInput
from monitor.importers.csvfile import header_of, read_csv, sniff_csv
from monitor.importers.gradio import read_gradio, sniff_gradio
from monitor.importers.jsonl import first_object, read_jsonl, read_native, sniff_jsonl, sniff_native
from monitor.importers.litellm import read_litellm, sniff_litellm
from monitor.importers.parquet import read_parquet, sniff_parquet
from monitor.importers.records import Importer
from monitor.importers.source import Source
from monitor.importers.words import did_you_mean, listed

IMPORTERS = (
    Importer("jsonl", (".jsonl", ".ndjson"), sniff_jsonl, read_jsonl, "any predictions.jsonl, columns mapped by name"),
    Importer("native", (".jsonl", ".ndjson"), sniff_native, read_native, "NDJSON of Watchpoint's own event"),
    Importer("litellm", (".jsonl",), sniff_litellm, read_litellm, "LiteLLM StandardLoggingPayload, one per line"),
    Importer("gradio", (".csv",), sniff_gradio, read_gradio, "Gradio flagging CSV"),
    Importer("csv", (".csv", ".tsv"), sniff_csv, read_csv, "CSV with a header line, columns mapped by name"),
    Importer("parquet", (".parquet", ".pq"), sniff_parquet, read_parquet, "Parquet, columns mapped by name"),
)


def choose(source: Source, name: str | None) -> Importer:
    """The importer of that name, or the one that is surest of the file. Raises BadInput when there is none."""
    _refuse_eval_samples(source)
    by_name = {importer.name: importer for importer in IMPORTERS}
    if name is not None and name not in by_name:
        raise BadInput(
            f"--importer {name}: there is no such importer{did_you_mean(name, by_name)}; there are {listed(by_name)}"
        )
    if name is not None:
        return by_name[name]
    sure = {importer.name: importer.sniff(source.path, source.head) for importer in IMPORTERS}
    best = max(IMPORTERS, key=lambda importer: sure[importer.name])
    if sure[best.name] <= 0:
        raise BadInput(
            f"{source.path}: no importer knows this file, {_seen(source.head)}; name one with --importer: {_table()}"
        )
    return best


def _refuse_eval_samples(source: Source) -> None:
    found = first_object(source.head) or {}
    if "doc_id" in found and "filtered_resps" in found:
        raise BadInput(
            f"{source.path} is not traffic: it holds the samples of an evaluation harness (doc_id, filtered_resps)"
        )


def _table() -> str:
    return "; ".join(f"{importer.name} ({importer.help})" for importer in IMPORTERS)


def _seen(head: bytes) -> str:
    """What the file looks like, for the message."""
    first = head.lstrip()[:60].decode("utf-8", "replace")
    if first.startswith("["):
        return "it is one JSON array (one object per line is needed: `jq -c '.[]' FILE`)"
    if first.startswith("{"):
        return "it is JSON over several lines (one object per line is needed: `jq -c . FILE`)"
    return f"it begins with {first.splitlines()[0]!r} ({len(header_of(head))} column)"
