"""One answer as a card: text, figures, where the time went, notes, or what went wrong and what to do."""

from collections.abc import Mapping

import streamlit as st

from monitor.charts import words
from monitor.ui import text
from monitor.ui.probe import shading
from monitor.ui.probe.answer import FAILED, STOPPED, Answer

REQUESTS_FILE = "pages/ops/requests.py"

FINISHES = {
    "stop": "stopped by itself",
    "length": "cut at its most tokens",
    "cancelled": "cancelled",
    "timeout": "cut at its deadline",
}

ADVICE = {
    "TargetUnreachable": "Nothing listens at its address, or the connection broke. Start the server, or correct `url` "
    "in the fleet file; for the worker: `python -m monitor worker`.",
    "TargetTimeout": "It was too slow for the deadline. Raise the deadline in Settings; a checkpoint that is asked for "
    "the first time is loaded first.",
    "TargetBusy": "It has too much to do, or is still loading. Run it again in a moment.",
    "TargetRefused": "It will refuse the same question again: change what it names, in the question or in Settings.",
    "ConfigError": "Set it in the environment of the api, and start the api again.",
}


def draw_answer(answer: Answer, shade: bool) -> None:
    """The answer below the headline of its target."""
    if shade and any(token.logprob is not None for token in answer.tokens):
        shading.draw_shaded(answer.tokens)
    elif answer.text:
        st.code(answer.text, language=None, wrap_lines=True)
    elif answer.state != FAILED:
        st.markdown(":material/remove: The answer is empty.")
    if answer.state == FAILED:
        _failed(answer)
    st.caption(figures(answer))
    for note in answer.notes:
        st.caption(f":material/info: {text.plain(note)}")
    if answer.event_id:
        st.page_link(
            REQUESTS_FILE,
            label="Logged as a request",
            icon=":material/history:",
            query_params={"event": answer.event_id, "source": "probe"},
            help=f"This answer in the log, with source probe: {answer.event_id}",
        )


def figures(answer: Answer) -> str:
    """The numbers of an answer in one line; what the target does not tell is left out."""
    finish = FINISHES.get(answer.finish_reason or "", text.plain(answer.finish_reason or ""))
    told: Mapping[str, object] = {
        finish: bool(finish),
        f"first token after {words.milliseconds(answer.timings.get('ttft_ms'))}": answer.timings.get("ttft_ms"),
        f"{words.per_second(answer.tokens_per_s).replace('/s', '')} tokens/s": answer.tokens_per_s,
        f"{words.count(answer.tokens_in)} tokens in": answer.tokens_in,
        f"{words.count(answer.tokens_out)} out": answer.tokens_out,
        f"confidence {words.share(answer.confidence)}": answer.confidence,
        f"batch of {words.count(answer.batch_rows)}": answer.batch_rows,
        f"peak memory {_mebibytes(answer.peak_memory_bytes)}": answer.peak_memory_bytes,
        f"served as {text.plain(answer.model)}": None if answer.target.endswith(answer.model or "") else answer.model,
    }
    return " · ".join(name for name, known in told.items() if known not in (None, False))


def _failed(answer: Answer) -> None:
    if answer.kind == STOPPED:
        st.markdown(f":material/stop_circle: {text.plain(answer.error)}")
        return
    st.error(text.plain(answer.error), title="No answer", icon=":material/error:")
    if advice := ADVICE.get(answer.kind or ""):
        st.markdown(f":material/lightbulb: {advice}")


def _mebibytes(value: int | None) -> str:
    return words.UNKNOWN if value is None else f"{value / 1024 / 1024:,.0f} MiB"
