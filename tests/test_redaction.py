"""Secrets and people never reach the disk: not in texts, attributes, features, ids, rejects, reasons or answers."""

import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.redact import MARGIN, build_redactor
from monitor.records import Redaction, RedactionPattern
from tests.doorway import NDJSON, Doorway, open_doorway

CLEAN = build_redactor(Redaction()).clean

KEYS = {
    "OpenAI": "sk-proj-" + "aB3" * 12,
    "Anthropic": "sk-ant-api03-" + "x_Y-9" * 8,
    "Stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + "a1" * 18,
    "GitHub, fine-grained": "github_pat_" + "11ABCDEFG0" * 3,
    "GitLab": "glpat-" + "x1Y2z3-A4b5C6d7E8f9",
    "Hugging Face": "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",
    "Slack": "xoxb-" + "123456789012-abcdefghij",
    "Google": "AIza" + "SyA-1234567890abcdefghijklmnopqrstu",
    "Groq": "gsk_" + "a1B2" * 12,
    "SendGrid": "SG." + "a" * 22 + "." + "b" * 43,
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "a bearer": "Authorization: bearer " + "abcdefghij0123456789==",
}


@pytest.mark.parametrize("vendor", KEYS)
@pytest.mark.parametrize("around", ["{}", "key={}.", '"{}"', "first line\n{}\nlast", "鍵{}", "({})"])
def test_api_keys_are_replaced(vendor: str, around: str) -> None:
    key = KEYS[vendor]
    cleaned = CLEAN(around.format(key))
    assert "[api_key]" in cleaned
    assert key[-12:] not in cleaned


def test_a_private_key_goes_with_its_body_even_when_its_end_is_missing() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    assert CLEAN(f"here: {begin}\nMIIEow\nIBAAK\n{end} and on") == "here: [api_key] and on"
    assert CLEAN(f"here: {begin}\nMIIEow\nIBAAK") == "here: [api_key]"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("mail alice@example.com, please", "mail [email], please"),
        ("<Alice.O'Brien+tag@mail.example.co.uk>", "<[email]>"),
        ("jörg@exämple.de", "[email]"),
        ("https://example.com/?mail=bob%40example.org&x=1", "https://example.com/?mail=[email]&x=1"),
        ("a@b is no address, nor is @home or 3 @ 4.50", "a@b is no address, nor is @home or 3 @ 4.50"),
        ("+1 (555) 123-4567 or (555) 123-4567", "[phone] or [phone]"),
        ("call 555-123-4567 555.987.6543", "call [phone] [phone]"),
        ("+4930123456789.", "[phone]."),
        ("order 12345 555-123-4567", "order 12345 [phone]"),
        ("port 8600, 192.168.1.100, 2026-03-10 12:00", "port 8600, 192.168.1.100, 2026-03-10 12:00"),
    ],
)
def test_addresses_and_phone_numbers_are_replaced(text: str, cleaned: str) -> None:
    assert CLEAN(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("4111 1111 1111 1111", "[card]"),
        ("4111-1111-1111-1111, 5555555555554444", "[card], [card]"),
        ("amex 3782 822463 10005", "amex [card]"),
        ("4111111111111111 123", "[card] 123"),  # with the code of its back
        ("4111 1111 1111 1111 12/27", "[card] 12/27"),  # with its date
        ("in 2019 4111 1111 1111 1111 was new", "in 2019 [card] was new"),
        ("card_4111111111111111", "card_[card]"),
        ("卡号4111111111111111。", "卡号[card]。"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),  # the check digit is wrong
        ("5500 0000 0000 0004 4111 1111 1111 1112 4111111111111111", "[card] 4111 1111 1111 1112 [card]"),
        ("1763700000123456789 and 1763700000123", "1763700000123456789 and 1763700000123"),  # times
        ("0.4111111111111111", "0.4111111111111111"),  # decimals
        ("f00d4111111111111111cafe", "f00d4111111111111111cafe"),  # hexadecimal
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),  # a table of numbers
        ("4111111111111111" * 2, "4111111111111111" * 2),  # too long for a card
    ],
)
def test_card_numbers_are_told_from_other_numbers_by_their_check_digit(text: str, cleaned: str) -> None:
    assert CLEAN(text) == cleaned


@given(
    before=st.text(alphabet=st.characters(codec="utf-8"), max_size=40),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.!'*+_%~-]{0,80}", fullmatch=True),
    domain=st.emails().map(lambda address: address.rpartition("@")[2]),
    after=st.text(alphabet=' \n,;<>()[]"', min_size=1),
)
@settings(max_examples=300, deadline=None)
def test_no_text_with_an_address_survives(before: str, name: str, domain: str, after: str) -> None:
    cleaned = CLEAN(f"{before}{name}@{domain}{after}")
    assert f"@{domain}" not in cleaned
    assert CLEAN(cleaned) == cleaned


