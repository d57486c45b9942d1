"""The parts of the probe page that need no page: forms and messages, taking over a request, verdicts, differences."""

import json
from typing import Any

import pandas as pd
import pytest

from monitor.stats.worddiff import word_diff
from monitor.ui.probe import card, diff, pairs, settings, targets, turns, verdict
from monitor.ui.probe.answer import DONE, FAILED, Answer, from_row, heard
from monitor.ui.probe.choices import chosen
from monitor.ui.probe.draft import Draft, Turn, draft_of, messages_of, readable
from monitor.ui.probe.reproduce import Logged, logged
from monitor.ui.probe.results import items_of

A, B = "a" * 64, "b" * 64


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def image(sha256: str) -> dict[str, str]:
    return {"type": "image", "sha256": sha256}


def message(role: str, *parts: dict[str, str]) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


CONVERSATION = [
    message("system", text("Be brief.")),
    message("user", image(A), text("What is it?")),
    message("assistant", text("A circle.")),
    message("user", image(B), text("And this?")),
]


# -- the form and its messages


def test_a_conversation_fills_the_form_and_comes_out_the_same() -> None:
    draft = draft_of(CONVERSATION)
    assert draft == Draft(
        "And this?", (B,), "Be brief.", (Turn("user", "What is it?", (A,)), Turn("assistant", "A circle."))
    )
    assert messages_of(draft) == CONVERSATION


def test_messages_that_the_form_cannot_show_are_sent_as_logged_until_somebody_edits() -> None:
    exact = [message("user", text("Left: "), image(A), text(" right: "), image(B))]
    draft = draft_of(exact)
    assert draft == Draft("Left:  right: ", (A, B))
    assert messages_of(draft, exact) == exact
    edited = Draft("Both?", draft.images)
    assert messages_of(edited, exact) == [message("user", image(A), image(B), text("Both?"))]


def test_an_empty_form_stands_for_no_message() -> None:
    assert messages_of(Draft(" \n")) == []
    assert Draft(system="only a system prompt").empty


def test_only_messages_are_read_from_a_log() -> None:
    found = readable(
        [{"role": "user", "content": "plain"}, {"role": "robot"}, 3, {"role": "user", "content": [{"x": 1}]}]
    )
    assert found == [message("user", text("plain")), message("user")]
    assert readable(None) == readable("text") == []


def test_rows_of_the_editor_become_turns_once_they_have_a_role() -> None:
    edited = pd.DataFrame(
        {"role": ["user", None, "assistant"], "text": ["hi", "x", None], "images": [[A], None, float("nan")]},
        dtype=object,
    )
    assert turns.turns_of(edited) == (Turn("user", "hi", (A,)), Turn("assistant", ""))


# -- taking over a request


def request(**changes: Any) -> dict[str, Any]:
    attrs = {"messages": CONVERSATION, "settings": {"max_tokens": 16, "temperature": 0, "top_p": 1, "seed": 7}}
    row: dict[str, Any] = {
        "event_id": "e1",
        "deployment": "vision-prod",
        "checkpoint": "step-600",
        "status": "ok",
        "input_text": "And this?",
        "output_text": "A cross.",
        "media": None,
        "cut": [],
        "attrs": json.dumps(attrs),
    }
    return row | changes


def test_a_request_with_messages_and_settings_has_no_gaps() -> None:
    found = logged(request())
    assert list(found.messages) == CONVERSATION
    assert found.settings == {"max_tokens": 16, "temperature": 0, "top_p": 1, "seed": 7}
    assert (found.answer, found.gaps) == ("A cross.", ())


def test_a_request_without_messages_is_one_turn_of_its_images_and_its_text() -> None:
    found = logged(request(attrs=None, media=[{"sha256": A}, {"sha256": None}]))
    assert list(found.messages) == [message("user", image(A), text("And this?"))]
    told = " ".join(found.gaps)
    assert "The log has no messages for it" in told
    assert "does not have its max tokens, temperature, top p" in told
    assert "1 of its images were logged without a hash" in told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attrs": json.dumps({"settings": {"temperature": 1}})}, "sampled without a seed"),
        ({"status": "error", "output_text": None}, "It failed, so there is no logged answer"),
        ({"output_text": None}, "The log has no answer for it"),
        ({"cut": ["output_text"]}, "Its answer was cut"),
        ({"cut": ["input_text"], "attrs": None}, "Its input was cut"),
        ({"checkpoint": None}, "does not say which checkpoint answered"),
        ({"input_text": "write to [email]"}, "redacted at the door"),
    ],
)
def test_every_gap_of_a_request_is_said(changes: dict[str, Any], said: str) -> None:
    assert said in " ".join(logged(request(**changes)).gaps)


# -- targets


def target(id_: str, checkpoint: str, parent: str | None = None, environment: str | None = None) -> dict[str, Any]:
    return {"target": id_, "checkpoint": checkpoint, "parent": parent, "environment": environment, "step": None}


