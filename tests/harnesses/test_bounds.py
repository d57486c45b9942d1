"""Small uploads that stand for much: refused before they fill the memory of the process that owns the store."""

import io
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from monitor.errors import BadInput, TooLarge
from monitor.harnesses import HARNESSES, lighteval_details, tree, xlsx
from monitor.harnesses.robopoint_masks import read_mask
from monitor.harnesses.sheets import read_json, read_jsonl, read_table
from monitor.harnesses.tree import MIB, Bounds, Tree, bounds_of_upload, own_bounds, tree_of_bytes
from tests.harnesses.made import only, tree_of
from tests.harnesses.test_lighteval import details, row
from tests.harnesses.test_robopoint import files
from tests.harnesses.test_sheets import ROWS, parts, workbook
from tests.harnesses.test_tree import zipped

NOISE = random.Random(0).randbytes(400_000)
"""What a bomb brings along so that it is no 200 times its size."""


def bounded(name: str, content: bytes, **bounds: Any) -> Tree:
    told = {"file": 64 * MIB, "values": 1000, "unpacked": 64 * MIB} | bounds
    return Tree("upload", {name: len(content)}, lambda _: content, bounds=Bounds(**told))


def peak(call: Callable[[], object]) -> int:
    """Bytes that Python held at most meanwhile."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refusal(read: Callable[[], object]) -> Callable[[], object]:
    def refused() -> None:
        with pytest.raises(TooLarge):
            read()

    return refused


def sheet(fill: bytes, size: int) -> bytes:
    """A workbook whose first sheet is one element over and over."""
    made = parts(workbook(ROWS))
    begin, _, _ = made["xl/worksheets/sheet1.xml"].partition(b"<sheetData>")
    made["xl/worksheets/sheet1.xml"] = begin + b"<sheetData>" + fill * (size // len(fill)) + b"</sheetData></worksheet>"
    return zipped(made | {"xl/media/noise": NOISE})


def test_an_upload_may_unpack_to_a_multiple_of_its_size_within_bounds() -> None:
    assert bounds_of_upload(100).unpacked == 64 * MIB
    assert bounds_of_upload(16 * MIB).unpacked == 128 * MIB
    assert bounds_of_upload(2**40).unpacked == 512 * MIB
    assert own_bounds().unpacked is None
    members = {f"{index}.csv": bytes(4 * MIB) for index in range(17)}
    with pytest.raises(TooLarge, match=r"more than 64 MiB are unpacked.*import-benchmarks"):
        tree_of_bytes("up.zip", zipped(members | {"noise": NOISE})).__enter__()
    with tree_of_bytes("a.csv", bytes(65 * MIB)) as large, pytest.raises(TooLarge, match="at most 64 MiB are read"):
        large.read("a.csv")


def test_a_ratio_counts_from_a_few_megabytes_on() -> None:
    with pytest.raises(TooLarge, match="more than 200 times its size"):
        tree_of_bytes("up.zip", zipped({"a.csv": bytes(5 * MIB)})).__enter__()
    with tree_of_bytes("up.zip", zipped({"a.csv": bytes(3 * MIB)})) as small:
        assert len(small.read("a.csv")) == 3 * MIB


def test_workbooks_of_one_upload_share_its_bound_and_are_counted_once_however_often_they_are_read() -> None:
    book = workbook(ROWS)
    unpacked = sum(map(len, parts(book).values()))
    both = {"a.xlsx": book, "b.xlsx": book}
    shared = Tree("up", {name: len(book) for name in both}, both.__getitem__, bounds=Bounds(MIB, 100, 2 * unpacked - 1))
    for _ in range(3):
        assert len(read_table(shared, "a.xlsx")) == 3
    with pytest.raises(TooLarge, match=r"^b\.xlsx: with it"):
        read_table(shared, "b.xlsx")


@pytest.mark.parametrize("fill", [b"<v/>", b"<v>", b"<c><v/></c>", b"<row><row/></row>", b"<mergeCell/>"])
def test_every_element_of_a_sheet_counts_wherever_it_stands(monkeypatch: pytest.MonkeyPatch, fill: bytes) -> None:
    monkeypatch.setattr(xlsx, "MAX_TAGS_AT_ONCE", 20_000)
    monkeypatch.setattr(xlsx, "MAX_ROWS", 20_000)
    book = bounded("a.xlsx", sheet(fill, 2 * MIB))
    assert peak(refusal(lambda: read_table(book, "a.xlsx"))) < 16 * MIB


def test_blank_rows_count_and_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    book = bounded("a.xlsx", sheet(b"<row/>", MIB // 2))

    def read() -> None:
        with pytest.raises(BadInput, match="has no header"):
            read_table(book, "a.xlsx")

    assert peak(read) < 4 * MIB
    monkeypatch.setattr(xlsx, "MAX_ROWS", 1000)
    with pytest.raises(TooLarge, match="more than 1,000 rows, blank ones among them"):
        read_table(book, "a.xlsx")


def test_the_part_that_names_the_sheets_is_small_and_a_long_declaration_hides_no_encoding() -> None:
    made = parts(workbook(ROWS))
    padded = made["xl/workbook.xml"] + b" " * 3 * MIB
    with pytest.raises(TooLarge, match=r"workbook\.xml unpacks to more than 2 MiB"):
        read_table(tree_of({"a.xlsx": zipped(made | {"xl/workbook.xml": padded})}), "a.xlsx")
    hidden = b"<?xml version='1.0'" + b" " * 20_000 + b"encoding='cp037'?><x/>"
    with pytest.raises(BadInput, match="is not UTF-8"):
        read_table(tree_of({"a.xlsx": zipped(made | {"xl/worksheets/sheet1.xml": hidden})}), "a.xlsx")
    late = b"<worksheet>" + b" " * 16_380 + b"<!DOCTYPE x>"  # across the border of two pieces
    with pytest.raises(BadInput, match="declares entities"):
        read_table(tree_of({"a.xlsx": zipped(made | {"xl/worksheets/sheet1.xml": late})}), "a.xlsx")


def test_a_zip_that_lists_very_many_files_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_FILES", 10)
    with pytest.raises(TooLarge, match="more than 10 files, the most that are read of a zip"):
        tree_of_bytes("up.zip", zipped({str(index): b"" for index in range(41)})).__enter__()


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.json", b"[" + b"[]," * 400_000 + b"0]"),
        ("a.json", b"[" + b'{"a":1},' * 200_000 + b"0]"),
        ("a.jsonl", b'{"a":[0,0,0]}\n' * 100_000),
        ("a.csv", b",".join(b"%d" % n for n in range(1000)) + b"\n" + (b"1" + b"," * 999 + b"\n") * 500),
    ],
)
def test_documents_and_tables_of_many_values_are_refused_before_they_are_made(name: str, content: bytes) -> None:
    read = {"json": read_json, "jsonl": read_jsonl, "csv": read_table}[name.rpartition(".")[2]]
    upload = bounded(name, content)
    assert peak(refusal(lambda: read(upload, name))) < 3 * len(content) + MIB
    if name == "a.json":
        assert read(tree_of({name: content}), name), "somebody's own file may hold more"


def test_plain_tables_of_many_cells_are_refused() -> None:
    head = b"benchmark,checkpoint,item,score," + b",".join(b"c%d" % n for n in range(500))
    upload = bounded("a.csv", head + b"\n" + b"".join(b"b,m,%d,1%s\n" % (n, b",x" * 500) for n in range(100)))
    (found,) = HARNESSES["plain"].find(upload)
    with pytest.raises(TooLarge, match="more than 1,000 values"):
        list(found.read())


def test_masks_are_bounded_and_held_as_bytes_one_at_a_time() -> None:
    def picture(width: int, height: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(np.zeros((height, width), np.uint8)).save(file, "PNG")
        return file.getvalue()

    with pytest.raises(TooLarge, match=r"3000 x 2000 pixels, at most 4,000,000"):
        read_mask(tree_of({"masks/00.jpg": picture(3000, 2000)}), "masks/00.jpg")
    assert read_mask(tree_of({"a": picture(64, 48)}), "a").pixels.nbytes == 64 * 48
    large = {name: picture(1900, 2000) if "masks" in name else value for name, value in files().items()}
    masks = sum("masks" in name for name in large)
    assert masks > 5
    assert peak(lambda: only(HARNESSES["robopoint"], tree_of(large))) < 4 * 1900 * 2000


def test_a_text_that_a_parquet_file_says_once_for_all_rows_is_cut_and_what_is_kept_is_bounded() -> None:
    rows = [row(index, 1.0, query="x" * 200_000) for index in range(400)]
    path, content = "a.parquet", details(rows)
    assert len(content) < 200_000
    small = bounded(path, content, values=100_000, unpacked=4 * MIB)
    with pytest.raises(TooLarge, match="its texts come to more than 4 MiB"):
        lighteval_details.items_of(small, path, ["em"])
    held = peak(lambda: lighteval_details.items_of(bounded(path, content, values=100_000), path, ["em"]))
    assert held < 25_000_000, "20,000 characters of each, never 200,000"
    items = lighteval_details.items_of(tree_of({path: content}), path, ["em"])
    assert {(len(item.question or ""), item.target, item.answer) for item in items} >= {(20_001, "yes", "answer 0")}
    with pytest.raises(TooLarge, match="more than 1,000 values"):
        lighteval_details.items_of(bounded(path, content), path, ["em"])


def test_blanks_and_empty_lists_of_a_parquet_file_stay_so() -> None:
    file = io.BytesIO()
    asked: list[Any] = [{"query": "a", "choices": ["no", "yes"], "gold_index": [1], "id": "0"}]
    asked += [{"query": None, "choices": None, "gold_index": None, "id": "1"}]
    asked += [{"query": "c", "choices": [], "gold_index": [], "id": None}]
    parquet.write_table(pa.table({"doc": pa.array([*asked, None]), "metric": pa.array([{"em": 1.0}] * 4)}), file)
    items = lighteval_details.items_of(tree_of({"a.parquet": file.getvalue()}), "a.parquet", ["em"])
    assert [(item.item, item.question, item.target) for item in items] == [
        ("0", "a", "yes"),
        ("1", None, None),
        ("2", "c", None),
        ("3", None, None),
    ]
