"""Files of a batch probe: pictures, zips and tables, the good ones and the hostile ones."""

import io
import json
import zipfile

import pytest

from monitor.errors import BadInput, TooLarge
from monitor.ui.probe.files import Bounds, take_apart
from monitor.ui.probe.items import items_of
from monitor.ui.probe.table import Row, read_table

BOUNDS = Bounds(items=10, image_bytes=1000, total_bytes=5000)
A, B = "a" * 64, "b" * 64


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def csv(text: str, most: int = 10) -> tuple[Row, ...]:
    return read_table("questions.csv", text.encode(), most)


def jsonl(*rows: object) -> tuple[Row, ...]:
    return read_table("questions.jsonl", "\n".join(json.dumps(row) for row in rows).encode(), 10)


# -- tables


def test_a_csv_gives_prompts_pictures_labels_and_ids() -> None:
    rows = csv('id,prompt,image,label\none,What colour?,a.png,red\n,"two\nlines",a.png; b.png,\n')
    assert rows[0] == Row("one", "What colour?", ("a.png",), "red")
    assert rows[1] == Row("line-4", "two\nlines", ("a.png", "b.png"), None)


def test_a_jsonl_may_use_the_other_usual_column_names() -> None:
    rows = jsonl({"Question": "Q", "images": ["x/a.png", "b.png"], "answer": 3})
    assert rows == (Row("line-1", "Q", ("a.png", "b.png"), "3"),)


def test_a_table_with_a_byte_order_mark_is_read() -> None:
    assert read_table("q.csv", b"\xef\xbb\xbfprompt\nhello\n", 10)[0].prompt == "hello"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour,shape\nred,circle\n", "has the columns colour, shape: a row needs `prompt`, `image`"),
        ("prompt\n", "has no rows"),
        ("", r"\(none\): a row needs `prompt`"),
        ("id,prompt\nx,a\nx,b\n", "two rows have the id 'x'"),
        ("prompt\n" + "a\n" * 11, "more than 10 rows; WATCHPOINT_PROBE_ITEMS"),
    ],
)
def test_a_csv_that_cannot_be_used_says_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises((BadInput, TooLarge), match=said):
        csv(text)


def test_a_line_that_is_not_json_is_named() -> None:
    with pytest.raises(BadInput, match=r"q\.jsonl, line 2 is not JSON"):
        read_table("q.jsonl", b'{"prompt": "a"}\n{"prompt": \n', 10)
    with pytest.raises(BadInput, match="line 1 is no JSON object but '3'"):
        read_table("q.jsonl", b"3\n", 10)


def test_values_of_the_wrong_kind_are_named_by_line() -> None:
    with pytest.raises(BadInput, match=r"line 2: `prompt` is .*expected a text"):
        jsonl({"prompt": "fine"}, {"prompt": ["no"]})
    with pytest.raises(BadInput, match=r"line 1: `image` is .*expected a file name"):
        jsonl({"image": [1]})


def test_a_table_in_another_encoding_is_refused_in_words() -> None:
    with pytest.raises(BadInput, match="is not UTF-8 text"):
        read_table("q.csv", "prompt\nGrüße\n".encode("utf-16"), 10)


# -- zips


def test_a_zip_gives_pictures_and_a_table_without_their_folders() -> None:
    archive = zipped(
        {
            "set/images/a.png": b"1",
            "set\\images\\b.JPG": b"2",
            "set/q.csv": b"image\na.png\n",
            "__MACOSX/set/._a.png": b"x",
            "set/.hidden.png": b"x",
            "set/readme.txt": b"x",
        }
    )
    chosen = take_apart([("set.zip", archive)], BOUNDS)
    assert chosen.pictures == {"a.png": b"1", "b.JPG": b"2"}
    assert chosen.rows == (Row("line-2", "", ("a.png",)),)


def test_a_name_that_climbs_out_of_the_zip_is_only_a_name() -> None:
    chosen = take_apart([("set.zip", zipped({"../../etc/passwd.png": b"1", "/root/b.png": b"2"}))], BOUNDS)
    assert sorted(chosen.pictures) == ["b.png", "passwd.png"]


