import gzip
import json

import pytest

from monitor.errors import BadInput
from monitor.importers import format_columns, open_import
from tests.importers.logs import PNG, SET, Write, events, naive, problems


def test_a_naive_line_becomes_an_event(write: Write) -> None:
    path = write("predictions.jsonl", naive(latency_ms=12.5, tokens_in=3, label="cat"))
    imported = open_import(path, constants=SET)
    (event,) = events(imported)
    assert imported.importer == "jsonl"
    assert len(event.pop("event_id")) == 32
    assert event == {
        "ts": "2026-11-20T10:00:00.000000Z",
        "input_text": "hi",
        "output_text": "ho",
        "checkpoint": "v3",
        "latency_ms": 12.5,
        "tokens_in": 3,
        "label": "cat",
        "deployment": "vision-prod",
        "source": "production",
    }


def test_chat_messages_become_text_and_their_pictures_hashes(write: Write) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    chat = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
    (event,) = events(open_import(write("a.jsonl", naive(input_text=chat)), constants=SET))
    assert event["input_text"] == "What is it?\n[image/png]"
    (media,) = event["media"]
    assert (media["mime"], media["bytes"], media["width"], media["height"]) == ("image/png", 70, 1, 1)
    assert len(media["sha256"]) == 64
    assert PNG not in json.dumps(event)


def test_a_picture_that_the_log_cut_off_is_not_hashed(write: Write) -> None:
    cut = f"look: data:image/png;base64,{PNG[:40]}... (litellm_truncated 900 chars)"
    (event,) = events(open_import(write("a.jsonl", naive(input_text=cut)), constants=SET))
    assert event["input_text"].startswith("look: [image/png, not complete in the log]")
    assert "media" not in event


def test_an_error_column_gives_status_class_and_message(write: Write) -> None:
    lines = (
        naive(error=None) + naive(error="OutOfMemoryError: 2 GiB") + naive(error="the GPU is gone") + naive(error=True)
    )
    found = events(open_import(write("a.jsonl", lines), constants=SET))
    keys = ("status", "error_type", "error_message")
    assert [tuple(event.get(key) for key in keys) for event in found] == [
        (None, None, None),
        ("error", "OutOfMemoryError", "OutOfMemoryError: 2 GiB"),
        ("error", "error", "the GPU is gone"),
        ("error", "error", None),
    ]


def test_an_error_column_that_appears_late_is_mapped_all_the_same(write: Write) -> None:
    lines = naive() * 2500 + naive(error="Timeout: 30 s", output_text="second choice")
    *_, last = events(open_import(write("a.jsonl", lines), constants=SET))
    assert (last["error_type"], last["error_message"], last["output_text"]) == ("Timeout", "Timeout: 30 s", "ho")


def test_columns_for_class_and_message_win_over_an_error_column(write: Write) -> None:
    path = write("a.jsonl", naive(error="E: long text", error_type="OutOfMemory", status="failed"))
    (event,) = events(open_import(path, constants=SET))
    assert (event["error_type"], event["error_message"], event["status"]) == ("OutOfMemory", "E: long text", "error")


def test_a_column_inside_an_object_is_named_with_dots(write: Write) -> None:
    path = write("a.jsonl", naive(request={"tokens": 7}))
    (event,) = events(open_import(path, mapping={"tokens_in": "request.tokens"}, constants=SET))
    assert event["tokens_in"] == 7


def test_what_goes_nowhere_is_named_and_kept_only_when_asked(write: Write) -> None:
    path = write("a.jsonl", naive(shard=4))
    imported = open_import(path, constants=SET)
    assert imported.unmapped == ("shard",)
    assert "shard -> left out" in format_columns(imported)
    assert "attrs" not in events(imported)[0]
    assert events(open_import(path, constants=SET, keep_rest=True))[0]["attrs"] == {"shard": 4}


def test_a_latency_without_a_unit_is_not_guessed(write: Write) -> None:
    path = write("a.jsonl", naive(latency=0.5))
    imported = open_import(path, constants=SET)
    assert "latency_ms" not in events(imported)[0]
    (note,) = imported.notes
    assert note.endswith("does not say its unit; add --map latency_ms=latency or --map latency_s=latency")
    assert events(open_import(path, mapping={"latency_s": "latency"}, constants=SET))[0]["latency_ms"] == 500.0


def test_a_damaged_line_stops_nothing_and_keeps_its_bytes(write: Write) -> None:
    damaged = [b'{"timestamp": "2026-1', b'{"input_text": "\xff"}', b"[1, 2]", b"[" * 5000, b'{"latency_ms": NaN}']
    good = naive().encode().strip()
    path = write("a.jsonl", b"\n".join([good, *damaged, good]) + b"\n")
    rows = list(open_import(path, constants=SET))
    assert [row.line for row in rows if row.problem] == [2, 3, 4, 5, 6]
    assert [row.raw for row in rows if row.problem] == damaged
    assert rows[0].event is not None
    assert rows[6].event is not None


def test_a_line_that_is_still_being_written_is_not_a_reject(write: Write) -> None:
    rows = list(open_import(write("a.jsonl", naive() + '{"timestamp": "2026-1'), constants=SET))
    assert rows[1].problem == "the last line has no end; import again when it is written"
    assert rows[1].raw is None


def test_bom_crlf_and_blank_lines_are_read_over(write: Write) -> None:
    lines = "\r\n".join([naive().strip(), "", naive().strip(), "  "])
    assert len(events(open_import(write("a.jsonl", b"\xef\xbb\xbf" + lines.encode()), constants=SET))) == 2


def test_a_line_of_many_megabytes_is_skipped_without_being_held(write: Write) -> None:
    path = write("a.jsonl", naive() + naive(input_text="x" * (17 << 20)) + naive())
    assert problems(open_import(path, constants=SET)) == [(2, "the line is longer than 16 MiB")]


def test_gzip_reads_like_the_plain_file_and_a_cut_one_gives_what_it_holds(write: Write) -> None:
    lines = "".join(naive(n=n, input_text=f"{n * n:x}" * 40) for n in range(3000))
    plain = events(open_import(write("a.jsonl", lines), constants=SET))
    packed = gzip.compress(lines.encode())
    assert events(open_import(write("a.jsonl.gz", packed), constants=SET)) == plain
    rows = list(open_import(write("cut.jsonl.gz", packed[: len(packed) // 2]), constants=SET))
    assert "gzip data is damaged from here on" in str(rows[-1].problem)
    assert len(rows) > 500
    short = gzip.compress((naive() * 3).encode())
    with pytest.raises(BadInput, match="cannot be unpacked"):
        open_import(write("short.jsonl.gz", short[:8] + b"junk"), constants=SET)
