"""The loader: each segment exactly once, all of an event as it was sent, and no line that stops it."""

import json
import shutil
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.config import Settings
from monitor.errors import StoreError
from monitor.ingest.spool import make_frame
from monitor.store import writer
from monitor.store.owner import StoreOwner
from tests.conftest import wait_until
from tests.doorway import MIB, NOW, one, open_doorway, post, select

Own = Callable[..., StoreOwner]
COUNT = "select count(*) from predictions"

WHOLE: dict[str, Any] = {
    "event_id": "e-1",
    "ts": "2026-03-10T11:59:58.123456Z",
    "deployment": "d",
    "model": "m",
    "checkpoint": "c",
    "environment": "staging",
    "source": "canary",
    "status": "error",
    "error_type": "Timeout",
    "error_message": "no\nanswer",
    "finish_reason": "stop",
    "latency_ms": 0.1,
    "ttft_ms": 0.0,
    "queue_ms": 604800000.0,
    "tokens_in": 10**9,
    "tokens_out": 0,
    "input_text": 'a\0b \U0001f642 "quoted" \\ \u2028',
    "output_text": "",
    "media": [{"sha256": "ab", "mime": "image/png", "bytes": 2**53, "width": 1, "height": 10**6, "uri": None}],
    "confidence": 1.0,
    "label": "cat",
    "feedback": -1,
    "feedback_text": "no",
    "cost_usd": 1e-9,
    "session_id": "s",
    "trace_id": "t",
    "user_hash": "u",
}


def whole_rows(owner: StoreOwner) -> list[dict[str, Any]]:
    with owner.cursor() as con:
        rows: list[dict[str, Any]] = con.sql("select * from predictions").to_arrow_table().to_pylist()
    return rows


def test_an_event_comes_out_as_it_went_in(own: Own) -> None:
    owner = own(clock=lambda: NOW)
    attrs = {"a": {"b": [1, 2.5, None, True, "x\ny"]}, "big": 12345678901234567890123, "ä": "\0"}
    sent = WHOLE | {"features": {"n": 1e308, "s": "é", "": 0}, "attrs": attrs}
    assert post(owner, json.dumps(sent).encode()).errors == []
    owner.wait_loaded()
    (row,) = whole_rows(owner)
    assert row["ts"] == datetime.fromisoformat(WHOLE["ts"]).replace(tzinfo=None)
    assert row["received_at"] == NOW.replace(tzinfo=None)
    assert {name: row[name] for name in WHOLE if name != "ts"} == {n: v for n, v in WHOLE.items() if n != "ts"}
    assert dict(row["features_num"]) == {"n": 1e308, "": 0.0}
    assert dict(row["features_str"]) == {"s": "é"}
    assert json.loads(row["attrs"]) == attrs
    assert row["cut"] is None


def test_what_was_not_sent_is_null_not_zero(own: Own) -> None:
    owner = own()
    post(owner, {"deployment": "d"})
    owner.wait_loaded()
    (row,) = whole_rows(owner)
    known = {"ts", "received_at", "event_id", "deployment", "source", "status"}
    assert {name for name, value in row.items() if value is not None} == known


TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"deployment": TEXTS},
    optional={
        "event_id": TEXTS,
        "ts": st.floats(allow_nan=False) | st.integers(0, 2**63) | st.datetimes().map(datetime.isoformat),
        "latency_ms": st.floats(allow_nan=False) | st.integers(),
        "tokens_in": st.integers(),
        "input_text": TEXTS,
        "error_type": TEXTS,
        "features": st.dictionaries(TEXTS, st.floats(allow_nan=False) | TEXTS | st.booleans() | st.none(), max_size=3),
        "media": st.lists(st.fixed_dictionaries({}, optional={"bytes": st.integers(), "uri": TEXTS}), max_size=2),
        "feedback": st.integers(-2, 2),
        "cost_usd": st.floats(allow_nan=False),
        "attrs": st.dictionaries(TEXTS, JSON, max_size=3),
        "label": JSON,
    },
)


def test_whatever_the_door_accepts_the_store_can_read(own: Own) -> None:
    owner = own()

    @given(st.lists(EVENTS, min_size=1, max_size=40))
    @hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(events: list[dict[str, Any]]) -> None:
        before = select(owner, f"{COUNT} union all select count(*) from rejects order by all")
        answer = post(owner, json.dumps(events).encode())
        assert answer.accepted + answer.rejected == len(events)
        owner.wait_loaded()
        after = select(owner, f"{COUNT} union all select count(*) from rejects order by all")
        assert sum(n for (n,) in after) - sum(n for (n,) in before) == len(events)
        assert one(owner, "select count(*) from rejects where reason like 'the store could not%'") == 0

    check()


