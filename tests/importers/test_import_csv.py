import csv
import io

import pytest

from monitor.errors import BadInput
from monitor.importers import open_import
from tests.importers.logs import SET, Write, events, problems


def test_well_known_columns_map_by_themselves(write: Write) -> None:
    text = "Start Time,Prompt Tokens,completion-tokens,duration_s,Status Code\n2026-11-20 10:00:00,5,7,0.25,503\n"
    (event,) = events(open_import(write("a.csv", text), constants=SET))
    assert (event["tokens_in"], event["tokens_out"], event["latency_ms"]) == (5, 7, 250.0)
    assert (event["status"], event["error_type"]) == ("error", "http_503")


def test_named_columns_and_constants_win_over_well_known_ones(write: Write) -> None:
    path = write("a.csv", "timestamp,begin,deployment\n2026-01-01,2026-02-02,x\n")
    (event,) = events(open_import(path, mapping={"ts": "begin"}, constants={"deployment": "y", "attrs.run": "7"}))
    assert (event["ts"][:10], event["deployment"], event["attrs"]) == ("2026-02-02", "y", {"run": "7"})


def test_a_feature_named_like_a_field_does_not_stand_in_for_it(write: Write) -> None:
    path = write("a.csv", "ts,latency_ms,n\n2026-01-01,5,7\n")
    (event,) = events(open_import(path, mapping={"features.latency_ms": "n"}, constants=SET))
    assert (event["latency_ms"], event["features"]) == (5.0, {"latency_ms": 7.0})
    with pytest.raises(BadInput, match="when the rows happened"):
        open_import(write("b.csv", "at,n\n2026-01-01,5\n"), mapping={"attrs.ts": "at"}, constants=SET)


def test_features_and_attributes_are_mapped_one_by_one(write: Write) -> None:
    path = write("a.csv", "ts,light,scene\n2026-01-01,0.5,beach\n")
    mapping = {"features.light": "light", "features.scene": "scene", "attrs.scene": "scene"}
    (event,) = events(open_import(path, mapping=mapping, constants=SET))
    assert event["features"] == {"light": 0.5, "scene": "beach"}
    assert event["attrs"] == {"scene": "beach"}


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_any_common_delimiter_is_found(write: Write, sign: str) -> None:
    text = f"ts{sign}prompt{sign}tokens_in\r\n2026-01-01{sign}a b{sign}3\r\n"
    (event,) = events(open_import(write("a.csv", b"\xef\xbb\xbf" + text.encode()), constants=SET))
    assert (event["input_text"], event["tokens_in"]) == ("a b", 3)


def test_cells_over_several_lines_and_very_long_ones_are_whole(write: Write) -> None:
    prompt, long = 'first\r\nsecond "quoted", third\n', "y" * 3_000_000
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["ts", "prompt"], ["2026-01-01", prompt], ["2026-01-02", long], ["2026-01-03", "end"]])
    rows = list(open_import(write("a.csv", out.getvalue()), constants=SET))
    assert [row.event["input_text"] for row in rows if row.event] == [prompt, long, "end"]
    assert [row.line for row in rows] == [2, 5, 6]


def test_a_damaged_record_costs_only_its_own_line(write: Write) -> None:
    lines = [
        "ts,prompt,tokens_in",
        "2026-01-01,a,1",
        '2026-01-02,"b',
        '2026-01-03,"c",3',
        "2026-01-04",
        "2026-01-05,e,5",
    ]
    imported = open_import(write("a.csv", "\n".join(lines) + "\n"), constants=SET)
    assert [row.event["tokens_in"] for row in imported if row.event] == [1, 3, 5]
    assert problems(imported) == [
        (3, "damaged CSV: ',' expected after '\"'"),
        (5, "the record has 1 cells, the header has 3"),
    ]


def test_a_quote_that_never_ends_costs_only_its_own_line(write: Write) -> None:
    lines = ["ts,prompt", '2026-01-01,"open', *(f"2026-01-02,row {n}" for n in range(500))]
    imported = open_import(write("a.csv", "\n".join(lines)), constants=SET)
    assert len([row for row in imported if row.event]) == 500
    assert problems(imported) == [(2, "damaged CSV: unexpected end of data")]


def test_bytes_that_are_not_utf8_are_named_with_what_to_do(write: Write) -> None:
    path = write("a.csv", "ts,prompt\n2026-01-01,gut\n2026-01-02,schön\n2026-01-03,ok\n".encode("latin-1"))
    imported = open_import(path, constants=SET)
    assert len([row for row in imported if row.event]) == 2
    ((line, problem),) = problems(imported)
    assert (line, "0xf6" in problem, "iconv -f LATIN1 -t UTF-8" in problem) == (3, True, True)


def test_a_cell_that_is_no_number_is_named_with_its_column(write: Write) -> None:
    path = write(
        "a.csv", "ts,ContextTokens\n2026-01-01,many\n2026-01-02,\n2026-01-03,nan\n2026-01-04,5.0\n2026-01-05,5.5\n"
    )
    imported = open_import(path, constants=SET)
    assert [row.event.get("tokens_in") for row in imported if row.event] == [None, None, 5]
    assert problems(imported) == [
        (2, "tokens_in (column ContextTokens): 'many' is not a number"),
        (6, "tokens_in (column ContextTokens): '5.5' is not a whole number"),
    ]


def test_columns_of_one_name_are_told_apart(write: Write) -> None:
    imported = open_import(write("a.csv", "ts,x,x,\n2026-01-01,1,2,3\n"), constants=SET)
    assert imported.unmapped == ("x", "x (2)", "column 4")