KNOWN = {
    one["target"]: one
    for one in (
        target("edge", "step-300", environment="edge"),
        target("vision-prod", "step-900", "step-600", "production"),
        target("worker/step-300", "step-300"),
        target("worker/step-600", "step-600", "step-300"),
    )
}


def test_a_request_is_asked_of_its_checkpoint_and_of_the_one_before() -> None:
    found = targets.for_request(KNOWN, logged(request()))
    assert found == (["worker/step-600", "edge"], [])


def test_without_a_parent_the_deployment_of_today_is_asked_beside_it() -> None:
    known = KNOWN | {"worker/step-600": target("worker/step-600", "step-600")}
    assert targets.for_request(known, logged(request())) == (["worker/step-600", "vision-prod"], [])


def test_a_checkpoint_that_nothing_serves_is_said_and_its_deployment_is_asked() -> None:
    found, gaps = targets.for_request(KNOWN, logged(request(checkpoint="step-450")))
    assert found == ["vision-prod"]
    assert gaps == ["The checkpoint that answered, step-450, cannot be asked: no target serves it."]


def test_a_target_is_named_with_what_its_name_does_not_say() -> None:
    assert targets.label({**KNOWN["vision-prod"], "step": 900}) == "vision-prod (step-900, step 900, production)"
    assert targets.label(KNOWN["worker/step-300"]) == "worker/step-300"


# -- settings


def test_settings_survive_the_way_through_the_fields() -> None:
    asked = {"max_tokens": 16, "temperature": 0.7, "seed": 7, "stop": ["a", "b"], "top_logprobs": None}
    filled = settings.fields(asked)
    assert filled["max_tokens"] == 16
    assert filled["top_p"] is None, "the default needs no place in a link"
    assert (filled["stop"], filled["top_logprobs"]) == ("a|b", "off")
    assert settings.fields({})["top_logprobs"] == "5 alternatives"
    assert settings.fields({"max_tokens": 10**9})["max_tokens"] == 32_768


# -- answers, live and stored


def test_an_answer_is_put_together_from_the_events_of_a_stream() -> None:
    answer = Answer("t")
    answer = heard(
        answer, {"type": "piece", "text": "re", "tokens": [{"text": "re", "logprob": -0.1, "top": [["re", -0.1]]}]}
    )
    answer = heard(answer, {"type": "piece", "text": "d", "tokens": [{"text": "d", "logprob": -0.2, "top": []}]})
    assert (answer.text, len(answer.tokens)) == ("red", 2)
    reply = {"type": "reply", "text": "red", "finish_reason": "stop", "tokens_out": 3, "tokens": []}
    answer = heard(answer, reply | {"timings": {"total_ms": 120.0, "ttft_ms": 20.0, "queue_ms": None}})
    assert (answer.state, answer.tokens[0].top) == (DONE, (("re", -0.1),))
    assert answer.tokens_per_s == 20
    assert "queue_ms" not in answer.timings
    failed = heard(answer, {"type": "error", "error": "gone", "kind": "TargetUnreachable"})
    assert (failed.state, failed.error, failed.kind) == (FAILED, "gone", "TargetUnreachable")


def test_an_answer_comes_back_from_the_log() -> None:
    attrs = {"target": "t", "tokens": [["red", -0.1]], "timings": {"total_ms": 5.0}, "served_as": "m", "notes": ["n"]}
    row = {"deployment": "d", "model": "family", "status": "ok", "output_text": "red", "confidence": float("nan")}
    answer = from_row(row | {"attrs": json.dumps(attrs), "event_id": "e"})
    assert (answer.target, answer.text, answer.model, answer.notes) == ("t", "red", "m", ("n",))
    assert (answer.tokens[0].logprob, answer.confidence, answer.timings) == (-0.1, None, {"total_ms": 5.0})
    failed = from_row(row | {"status": "error", "error_message": "no", "error_type": "TargetBusy", "attrs": "{}"})
    assert (failed.state, failed.error, failed.kind) == (FAILED, "no", "TargetBusy")


def test_the_figures_leave_out_what_a_target_does_not_tell() -> None:
    assert card.figures(Answer("t", DONE)) == ""
    told = card.figures(
        Answer("t", DONE, finish_reason="length", tokens_out=4, confidence=0.5, timings={"ttft_ms": 12.0})
    )
    assert told == "cut at its most tokens · first token after 12 ms · 4 out · confidence 50 %"


# -- the verdict


LOGGED = Logged("e1", tuple(CONVERSATION), {"temperature": 0}, "red", "prod", "step-600", ())


def verdicts(*said: tuple[str, str]) -> list[verdict.Against]:
    answers = [Answer(checkpoint, DONE, text=answer) for checkpoint, answer in said]
    return verdict.against(LOGGED, answers, [checkpoint for checkpoint, _ in said])