def test_rejects_stand_in_the_store_with_reason_and_raw_text(own: Own) -> None:
    owner = own(clock=lambda: NOW)
    post(owner, b'[{"deployment":"d","latency_ms":-5},{"deployment":"ok"},{"x":"\xff"}]')
    owner.wait_loaded()
    assert select(owner, "select received_at, deployment, bytes, raw from rejects order by bytes") == [
        (NOW.replace(tzinfo=None), None, 9, '{"x":"\\xff"}'),
        (NOW.replace(tzinfo=None), "d", 34, '{"deployment":"d","latency_ms":-5}'),
    ]


# -- exactly once


def copy_of_segments(owner: StoreOwner, folder: Path) -> list[Path]:
    """Copies of the sealed segments, made in the writing thread, so that none is loaded meanwhile."""

    def copy(_: object) -> list[Path]:
        owner.spool.seal().result(10)
        folder.mkdir()
        return [Path(shutil.copy(path, folder)) for path in owner.spool.sealed()]

    return owner.run(copy).result(20)


def test_a_segment_that_a_crash_left_behind_after_its_load_is_not_loaded_again(own: Own, tmp_path: Path) -> None:
    owner = own()
    for n in range(5):
        post(owner, [{"deployment": "d", "event_id": f"{n}-{i}"} for i in range(20)], key=f"k{n}")
    copies = copy_of_segments(owner, tmp_path / "copies")
    owner.wait_loaded()
    assert one(owner, COUNT) == 100
    owner.stop()
    for path in copies:
        shutil.copy(path, owner.spool.folder)
    restarted = own()
    restarted.wait_loaded()
    assert not restarted.spool.sealed()
    assert one(restarted, COUNT) == one(restarted, "select count(distinct event_id) from predictions") == 100
    assert one(restarted, "select sum(n) from deployments_seen") == 100


def test_a_load_that_fails_half_way_leaves_nothing_and_is_tried_again(own: Own) -> None:
    owner = own()
    owner.run(lambda con: con.execute("alter table segments rename to hidden")).result(10)  # the last step cannot work
    post(owner, [{"deployment": "d"}] * 10)
    wait_until(lambda: owner.problem is not None)
    assert "segments" in str(owner.problem)
    assert owner.figures()["loader_failing"] == 1
    with pytest.raises(StoreError, match=r"the loader did not catch up within 0.2 s: .*segments.*; try again later"):
        owner.wait_loaded(0.2)
    assert one(owner, COUNT) == 0
    assert owner.run(lambda _: "still at work").result(10) == "still at work"
    owner.run(lambda con: con.execute("alter table hidden rename to segments")).result(10)
    wait_until(lambda: owner.problem is None)
    owner.wait_loaded()
    assert one(owner, COUNT) == 10


def test_a_lost_connection_is_made_again(own: Own) -> None:
    owner = own()
    owner.run(lambda con: con.close()).result(10)
    post(owner, [{"deployment": "d"}] * 10)
    owner.wait_loaded(60)
    wait_until(lambda: owner.problem is None)
    assert one(owner, COUNT) == 10


def test_a_large_segment_and_many_small_ones_are_loaded(own: Own) -> None:
    owner = own(segment_bytes=1024)
    text = "x" * 60_000
    for n in range(40):
        post(owner, {"deployment": "d", "event_id": str(n)})
    post(owner, [{"deployment": "d", "event_id": f"large-{n}", "input_text": text} for n in range(400)])
    owner.wait_loaded()
    assert one(owner, COUNT) == one(owner, "select count(distinct event_id) from predictions") == 440
    wait_until(lambda: owner.spool.size == 0 and owner.loaded_rows == 440)


def test_everything_acknowledged_is_loaded_before_the_owner_stops(own: Own) -> None:
    owner = own()
    for n in range(30):
        post(owner, {"deployment": "d", "event_id": str(n)})
    owner.stop()
    assert list(owner.spool.folder.iterdir()) == []
    assert one(own(), COUNT) == 30


