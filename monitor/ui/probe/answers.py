"""Answers side by side, held against each other and against what was logged."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from monitor.charts.waterfall import in_words, replies_waterfall, reply_phases
from monitor.ui import data, faces, text
from monitor.ui.data import ask
from monitor.ui.probe import card, choices, diff, live, overlays, service, shading, verdict
from monitor.ui.probe.answer import DONE, FAILED, LETTERS, Answer, from_row
from monitor.ui.probe.draft import Message, readable
from monitor.ui.probe.origin import Origin, spec_of
from monitor.ui.probe.targets import Target

ICONS = {verdict.EQUAL: ":material/check_circle:", verdict.DIFFERENT: ":material/difference:"}


def draw_stored(known: Mapping[str, Target], origin: Origin) -> None:
    """The answers of the question that this session asked last, or of the run that the address names."""
    latest = live.last()
    shown = origin.source_run
    if latest and latest.run and latest.run == shown:
        if not latest.ended:
            live.stopped(latest)
        draw(list(latest.answers.values()), latest.messages, latest.settings, known, origin)
    elif origin.run and origin.run["kind"] == "single":
        spec = spec_of(origin.run)
        found = _logged_answers(origin.run)
        answers = [found.get(target) or _lost(target, origin.run) for target in map(str, origin.run["targets"])]
        draw(answers, readable(spec.get("messages")), spec.get("settings") or {}, known, origin)
    elif not shown:
        faces.nothing_yet("Press Run to ask. Every answer is logged with the source `probe`.", "answers")


def draw(
    answers: Sequence[Answer],
    messages: Sequence[Message],
    settings: Mapping[str, Any],
    known: Mapping[str, Target],
    origin: Origin,
) -> None:
    """Verdict, answers, differences, marks on the images, and shares of choices."""
    if origin.logged and origin.logged.answer is not None:
        _draw_verdict(answers, known, origin, verdict.edited(origin.logged, messages, settings), settings)
    has_tokens = any(token.logprob is not None for answer in answers for token in answer.tokens)
    shade = has_tokens and st.toggle("Shade tokens by confidence", value=True, key="shade", persist_state="page")
    if shade:
        shading.draw_legend()
    with st.grid(min(2, len(answers)), min_column_width=320):
        for place, answer in enumerate(answers):
            with st.container(border=True, height="stretch", key=f"answer-{place}"):
                live.head(place, answer.target, known)
                card.draw_answer(answer, shade)
    _draw_differences(answers, origin)
    _draw_timing(answers)
    overlays.draw_marks(answers, messages)
    choices.draw_choices(answers)


def _draw_verdict(
    answers: Sequence[Answer],
    known: Mapping[str, Target],
    origin: Origin,
    edited: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    assert origin.logged is not None
    checkpoints = [str(known[a.target]["checkpoint"]) if a.target in known else None for a in answers]
    found = verdict.against(origin.logged, answers, checkpoints)
    for one, answer in zip(found, answers, strict=True):
        st.markdown(f"{ICONS.get(one.outcome, ':material/help:')} **{verdict.line(one)}**")
        if one.outcome == verdict.DIFFERENT:
            diff.draw_diff(str(origin.logged.answer), answer.text, ("the log", one.letter))
    if edited:
        st.caption(
            f"Asked with other {text.plain(', '.join(edited))} than logged, so this says nothing about the "
            "checkpoints. Open the request in the probe again to compare them."
        )
        return
    sampled = float(settings.get("temperature") or 0) > 0
    if conclusion := verdict.conclusion(origin.logged, found, bool(origin.gaps), sampled):
        st.info(text.plain(conclusion), title="What this says", icon=":material/troubleshoot:")


def _draw_differences(answers: Sequence[Answer], origin: Origin) -> None:
    """Each further answer against the first one, unless that is the logged one and was compared above."""
    done = [(LETTERS[place], answer) for place, answer in enumerate(answers) if answer.state == DONE]
    if len(done) < 2 or (origin.logged and done[0][1].text == origin.logged.answer):
        return
    st.header("Difference", anchor=False)
    (first, reference), *others = done
    for letter, answer in others:
        diff.draw_diff(reference.text, answer.text, (first, letter))


def _draw_timing(answers: Sequence[Answer]) -> None:
    """Where the time of each answer went, on one axis."""
    parts = {LETTERS[place]: reply_phases(answer.timings) for place, answer in enumerate(answers)}
    known = {letter: found for letter, found in parts.items() if found}
    if known:
        st.header("Where the time went", anchor=False)
        alt = ". ".join(f"{letter}: {in_words(found)}" for letter, found in known.items())
        st.echarts_chart(replies_waterfall(known), height=80 + 36 * len(known), key="timing", alt=alt)
        st.caption(alt)


def _logged_answers(run: Mapping[str, Any]) -> dict[str, Answer]:
    question = ask("probe_items", run=run["run"])
    rows = service.fresh(question) if run["state"] == "running" else data.load(question)
    return {answer.target: answer for answer in map(from_row, data.records(rows))}


def _lost(target: str, run: Mapping[str, Any]) -> Answer:
    problem = run.get("problem")
    why = str(problem) if isinstance(problem, str) else "No answer of it is in the log (yet)."
    return Answer(target, FAILED, error=why)
