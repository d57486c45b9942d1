import random
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import BadInput
from monitor.importers import IMPORTERS, open_import, parse_pairs
from monitor.importers.targets import TARGETS
from tests.importers.logs import PNG, SET, Write, naive


def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, write: Write) -> None:
    cases: dict[str, tuple[Path, str]] = {
        "missing": (tmp_path / "gone.csv", "does not exist"),
        "folder": (tmp_path, "is a folder"),
        "empty": (write("empty.csv", " \n"), "is empty"),
        "binary": (write("junk.csv", b"\x7fELF\x00\x01\x02"), "is not text: it begins with 7f 45"),
        "excel": (write("a.xlsx", b"PK\x03\x04rest"), "save the sheet as CSV"),
        "utf-16": (write("u.csv", "ts,a\n".encode("utf-16")), "iconv -f UTF-16 -t UTF-8"),
        "bad gzip": (write("a.gz", b"\x1f\x8b\x08\x00junk"), "cannot be unpacked"),
        "bad parquet": (write("a.parquet", b"PAR1junkPAR1"), "not a Parquet file that can be read"),
        "array": (write("a.json", '[{"a": 1}]'), "one JSON array"),
        "prose": (write("a.txt", "hello\n"), "no importer knows this file, it begins with 'hello'"),
        "no header": (write("n.csv", "2026-01-01 10:00:00,5\n"), "looks like data, not like column names"),
        "evaluation": (write("s.jsonl", '{"doc_id": 1, "filtered_resps": []}\n'), "is not traffic"),
    }
    for path, message in cases.values():
        with pytest.raises(BadInput, match=message):
            open_import(path, constants=SET)


def test_an_unknown_file_is_answered_with_the_list_of_importers(write: Write) -> None:
    with pytest.raises(BadInput) as refused:
        open_import(write("a.txt", "hello\n"))
    assert all(importer.name in str(refused.value) for importer in IMPORTERS)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"importer": "jsnol"}, "did you mean 'jsonl'"),
        ({"mapping": {"tokensin": "timestamp"}}, "did you mean 'tokens_in'"),
        ({"mapping": {"ts": "timestmp"}}, "no column 'timestmp'; did you mean 'timestamp'"),
        ({"mapping": {"ts": "timestamp"}, "constants": {"ts": "2026"}}, "by --map and by --set"),
        ({"constants": {"confidence": "high"}}, "--set confidence=high: 'high' is not a number"),
        ({"timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"constants": {}}, "add --set deployment=NAME, or name its column with --map deployment=COLUMN"),
    ],
)
def test_an_option_that_cannot_be_used_says_what_can(write: Write, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        open_import(write("a.jsonl", naive()), **({"constants": SET} | options))


def test_a_log_without_a_time_is_refused(write: Write) -> None:
    with pytest.raises(BadInput, match="when the rows happened; name the column of the time with --map ts=COLUMN"):
        open_import(write("a.csv", "prompt,answer\na,b\n"), constants=SET)


def test_pairs_of_the_command_line() -> None:
    assert parse_pairs(["ts=TIME,tokens_in=n", "label=l"], "--map") == {"ts": "TIME", "tokens_in": "n", "label": "l"}
    assert parse_pairs(["label=a, b"], "--set", several=False) == {"label": "a, b"}
    with pytest.raises(BadInput, match="expected TARGET=VALUE"):
        parse_pairs(["ts"], "--map")
    with pytest.raises(BadInput, match="ts is given twice"):
        parse_pairs(["ts=a", "ts=b"], "--map")


def test_the_guide_names_every_importer_and_target() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "import.md").read_text("utf-8")
    missing = [name for name in [*(i.name for i in IMPORTERS), *(t.name for t in TARGETS)] if f"`{name}`" not in guide]
    assert missing == []


@pytest.mark.parametrize("seed", range(8))
def test_no_damage_to_a_file_stops_its_import(tmp_path: Path, seed: int) -> None:
    rnd = random.Random(seed)
    table = 'ts,prompt,flag,timestamp\n2026-01-01,"a\nb",good,2026-01-01 10:00\n' * 3
    chat = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}]
    path = tmp_path / "damaged"
    for log in (naive(input_text=chat, error={"code": 5}) * 3, table):
        for _ in range(40):
            damaged = bytearray(log.encode())
            for _ in range(rnd.randint(1, 5)):
                where = rnd.randrange(len(damaged))
                damaged[where : where + rnd.choice((0, 1, 9))] = rnd.choice(
                    (b"", b'"', b"\n", b"\xff", b"{", b"[" * 900)
                )
            path.write_bytes(damaged)
            try:
                rows = list(open_import(path, constants=SET, keep_rest=True))
            except BadInput:
                continue
            assert all((row.event is None) is bool(row.problem) for row in rows)
