import io
import json
import re
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import BadInput, TooLarge, UnsupportedMedia
from monitor.harnesses import sheets, xlsx
from monitor.harnesses.sheets import read_json, read_jsonl, read_table
from monitor.harnesses.values import Formula, moment, number, numbers_in, text
from tests.harnesses.made import tree_of
from tests.harnesses.test_tree import zipped


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            cell = sheet.cell(line, column, value)
            if isinstance(value, str):
                cell.data_type = "s"  # text that begins with "=" stays text, as pandas writes it
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def table(name: str, content: Any) -> list[dict[str, Any]]:
    return read_table(tree_of({name: content}), name)


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(content: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """A workbook with something else in one of its parts."""
    files = parts(content)
    assert old in files[name]
    return zipped(files | {name: files[name].replace(old, new)})


def shared(content: bytes) -> bytes:
    """The same workbook with its texts in a table of strings, as most programs write it."""
    files = parts(content)
    found: list[bytes] = []

    def moved(cell: re.Match[bytes]) -> bytes:
        found.append(b"<si>" + cell[2] + b"</si>")
        return b'<c r="%s" t="s"><v>%d</v></c>' % (cell[1], len(found) - 1)

    sheet = files["xl/worksheets/sheet1.xml"]
    files["xl/worksheets/sheet1.xml"] = re.sub(
        rb'<c r="(\w+)" t="inlineStr"><is>(.*?)</is></c>', moved, sheet, flags=re.DOTALL
    )
    assert found
    main = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    files["xl/sharedStrings.xml"] = b'<sst xmlns="' + main + b'">' + b"".join(found) + b"</sst>"
    return zipped(files)


ROWS: list[list[Any]] = [
    ["index", "question", "hit", "ok"],
    [1, "a <b> & ü", 0.5, True],
    [2, None, 1, False],
    [3, "=1+1", 0, True],
]


def test_all_kinds_of_tables_read_alike() -> None:
    expected: list[dict[str, Any]] = [
        {"index": 1, "question": "a <b> & ü", "hit": 0.5, "ok": True},
        {"index": 2, "question": None, "hit": 1, "ok": False},
        {"index": 3, "question": "=1+1", "hit": 0, "ok": True},
    ]
    assert table("a.xlsx", workbook(ROWS)) == table("a.xlsx", shared(workbook(ROWS))) == expected
    assert table("a.json", expected) == expected
    assert table("a.jsonl", expected) == expected
    assert table("a.json", {name: [row[name] for row in expected] for name in expected[0]}) == expected
    written = [{name: None if value is None else str(value) for name, value in row.items()} for row in expected]
    for name, separator in (("a.csv", ","), ("a.tsv", "\t")):
        quoted = "\n".join(separator.join(f'"{"" if value is None else value}"' for value in row) for row in ROWS)
        assert table(name, "\N{BOM}" + quoted) == written


def test_text_that_begins_like_a_formula_is_text_and_a_formula_is_no_number() -> None:
    content = changed(workbook(ROWS), "xl/worksheets/sheet1.xml", b"<v>0.5</v>", b"<f>SUM(A1:A9)</f><v>0.5</v>")
    rows = table("a.xlsx", content)
    assert rows[2]["question"] == "=1+1"
    assert not isinstance(rows[2]["question"], Formula)
    assert rows[0]["hit"] == "=SUM(A1:A9)"
    with pytest.raises(BadInput, match="cell C2 holds a formula, not a number"):
        number(rows[0]["hit"], "a.xlsx, column hit")


@settings(max_examples=25)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(10**15), 10**15),
                st.floats(allow_nan=False, allow_infinity=False, width=32),
                st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda one: "_x" not in one),
            ),
            min_size=3,
            max_size=3,
        ),
        max_size=5,
    )
)
def test_workbooks_read_as_openpyxl_reads_them(rows: list[list[Any]]) -> None:
    content = workbook([["a", "b", "c"], *rows])
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    expected = [list(row) for row in sheet.iter_rows(values_only=True)][1:]
    expected = [[*row, *[None] * (3 - len(row))] for row in expected if any(value is not None for value in row)]
    assert [list(row.values()) for row in table("a.xlsx", content)] == expected
    assert [list(row.values()) for row in table("a.xlsx", shared(content))] == expected