@given(st.text(alphabet="0123456789 -.+()@aé", max_size=60))
@settings(max_examples=300, deadline=None)
def test_cleaning_twice_is_cleaning_once_and_what_needs_it_is_found(text: str) -> None:
    redactor = build_redactor(Redaction())
    cleaned = redactor.clean(text)
    assert redactor.clean(cleaned) == cleaned
    assert redactor.found([text]) or cleaned == text


@given(st.text(alphabet="ab@.\n-1", max_size=200), st.integers(1, 300))
@settings(max_examples=200, deadline=None)
def test_the_head_of_a_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(build_redactor(Redaction()).head(text, limit).encode()) <= limit


# -- at the door

SECRETS = ("alice@example.com", "4111 1111 1111 1111", "+1 555 123 4567", KEYS["Anthropic"])
SECRET = "; ".join(SECRETS)


def written(way: Doorway) -> str:
    """Everything on the disk, with JSON's escapes opened."""
    assert way.lines()
    data = b"".join(path.read_bytes() for path in way.spool.folder.iterdir())
    return data.decode() + data.decode("unicode_escape")


def assert_clean(way: Doorway) -> None:
    found = written(way)
    for secret in SECRETS:
        assert secret not in found


FIELDS = ("input_text", "output_text", "error_message", "feedback_text", "label", "error_type", "finish_reason")


@pytest.mark.parametrize("field", FIELDS)
def test_every_text_field_is_redacted(tmp_path: Path, field: str) -> None:
    with open_doorway(tmp_path) as way:
        assert way.post([{"deployment": "d"}, {"deployment": "d", field: SECRET}]).accepted == 2
        assert_clean(way)
        assert way.rows()[1][field] == "[email]; [card]; [phone]; [api_key]"


def test_features_media_and_attributes_are_redacted_with_their_names(tmp_path: Path) -> None:
    event = {
        "deployment": "d",
        "features": {SECRETS[0]: 1.5, "who": SECRET, f"key {SECRETS[3]}": "x"},
        "media": [{"uri": f"https://files/?mail={SECRETS[0]}", "mime": SECRETS[3]}],
        "attrs": {"deep": [{"a": SECRET}], SECRETS[0]: True, "number": 4111111111111111, "float": 4111111111111111.5},
    }
    with open_doorway(tmp_path) as way:
        assert way.post(event).accepted == 1
        assert_clean(way)
        row = way.only_row()
    assert row["features_num"] == {"[email]": 1.5}
    assert row["attrs"]["number"] == "[card]"
    assert row["attrs"]["[email]"] is True
    assert row["attrs"]["float"] == 4111111111111111.5


@pytest.mark.parametrize(
    "attrs",
    [
        rb'{"mail":"alice\u0040example.com"}',
        rb'{"mail":"\u0061lice@example\u002ecom"}',
        rb'{"al\u0069ce@example.com":1}',
        rb'{"card":"\u0034111 1111 1111 1111"}',
        rb'{"a":"b\n' + KEYS["Anthropic"].encode() + rb'\tc"}',
    ],
)
def test_escapes_in_attributes_hide_nothing(tmp_path: Path, attrs: bytes) -> None:
    with open_doorway(tmp_path) as way:
        assert way.post(b'{"deployment":"d","attrs":' + attrs + b"}").accepted == 1
        assert_clean(way)


def test_ids_that_are_an_address_are_hashed_so_that_sessions_stay_together(tmp_path: Path) -> None:
    ids = {"session_id": SECRETS[0], "trace_id": SECRETS[0], "user_hash": SECRETS[0]}
    with open_doorway(tmp_path) as way:
        way.post([{"deployment": "d", "event_id": f"{SECRETS[0]}-{i}", **ids} for i in range(2)])
        assert_clean(way)
        first, second = way.rows()
    assert first["session_id"] == second["session_id"]
    assert first["event_id"] != second["event_id"]


def test_usual_ids_are_left_alone(tmp_path: Path) -> None:
    ids = ["550e8400-e29b-41d4-a716-446655440000", "4111111111111111", "0af7651916cd43dd8448eb211c80319c", "row-17"]
    with open_doorway(tmp_path) as way:
        way.post([{"deployment": "d", "event_id": id_, "trace_id": id_} for id_ in ids])
        assert [row["event_id"] for row in way.rows()] == ids


@pytest.mark.parametrize("place", range(64 * 1024 - 40, 64 * 1024 + 5, 3))
def test_no_half_of_a_secret_is_left_at_the_cut(place: int) -> None:
    head = build_redactor(Redaction()).head(
        "x" * (place - 1) + " " + KEYS["Anthropic"] + "\nalice@example.com " * 5_000, 64 * 1024
    )
    for part in (KEYS["Anthropic"][:20], "alice"):
        assert part not in head


