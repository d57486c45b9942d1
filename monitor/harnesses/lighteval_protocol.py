"""How lighteval has run a task: its key, its settings and those of the model, as a protocol.

`monitor/harnesses/lighteval.py` calls it.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Self

from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping, text

NAME = "lighteval"
READABLE_CHARS = 120
PROMPT = ("prompt_function", "few_shots_split", "few_shots_select", "must_remove_duplicate_docs")
PROMPT_OF_MODEL = ("system_prompt", "use_chat_template", "override_chat_template")


@dataclass(frozen=True, slots=True)
class Task:
    """A key of the results, such as "gsm8k|0", or "lighteval|gsm8k|5|0" in old files."""

    key: str
    name: str
    suite: str | None
    shots: str | None

    @classmethod
    def of(cls, key: str) -> Self:
        parts = key.split("|")
        if len(parts) >= 3:
            return cls(key, parts[1], parts[0], parts[2])
        return cls(key, parts[0], None, parts[1] if len(parts) == 2 else None)


@dataclass(frozen=True, slots=True)
class Run:
    """One results file, read, with the details that belong to it by the task's name in letters and digits."""

    tree: Tree
    path: str
    document: dict[str, Any]
    details: dict[str, str]

    @property
    def general(self) -> dict[str, Any]:
        return mapping(self.document.get("config_general"))

    @property
    def model_config(self) -> dict[str, Any]:
        return mapping(self.general.get("model_config"))


def config_of(run: Run, task: Task) -> dict[str, Any]:
    """What the file says of a task: by its key, by its key without the shots, or by its name."""
    configs = mapping(run.document.get("config_tasks"))
    for key in (task.key, f"{task.suite or NAME}|{task.name}", task.name):
        if key in configs:
            return mapping(configs[key])
    return next((one for one in map(mapping, configs.values()) if one.get("name") == task.name), {})


def protocol_of(run: Run, task: Task, config: dict[str, Any]) -> Protocol:
    version = mapping(run.document.get("versions")).get(task.key)
    splits = config.get("evaluation_splits")
    sha = text(run.general.get("lighteval_sha"))
    return Protocol(
        NAME,
        version=sha[:12] if sha and sha != "?" else None,
        task=" ".join(part for part in (task.suite, text(version)) if part) or None,
        data=_data(run, config),
        split="+".join(map(str, splits)) if isinstance(splits, list) else text(splits),
        shots=task.shots,
        prompt=_prompt(run, task, config),
        decoding=_decoding(run, config),
    )


def _data(run: Run, config: dict[str, Any]) -> str | None:
    names = [text(config.get("hf_repo")), text(config.get("hf_subset"))]
    revision, limit = text(config.get("hf_revision")), text(run.general.get("max_samples"))
    told = "/".join(name for name in names if name) + (f"@{revision}" if revision else "")
    return " ".join(part for part in (told, f"limit={limit}" if limit else "") if part) or None


def _prompt(run: Run, task: Task, config: dict[str, Any]) -> str | None:
    """A fingerprint over what the prompt is made of; functions in memory have an address, which says nothing."""
    parts: dict[str, Any] = {name: config.get(name) for name in PROMPT}
    parts["prompt_function"] = re.sub(r" at 0x[0-9a-f]+", "", str(parts["prompt_function"]))
    parts |= {name: run.model_config.get(name) for name in PROMPT_OF_MODEL}
    parts["truncated"] = task.key.split("|")[3:]
    return fingerprint(parts) if config else None


def _decoding(run: Run, config: dict[str, Any]) -> str | None:
    settings = {name: config.get(name) for name in ("generation_size", "stop_sequence", "num_samples")}
    settings |= mapping(run.model_config.get("generation_parameters"))
    known = {name: value for name, value in settings.items() if value is not None}
    written = json.dumps(known, sort_keys=True, ensure_ascii=False, default=str)
    if not known:
        return None
    return text(written) if len(written) <= READABLE_CHARS else fingerprint(known)
