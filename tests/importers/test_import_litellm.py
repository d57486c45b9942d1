import json
from typing import Any

from monitor.importers import open_import
from tests.importers.logs import Write, events


def call(**fields: Any) -> str:
    row = {
        "id": "c1", "litellm_call_id": "l1", "startTime": 1795180437.0, "completionStartTime": 1795180437.25,
        "endTime": 1795180438.0, "response_time": 0.25, "status": "success", "stream": True, "model": "m",
        "model_group": "gpt", "total_tokens": 5, "prompt_tokens": 2, "completion_tokens": 3, "response_cost": 0.5,
        "messages": [{"role": "user", "content": "hi"}],
        "response": {"model": "m@main", "choices": [{"finish_reason": "stop", "message": {"content": "ho"}}]},
    }  # fmt: skip
    return json.dumps(row | fields) + "\n"


def test_litellm_latency_is_end_minus_start_and_ttft_is_for_streams_only(write: Write) -> None:
    found = events(open_import(write("a.jsonl", call() + call(id="c2", stream=None))))
    assert [(event["latency_ms"], event.get("ttft_ms")) for event in found] == [(1000.0, 250.0), (1000.0, None)]
    assert (found[0]["deployment"], found[0]["attrs"]["response_model"]) == ("gpt", "m@main")
    assert (found[0]["input_text"], found[0]["output_text"], found[0]["finish_reason"]) == ("hi", "ho", "stop")


def test_litellm_zeros_that_mean_unknown_stay_out(write: Write) -> None:
    unpriced = call(response_cost=0.0, response_cost_failure_debug_info={"error_str": "not mapped"}, total_tokens=0)
    (event,) = events(open_import(write("a.jsonl", unpriced)))
    assert event.keys().isdisjoint({"cost_usd", "tokens_in", "tokens_out"})


def test_two_failed_attempts_of_one_litellm_call_stay_two(write: Write) -> None:
    failed = {
        "status": "failure",
        "response": {},
        "error_information": {"error_class": "Timeout", "error_message": "late"},
    }
    lines = call(**failed) + call(**failed, startTime=1795180440.0, endTime=1795180441.0)
    found = events(open_import(write("a.jsonl", lines)))
    assert {event["error_type"] for event in found} == {"Timeout"}
    assert len({event["event_id"] for event in found}) == 2
