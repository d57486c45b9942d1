"""What the door makes of a body: each bad input has its answer, and never takes its neighbours along."""

import contextlib
import gzip
import itertools
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from monitor.errors import BadInput, TooLarge, UnsupportedMedia
from monitor.ingest import decode
from monitor.ingest.decode import MAX_EVENTS
from tests.doorway import JSON, MIB, NDJSON, NOW, Doorway, open_doorway

GOOD = b'{"deployment":"good"}'


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Doorway]:
    with open_doorway(tmp_path) as doorway:
        yield doorway


BAD_EVENTS = {
    "a negative latency": (b'{"deployment":"d","latency_ms":-5}', "latency_ms is -5: expected `float` >= 0.0"),
    "NaN": (b'{"deployment":"d","latency_ms":NaN}', "latency_ms is NaN; send null or leave it out"),
    "infinity": (b'{"deployment":"d","cost_usd":-Infinity}', "cost_usd is -Infinity; send null or leave it out"),
    "a number without bounds": (b'{"deployment":"d","latency_ms":1e999}', "latency_ms: number out of range"),
    "one inside attrs": (b'{"deployment":"d","attrs":{"x":[1e999]}}', "attrs[...][0]: number out of range"),
    "NaN deep inside": (b'{"deployment":"d","attrs":{"x":[NaN]}}', "a value is NaN; send null or leave it out"),
    "a latency of weeks": (b'{"deployment":"d","latency_ms":1e12}', "latency_ms is 1000000000000.0: expected"),
    "the far future": (b'{"deployment":"d","ts":"2031-01-01T00:00:00Z"}', "more than 10 minutes in the future"),
    "the last of all times": (b'{"deployment":"d","ts":"9999-12-31T23:59:59-23:59"}', "10 minutes in the future"),
    "the far past": (b'{"deployment":"d","ts":"0001-01-01T00:00:00+23:59"}', "before 2000; check its unit"),
    "a number that is no time": (b'{"deployment":"d","ts":1e300}', "not a time; send RFC 3339"),
    "a huge whole number as time": (b'{"deployment":"d","ts":' + b"9" * 300 + b"}", "ts"),
    "a word as time": (b'{"deployment":"d","ts":"yesterday"}', "ts is yesterday: invalid RFC3339"),
    "broken UTF-8": (b'{"deployment":"d","input_text":"\xff\xfe"}', "invalid UTF-8 (invalid start byte); send UTF-8"),
    "broken UTF-8 in attrs": (b'{"deployment":"d","attrs":{"x":"\xc3\x28"}}', "invalid UTF-8"),
    "half of a pair": (b'{"deployment":"d","input_text":"\\ud83d"}', "half of a surrogate pair; send whole characters"),
    "half of one as a key": (b'{"deployment":"d","\\ud83d":NaN}', "not JSON"),
    "nine levels": (
        b'{"deployment":"d","attrs":{"a":[[[[[[[[1]]]]]]]]}}',
        "attrs is nested 9 levels deep; allowed are 8",
    ),
    "thousands of levels": (
        b'{"deployment":"d","attrs":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
        "nested too deeply to read; attrs may be nested 8 levels deep",
    ),
    "70 KB of attrs": (
        b'{"deployment":"d","attrs":{"a":"' + b"x" * 70_000 + b'"}}',
        "attrs is 70008 bytes of JSON; allowed are 65536",
    ),
    "attrs that are a list": (b'{"deployment":"d","attrs":[1]}', "attrs is [1]: expected `object | null`, got `array`"),
    "a misspelt key": (b'{"deployment":"d","latnecy_ms":5}', "unknown field `latnecy_ms`; did you mean `latency_ms`?"),
    "a key of another case": (b'{"deployment":"d","Model":"m"}', "unknown field `Model`; did you mean `model`?"),
    "a key like no other": (b'{"deployment":"d","zzz":5}', "unknown field `zzz`; free values go under `attrs`"),
    "a key of a megabyte": (b'{"deployment":"d","' + b"k" * MIB + b'":5}', "contains unknown field `kkk"),
    "an unknown key of media": (b'{"deployment":"d","media":[{"hash":1}]}', "media[0] contains unknown field `hash`"),
    "no deployment": (b'{"latency_ms":5}', "the event lacks required field `deployment`"),
    "an empty deployment": (b'{"deployment":""}', "deployment is : expected `str` of length >= 1"),
    "a number as deployment": (b'{"deployment":7}', "deployment is 7: expected `str`, got `int`"),
    "a long deployment": (b'{"deployment":"' + b"d" * 129 + b'"}', "expected `str` of length <= 128"),
    "text as a number": (
        b'{"deployment":"d","latency_ms":"12"}',
        "latency_ms is 12: expected `float | null`, got `str`",
    ),
    "part of a token": (b'{"deployment":"d","tokens_in":1.5}', "tokens_in is 1.5: expected `int | null`, got `float`"),
    "an unknown source": (
        b'{"deployment":"d","source":"prod"}',
        "source is prod: allowed are production, canary, probe",
    ),
    "an unknown status": (b'{"deployment":"d","status":"OK"}', "status is OK: allowed are ok, error"),
    "a confidence above 1": (b'{"deployment":"d","confidence":1.1}', "confidence is 1.1: expected `float` <= 1.0"),
    "a feedback of 2": (b'{"deployment":"d","feedback":2}', "feedback is 2: expected `int` <= 1"),
    "33 media": (b'{"deployment":"d","media":[' + b",".join([b"{}"] * 33) + b"]}", "of length <= 32"),
    "media of more bytes than exist": (b'{"deployment":"d","media":[{"bytes":' + b"9" * 30 + b"}]}", "media[0].bytes"),
    "257 features": (
        b'{"deployment":"d","features":{' + b",".join(b'"f%d":1' % i for i in range(257)) + b"}}",
        "of length <= 256",
    ),
    "a feature that is a list": (b'{"deployment":"d","features":{"f":[1]}}', "expected `bool | float | str | null`"),
    "null": (b"null", "expected `object`, got `null`"),
    "a number": (b"17", "expected `object`, got `int`"),
    "a string": (b'"text"', "expected `object`, got `str`"),
    "an array": (b"[]", "expected `object`, got `array`"),
    "no JSON": (b"{deployment: d}", "not JSON: JSON is malformed"),
    "two in one": (b'{"deployment":"d"}{"deployment":"e"}', "not JSON"),
    "a control character": (b'{"deployment":"d","input_text":"a\x01b"}', "not JSON"),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event_is_rejected_with_its_reason_and_its_neighbours_are_kept(way: Doorway, name: str) -> None:
    bad, reason = BAD_EVENTS[name]
    for body, kind in ((b"[" + b",".join((GOOD, bad, GOOD)) + b"]", JSON), (b"\n".join((GOOD, bad, GOOD)), NDJSON)):
        answer = way.post(body, kind)
        assert (answer.accepted, answer.rejected) == (2, 1)
        assert [problem.index for problem in answer.errors] == [1]
        assert reason in answer.errors[0].reason
        assert len(answer.errors[0].reason) <= 500
    assert [row["deployment"] for row in way.rows()] == ["good"] * 4
    for reject in way.rejects():
        assert reason in reject["reject"]
        assert reject["bytes"] == len(bad)
        assert reject["raw"] == bad.decode("utf-8", "backslashreplace")[: 64 * 1024]


@pytest.mark.parametrize("name", sorted(set(BAD_EVENTS) - {"an array"}))
def test_a_bad_event_alone_is_answered_like_one_among_others(way: Doorway, name: str) -> None:
    bad, reason = BAD_EVENTS[name]
    answer = way.post(bad)
    assert (answer.accepted, answer.rejected) == (0, 1)
    assert reason in answer.errors[0].reason


def test_several_bad_events_are_named_by_their_own_places(way: Doorway) -> None:
    events = [GOOD, b"1", GOOD, b'{"deployment":"x","ts":5}', b'{"deployment":"y","latency_ms":-1}', GOOD]
    for body, kind in ((b"[\n" + b" , ".join(events) + b"\n]", JSON), (b"\n\n \r\n".join(events) + b"\n\n", NDJSON)):
        answer = way.post(body, kind)
        assert [problem.index for problem in answer.errors] == [1, 3, 4]
        assert answer.accepted == 3
    assert [(r["raw"], r.get("deployment")) for r in way.rejects()][:3] == [
        ("1", None),
        ('{"deployment":"x","ts":5}', "x"),
        ('{"deployment":"y","latency_ms":-1}', "y"),
    ]


def test_only_a_hundred_rejects_are_named_and_all_are_counted_and_kept(way: Doorway) -> None:
    answer = way.post([{"deployment": "d", "ts": 1}] * 250)
    assert (answer.rejected, len(answer.errors)) == (250, 100)
    assert len(way.rejects()) == 250


def test_a_large_array_of_refused_events_takes_seconds_not_hours(way: Doorway) -> None:
    began = time.process_time()
    answer = way.post(b"[" + b",".join([b'{"deployment":"d","ts":1}'] * 20_000) + b"]")
    assert answer.rejected == 20_000
    assert time.process_time() - began < 15


UNUSABLE = {
    "nothing": (b"", JSON, BadInput, "the body is empty; send one event"),
    "blanks": (b" \r\n\t", NDJSON, BadInput, "the body is empty"),
    "an array that is not closed": (b'[{"deployment":"d"},', JSON, BadInput, "the array is not closed"),
    "a string that is not closed": (b'[{"deployment":"d]', JSON, BadInput, "the string that begins at byte 15"),
    "something behind the array": (b'[{"deployment":NaN}] x', JSON, BadInput, "something follows behind the array"),
    "a form": (b"a=1", "application/x-www-form-urlencoded", UnsupportedMedia, "send application/json"),
    "no content type": (GOOD, "", UnsupportedMedia, "Content-Type '(none)' is not read"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_body_that_cannot_be_split_is_refused_whole(way: Doorway, name: str) -> None:
    body, kind, error, message = UNUSABLE[name]
    with pytest.raises(error, match=re.escape(message)):
        way.post(body, kind)
    assert way.lines() == []


def test_an_empty_array_is_a_body_without_events(way: Doorway) -> None:
    assert way.post(b"[ ]").accepted == 0


def test_commas_too_many_or_too_few_spoil_only_their_neighbours(way: Doorway) -> None:
    answer = way.post(b"[" + GOOD + b",," + GOOD + b" " + GOOD + b"," + GOOD + b",]")
    assert (answer.accepted, [problem.index for problem in answer.errors]) == (2, [1, 2, 4])


def test_too_many_events_in_one_body_are_sent_back(way: Doorway) -> None:
    for body, kind in (
        (b"[" + b",".join([GOOD] * (MAX_EVENTS + 1)) + b"]", JSON),
        (b"[" + b",".join([b"1"] * (MAX_EVENTS + 1)) + b"]", JSON),
        (b"\n".join([b"{}"] * (MAX_EVENTS + 1)), NDJSON),
    ):
        with pytest.raises(TooLarge, match=f"more than {MAX_EVENTS} events; send smaller batches"):
            way.post(body, kind)
    assert way.lines() == []


def test_many_braces_inside_texts_are_not_many_events(way: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_EVENTS", 3)
    assert way.post([{"deployment": "d", "input_text": "{,[" * 50, "attrs": {"a": {"b": [{}, {}]}}}] * 3).accepted == 3


def test_json_lines_under_the_content_type_of_json_are_taken(way: Doorway) -> None:
    answer = way.post(b'{"deployment":1}\r\n' + GOOD + b"\n\n" + GOOD)
    assert (answer.accepted, answer.rejected) == (2, 1)


def test_a_byte_order_mark_is_no_part_of_the_event(way: Doorway) -> None:
    assert way.post(b"\xef\xbb\xbf" + GOOD).accepted == 1
    assert way.post(b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD, NDJSON).accepted == 2


def test_an_event_printed_over_many_lines_is_one_line_of_the_spool(way: Doorway) -> None:
    event = {"deployment": "d", "attrs": {"a": {"b": [1, {"batch": "no trailer"}]}, "text": "one\ntwo\r\n"}}
    assert way.post(orjson.dumps(event, option=orjson.OPT_INDENT_2)).accepted == 1
    assert way.only_row()["attrs"] == event["attrs"]


def test_a_prompt_of_ten_megabytes_is_cut_and_the_event_kept(way: Doorway) -> None:
    answer = way.post([{"deployment": "d"}, {"deployment": "d", "input_text": "ä" * 5 * MIB, "output_text": "short"}])
    assert answer.accepted == 2
    assert [(w.index, w.message) for w in answer.warnings] == [
        (1, "input_text: longer than is kept (65536 bytes of a text); cut")
    ]
    row = way.rows()[1]
    assert row["input_text"] == "ä" * (32 * 1024)
    assert row["cut"] == ["input_text"]


def test_a_cut_never_leaves_half_a_character(tmp_path: Path) -> None:
    with open_doorway(tmp_path, max_text_bytes=64) as way:
        way.post({"deployment": "d", "input_text": "x" * 63 + "🙂", "features": {"f": "€" * 400, "g": "y"}})
        row = way.only_row()
    assert row["input_text"] == "x" * 63
    assert row["features_str"] == {"f": "€" * 341, "g": "y"}
    assert row["cut"] == ["input_text", "features"]


def test_a_text_of_exactly_the_limit_is_not_cut(tmp_path: Path) -> None:
    with open_doorway(tmp_path, max_text_bytes=64) as way:
        assert way.post({"deployment": "d", "input_text": "ä" * 32}).warnings == []
        assert "cut" not in way.only_row()


def test_nul_characters_are_kept(way: Doorway) -> None:
    way.post(b'{"deployment":"d","input_text":"a\\u0000b","attrs":{"k\\u0000":"\\u0000"}}')
    row = way.only_row()
    assert (row["input_text"], row["attrs"]) == ("a\0b", {"k\0": "\0"})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('"2026-03-10T11:59:58.5"', "2026-03-10T11:59:58.500000"),
        ('"2026-03-10T13:00:00+01:00"', "2026-03-10T12:00:00.000000"),
        ('"2026-03-10 11:00:00Z"', "2026-03-10T11:00:00.000000"),
        ("1773143999", "2026-03-10T11:59:59.000000"),
        ("1773143999.25", "2026-03-10T11:59:59.250000"),
        ("1773143999250", "2026-03-10T11:59:59.250000"),
        ("1773143999250001", "2026-03-10T11:59:59.250001"),
        ("1773143999250001000", "2026-03-10T11:59:59.250001"),
        ("null", "2026-03-10T12:00:00.000000"),
        ('"2026-03-10T12:09:59Z"', "2026-03-10T12:09:59.000000"),
    ],
)
def test_a_time_is_kept_as_utc_whatever_it_was_written_in(way: Doorway, given: str, kept: str) -> None:
    answer = way.post(f'{{"deployment":"d","ts":{given}}}'.encode())
    assert answer.errors == []
    assert way.only_row()["ts"] == kept


def test_what_the_fleet_file_knows_is_filled_in_and_what_was_sent_wins(way: Doorway) -> None:
    way.post(
        [
            {"deployment": "vision-prod"},
            {"deployment": "vision-prod", "checkpoint": "v2", "model": ""},
            {"deployment": "x"},
        ]
    )
    known, sent, unknown = way.rows()
    assert (known["model"], known["checkpoint"], known["environment"]) == ("vision", "v1", "production")
    assert (sent["checkpoint"], sent["model"]) == ("v2", "vision")
    assert "checkpoint" not in unknown


def test_status_follows_the_error_type_unless_it_was_sent(way: Doorway) -> None:
    way.post([{"deployment": "d", "error_type": "Timeout"}, {"deployment": "d", "error_type": "", "status": "error"}])
    first, second = way.rows()
    assert (first["status"], first["error_type"]) == ("error", "Timeout")
    assert (second["status"], second.get("error_type")) == ("error", None)


def test_a_user_is_hashed_with_the_salt_of_the_installation(way: Doorway) -> None:
    way.post(
        [{"deployment": "d", "user": "alice"}, {"deployment": "d", "user": "alice"}, {"deployment": "d", "user": "bob"}]
    )
    first, again, other = (row["user_hash"] for row in way.rows())
    assert first == again != other
    assert "alice" not in str(way.lines())


def test_features_are_split_by_kind_and_null_is_left_out(way: Doorway) -> None:
    way.post({"deployment": "d", "features": {"n": 1, "f": 0.5, "s": "x", "b": True, "nothing": None}})
    row = way.only_row()
    assert row["features_num"] == {"n": 1.0, "f": 0.5}
    assert row["features_str"] == {"s": "x", "b": "true"}


def test_ids_are_made_for_events_without_one(way: Doorway) -> None:
    way.post([{"deployment": "d"}] * 1000 + [{"deployment": "d", "event_id": "mine"}])
    ids = [row["event_id"] for row in way.rows()]
    assert len(set(ids)) == 1001
    assert ids[-1] == "mine"


def test_events_older_than_what_can_be_counted_are_refused(way: Doorway) -> None:
    way.door.oldest = NOW - timedelta(days=30)
    answer = way.post([{"deployment": "d", "ts": (NOW - timedelta(days=days)).isoformat()} for days in (31, 29)])
    assert (answer.accepted, answer.rejected) == (1, 1)
    assert "raw predictions before 2026-02-08T12:00:00+00:00 have left the store" in answer.errors[0].reason


# -- gzip


def test_gzip_is_read_in_one_or_several_members(way: Doorway) -> None:
    lines = [GOOD + b"\n"] * 3
    assert way.post(gzip.compress(b"".join(lines)), NDJSON, encoding="gzip").accepted == 3
    assert way.post(b"".join(map(gzip.compress, lines)) + b"\0" * 8, NDJSON, encoding="x-gzip").accepted == 3
    assert way.post(GOOD, encoding="identity").accepted == 1


@pytest.mark.parametrize("cut", [5, 12, 40, -9, -5, -1])
def test_gzip_that_was_cut_off_is_refused(way: Doorway, cut: int) -> None:
    whole = gzip.compress(orjson.dumps([{"deployment": f"d{i}"} for i in range(50)]))
    with pytest.raises(BadInput, match=r"the gzip body is cut off; send it again whole"):
        way.post(whole[:cut], encoding="gzip")
    assert way.lines() == []


@pytest.mark.parametrize(
    "body",
    [GOOD, b"\x1f\x8b\x08\x00garbage-garbage", gzip.compress(GOOD)[:-8] + b"12345678", gzip.compress(GOOD) + GOOD],
    ids=["plain", "garbage", "wrong checksum", "plain behind gzip"],
)
def test_what_is_not_gzip_is_refused(way: Doorway, body: bytes) -> None:
    with pytest.raises(BadInput, match="the body is not gzip"):
        way.post(body, encoding="gzip")


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * 50 * MIB, 9)
    with (
        open_doorway(tmp_path, max_body_bytes=MIB) as way,
        pytest.raises(TooLarge, match="expands to more than 1048576"),
    ):
        way.post(bomb, encoding="gzip")
    assert len(bomb) < MIB


def test_gzip_of_the_wrong_thing_is_judged_by_what_is_inside(way: Doorway) -> None:
    with pytest.raises(BadInput, match="the body is empty"):
        way.post(gzip.compress(b""), encoding="gzip")
    assert way.post(gzip.compress(b"\x00\x01\x02"), encoding="gzip").rejected == 1


def test_other_encodings_are_refused(way: Doorway) -> None:
    with pytest.raises(UnsupportedMedia, match="Content-Encoding 'br' is not read; send gzip or none"):
        way.post(GOOD, encoding="br")


# -- the raw text of rejects


def test_a_reject_is_kept_up_to_64_kib(way: Doorway) -> None:
    way.post({"deployment": "d", "latency_ms": -1, "input_text": "y" * MIB})
    reject = way.only_reject()
    assert reject["bytes"] > MIB
    assert len(reject["raw"]) == 64 * 1024
    assert reject["deployment"] == "d"


def test_every_cut_of_a_body_is_answered_and_never_a_crash(way: Doorway) -> None:
    body = b'[{"deployment":"d","attrs":{"k":[1,"\\u00e9\xc3\xa9"]},"ts":1773143999},{"deployment":NaN},\n{"x":"\xff"}]'
    answered = 0
    for kind, cut in itertools.product((JSON, NDJSON), range(1, len(body))):
        with contextlib.suppress(BadInput):  # an array without its end
            answered += way.post(body[:cut], kind).rejected >= 1
    assert answered == len(body) - 1  # every one of the cut lines