def test_a_reader_finishes_before_the_owner_stops(own: Own) -> None:
    owner = own()
    owner.run(lambda con: con.execute("create table numbers as select range as n from range(5000)")).result(10)
    found: list[Any] = []
    reading = threading.Event()

    def read() -> None:
        with owner.cursor() as con:
            reading.set()
            found.extend(con.execute("select sum(a.n * b.n) from numbers a, numbers b").fetchall())

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait()
    owner.stop()
    reader.join()
    assert found == [((5000 * 4999 // 2) ** 2,)]


def test_a_reader_that_does_not_finish_is_interrupted(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "READERS_S", 0.2)
    owner = own()
    owner.run(lambda con: con.execute("create table numbers as select range as n from range(300000)")).result(10)
    errors: list[Exception] = []
    reading = threading.Event()

    def read() -> None:
        try:
            with owner.cursor() as con:
                reading.set()
                con.execute("select sum(a.n * b.n) from numbers a, numbers b").fetchall()
        except duckdb.Error as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait()
    owner.stop()
    reader.join(10)
    assert "Interrupted" in str(errors)
    own().stop()


def test_who_comes_after_the_stop_is_told_so(own: Own) -> None:
    owner = own()
    owner.stop()
    with pytest.raises(StoreError, match="the store was closed"):
        owner.run(lambda con: con.execute("select 1")).result(5)
    with pytest.raises(StoreError, match="the store was closed"), owner.cursor():
        pass


# -- lines that cannot be read


def line(**fields: Any) -> bytes:
    return orjson.dumps({"deployment": "d", "ts": "2026-03-10T12:00:00", "received_at": "2026-03-10T12:00:00"} | fields)


BAD_LINES = {
    "no JSON": b'{"deployment":"d",,}',
    "cut off": b'{"deployment":"d","event_id":"x',
    "broken UTF-8": b'{"deployment":"d","event_id":"\xff"}',
    "text as a number": line(event_id="x", source="production", status="ok", latency_ms="fast"),
    "no time": line(event_id="x", source="production", status="ok", ts="yesterday"),
    "too large a number": line(event_id="x", source="production", status="ok", feedback=1000),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_cannot_be_read_becomes_a_reject_and_its_neighbours_are_loaded(
    own: Own, settings: Settings, name: str
) -> None:
    spool = settings.data / "spool"
    spool.mkdir(parents=True)
    good = [line(event_id=f"g{i}", source="production", status="ok") for i in range(5)]
    lines = [*good[:3], BAD_LINES[name], *good[3:]]
    (spool / "00000000000000000001.ndjson").write_bytes(make_frame(lines, len(lines), 0, "key", "digest", "{}"))
    owner = own(clock=lambda: NOW)
    owner.wait_loaded()
    assert select(owner, "select event_id from predictions order by all") == [(f"g{i}",) for i in range(5)]
    ((received, reason, raw),) = select(owner, "select received_at, reason, raw from rejects")
    assert received == NOW.replace(tzinfo=None)
    assert "the store could not read this line of 00000000000000000001.ndjson" in reason
    assert raw.rstrip("\n") == BAD_LINES[name].decode("utf-8", "backslashreplace")
    assert select(owner, "select key from batches") == [("key",)]


def test_a_damaged_trailer_and_an_empty_segment_do_not_stop_the_loader(own: Own, settings: Settings) -> None:
    spool = settings.data / "spool"
    spool.mkdir(parents=True)
    good = make_frame([line(event_id="g", source="production", status="ok")], 1, 0, "key")
    (spool / "00000000000000000001.ndjson").write_bytes(b"")
    (spool / "00000000000000000002.ndjson").write_bytes(good.replace(b'"crc":', b'"crc":::'))
    (spool / "00000000000000000003.ndjson").write_bytes(b"\n\n")
    owner = own()
    owner.wait_loaded()
    assert select(owner, "select event_id from predictions") == [("g",)]
    assert one(owner, "select count(*) from segments") == 3


# -- figures


def test_the_figures_say_how_far_the_loader_is_behind(own: Own) -> None:
    owner = own()
    before = owner.figures()
    assert (before["spool_segments"], before["loader_lag_seconds"]) == (0, 0)

    def look(_: object) -> dict[str, float]:
        post(owner, {"deployment": "d"})
        owner.spool.seal().result(10)
        return owner.figures()

    during = owner.run(look).result(20)
    assert during["spool_segments"] == 1
    assert during["spool_bytes"] > 0
    wait_until(lambda: (owner.figures()["spool_bytes"], owner.figures()["loaded_rows"]) == (0, 1))


def test_waiting_for_the_loader_does_not_wait_for_what_comes_later(own: Own) -> None:
    owner = own(segment_ms=5)
    stop = threading.Event()

    def keep_posting() -> None:
        while not stop.wait(0.02):  # faster than a segment is loaded, slower than any backlog could grow past waiting
            post(owner, {"deployment": "later"})

    thread = threading.Thread(target=keep_posting)
    thread.start()
    try:
        for n in range(5):
            post(owner, {"deployment": "mine", "event_id": str(n)})
            owner.wait_loaded(20)
            assert one(owner, "select count(*) from predictions where deployment = 'mine'") == n + 1
    finally:
        stop.set()
        thread.join()


def test_a_reader_sees_one_state_of_the_store(own: Own) -> None:
    owner = own()
    post(owner, {"deployment": "d"})
    owner.wait_loaded()
    with owner.cursor() as con:
        assert con.execute(COUNT).fetchall() == [(1,)]
        post(owner, {"deployment": "d"})
        owner.wait_loaded()
        assert con.execute(COUNT).fetchall() == [(1,)]
    assert one(owner, COUNT) == 2


def test_segments_larger_than_one_load_go_one_after_the_other(own: Own, settings: Settings) -> None:
    own().stop()
    with open_doorway(settings.data, segment_bytes=MIB) as way:
        for n in range(12):
            way.post([{"deployment": "d", "event_id": f"{n}-{i}", "input_text": "y" * 50_000} for i in range(200)])
    owner = own()
    owner.wait_loaded()
    assert one(owner, COUNT) == 2400
