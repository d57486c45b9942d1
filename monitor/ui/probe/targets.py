"""Which targets can be asked: the deployments of the fleet file with an address, and checkpoints in the worker."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces, text
from monitor.ui.data import ask
from monitor.ui.probe.reproduce import Logged

MOST = 4
ADDRESS, WIDGET = "targets", "probe-targets"
NOBODY = ""
PRODUCTION = "production"
Target = Mapping[str, Any]

EXAMPLE = """[models.my-model]

[checkpoints.my-model-step-900]
model = "my-model"
step = 900
weights = "weights/step-900"        # a local folder: asked in the worker

[deployments.my-chat]
checkpoint = "my-model-step-900"
runtime = "openai"                  # or gradio, or local (in the worker)
url = "http://127.0.0.1:8000/v1"
key_env = "MY_CHAT_KEY"             # the name of the variable that holds the key
"""


def known() -> dict[str, Target]:
    """The targets by id, deployments first."""
    return {str(row["target"]): row for row in data.records(data.load(ask("probe_targets")))}


def draw_none() -> None:
    """What stands where there is nothing to ask: what to write into the fleet file."""
    faces.nothing_yet(
        'The fleet file names no target. A target is a deployment with a `url` or with `runtime = "local"`, or a '
        "checkpoint whose `weights` lie in a local folder. Write one, check it with `python -m monitor check`, and "
        "start the api again. Addresses come from that file only, never from a form.",
        "targets",
    )
    st.code(EXAMPLE, language="toml", wrap_lines=True)


def chosen(targets: Mapping[str, Target]) -> list[str]:
    """The targets of the address that there are; something to begin with where it names none."""
    asked = st.query_params.get_all(ADDRESS)
    return [one for one in dict.fromkeys(asked) if one in targets][:MOST] if asked else _usual(targets)


def pick_some(targets: Mapping[str, Target]) -> list[str]:
    """Up to four targets; the first one is A."""
    # Not bound to the address: there it would stand by its label, which changes with the fleet file.
    st.session_state[WIDGET] = chosen(targets)
    return st.multiselect(
        "Targets",
        list(targets),
        format_func=lambda id_: label(targets[id_]),
        key=WIDGET,
        on_change=_keep,
        max_selections=MOST,
        placeholder="One, or up to four to compare",
        help="The first one is A, the next one B. They are asked at the same time.",
    )


def pick_one(targets: Mapping[str, Target]) -> str:
    """A single target: the first one of the address."""
    st.session_state[WIDGET] = next(iter(chosen(targets)), next(iter(targets)))
    return str(
        st.selectbox("Target", list(targets), format_func=lambda id_: label(targets[id_]), key=WIDGET, on_change=_keep)
    )


def choose(wanted: Sequence[str]) -> None:
    """Put these targets into the address; an empty choice stays one."""
    st.query_params[ADDRESS] = list(wanted) or [NOBODY]


def _keep() -> None:
    picked = st.session_state[WIDGET]
    choose([picked] if isinstance(picked, str) else picked)


def label(target: Target) -> str:
    """A target in a list: what it is, its checkpoint where the name does not say it, step and environment."""
    step = f"step {words.count(target['step'])}" if words.known(target.get("step")) else ""
    checkpoint = str(target["checkpoint"])
    named = "" if checkpoint in str(target["target"]) else checkpoint
    about = ", ".join(filter(None, (named, step, _environment(target))))
    return f"{target['target']} ({about})" if about else str(target["target"])


def about(target: Target) -> str:
    """A target under its answer, as Markdown: checkpoint, step, environment, runtime."""
    step = f"step {words.count(target['step'])}" if words.known(target.get("step")) else "step not known"
    parts = (str(target["checkpoint"]), step, _environment(target), str(target.get("runtime") or ""))
    return text.plain(" · ".join(filter(None, parts)))


def for_request(targets: Mapping[str, Target], logged: Logged) -> tuple[list[str], list[str]]:
    """Who to ask: the logged checkpoint as A, its parent or else the one deployed now as B; and who is missing."""
    a = _running(targets, logged.checkpoint, logged.deployment)
    gaps = []
    if logged.checkpoint and not a:
        gaps.append(f"The checkpoint that answered, {logged.checkpoint}, cannot be asked: no target serves it.")
    now = logged.deployment if logged.deployment in targets else None
    parent = targets[a].get("parent") if a else None
    b = _running(targets, str(parent), None) if words.known(parent) else None
    if parent and words.known(parent) and not b:
        gaps.append(f"The checkpoint before it, {parent}, cannot be asked: no target serves it.")
    found = [one for one in dict.fromkeys((a, b or now)) if one]
    return found or _usual(targets), gaps


def _running(targets: Mapping[str, Target], checkpoint: str | None, deployment: str | None) -> str | None:
    """The target that serves a checkpoint: the deployment that was meant, any other one, or the bare checkpoint."""
    serving = [id_ for id_, target in targets.items() if target["checkpoint"] == checkpoint]
    return next((id_ for id_ in serving if id_ == deployment), next(iter(serving), None))


def _usual(targets: Mapping[str, Target]) -> list[str]:
    """What a fresh page asks: something in production, or else the first that there is."""
    live = [id_ for id_, target in targets.items() if target.get("environment") == PRODUCTION]
    return [*live, *targets][:1]


def _environment(target: Target) -> str:
    return str(target["environment"]) if words.known(target.get("environment")) else ""