def test_inline_text_with_runs_and_escapes_reads_as_it_is_shown() -> None:
    inline = b'<c r="B2" t="inlineStr"><is><r><t>two </t></r><r><t xml:space="preserve">runs_x000A_end</t></r></is></c>'
    content = workbook([["a", "b", "c"], [1, 2, 3]])
    sheet = parts(content)["xl/worksheets/sheet1.xml"]
    begin = sheet.index(b'<c r="B2"')
    old = sheet[begin : sheet.index(b"</c>", begin) + 4]
    assert table("a.xlsx", changed(content, "xl/worksheets/sheet1.xml", old, inline))[0] == {
        "a": 1,
        "b": "two runs\nend",
        "c": 3,
    }


@pytest.mark.parametrize(
    "declared", [b'<!DOCTYPE x [<!ENTITY a "aaaa">]>', b'<!DOCTYPE x SYSTEM "file:///etc/passwd">']
)
def test_a_workbook_that_declares_entities_is_refused(declared: bytes) -> None:
    for name in ("xl/workbook.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"):
        files = parts(shared(workbook(ROWS)))
        begin = files[name].index(b"?>") + 2 if files[name].startswith(b"<?xml") else 0
        files[name] = files[name][:begin] + declared + files[name][begin:]
        with pytest.raises(BadInput, match="declares entities"):
            table("a.xlsx", zipped(files))
        files[name] = files[name].replace(declared, b"").decode().encode("utf-16")
        with pytest.raises(BadInput, match="is not UTF-8"):
            table("a.xlsx", zipped(files))


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    files = parts(workbook(ROWS))
    with pytest.raises(TooLarge, match="zip bomb"):
        table("a.xlsx", zipped(files | {"xl/media/image1.png": bytes(80 * 2**20)}))
    wide = b"<row>" + b"<c/>" * 3000 + b"</row>"
    with pytest.raises(TooLarge, match="more than 2,000 columns"):
        table("a.xlsx", changed(workbook(ROWS), "xl/worksheets/sheet1.xml", b"</sheetData>", wide + b"</sheetData>"))
    with pytest.raises(TooLarge, match="column ZZZZ"):
        table("a.xlsx", changed(workbook(ROWS), "xl/worksheets/sheet1.xml", b'r="D4"', b'r="ZZZZ4"'))
    monkeypatch.setattr(xlsx, "MAX_XLSX_BYTES", 1000)
    with pytest.raises(TooLarge, match="would unpack to 0 MiB, at most 0 MiB"):
        table("a.xlsx", workbook(ROWS))


def test_every_cut_of_a_workbook_is_refused_by_name() -> None:
    whole = workbook(ROWS)
    for length in range(0, len(whole) - 1, 61):
        with pytest.raises(BadInput, match=r"^a\.xlsx: "):
            table("a.xlsx", whole[:length])


def test_damage_inside_a_workbook_is_refused_or_harmless() -> None:
    for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"):
        files = parts(shared(workbook(ROWS)))
        for change in (files[name][:-40], b"", b"<x/>", files[name].replace(b"<v>1</v>", b"<v>99</v>")):
            try:
                rows = table("a.xlsx", zipped(files | {name: change}))
            except BadInput as error:
                assert str(error).startswith("a.xlsx: ")  # noqa: PT017
            else:
                assert len(rows) == 3


