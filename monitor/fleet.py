"""Reads and checks the fleet file `watchpoint.toml`; called by `api` at start and by `python -m monitor check`.

All problems are reported at once, one line each with line number, key, value and what is allowed: nothing starts until
every one of them is mended. The tables of `Key` below are the whole grammar of the file.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitor.records import (
    DTYPES,
    ENGINES,
    OVERLAPS,
    RUNTIMES,
    Benchmark,
    Budget,
    Canary,
    Checkpoint,
    Deployment,
    Drift,
    Endpoint,
    Fleet,
    Model,
    Redaction,
    RedactionPattern,
    Schedule,
    Slo,
)
from monitor.timetable import UNITS_S, cron_problem
from monitor.toml_tables import Document, Key, check_table, dotted, read_document

REDACTIONS = ("api_key", "email", "phone", "card")
"""The built-in patterns that the door knows; all are on unless switched off."""


def _matching(pattern: str) -> Callable[[Any], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


def _within(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: low <= value <= high  # false for nan


def _is_share(value: float) -> bool:
    return 0 < value < 1


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, brackets of IPv6 that do not close
        return False
    return right and "@" not in parts.netloc and not re.search(r"\s", url)


def _each(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda values: bool(values) and all(map(accepts, values))


def _choice(name: str, names: tuple[str, ...]) -> Key:
    return Key(name, str, f"one of {', '.join(names)}", names.__contains__)


ID = re.compile(r"[A-Za-z0-9._/:-]{1,128}")
SHARE = "a share between 0 and 1, both excluded, such as 0.99"
NAME = _matching(r"\S(.{0,254}\S)?")
VARIABLE = _matching(r"(?!.*[A-Z0-9]{20})[A-Z_][A-Z0-9_]{0,63}")  # twenty without a break look like a key, not a name

WORKER = "worker"
"""Checkpoints that are asked in the worker without a deployment are called worker/ID, and logged as worker."""

MEANT_FOR = {
    "url": ("openai", "gradio"),
    "key_env": ("openai", "gradio"),
    "served_model": ("openai",),
    "api_name": ("gradio",),
}
"""Keys of a deployment that only some runtimes read."""

MODEL = (Key("description", str),)
CHECKPOINT = (
    Key("model", str, "the id of a model in this file", required=True, refers="models"),
    Key("step", int, "0 or more", _within(0, 2**63 - 1)),
    Key("parent", str, "the id of another checkpoint in this file", refers="checkpoints"),
    Key("weights", str, "a local folder or a hub id, such as weights/step-900", NAME),
    Key("weights_hash", str, "a hash with its algorithm, such as sha256:9f86d0", _matching(r"[a-z0-9-]+:\S{1,256}")),
    _choice("dtype", DTYPES),
    _choice("engine", ENGINES),
    Key("trust_remote_code", bool),
    Key("description", str),
)
SLO = (
    Key("availability", float, SHARE, _is_share),
    Key("latency_ms", float, "more than 0 milliseconds", _within(1e-3, 1e9)),
    Key("latency_target", float, SHARE, _is_share),
    Key("min_bad_events", int, "1 or more", _within(1, 1e9)),
    Key("no_data_after_s", int, "1 or more seconds", _within(1, 1e9)),
)
DEPLOYMENT = (
    Key("checkpoint", str, "the id of a checkpoint in this file", required=True, refers="checkpoints"),
    Key("environment", str, "1 to 256 characters, such as production", NAME),
    _choice("runtime", RUNTIMES),
    Key("url", str, "an address http://... or https://..., without user and password (see key_env)", _is_address),
    Key(
        "key_env",
        str,
        "the NAME of an environment variable in capitals, such as CHAT_KEY; the key itself never stands in this file",
        VARIABLE,
        hidden=True,
    ),
    Key("served_model", str, "the name that the server at url knows it by", NAME),
    Key("api_name", str, "an endpoint of a Gradio app, such as /predict", _matching(r"/[A-Za-z0-9_/-]{1,64}")),
    Key("slo", dict, keys=SLO),
)
PATTERN = (
    Key("name", str, "letters, digits and _; a match becomes [name]", _matching("[A-Za-z_][A-Za-z0-9_]{0,63}"), True),
    Key("pattern", str, "a regular expression (RE2) that is not empty", bool, True),
)
REDACTION = (*(Key(name, bool) for name in REDACTIONS), Key("patterns", list, "[[redaction.patterns]]", keys=PATTERN))
SCHEDULE = (
    Key(
        "cron", str, "five fields in UTC: minute hour day month weekday, such as 7 * * * *", _matching(r"\S+( \S+){4}")
    ),
    Key("every", str, "a number with s, m, h or d, such as 15m", _matching(r"[1-9]\d{0,5}[smhd]")),
    Key("jitter_s", int, "0 to 3600 seconds", _within(0, 3600)),
    Key("grace_s", int, "1 or more seconds", _within(1, 1e9)),
    _choice("overlap", OVERLAPS),
)
CANARY = (
    Key("suite", str, "a suite that ships, or a file or folder relative to this file", NAME, required=True),
    Key("deployments", list, "the ids of deployments in this file", refers="deployments", of=str),
    *SCHEDULE,
    Key("in_flight", int, "1 to 256", _within(1, 256)),
    Key("retries", int, "0 to 10", _within(0, 10)),
    Key("learn_in_flight", list, "each 1 to 256", _each(_within(1, 256)), of=int),
    Key("learn_repeats", int, "1 to 50", _within(1, 50)),
    Key("max_requests", int, "1 or more", _within(1, 1e9)),
    Key("max_tokens", int, "1 or more", _within(1, 1e12)),
    Key("max_usd", float, "more than 0 US dollars", _within(1e-9, 1e9)),
    Key("usd_per_mtok_in", float, "0 or more US dollars per million tokens", _within(0, 1e6)),
    Key("usd_per_mtok_out", float, "0 or more US dollars per million tokens", _within(0, 1e6)),
)
BENCHMARK = (
    Key("suite", str, "a suite that ships, or a file or folder relative to this file", NAME),
    Key("checkpoints", list, "the ids of checkpoints in this file", refers="checkpoints", of=str),
    Key("model", str, "the id of a model in this file", refers="models"),
    *SCHEDULE,
    Key("in_flight", int, "1 to 256", _within(1, 256)),
    Key("retries", int, "0 to 10", _within(0, 10)),
    Key("weight", float, "0 or more; 0 leaves it out of the overall ranking", _within(0, 1e6)),
    Key("margin", float, "a share between 0 and 1, such as 0.02", _is_share),
)
MEANT_FOR_SUITES = ("checkpoints", "model", *(key.name for key in SCHEDULE), "in_flight", "retries")
"""Keys of a benchmark that only its evaluation by us reads."""

JOB = (*SCHEDULE, Key("enabled", bool))
ENDPOINT = (
    Key("url", str, "an address http://... or https://..., up to and with /v1", _is_address, required=True),
    Key("model", str, "the name that the server knows it by", NAME, required=True),
    Key("key_env", str, "the NAME of an environment variable in capitals, such as JUDGE_KEY", VARIABLE, hidden=True),
    Key("version", str, "what the server has to call the model in its answers", NAME),
)
DRIFT = (
    _choice("numbers", ("ks", "psi", "js", "wasserstein")),
    _choice("categories", ("tv", "psi", "js", "chi2")),
    Key("threshold", float, "more than 0: from which effect on a feature counts as moved", _within(1e-6, 10)),
    Key("fdr", float, "a share between 0 and 0.5, such as 0.01", _within(1e-6, 0.5)),
)
SECTIONS = {
    "models": MODEL,
    "checkpoints": CHECKPOINT,
    "deployments": DEPLOYMENT,
    "canaries": CANARY,
    "benchmarks": BENCHMARK,
    "jobs": JOB,
}
ENDPOINTS = ("judge", "embedding")
ROOT = (
    *(Key(name, dict, f"[{name}.ID]") for name in SECTIONS),
    Key("redaction", dict, keys=REDACTION),
    *(Key(name, dict, keys=ENDPOINT) for name in ENDPOINTS),
    Key("drift", dict, keys=DRIFT),
)


def load_fleet(path: str | Path) -> Fleet:
    """The fleet file as records; a missing file is an empty fleet. Raises ConfigError with every problem in it."""
    try:
        document = read_document(Path(path))
    except FileNotFoundError:
        return Fleet()
    values = check_table(document, document.root, (), ROOT)
    for name, keys in SECTIONS.items():
        values[name] = _section(document, name, values.get(name, {}), keys)
    redaction = values.setdefault("redaction", {})
    _check_parents(document, values["checkpoints"])
    _check_targets(document, values["deployments"])
    _check_runtimes(document, values["deployments"])
    _check_pattern_names(document, redaction)
    _check_schedules(document, values)
    _check_benchmarks(document, values["benchmarks"])
    document.raise_problems()
    return _build(values, str(path))


def _section(document: Document, name: str, tables: Mapping[str, Any], keys: tuple[Key, ...]) -> dict[str, Any]:
    """The tables of one section, by id."""
    found = {}
    for id_, table in tables.items():
        if not ID.fullmatch(id_):
            document.report((name, id_), ": an id is 1 to 128 letters, digits and . _ - / :")
        if isinstance(table, dict):
            found[id_] = check_table(document, table, (name, id_), keys)
        else:
            document.report((name, id_), f": must be a table [{name}.ID]; allowed in it are {_names(keys)}")
    return found


def _check_parents(document: Document, checkpoints: Mapping[str, Mapping[str, Any]]) -> None:
    parents = {id_: keys["parent"] for id_, keys in checkpoints.items() if "parent" in keys}
    for cycle in _cycles(parents):
        document.report(
            ("checkpoints", cycle[0], "parent"),
            f": {' -> '.join(cycle)} goes in a circle; a parent is an earlier checkpoint, and the first one has none",
        )


def _cycles(parents: Mapping[str, str]) -> Iterator[list[str]]:
    seen: set[str] = set()
    for start in parents:
        trail: list[str] = []
        node = start
        while node in parents and node not in seen:
            seen.add(node)
            trail.append(node)
            node = parents[node]
        if node in trail:
            yield [*trail[trail.index(node) :], node]


def _check_targets(document: Document, deployments: Mapping[str, Mapping[str, Any]]) -> None:
    for id_, keys in deployments.items():
        slo = keys.get("slo", {})
        if "latency_target" in slo and "latency_ms" not in document.root["deployments"][id_]["slo"]:
            place = ("deployments", id_, "slo", "latency_target")
            document.report(place, f" = {slo['latency_target']:g}: needs latency_ms beside it, the slowest good answer")


def _check_runtimes(document: Document, deployments: Mapping[str, Mapping[str, Any]]) -> None:
    """What each runtime needs, and what has no meaning for it."""
    for id_, keys in deployments.items():
        place = ("deployments", id_)
        written = document.root["deployments"][id_]  # a key whose value was refused is there all the same
        if id_ == WORKER or id_.startswith(f"{WORKER}/"):
            document.report(place, f": ids from {WORKER} on are of checkpoints in the worker; choose another one")
        if "runtime" in written and "runtime" not in keys:
            continue  # which one was meant is not known
        runtime = keys.get("runtime", "openai")
        for key, runtimes in MEANT_FOR.items():
            if key in written and runtime not in runtimes:
                meant = " and ".join(runtimes)
                document.report((*place, key), f': is read for runtime {meant} only, not for "{runtime}"; leave it out')
        for problem in _missing(document, written, runtime):
            document.report(place, f": {problem}")


def _missing(document: Document, deployment: Mapping[str, Any], runtime: str) -> Iterator[str]:
    if runtime == "gradio" and "url" not in deployment:
        yield 'url is missing; runtime "gradio" needs the address of the app'
    if runtime == "openai" and "served_model" in deployment and "url" not in deployment:
        yield "url is missing; served_model is a name that the server at url knows"
    checkpoint = document.root.get("checkpoints", {}).get(deployment.get("checkpoint"))
    if runtime == "local" and isinstance(checkpoint, dict) and "weights" not in checkpoint:
        yield f'runtime "local" needs weights in {dotted(("checkpoints", deployment["checkpoint"]))}, a local folder'


def _check_pattern_names(document: Document, redaction: Mapping[str, Any]) -> None:
    taken = [name for name in REDACTIONS if redaction.get(name, True)]
    for index, pattern in enumerate(redaction.get("patterns", ())):
        name = pattern.get("name")
        if name in taken:
            place = ("redaction", "patterns", index, "name")
            document.report(place, f' = "{name}": must be a name of its own; in force are {", ".join(taken)}')
        elif name is not None:
            taken.append(name)


def _check_schedules(document: Document, values: Mapping[str, Any]) -> None:
    """A schedule is a cron line or an interval, never both; a canary needs one."""
    for section in ("canaries", "benchmarks", "jobs"):
        for id_, keys in values[section].items():
            written = document.root[section][id_]
            if "cron" in written and "every" in written:
                document.report((section, id_, "every"), ": stands beside cron; leave one of them out")
            elif section == "canaries" and not {"cron", "every"} & written.keys():
                document.report((section, id_), ': needs a schedule: every = "15m", or cron = "7 * * * *"')
            if "cron" in keys and (problem := cron_problem(keys["cron"])):
                document.report((section, id_, "cron"), f' = "{keys["cron"]}": {problem}')


def _check_benchmarks(document: Document, benchmarks: Mapping[str, Mapping[str, Any]]) -> None:
    """What is evaluated by us has a suite, and names its checkpoints in one way."""
    for id_ in benchmarks:
        written = document.root["benchmarks"][id_]
        if "suite" not in written:
            for key in (name for name in MEANT_FOR_SUITES if name in written):
                document.report(("benchmarks", id_, key), ": is read beside suite only; add suite, or leave it out")
        elif "checkpoints" in written and "model" in written:
            document.report(("benchmarks", id_, "model"), ": stands beside checkpoints; leave one of them out")


def _build(values: Mapping[str, Any], path: str) -> Fleet:
    checkpoints = {id_: Checkpoint(id_, **keys) for id_, keys in values["checkpoints"].items()}
    deployments = {
        id_: Deployment(
            id_, model=checkpoints[keys["checkpoint"]].model, **(keys | {"slo": Slo(**keys.get("slo", {}))})
        )
        for id_, keys in values["deployments"].items()
    }
    switches = {name: on for name, on in values["redaction"].items() if name in REDACTIONS}
    patterns = tuple(RedactionPattern(**pattern) for pattern in values["redaction"].get("patterns", ()))
    models = {id_: Model(id_, **keys) for id_, keys in values["models"].items()}
    return Fleet(
        models,
        checkpoints,
        deployments,
        Redaction(switches, patterns),
        {id_: _canary(id_, keys) for id_, keys in values["canaries"].items()},
        {id_: _benchmark(id_, keys) for id_, keys in values["benchmarks"].items()},
        {id_: _schedule(keys) if keys.get("enabled", True) else None for id_, keys in values["jobs"].items()},
        **{name: Endpoint(**values[name]) if name in values else None for name in ENDPOINTS},
        drift=Drift(**values.get("drift", {})),
        path=path,
    )


def _canary(id_: str, keys: Mapping[str, Any]) -> Canary:
    budget = Budget(
        keys.get("max_requests"),
        keys.get("max_tokens"),
        keys.get("max_usd"),
        keys.get("usd_per_mtok_in", 0.0),
        keys.get("usd_per_mtok_out", 0.0),
    )
    own = ("suite", "deployments", "in_flight", "retries", "learn_in_flight", "learn_repeats")
    kept = {name: keys[name] for name in own if name in keys}
    return Canary(id_, schedule=_schedule(keys), budget=budget, **kept)


def _benchmark(id_: str, keys: Mapping[str, Any]) -> Benchmark:
    own = ("suite", "checkpoints", "model", "in_flight", "retries", "weight", "margin")
    kept = {name: keys[name] for name in own if name in keys}
    if {"every", "cron"} & keys.keys():
        kept["schedule"] = _schedule(keys)
    return Benchmark(id_, **kept)


def _schedule(keys: Mapping[str, Any]) -> Schedule:
    kept = {name: keys[name] for name in ("cron", "jitter_s", "grace_s", "overlap") if name in keys}
    every = keys.get("every")
    return Schedule(every_s=int(every[:-1]) * UNITS_S[every[-1]] if every else None, **kept)


def _names(keys: tuple[Key, ...]) -> str:
    return ", ".join(key.name for key in keys)


def describe_fleet(fleet: Fleet) -> str:
    """The fleet in words, as `python -m monitor check` prints it."""
    if fleet.path is None:
        return "no fleet file: every deployment in the log appears as unregistered"
    counted: dict[str, Mapping[str, object]] = {
        "model": fleet.models,
        "checkpoint": fleet.checkpoints,
        "deployment": fleet.deployments,
    }
    counts = [f"{len(records)} {word}{'' if len(records) == 1 else 's'}" for word, records in counted.items()]
    lines = [f"{fleet.path}: {', '.join(counts)}"]
    lines += [_describe(d, fleet.checkpoints[d.checkpoint]) for d in fleet.deployments.values()]
    if idle := sorted(fleet.checkpoints.keys() - {d.checkpoint for d in fleet.deployments.values()}):
        lines.append(f"not deployed: {', '.join(idle)}")
    switched_on = [name for name in REDACTIONS if fleet.redaction.builtin.get(name, True)]
    patterns = switched_on + [own.name for own in fleet.redaction.patterns]
    return "\n".join([*lines, f"redacted: {', '.join(patterns) or 'nothing'}"])


def _describe(deployment: Deployment, checkpoint: Checkpoint) -> str:
    step = f"step {checkpoint.step}" if checkpoint.step is not None else None
    about = ", ".join(filter(None, (checkpoint.model, step, checkpoint.dtype, checkpoint.engine)))
    slo = deployment.slo
    goals = [f"{slo.availability * 100:g} % without error"]
    if slo.latency_ms is not None:
        goals.append(f"{slo.latency_target * 100:g} % within {slo.latency_ms:g} ms")
    key = f", key from {deployment.key_env}" if deployment.key_env else ""
    if deployment.runtime == "local":
        where = "answered by the worker"
    else:
        where = f"{deployment.runtime} {deployment.url}{key}" if deployment.url else "no url, read from its log only"
    return (
        f"  {deployment.id} ({deployment.environment}): {checkpoint.id} ({about}); {where}; {', '.join(goals)}; "
        f"no data after {slo.no_data_after_s} s"
    )