def test_texts_that_shrink_do_not_pull_a_half_secret_over_the_cut() -> None:
    redactor, limit = build_redactor(Redaction()), 1000
    for shift in range(60):
        text = " " * shift + "alice@example.com " * ((limit + MARGIN) // 18 + 100)
        assert "alice" not in redactor.head(text, limit)


def test_rejects_keep_no_secret_whatever_the_escapes(tmp_path: Path) -> None:
    mail = rb"alice\u0040example.com"
    bodies = [
        b'{"deployment":"d","latency_ms":-1,"input_text":"' + SECRET.encode() + b'"}',
        b'{"deployment":"d","latency_ms":-1,"input_text":"' + mail + rb"\n" + KEYS["Anthropic"].encode() + b'"}',
        b'{"deployment":"d","latency_ms":"' + SECRET.encode() + b'"}',
        b'{"deployment":"d","source":"' + b"x" * 70 + b' alice@example.com"}',
        b'{"deployment":"d","alice@example.com":1}',
        b'{"deployment":"alice@example.com","latency_ms":-1}',
        b'{"deployment":"d","alice@example.com":NaN}',
        b'{"deployment":"d","attrs":"alice@example.com"}',
        b"no JSON at all: " + SECRET.encode() + b" \xff",
    ]
    with open_doorway(tmp_path) as way:
        answer = way.post(b"\n".join(bodies), NDJSON, key="batch")  # with a key, the answer is written, too
        assert answer.rejected == len(bodies)
        assert_clean(way)
    assert "alice" not in orjson.dumps([problem.reason for problem in answer.errors]).decode()


def test_each_builtin_can_be_switched_off(tmp_path: Path) -> None:
    names = ("api_key", "email", "phone", "card")
    for off in names:
        redactor = build_redactor(Redaction(builtin={off: False}))
        cleaned = redactor.clean(SECRET)
        assert [f"[{name}]" in cleaned for name in names] == [name != off for name in names]
    nothing = build_redactor(Redaction(builtin=dict.fromkeys(names, False)))
    assert nothing.clean(SECRET) == SECRET
    assert not nothing.found([SECRET])
    with open_doorway(tmp_path, redaction=Redaction(builtin=dict.fromkeys(names, False))) as way:
        way.post({"deployment": "d", "input_text": SECRET})
        assert way.only_row()["input_text"] == SECRET


OWN = (
    RedactionPattern("ticket", r"TICKET-(\d+|[a-f]+)"),
    RedactionPattern("first", r"^secret:.*"),
    RedactionPattern("last", r"end of (it|all)$"),
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("see TICKET-12 and TICKET-beef", "see [ticket] and [ticket]"),
        ("secret: x alice@example.com", "[first]"),
        ("this is the end of all", "this is the [last]"),
        ("no secret: here", "no secret: here"),
    ],
)
def test_own_patterns_work_beside_the_builtin_ones(tmp_path: Path, text: str, cleaned: str) -> None:
    with open_doorway(tmp_path, redaction=Redaction(patterns=OWN)) as way:
        way.post([{"deployment": "d", "input_text": "plain"}, {"deployment": "d", "input_text": text}])
        assert way.rows()[1]["input_text"] == cleaned


@pytest.mark.parametrize(
    ("name", "pattern", "message"),
    [
        ("email", "x", "no other pattern's"),
        ("two words", "x", "must be letters, digits and _"),
        ("open", "(", "is not a regular expression of RE2"),
        ("back", r"(a)\1", "look-around and back references are not in RE2"),
        ("empty", "x*", "matches the empty text; make it longer"),
        ("named", "(?P<email>x)", "has named groups"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_its_name(name: str, pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_redactor(Redaction(patterns=(RedactionPattern(name, pattern),)))


def test_a_switched_off_builtin_leaves_its_name_to_an_own_pattern() -> None:
    own = Redaction({"card": False}, (RedactionPattern("card", r"CARD\d+"),))
    assert build_redactor(own).clean("CARD1 4111111111111111") == "[card] 4111111111111111"


@pytest.mark.parametrize(
    "text", ["a@b.c ", "4111 ", "1 ", "+1", "eyJ", "-----BEGIN PRIVATE KEY-----", "1234567890123\n", "a"]
)
def test_no_prompt_is_slow_to_redact(text: str) -> None:
    redactor = build_redactor(Redaction())
    began = time.process_time()
    redactor.head(text * (10_000_000 // len(text)), 64 * 1024)
    assert time.process_time() - began < 3
