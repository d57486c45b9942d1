import json
from typing import Any

from monitor.errors import TooLarge
from monitor.importers import Row, format_summary, open_import, preview, run_import
from tests.importers.logs import SET, Door, Write, events, naive


def test_growing_file_adds_only_what_is_new(write: Write, door: Door) -> None:
    first = naive() + naive() + naive(input_text="c")
    assert run_import(open_import(write("a.jsonl", first), constants=SET), door).accepted == 3
    again = run_import(open_import(write("a.jsonl", first + naive(input_text="d") + naive()), constants=SET), door)
    assert (again.accepted, again.duplicate, door.count()) == (2, 3, 5)


def test_our_own_export_comes_back_as_it_was(write: Write, door: Door) -> None:
    event = {
        "event_id": "e1",
        "ts": 1795180437,
        "deployment": "d",
        "source": "shadow",
        "features": {"x": 1.5},
        "media": [],
    }
    imported = open_import(write("a.ndjson", json.dumps(event) + "\n"))
    assert imported.importer == "native"
    assert events(imported) == [event | {"ts": "2026-11-20T13:13:57.000000Z"}]
    assert run_import(imported, door).accepted == 1


def test_the_summary_adds_up_and_names_every_reason(write: Write, door: Door) -> None:
    lines = naive() + naive(latency_ms=-5) + naive(latency_ms=-7) + naive(timestamp="soon") + "{broken\n" + naive()
    summary = run_import(open_import(write("a.jsonl", lines), constants=SET), door)
    assert (summary.read, summary.accepted, summary.rejected, summary.duplicate, summary.unreadable) == (6, 2, 2, 0, 2)
    assert sorted(summary.reasons.values()) == [1, 1, 2]
    text = format_summary(summary)
    assert "read 6 rows: accepted 2, rejected 2, duplicate 0, unreadable 2" in text
    assert "  line 4: ts is 'soon'" in text
    assert door.count("rejects") == 3  # the broken line is kept with its bytes


def test_a_dry_run_sends_nothing(write: Write, door: Door) -> None:
    seen: list[tuple[int, int]] = []
    imported = open_import(write("a.jsonl", naive() * 5 + "{broken\n"), constants=SET)
    summary = run_import(
        imported, door, chunk=2, dry_run=True, on_progress=lambda done, total: seen.append((done, total))
    )
    assert (summary.read, summary.accepted, summary.unreadable, door.sizes) == (6, 0, 1, [])
    assert "5 can be sent, nothing was sent (dry run)" in format_summary(summary)
    assert seen[-1] == (imported.total, imported.total)


def test_chunks_are_bounded_in_rows_and_bytes_and_progress_grows(write: Write, door: Door) -> None:
    seen: list[int] = []
    imported = open_import(write("a.jsonl", "".join(naive(n=n) for n in range(25))), constants=SET)
    run_import(imported, door, chunk=10, on_progress=lambda done, total: seen.append(done))
    assert door.sizes == [10, 10, 5]
    assert seen == sorted(seen)
    door.sizes.clear()
    big = open_import(
        write("b.jsonl", "".join(naive(n=n, input_text=f"{n}" * (1 << 20)) for n in range(6))), constants=SET
    )
    assert run_import(big, door).accepted == 6
    assert len(door.sizes) > 1


def test_a_chunk_that_the_door_finds_too_large_is_halved(write: Write) -> None:
    sizes: list[int] = []

    def small_door(lines: list[bytes]) -> dict[str, Any]:
        if sum(map(len, lines)) > 900:
            raise TooLarge("the body is larger than 900 bytes")
        sizes.append(len(lines))
        return {"accepted": len(lines), "rejected": 0, "duplicates": 0, "errors": [], "warnings": []}

    lines = "".join(naive(n=n) for n in range(9)) + naive(input_text="x" * 2000)
    summary = run_import(open_import(write("a.jsonl", lines), constants=SET), small_door)
    assert (summary.accepted, summary.rejected, sum(sizes)) == (9, 1, 9)
    assert summary.reasons == {"the body is larger than 900 bytes": 1}


def test_a_preview_leaves_the_import_at_its_start(write: Write) -> None:
    imported = open_import(write("a.jsonl", naive(n=1) + naive(n=2) + naive(n=3)), constants=SET)
    assert [row.line for row in preview(imported, 2)] == [1, 2]
    assert isinstance(preview(imported)[0], Row)
    assert len(events(imported)) == 3
