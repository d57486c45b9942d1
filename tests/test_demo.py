import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import pytest

from monitor.demo.answers import Answer
from monitor.demo.asked import all_scenes, prompts
from monitor.demo.deployments import TEXT_KINDS, VISION_KINDS
from monitor.demo.generator import BATCH, generate, stretch
from monitor.demo.incidents import incidents, read_truth, write_truth
from monitor.demo.record import prompt_line
from monitor.demo.recorded import PromptLine, Said, read, recorded_answers
from monitor.demo.render import png
from monitor.errors import BadInput
from monitor.ingest.decode import decode_body
from monitor.ingest.event import TEXTS, Row
from monitor.ingest.normalise import EventIds, Normaliser
from monitor.ingest.redact import build_redactor
from monitor.records import Redaction
from tests.demo_log import DAY_S, DAYS, FLEET, NOW, leak_still_going_on, logs_of, one

# -- the events


def test_the_same_now_and_seed_make_the_same_events() -> None:
    first, again, other = (list(chain(*generate(NOW, days=1, seed=seed))) for seed in (7, 7, 8))
    assert first == again
    assert {e["event_id"] for e in first}.isdisjoint(e["event_id"] for e in other)
    assert [e["ts"] for e in first] != [e["ts"] for e in other]


def test_a_shorter_history_is_the_end_of_a_longer_one() -> None:
    long, short = (list(chain(*generate(NOW, days=days))) for days in (2, 1))
    assert long[-len(short) :] == short


def test_loading_later_in_the_same_hour_adds_only_what_came_since() -> None:
    sooner, later = NOW.replace(minute=5), NOW.replace(minute=50)
    first, second = (list(chain(*generate(now, days=1))) for now in (sooner, later))
    fresh = [e for e in second if e["ts"] > first[-1]["ts"]]
    assert second[-len(fresh) - 1] == first[-1]
    assert fresh == list(chain(*stretch(NOW, sooner, later)))


def test_the_story_goes_on_after_now() -> None:
    end = leak_still_going_on().end
    after = list(chain(*stretch(NOW, end, end + timedelta(hours=1))))
    queues = [e["queue_ms"] for e in after if e["deployment"] == "vision-edge"]
    assert np.median(queues) < 60  # restarted
    assert after[0]["ts"] >= f"{end:%Y-%m-%dT%H:%M:%S}.000Z"


def test_events_come_in_order_of_time_in_bounded_batches_with_ids_of_their_own() -> None:
    batches = list(generate(NOW, days=2))
    assert {len(batch) for batch in batches[:-1]} == {BATCH}
    assert 0 < len(batches[-1]) <= BATCH
    events = list(chain(*batches))
    times = [event["ts"] for event in events]
    assert times == sorted(times)
    assert "2026-11-16T09:37:12.345Z" <= times[0] < times[-1] < "2026-11-18T09:37:12.345Z"
    assert len({event["event_id"] for event in events}) == len(events)


def test_a_fortnight_holds_as_many_events_as_promised() -> None:
    logs = logs_of(NOW).values()
    assert 300_000 < sum(log.ts.size for log in logs) < 420_000
    assert min(log.ts[-1] - log.ts[0] for log in logs) > DAYS * DAY_S - 1800


def test_every_event_passes_the_door_unchanged_and_is_labelled_demo() -> None:
    door = Normaliser(FLEET, build_redactor(Redaction()), b"salt", 64 * 1024, EventIds())
    encoder = msgspec.json.Encoder()
    for number, batch in enumerate(generate(NOW)):
        candidates = decode_body(bytes(encoder.encode_lines(batch)), "application/x-ndjson")
        events = [candidate.event for candidate in candidates if candidate.event]
        assert len(events) == len(batch), next(c.reason for c in candidates if c.event is None)
        assert {event.source for event in events} == {"demo"}
        if number % 8 == 0:  # the rest is of the same kinds
            for sent, row in zip(batch, door.rows(events, NOW, NOW - timedelta(days=30)), strict=True):
                assert isinstance(row, Row), row
                assert row.source == "demo"
                assert row.cut is None
                assert [getattr(row, name) for name in TEXTS] == [sent[name] for name in TEXTS]
                assert row.user_hash != sent["user"]


def test_an_event_says_all_that_the_pages_show() -> None:
    events = list(chain(*generate(NOW, days=1)))
    asked = [e for e in events if e["status"] == "ok" and e["deployment"] != "text-prod"]
    for event in asked:
        assert event["ttft_ms"] is None or event["queue_ms"] <= event["ttft_ms"] <= event["latency_ms"]
        assert len(event["media"]) == event["features"]["images"]
        assert re.fullmatch("[0-9a-f]{64}", event["media"][0]["sha256"])
    known = {name: sum(e[name] is not None for e in asked) / len(asked) for name in ("ttft_ms", "label", "feedback")}
    assert 0.7 < known["ttft_ms"] < 0.95
    assert 0.1 < known["label"] < 0.3
    assert 0.01 < known["feedback"] < 0.1
    assert {e["media"] for e in events if e["deployment"] == "text-prod"} == {None}
    assert max(len(e["input_text"]) for e in events) > 300
    sessions = Counter(e["session_id"] for e in events)
    assert max(sessions.values()) > 5