def test_a_zip_bomb_is_read_no_further_than_one_image_may_be() -> None:
    bomb = zipped({"a.png": b"\0" * 200_000_000})
    assert len(bomb) < 300_000
    with pytest.raises(TooLarge, match=r"a\.png in bomb\.zip is larger than"):
        take_apart([("bomb.zip", bomb)], BOUNDS)


def test_many_pictures_that_are_too_much_together_are_refused() -> None:
    many = zipped({f"{n}.png": bytes([n]) * 900 for n in range(8)})
    with pytest.raises(TooLarge, match=r"set\.zip unpacks to more than"):
        take_apart([("set.zip", many)], BOUNDS)


def test_a_zip_of_too_many_files_is_refused_before_any_is_read() -> None:
    with pytest.raises(TooLarge, match="holds 12 files; the limit of one batch is 10"):
        take_apart([("set.zip", zipped({f"{n}.png": b"" for n in range(12)}))], BOUNDS)


def test_a_zip_that_lies_about_sizes_is_refused() -> None:
    honest = bytearray(zipped({"a.png": b"\0" * 100_000}, zipfile.ZIP_STORED))
    central = honest.rindex(b"PK\x01\x02")
    honest[central + 24 : central + 28] = (10).to_bytes(4, "little")  # uncompressed size in the directory
    with pytest.raises((BadInput, TooLarge)):
        take_apart([("lie.zip", bytes(honest))], BOUNDS)


@pytest.mark.parametrize("content", [b"", b"not a zip", zipped({"a.png": b"1"})[:-30]], ids=["empty", "text", "cut"])
def test_a_broken_zip_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"set\.zip cannot be unpacked"):
        take_apart([("set.zip", content)], BOUNDS)


def test_two_different_pictures_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match=r"two different pictures are called a\.png"):
        take_apart([("set.zip", zipped({"one/a.png": b"1", "two/a.png": b"2"}))], BOUNDS)


def test_a_file_that_is_neither_picture_nor_table_is_named() -> None:
    with pytest.raises(BadInput, match=r"notes\.txt is neither a picture"):
        take_apart([("notes.txt", b"x")], BOUNDS)


def test_two_tables_are_one_too_many() -> None:
    with pytest.raises(BadInput, match=r"there are 2 tables \(a\.csv, b\.jsonl\)"):
        take_apart([("a.csv", b"prompt\nx\n"), ("b.jsonl", b'{"prompt": "x"}')], BOUNDS)


# -- items


def test_pictures_alone_are_each_asked_the_prompt() -> None:
    chosen = take_apart([("a.png", b"1"), ("b.png", b"2")], BOUNDS)
    first, _ = items_of(chosen, "What is it?", "Be brief.", {"a.png": A, "b.png": B})
    assert first == {
        "id": "a.png",
        "label": None,
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "image", "sha256": A}, {"type": "text", "text": "What is it?"}]},
        ],
    }


def test_a_row_keeps_its_own_prompt() -> None:
    chosen = take_apart([("a.png", b"1"), ("q.csv", b"prompt,image,label\nColour?,a.png,red\n,a.png,\n")], BOUNDS)
    first, second = items_of(chosen, "Shape?", "", {"a.png": A})
    assert first["messages"][0]["content"][-1]["text"] == "Colour?"
    assert second["messages"][0]["content"][-1]["text"] == "Shape?"
    assert (first["label"], second["label"]) == ("red", None)


def test_a_table_that_names_missing_pictures_says_which() -> None:
    chosen = take_apart([("q.csv", b"image\na.png\nb.png\n")], BOUNDS)
    with pytest.raises(BadInput, match=r"names pictures that were not chosen with it: a\.png, b\.png"):
        items_of(chosen, "", "", {})


def test_pictures_without_a_prompt_are_not_asked_about() -> None:
    with pytest.raises(BadInput, match="pictures without a table need a prompt"):
        items_of(take_apart([("a.png", b"1")], BOUNDS), " ", "", {"a.png": A})