def conclude(*said: tuple[str, str], gaps: bool = False, sampled: bool = False) -> str:
    return str(verdict.conclusion(LOGGED, verdicts(*said), gaps, sampled))


def test_the_verdict_blames_the_weights_only_when_the_logged_checkpoint_repeats_itself() -> None:
    assert "lies in the weights" in conclude(("step-600", "red"), ("step-300", "blue"))
    assert "the input explains it" in conclude(("step-600", "red"), ("step-300", "red"))
    assert "Ask another checkpoint" in conclude(("step-600", "red"))


def test_a_checkpoint_that_does_not_repeat_itself_points_at_how_it_is_served() -> None:
    assert "chat template, precision" in conclude(("step-600", "blue"), ("step-300", "red"))
    assert "not everything about the request is known" in conclude(("step-600", "blue"), gaps=True)
    assert "it was sampled" in conclude(("step-600", "blue"), sampled=True)


def test_nothing_is_concluded_without_the_logged_checkpoint() -> None:
    assert conclude(("step-300", "blue")) == "None"


def test_each_answer_is_held_against_the_log() -> None:
    found = verdicts(("step-600", "red"), ("step-300", "Red"))
    assert [verdict.line(one) for one in found] == [
        "A answers exactly as logged.",
        "B answers differently from what was logged.",
    ]
    [nothing] = verdict.against(LOGGED, [Answer("t", FAILED)], [None])
    assert verdict.line(nothing) == "A gave nothing to compare."


def test_an_edited_question_is_not_the_logged_one() -> None:
    assert verdict.edited(LOGGED, CONVERSATION, {"temperature": 0.0, "deadline_s": 5}) == []
    assert verdict.edited(LOGGED, CONVERSATION[1:], {"temperature": 1}) == ["messages", "temperature"]


# -- differences and choices


def test_a_difference_is_marked_by_more_than_colour_and_never_becomes_markup() -> None:
    shown = "".join(map(diff.markdown, word_diff("a *red* circle", "a *blue* circle\nbig")))
    assert ":red-background[~~red~~]" in shown
    assert ":green-background[**blue**]" in shown
    assert "\\*" in shown
    assert "  \n" in shown


def test_choices_are_read_from_a_text_with_commas() -> None:
    assert chosen(" yes, no,, yes ") == ["yes", "no"]
    assert chosen(None) == []


# -- items of a batch and their comparison


def answered(item: str, target_: str, said: str | None, right: bool | None, status: str = "ok") -> dict[str, Any]:
    return {
        "item": item,
        "target": target_,
        "input_text": "Colour?",
        "output_text": said,
        "label": "red" if right is not None else None,
        "right": right,
        "status": status,
        "error_type": "TargetBusy" if status == "error" else None,
        "latency_ms": 5.0,
        "media": [{"sha256": A}],
    }


def test_answers_of_several_targets_become_one_row_an_item() -> None:
    rows = pd.DataFrame(
        [answered("1", "a", "red", True), answered("1", "b", "blue", False), answered("2", "a", None, None, "error")]
    )
    found = items_of(rows, {"a": "A", "b": "B"})
    assert found["item"].tolist() == ["1", "2"]
    assert found["A answer"].tolist() == ["red", "failed: TargetBusy"]
    assert found["B right"].tolist()[0] is False
    assert found["images"].tolist() == [[A], [A]]


def compared(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "n_items": 100,
        "n_pairs": 100,
        "failed_a": 0,
        "failed_b": 0,
        "agreement": 0.9,
        "agreement_low": 0.82,
    }
    row |= {"agreement_high": 0.95, "n_labelled": 100, "accuracy_a": 0.9, "accuracy_b": 0.8, "only_a": 12, "only_b": 2}
    row |= {"difference": -0.1, "difference_low": -0.17, "difference_high": -0.03, "p_value": 0.0074}
    row |= {"verdict": "b_lower", "n_latency": 0, "latency_verdict": "not_enough_data"}
    return row | changes


def test_a_shown_difference_is_told_with_its_interval_and_its_test() -> None:
    told = " ".join(pairs.sentences(compared(), "A", "B"))
    assert "they part on 14 of 100 labelled items" in told
    assert "**B is less often right**: B minus A is -10.0 points" in told
    assert "interval -17.0 points to -3.0 points; McNemar's mid-p 0.007" in told


def test_no_difference_shown_is_never_called_equal() -> None:
    told = " ".join(pairs.sentences(compared(verdict="no_difference_shown", difference_high=0.01), "A", "C"))
    assert "No difference shown" in told
    assert "C minus A lies between -17.0 points to +1.0 points" in told
    assert "no proof that they are equal" in told


def test_too_few_items_and_items_left_out_are_said() -> None:
    told = " ".join(
        pairs.sentences(compared(verdict="not_enough_data", n_labelled=5, n_pairs=90, failed_b=10), "A", "B")
    )
    assert "90 of 100 items were answered by both" in told
    assert "B on 10" in told
    assert "5 labelled items are too few" in told