@pytest.mark.parametrize(
    "name,content,said",
    [
        ("a.csv", "a,b\n1,2\n3", "row 3: has 1 cells, the header has 2"),
        ("a.csv", "a,b\n1,2,3\n", "row 2: has 3 cells"),
        ("a.csv", 'a,b\n1,"2', "line 2: unexpected end of data; the file may be half written"),
        ("a.csv", "a,a\n1,2\n", "two columns are called 'a'"),
        ("a.csv", b"", "is empty"),
        ("a.csv", "a,b\n1,ü\n".encode("utf-16"), "is not UTF-8"),
        ("a.csv", b"a,b\n1,\xff\n", r"is not UTF-8 \(byte 6\)"),
        ("a.json", '[{"a": 1}, {"a"', "is not JSON, it may be half written"),
        ("a.json", "[1, 2]", "is not a table"),
        ("a.json", '{"a": [1], "b": [1, 2]}', "not of one length"),
        ("a.json", '[{"a": 1, "a": 2}]', "the key 'a' stands twice"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '[{"a": ' + "9" * 5000 + "}]", "is not JSON"),
        ("a.jsonl", '{"a": 1}\n{"a": ', "line 2: is not JSON"),
        ("a.jsonl", '{"a": 1}\n[2]\n', "line 2: is not a JSON object"),
    ],
)
def test_what_is_damaged_is_refused_with_its_place(name: str, content: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        table(name, content)
    assert str(refused.value).startswith(name)


def test_pickles_and_unknown_endings_are_never_opened() -> None:
    for name in ("a.pkl", "a.parquet", "a"):
        with pytest.raises(UnsupportedMedia, match="tables are xlsx, csv, tsv, json, jsonl"):
            table(name, b"cos\nsystem\n(S'true'\ntR.")


def test_rows_cells_and_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge, match="row 2: a cell has more than"):
        table("a.csv", f"a\n{'x' * (2**20 + 1)}\n")
    monkeypatch.setattr(sheets, "MAX_ROWS", 2)
    for name, content in (("a.csv", "a\n1\n2\n3\n"), ("a.jsonl", [{}] * 3), ("a.json", [{}] * 3)):
        with pytest.raises(TooLarge, match="more than 2"):
            table(name, content)


def test_items_by_the_ten_thousand_are_read() -> None:
    rows = [{"index": index, "question": f"Is {index} even?", "hit": index % 2} for index in range(20_000)]
    tree = tree_of({"a.jsonl": rows, "a.csv": "index,question,hit\n" + "".join(f"{i},q,1\n" for i in range(20_000))})
    assert len(read_jsonl(tree, "a.jsonl")) == len(read_table(tree, "a.csv")) == 20_000


def test_values_of_strangers_become_numbers_text_and_times_or_are_refused() -> None:
    assert [number(one, "x") for one in (1, "2.5", " 3 ", True, "False", "", None, float("nan"), "N/A")] == [
        1.0,
        2.5,
        3.0,
        1.0,
        0.0,
        None,
        None,
        None,
        None,
    ]
    strange: list[object] = ["abc", "1_000", float("inf"), "1e999", 10**400, [1], {}]
    for bad in strange:
        with pytest.raises(BadInput, match=r"x: .* is not a finite number"):
            number(bad, "x")
    assert [text(one) for one in (3.0, 2.5, float("nan"), None)] == ["3", "2.5", None, None]
    assert text("a\0\ud800") == "a\N{REPLACEMENT CHARACTER}?"
    assert text("x" * 30_000) == "x" * 20_000 + "…"
    assert numbers_in("[0.5, abc]") is numbers_in("7") is numbers_in("[]") is None
    assert moment("2026-01-02T03:04:05")[1] is True
    assert moment(1763642015.5)[0] is not None
    assert [moment(one)[0] for one in (621004.6, 1e300, "yesterday", None, True)] == [None] * 5


def test_json_with_a_mark_of_its_encoding_reads() -> None:
    assert read_json(tree_of({"a.json": b"\xef\xbb\xbf" + json.dumps({"a": 1}).encode()}), "a.json") == {"a": 1}
