"""The planted shifts of the demo: where they lie, that the answers to them are real, and that the events show them."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.demo.deployments import CLIENTS, PROFILES
from monitor.demo.generator import generate, stretch
from monitor.demo.incidents import anchor, incidents, read_truth, write_truth
from monitor.demo.questions import same_text
from monitor.demo.record import main, prompt_line
from monitor.demo.recorded import PromptLine, Said, read, recorded_answers
from monitor.demo.shifted import DARK, LARGER, RECIPES, all_files
from monitor.demo.shifts import SHIFTED, Shift, shifts
from monitor.errors import BadInput
from monitor.features.table import FEATURES
from tests.demo_log import NOW, WEEKEND_NIGHT

Events = list[dict[str, Any]]

PLANTED = {shift.kind: shift for shift in shifts(anchor(NOW))}
PROFILE = {profile.id: profile for profile in PROFILES}
DAYS = 6
"""From before the first shift on."""


@cache
def told(deployment: str) -> Events:
    return [event for event in _everything() if event["deployment"] == deployment]


@cache
def _everything() -> Events:
    return list(chain.from_iterable(generate(NOW, days=DAYS)))


def during(shift: Shift, end: datetime | None = None) -> Events:
    first, last = (f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (shift.start, end or shift.end))
    return [event for event in told(shift.deployment) if first <= event["ts"] < last]


def struck(shift: Shift, events: Events) -> list[bool]:
    """Which of the events are about a prompt of the shift."""
    lines = {(line.prompt, line.images) for line in read(f"shift-{shift.kind}-prompts.jsonl", PromptLine)}
    return [(e["input_text"], tuple(one["sha256"] for one in e["media"] or ())) in lines for e in events]


def right(events: Events) -> float:
    """Share of right answers among those with a label; a point is right only where it is the same."""
    verdicts = [same_text(event["label"], event["output_text"]) for event in events if event["label"] is not None]
    return sum(verdicts) / len(verdicts)


# -- the story


def test_shifts_lie_in_the_last_seven_days_and_no_two_at_once_on_a_deployment() -> None:
    for now in (NOW, WEEKEND_NIGHT):
        planted = shifts(anchor(now))
        assert [shift.kind for shift in planted] == list(SHIFTED)
        assert sorted(planted, key=lambda shift: shift.start) == list(planted)
        assert planted[0].start > now - timedelta(days=7)
        for one in planted:
            assert one.feature in FEATURES
            assert set(one.also) < set(FEATURES)
            others = [two for two in planted if two.deployment == one.deployment and two.start > one.start]
            assert all(one.end <= two.start for two in others)
            served = [i for i in incidents(now) if i.deployment == one.deployment and i.checkpoint]
            assert all(one.start > i.end for i in served)


def test_now_two_shifts_go_on_of_which_one_hurts() -> None:
    assert {shift.kind: shift.hurts for shift in PLANTED.values() if shift.start < NOW < shift.end} == {
        "german_prompts": True,
        "larger_images": False,
    }


def test_the_truth_file_has_the_shifts_and_an_older_one_has_none(tmp_path: Path) -> None:
    path = tmp_path / "demo-truth.json"
    assert write_truth(path, NOW).shifts == shifts(anchor(NOW))
    assert read_truth(path).shifts == shifts(anchor(NOW))
    assert [one.kind for one in write_truth(path, NOW, days=2).shifts] == list(SHIFTED)[3:]
    old = msgspec.json.decode(path.read_bytes())
    del old["shifts"]
    path.write_bytes(msgspec.json.encode(old))
    assert read_truth(path).shifts == ()


def test_a_shift_reads_as_a_line() -> None:
    assert str(PLANTED["blank_images"]) == (
        "2026-11-17 07:00 to 2026-11-17 10:00 UTC, vision-prod, blank_images: "
        "a broken upstream hands on grey images instead of two in five, whoever asks; no request fails"
    )


# -- the recordings


@pytest.mark.parametrize("kind", SHIFTED)
def test_the_recorded_prompts_and_verdicts_are_those_of_the_recipe(kind: str) -> None:
    recipe = RECIPES[kind]
    sample = recipe.prompts()
    lines = [prompt_line(prompt, recipe) for prompt in sample]
    assert read(f"shift-{kind}-prompts.jsonl", PromptLine) == lines, f"run python -m monitor.demo.record {kind}"
    said = read(f"shift-{kind}-answers.jsonl", Said)
    assert [one.id for one in said] == [prompt.id for prompt in sample]
    verdicts = [prompt.question.right(one.output) for prompt, one in zip(sample, said, strict=True)]
    assert [one.right for one in said] == verdicts


def test_the_images_of_all_shifts_are_kept() -> None:
    lines = chain.from_iterable(read(f"shift-{kind}-prompts.jsonl", PromptLine) for kind in SHIFTED)
    kept = {hashlib.sha256(content).hexdigest() for content in all_files()}
    assert {sha256 for line in lines for sha256 in line.images} == kept


@pytest.mark.parametrize("kind", SHIFTED)
def test_the_truth_says_how_often_the_checkpoint_was_right(kind: str) -> None:
    shift, profile = PLANTED[kind], PROFILE[SHIFTED[kind]]
    said = read(f"shift-{kind}-answers.jsonl", Said)
    usual = read(f"answers-{profile.checkpoint}.jsonl", Said)
    if kind.endswith("_images"):  # the questions are those of the demo's own sample
        usual = [one for one in usual if one.id in {one.id for one in said}]
    assert shift.right == pytest.approx(_right(said, profile.kinds), abs=0.001)
    assert shift.right_before == pytest.approx(_right(usual, profile.kinds), abs=0.001)
    assert shift.hurts == (shift.right < shift.right_before - 0.05)


def _right(said: list[Said], kinds: Mapping[str, float]) -> float:
    """Share of right answers with each kind in its share of the requests; all answers count for one that is missing."""
    by_kind = {kind: [one for one in said if one.id.startswith(f"{kind}-")] or said for kind in kinds}
    weighted = sum(share * sum(bool(one.right) for one in by_kind[k]) / len(by_kind[k]) for k, share in kinds.items())
    return weighted / sum(kinds.values())


def test_only_the_image_is_another_in_darker_blank_and_larger_ones() -> None:
    sample = {line.id: line for line in read("prompts.jsonl", PromptLine)}
    factors = {"darker_images": DARK, "larger_images": 1.0}
    for kind in ("darker_images", "blank_images", "larger_images"):
        for line in read(f"shift-{kind}-prompts.jsonl", PromptLine):
            before = sample[line.id]
            assert (line.prompt, line.label, len(line.images)) == (before.prompt, before.label, len(before.images))
            assert line.side == (LARGER * before.side if kind == "larger_images" else before.side)
            assert set(line.images).isdisjoint(before.images)
            assert line.brightness is not None
            assert before.brightness is not None
            if kind in factors:
                assert line.brightness == pytest.approx(factors[kind] * before.brightness, abs=0.003)


def test_an_unknown_shift_is_not_recorded() -> None:
    with pytest.raises(BadInput, match="brighter_images is no shift: expected some of longer_prompts, new_shape"):
        main(["brighter_images"])


# -- the events


def test_shifts_replace_requests_and_touch_no_others() -> None:
    """Told without shifts, the story has the same requests at the same times, and the same ones but for the struck."""
    plain = list(chain.from_iterable(generate(NOW, days=DAYS, answers=recorded_answers)))
    assert [(e["event_id"], e["ts"], e["user"]) for e in plain] == [
        (e["event_id"], e["ts"], e["user"]) for e in _everything()
    ]
    moments: dict[str, list[datetime]] = {deployment: [] for deployment in PROFILE}
    for before, after in zip(plain, _everything(), strict=True):
        if before != after:
            moments[after["deployment"]].append(datetime.fromisoformat(after["ts"]))
    for deployment, found in moments.items():
        here = [shift for shift in PLANTED.values() if shift.deployment == deployment]
        assert found
        assert all(any(shift.start <= moment < shift.end for shift in here) for moment in found)


@pytest.mark.parametrize("kind", SHIFTED)
def test_a_shift_strikes_its_share_of_the_requests_in_its_slice(kind: str) -> None:
    shift = PLANTED[kind]
    events = during(shift)
    hit = struck(shift, events)
    assert sum(hit) / len(hit) == pytest.approx(shift.share, abs=0.06 if kind == "blank_images" else 0.02)
    clients = {event["features"]["client"] for event, is_hit in zip(events, hit, strict=True) if is_hit}
    assert clients == ({shift.client} if shift.client else set(CLIENTS))


@pytest.mark.parametrize("kind", SHIFTED)
def test_the_labels_tell_whether_a_shift_hurts(kind: str) -> None:
    shift = PLANTED[kind]
    events = during(shift)
    hit = struck(shift, events)
    inside, outside = (right([e for e, h in zip(events, hit, strict=True) if h is wanted]) for wanted in (True, False))
    if shift.hurts:
        assert outside - inside > 0.1
    else:
        assert abs(outside - inside) < 0.04


def test_the_events_carry_what_is_new_about_them() -> None:
    def values(kind: str, read_one: Any) -> tuple[list[Any], list[Any]]:
        events = during(PLANTED[kind])
        hit = struck(PLANTED[kind], events)
        pairs = list(zip(events, hit, strict=True))
        return [read_one(e) for e, h in pairs if h], [read_one(e) for e, h in pairs if not h]

    new, old = values("darker_images", lambda e: e["features"]["brightness"])
    assert max(new) < min(old)
    new, old = values("larger_images", lambda e: {one["width"] for one in e["media"]})
    assert (new[0], old[0]) == ({128}, {64})
    new, old = values("longer_prompts", lambda e: len(e["input_text"]))
    assert np.median(new) > 2.5 * np.median(old)
    new, old = values("new_shape", lambda e: "star" in e["input_text"])
    assert (0.2 < np.mean(new) < 0.6, any(old)) == (True, False)
    new, old = values("german_prompts", lambda e: (e["attrs"]["settings"]["max_tokens"], e["tokens_out"] or 0))
    assert max(tokens for _, tokens in new) == 32
    assert ({limit for limit, _ in new}, {limit for limit, _ in old}) == ({32}, {128})


def test_a_shift_goes_on_after_now_until_its_end() -> None:
    shift = PLANTED["larger_images"]
    around = stretch(NOW, shift.end - timedelta(hours=1), shift.end + timedelta(hours=1))
    events = [event for event in chain.from_iterable(around) if event["deployment"] == shift.deployment]
    hit = struck(shift, events)
    before = [event["ts"] < f"{shift.end:%Y-%m-%dT%H}" for event in events]
    assert sum(hit) > 0.4 * sum(before) > 20
    assert not any(h and not b for h, b in zip(hit, before, strict=True))


def test_the_page_about_the_demo_names_every_shift() -> None:
    page = (Path(__file__).parent.parent / "docs/demo.md").read_text("utf-8")
    for shift in PLANTED.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{shift.kind}` |"))
        since, hours = ((b - a) / timedelta(hours=1) for a, b in ((shift.start, anchor(NOW)), (shift.start, shift.end)))
        assert (
            f"| `{shift.deployment}` | {since:.0f} hours ago | {hours:.0f} hours | {shift.share:.0%}".replace("%", " %")
            in row
        )
        assert f"| `{shift.feature}` | {100 * shift.right:g} % ({100 * shift.right_before:g} %) |" in row
        assert f"`client` is `{shift.client}`" in row or shift.slice is None
