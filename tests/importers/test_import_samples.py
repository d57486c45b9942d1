import pytest

from monitor.errors import BadInput
from monitor.importers import open_import, run_import
from tests.importers.logs import SET, SHARED, Door, events, needs_samples

AZURE = SHARED / "data" / "AzureLLMInferenceTrace_code.csv"
LITELLM = SHARED / "samples" / "litellm_1.106" / "standard_logging_payload.jsonl"
GRADIO = SHARED / "samples" / "gradio_6.31" / "csvlogger" / "dataset1.csv"
LM_EVAL = SHARED / "samples" / "lm_eval_0.4.13"


@needs_samples
def test_the_azure_trace_imports_by_itself_and_twice_changes_nothing(door: Door) -> None:
    imported = open_import(AZURE, constants={"deployment": "azure-code"})
    first = run_import(imported, door)
    assert (first.read, first.accepted, first.rejected, first.unreadable) == (8819, 8819, 0, 0)
    assert str(first.first_ts) == "2023-11-16 18:17:03.979960+00:00"
    again = run_import(imported, door)
    assert (again.accepted, again.duplicate) == (0, 8819)
    assert door.count() == 8819
    assert door.count("predictions where latency_ms is not null") == 0


@needs_samples
def test_the_litellm_sample_imports_with_its_traps(door: Door) -> None:
    imported = open_import(LITELLM, constants=SET)
    plain, streamed, failed = events(imported)
    assert imported.importer == "litellm"
    assert (round(plain["latency_ms"]), plain.get("ttft_ms")) == (780, None)
    assert (round(streamed["latency_ms"]), round(streamed["ttft_ms"])) == (284, 270)
    assert plain["attrs"]["response_model"] == "/mnt/rf_tiny/m@main"
    assert (failed["status"], failed["error_type"], failed.get("tokens_in")) == ("error", "BadRequestError", None)
    assert run_import(imported, door, dry_run=True).read == 3


@needs_samples
def test_the_gradio_sample_imports_with_its_quotes_and_lines(door: Door) -> None:
    imported = open_import(GRADIO, constants=SET, timezone="Europe/Berlin")
    good, bad = events(imported)
    assert (bad["input_text"], bad["output_text"]) == ("=2+2, -1?", '4\nmultiline "quoted"')
    assert (good["feedback"], bad["feedback"], good["confidence"], good["label"]) == (1, -1, 0.7, "cat")
    assert good["ts"] == "2026-11-20T12:14:47.871725Z"
    assert imported.unmapped == ("Temperature",)


@needs_samples
def test_samples_of_an_evaluation_are_not_traffic() -> None:
    path = next(LM_EVAL.rglob("samples_*.jsonl"))
    with pytest.raises(BadInput, match="is not traffic"):
        open_import(path, importer="jsonl", constants=SET)
