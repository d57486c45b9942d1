"""Columns of requests as events for the door: times, texts, users, features, feedback, cost."""

from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.demo.answers import Answer
from monitor.demo.asked import SETTINGS
from monitor.demo.failures import FAILURES, OK, told
from monitor.demo.traffic import Requests

Event = dict[str, Any]
Flags = NDArray[np.bool_]

REVIEWED = 0.25
"""Share of answers that somebody looked at, and gave the true label."""
RATED = 0.03
"""Share of answers with feedback; an upset user rates more often than a happy one."""
MISRATED = 0.1
GOOD, BAD = ("thanks, that is right", None, None, None), ("wrong", "this is not what the image shows", None)
CROWD = 2.2
"""How unevenly users ask: 0 is evenly; with more, few users ask most."""


def text(moment: datetime) -> str:
    """A time as events carry it; of two such texts the later time sorts later."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def to_events(requests: Requests, rng: np.random.Generator) -> list[Event]:
    """One event per request, as `POST /api/v1/predictions` takes it, without its id."""
    columns = _fixed(requests) | _outcome(requests) | _people(requests, rng) | _about(requests, rng)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _fixed(requests: Requests) -> dict[str, list[Any]]:
    start = np.datetime64(requests.hour.replace(tzinfo=None), "ms")
    times = start + (requests.seconds * 1000).astype("timedelta64[ms]")
    profile = requests.profile
    same = {
        "deployment": profile.id,
        "model": profile.model,
        "checkpoint": requests.checkpoint,
        "environment": profile.environment,
        "source": "demo",
    }
    return {"ts": np.datetime_as_string(times, unit="ms", timezone="UTC").tolist()} | {
        name: [value] * times.size for name, value in same.items()
    }


def _outcome(requests: Requests) -> dict[str, list[Any]]:
    """What came of the request: an answer with its tokens and times, or an error."""
    ok = requests.failure == OK
    answers = _answers(requests)
    errors = [told(FAILURES[code], requests.checkpoint) if code != OK else (None, None) for code in requests.failure]
    profile, pool, picks = requests.profile, requests.pool, requests.picks
    tokens_in, tokens_out = pool.tokens_in[picks], pool.tokens_out[picks]
    cost = (tokens_in * profile.usd_in + tokens_out * profile.usd_out) / 1e6
    return {
        "status": np.where(ok, "ok", "error").tolist(),
        "error_type": [name for name, _ in errors],
        "error_message": [message for _, message in errors],
        "finish_reason": _only(ok, [answer.finish_reason for answer in answers]),
        "latency_ms": np.round(requests.latency_ms, 1).tolist(),
        "ttft_ms": _only(ok & requests.streamed, np.round(requests.ttft_ms, 1).tolist()),
        "queue_ms": np.round(requests.queue_ms, 1).tolist(),
        "tokens_in": _only(ok, tokens_in.tolist()),
        "tokens_out": _only(ok, tokens_out.tolist()),
        "cost_usd": _only(ok, np.round(cost, 9).tolist()),
        "input_text": [answer.input_text for answer in answers],
        "output_text": _only(ok, [answer.output_text for answer in answers]),
        "media": [answer.media or None for answer in answers],
        "confidence": _only(ok, [answer.confidence for answer in answers]),
    }


def _people(requests: Requests, rng: np.random.Generator) -> dict[str, list[Any]]:
    """Who asked, what they thought of the answer, and what it should have been."""
    n, ok = requests.seconds.size, requests.failure == OK
    users = (requests.profile.users * rng.random(n) ** CROWD).astype(int).tolist()
    sessions = f"{requests.profile.id}-{int(requests.hour.timestamp()) // 3600:x}"
    traces = rng.bytes(16 * n).hex()
    wrong = requests.pool.wrong[requests.picks]
    rated = ok & (rng.random(n) < np.where(wrong, 3 * RATED, RATED))
    upset = wrong ^ (rng.random(n) < MISRATED)
    remarks = rng.integers(0, 1000, n).tolist()
    said = [(BAD if bad else GOOD)[k % len(BAD if bad else GOOD)] for bad, k in zip(upset, remarks, strict=True)]
    return {
        "user": [f"{requests.profile.id}-user-{user:03d}" for user in users],
        "session_id": [f"{sessions}-{user:03d}" for user in users],
        "trace_id": [traces[at : at + 32] for at in range(0, 32 * n, 32)],
        "label": _only(ok & (rng.random(n) < REVIEWED), [answer.label for answer in _answers(requests)]),
        "feedback": _only(rated, np.where(upset, -1, 1).tolist()),
        "feedback_text": _only(rated, said),
    }


def _about(requests: Requests, rng: np.random.Generator) -> dict[str, list[Any]]:
    """Named features of the request, and where it ran."""
    n, profile = requests.seconds.size, requests.profile
    kinds = [requests.pool.kinds[pick] for pick in requests.picks.tolist()]
    rows = zip(_answers(requests), kinds, requests.clients.tolist(), strict=True)
    hosts = rng.integers(0, profile.replicas, n).tolist()
    return {
        "features": [
            {"kind": kind, "client": client, "prompt_letters": len(answer.input_text)}
            | ({"images": len(answer.media), "brightness": answer.brightness} if answer.media else {})
            for answer, kind, client in rows
        ],
        "attrs": [
            {"replica": f"{profile.id}-{number}", "settings": _settings(profile.model, answer.max_tokens)}
            for number, answer in zip(hosts, _answers(requests), strict=True)
        ],
    }


@cache
def _settings(model: str, max_tokens: int | None) -> dict[str, Any]:
    asked = SETTINGS[model]
    limit = asked.max_tokens if max_tokens is None else max_tokens
    return {"max_tokens": limit, "temperature": asked.temperature, "top_p": asked.top_p}


def _answers(requests: Requests) -> list[Answer]:
    return [requests.pool.answers[pick] for pick in requests.picks.tolist()]


def _only(keep: Flags, values: list[Any]) -> list[Any]:
    return [value if kept else None for value, kept in zip(values, keep.tolist(), strict=True)]
