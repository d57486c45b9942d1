import json
import math
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.client import Client
from monitor.client.event import complete, encode
from tests.sdk.receiver import Awkward


class Unreadable(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")

    __iter__ = items


def cleaned(**fields: Any) -> tuple[dict[str, Any], int]:
    line, changed = encode({"deployment": "chat", **fields})
    return json.loads(line), changed


def test_nan_and_infinity_become_null() -> None:
    event, changed = cleaned(latency_ms=math.nan, features={"a": math.inf, "b": 1.5}, cost_usd=-math.inf)
    assert event == {"deployment": "chat", "latency_ms": None, "features": {"a": None, "b": 1.5}, "cost_usd": None}
    assert changed == 3


def test_unknown_objects_become_their_repr_cut_to_a_kilobyte() -> None:
    class Long:
        def __repr__(self) -> str:
            return "long" * 1000

    event, changed = cleaned(attrs={"one": Long(), "two": Awkward(), "three": Unreadable(a=1), 4: (object,)})
    assert event["attrs"]["one"] == "long" * 256
    assert event["attrs"]["two"] == "<Awkward whose repr raises RuntimeError>"
    assert event["attrs"]["4"] == ["<class 'object'>"]
    assert changed == 4


def test_circles_and_deep_nesting_end() -> None:
    circle: dict[str, Any] = {"name": "me"}
    circle["self"] = [circle]
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    event, changed = cleaned(attrs=circle, label=deep)
    assert event["attrs"] == {"name": "me", "self": ["<circular reference>"]}
    assert changed == 2


def test_well_known_kinds_are_written_as_what_they_stand_for() -> None:
    event, changed = cleaned(
        latency_ms=np.float32(2.5),
        tokens_in=np.int64(3),
        confidence=np.array(0.5),
        cost_usd=Decimal("0.25"),
        ts=datetime(2025, 1, 2, tzinfo=UTC),
        attrs={"path": Path("a/b"), "set": {1}},
    )
    assert changed == 0
    assert (event["latency_ms"], event["tokens_in"], event["confidence"], event["cost_usd"]) == (2.5, 3, 0.5, 0.25)
    assert event["ts"] == "2025-01-02T00:00:00+00:00"
    assert event["attrs"] == {"path": "a/b", "set": [1]}
    event, changed = cleaned(features={"score": np.float32("nan")})
    assert (event["features"], changed) == ({"score": None}, 1)


def test_half_a_surrogate_pair_and_a_gigantic_number_can_be_sent() -> None:
    event, changed = cleaned(input_text="a\ud800b\nc", tokens_in=10**5000, attrs={"\udfff": 1})
    assert event["input_text"] == "a?b\nc"
    assert event["tokens_in"].startswith("<whole number of")
    assert event["attrs"] == {"?": 1}
    assert changed == 3


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
ODD = st.dates() | st.decimals() | st.complex_numbers() | st.builds(object) | st.builds(Awkward)
KINDS = st.sampled_from([np.float64("nan"), np.zeros(3), int, len])
KEYS = st.text() | st.integers() | st.floats() | st.tuples()
VALUES = st.recursive(
    PLAIN | ODD | KINDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["deployment", "ts", "event_id", "latency_ms", "features", "attrs", "media"]) | st.text(
    max_size=5
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_logged_nothing_raises_and_the_line_is_json(fields: dict[str, Any]) -> None:
    line, _ = encode(complete(fields, time.time()))
    assert b"\n" not in line
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@given(st.dictionaries(NAMES.filter(lambda name: name != "self"), VALUES, max_size=6))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_logged_is_accounted_for(client: Client, fields: dict[str, Any]) -> None:
    client.log(**fields)
    with client.track(**fields) as event:
        event.update(fields)
    assert client.flush()
    stats = client.stats()
    assert stats.logged == stats.sent + stats.rejected + stats.dropped + stats.spooled + stats.pending
    assert "failed" not in stats.dropped_by