def test_a_failed_request_says_why_and_has_no_answer() -> None:
    failed = [e for e in chain(*generate(NOW, days=1)) if e["status"] == "error"]
    assert failed
    for event in failed:
        assert event["error_type"]
        assert event["error_message"]
        assert [event[name] for name in ("output_text", "tokens_out", "ttft_ms", "confidence", "label")] == [None] * 5


def test_an_answer_is_sure_more_often_where_it_is_right() -> None:
    found = [a for kind in VISION_KINDS for a in recorded_answers(kind, "shapes-vlm-step-00450")]
    right, wrong = ([a.confidence for a in found if a.right is fits] for fits in (True, False))
    assert 0.6 < len(right) / len(found) < 0.98
    assert np.median(right) > np.median(wrong) + 0.05


def test_the_recorded_prompts_are_those_of_the_sample_with_the_images_that_the_demo_keeps() -> None:
    lines = [prompt_line(prompt) for kind in (*VISION_KINDS, *TEXT_KINDS) for prompt in prompts(kind)]
    assert read("prompts.jsonl", PromptLine) == lines, "ask again with python -m monitor.demo.record"
    kept = {hashlib.sha256(png(scene)).hexdigest() for scene in all_scenes()}
    assert {sha256 for line in lines for sha256 in line.images} == kept


def test_the_recorded_verdicts_are_those_of_the_judge() -> None:
    questions = {prompt.id: prompt.question for kind in VISION_KINDS for prompt in prompts(kind)}
    said = read("answers-shapes-vlm-step-00600.jsonl", Said)
    assert [questions[one.id].right(one.output) for one in said] == [one.right for one in said]


def test_only_requests_with_images_break_one_and_errors_are_those_of_the_checkpoint_that_answered() -> None:
    events = [event for event in chain(*generate(NOW, days=7)) if event["error_type"] == "BadInput"]
    broken = [event for event in events if "damaged" in event["error_message"]]
    assert broken
    assert all(event["media"] for event in broken)
    long = [event for event in events if event not in broken]
    assert {event["deployment"] for event in long} == {"vision-prod", "vision-edge", "text-prod"}
    assert all(event["checkpoint"] in event["error_message"] for event in long)


# -- the truth file


def test_the_truth_file_gives_back_what_was_planted(tmp_path: Path) -> None:
    path = tmp_path / "demo-truth.json"
    written = write_truth(path, NOW, days=14, seed=7)
    assert read_truth(path) == written
    assert (written.now, written.days, written.seed, written.incidents) == (NOW, 14, 7, incidents(NOW))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_missing_or_broken_truth_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not there; `python -m monitor demo` writes it"):
        read_truth(tmp_path / "demo-truth.json")
    (tmp_path / "demo-truth.json").write_text('{"now": "soon"}')
    with pytest.raises(BadInput, match="is not the truth of a demo"):
        read_truth(tmp_path / "demo-truth.json")


def test_an_incident_reads_as_a_line() -> None:
    outage = one("quiet_outage")
    assert str(outage) == (
        "2026-11-16 13:10 to 2026-11-16 14:00 UTC, vision-prod, quiet_outage: "
        "not one request in the busiest time of a working day, and no error that would say why"
    )


# -- the seam


def test_other_answers_fill_the_events_and_are_taken_once_for_each_checkpoint() -> None:
    taken: list[tuple[str, str]] = []

    def answers(kind: str, checkpoint: str) -> Sequence[Answer]:
        taken.append((kind, checkpoint))
        return [Answer(f"{kind}?", checkpoint, (), None, None, 0.5, "length", 10, 64, prefill_ms=3, decode_ms=500)]

    events = list(chain(*generate(NOW, days=1, answers=answers)))
    assert len(taken) == len(set(taken)) == 3 * len(VISION_KINDS) + 4
    ok = [e for e in events if e["status"] == "ok"]
    assert all(e["output_text"] == e["checkpoint"] for e in ok)
    assert {e["finish_reason"] for e in ok} == {"length"}
    assert min(e["latency_ms"] for e in ok) > 250


@pytest.mark.parametrize("days, seed, message", [(0, 7, "days is 0"), (14, -1, "seed is -1")])
def test_an_impossible_demo_is_refused(days: int, seed: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        generate(NOW, days=days, seed=seed)


def test_a_now_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        generate(NOW.replace(tzinfo=None))


def test_the_page_about_the_demo_names_what_there_is() -> None:
    page = (Path(__file__).parent.parent / "docs/demo.md").read_text("utf-8")
    for name, deployment in FLEET.deployments.items():
        slo = deployment.slo
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`"))
        assert f"{slo.availability * 100:g} % without error, {slo.latency_target * 100:g} % within" in row
        assert f"{slo.latency_ms:,.0f} ms, silent for at most {slo.no_data_after_s // 60} minutes" in row
    for incident in incidents(NOW):
        assert f"| `{incident.kind}` | `{incident.deployment}` |" in page
