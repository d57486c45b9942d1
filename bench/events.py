"""Predictions as a client would send them: about 0.7 KB each, two texts of about 200 characters, seeded."""

import random
from datetime import UTC, datetime

import orjson

from bench.words import sentence

TIME_MARK = b"2000-01-01T00:00:"
"""Stands in a prepared body for the present minute, so that preparing and sending can be apart."""

DEPLOYMENTS = tuple(f"model-{m}-{place}" for m in "abcd" for place in ("eu", "us", "staging"))
ERRORS = ("timeout", "out_of_memory", "bad_request", "upstream_502")


def event(rng: random.Random, event_id: str | None = None) -> dict[str, object]:
    """One prediction of a language model."""
    deployment = rng.choice(DEPLOYMENTS)
    latency = rng.lognormvariate(6, 0.5)
    failed = rng.random() < 0.01
    return {
        **({"event_id": event_id} if event_id else {}),
        "ts": f"{TIME_MARK.decode()}{rng.random() * 59.9:09.6f}Z",
        "deployment": deployment,
        "model": deployment[:7],
        "checkpoint": f"{deployment[:7]}-step-{300 * rng.randint(1, 3)}",
        "environment": "staging" if deployment.endswith("staging") else "production",
        "latency_ms": round(latency, 3),
        "ttft_ms": round(latency * rng.uniform(0.1, 0.3), 3),
        "tokens_in": rng.randint(20, 400),
        "tokens_out": 0 if failed else rng.randint(1, 300),
        "input_text": sentence(rng, 200),
        "output_text": "" if failed else sentence(rng, 200),
        "finish_reason": "error" if failed else "stop",
        "confidence": round(rng.random(), 4),
        "session_id": f"{rng.getrandbits(64):016x}",
        **({"error_type": rng.choice(ERRORS), "error_message": sentence(rng, 60)} if failed else {}),
    }


def bodies(batch: int, count: int, seed: int = 1) -> list[bytes]:
    """`count` NDJSON bodies of `batch` events without ids, so that a body can be sent many times."""
    rng = random.Random(seed)
    return [b"\n".join(orjson.dumps(event(rng)) for _ in range(batch)) for _ in range(count)]


def dated(body: bytes, now: datetime | None = None) -> bytes:
    """The body with times of the minute before, which has passed for every sender."""
    minute = (now or datetime.now(UTC)).timestamp() // 60 * 60 - 60
    return body.replace(TIME_MARK, datetime.fromtimestamp(minute, UTC).strftime("%Y-%m-%dT%H:%M:").encode())
