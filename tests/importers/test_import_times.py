import pytest

from monitor.importers import open_import
from tests.importers.logs import SET, Write, events, naive, problems


@pytest.mark.parametrize(
    "given, utc",
    [
        ("2026-11-20 13:14:47.871725", "2026-11-20T13:14:47.871725Z"),
        ("2026-11-20T13:14:47+02:00", "2026-11-20T11:14:47.000000Z"),
        ("2026-11-20 13:14:47,5", "2026-11-20T13:14:47.500000Z"),
        ("2026/11/20 13:14", "2026-11-20T13:14:00.000000Z"),
        ("2026-11-20 13:14:47 UTC", "2026-11-20T13:14:47.000000Z"),
        ("20261120", "2026-11-20T00:00:00.000000Z"),
        (1795180436, "2026-11-20T13:13:56.000000Z"),
        (1795180436.438223, "2026-11-20T13:13:56.438223Z"),
        ("1795180436438", "2026-11-20T13:13:56.438000Z"),
        (1795180436438223, "2026-11-20T13:13:56.438223Z"),
        (1795180436438223999, "2026-11-20T13:13:56.438223Z"),
    ],
)
def test_times_of_any_spelling_become_utc(write: Write, given: object, utc: str) -> None:
    assert events(open_import(write("a.jsonl", naive(timestamp=given)), constants=SET))[0]["ts"] == utc


def test_times_without_an_offset_belong_to_the_given_time_zone(write: Write) -> None:
    lines = naive(timestamp="2026-07-01 12:00:00") + naive(timestamp="2026-12-01 12:00:00")
    found = events(open_import(write("a.jsonl", lines), constants=SET, timezone="Europe/Berlin"))
    assert [event["ts"][11:13] for event in found] == ["10", "11"]


@pytest.mark.parametrize("given", ["yesterday", "11/20/2026", 12, 1e300, "", None, True, "9999-12-31T23:59:59-12:00"])
def test_a_row_without_a_usable_time_is_unreadable(write: Write, given: object) -> None:
    path = write("a.jsonl", naive() + naive(timestamp=given) + naive())
    imported = open_import(path, constants=SET)
    assert [row.problem is None for row in imported] == [True, False, True]
    assert "ts is" in problems(imported)[0][1]
