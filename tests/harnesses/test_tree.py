import hashlib
import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from monitor.errors import BadInput, TooLarge
from monitor.harnesses import tree as trees
from monitor.harnesses.tree import open_tree, tree_of_bytes


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.filename = info.orig_filename = name
            archive.writestr(info, content, compress_type=compression)
    return file.getvalue()


def test_a_folder_a_zip_of_it_and_an_upload_hold_the_same_files(tmp_path: Path) -> None:
    files = {"m/a.csv": b"x\n1\n", "m/T1/b.json": b"{}"}
    for name, content in files.items():
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(content)
    (tmp_path / "run.ZIP").write_bytes(zipped(files))
    with open_tree(tmp_path / "run") as folder, open_tree(tmp_path / "run.ZIP") as archive:
        with tree_of_bytes("c:\\uploads\\run.zip", zipped(files)) as upload:
            for tree in (folder, archive, upload):
                assert dict(tree.sizes) == {"m/T1/b.json": 2, "m/a.csv": 4}
                assert list(tree.sizes) == sorted(files)
                assert {path: tree.read(path) for path in tree.sizes} == files
                assert tree.sha256("m/a.csv") == hashlib.sha256(b"x\n1\n").hexdigest()
                assert tree.matching("*.csv") == ["m/a.csv"]
        assert (folder.name, folder.parent, upload.name) == ("run", tmp_path.name, "run.zip")


def test_one_file_is_a_tree_of_one_and_knows_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    with open_tree(tmp_path / "results.json") as tree:
        assert (list(tree.sizes), tree.parent, tree.read("results.json")) == (["results.json"], tmp_path.name, b"{}")
    with tree_of_bytes("book.xlsx", zipped({"xl/workbook.xml": b"<a/>"})) as tree:
        assert list(tree.sizes) == ["book.xlsx"]  # a workbook is a zip too, and stays one file


def test_links_pipes_and_names_that_are_no_text_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("a\n")
    (tmp_path / "link.csv").symlink_to("real.csv")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"b\xffd.csv")).write_text("a\n")
    with open_tree(tmp_path) as tree:
        assert list(tree.sizes) == ["real.csv"]
        assert [line.partition(": ")[2] for line in tree.skipped] == [
            "its name is not UTF-8",
            "is a link",
            "is a link",
            "is neither a file nor a folder",
        ]


def test_a_file_that_became_a_link_or_went_away_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    (tmp_path / "b.csv").write_text("b\n")
    with open_tree(tmp_path) as tree:
        (tmp_path / "a.csv").unlink()
        (tmp_path / "a.csv").symlink_to("/etc/passwd")
        (tmp_path / "b.csv").unlink()
        with pytest.raises(BadInput, match=r"a\.csv: cannot be read"):
            tree.read("a.csv")
        with pytest.raises(BadInput, match=r"b\.csv: cannot be read: No such file"):
            tree.read("b.csv")
        with pytest.raises(BadInput, match="there is no such file"):
            tree.read("../outside")


@pytest.mark.parametrize(
    "name", ["../x.csv", "a/../../x.csv", "/etc/x.csv", "C:\\x.csv", "C:x.csv", "a\\b.csv", "a/..", "\\\\host\\x"]
)
def test_a_zip_with_a_name_that_leaves_the_folder_is_refused_by_it(name: str) -> None:
    with (
        pytest.raises(BadInput, match="a name that leaves the folder") as refused,
        tree_of_bytes("up.zip", zipped({"ok.csv": b"a", name: b"b"})),
    ):
        pass
    assert ascii(name) in str(refused.value)


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({f"{index}.csv": bytes(10 * 2**20) for index in range(7)})
    assert len(bomb) < 2**20
    with pytest.raises(TooLarge, match="70 MiB, more than 200 times its size"), tree_of_bytes("up.zip", bomb):
        pass
    monkeypatch.setattr(trees, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(TooLarge, match="at most 1 MiB are read"), tree_of_bytes("up.zip", bomb):
        pass


def test_too_many_files_and_too_large_ones_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trees, "MAX_FILES", 3)
    monkeypatch.setattr(trees, "MAX_FILE_BYTES", 4)
    with pytest.raises(TooLarge, match="has 4 files"), tree_of_bytes("a.zip", zipped({str(i): b"" for i in range(4)})):
        pass
    for index in range(4):
        (tmp_path / str(index)).write_bytes(b"12345")
    with pytest.raises(TooLarge, match="more than 3 files"), open_tree(tmp_path):
        pass
    with open_tree(tmp_path / "0") as tree, pytest.raises(TooLarge, match="at most 0 MiB are read of one file"):
        tree.read("0")


def test_a_member_that_lies_about_its_size_is_refused() -> None:
    content = bytearray(zipped({"a.csv": b"a" * 1000}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        content[content.index(mark) + offset : content.index(mark) + offset + 4] = struct.pack("<I", 10)
    with tree_of_bytes("up.zip", bytes(content)) as tree, pytest.raises(BadInput, match="the zip is damaged there"):
        tree.read("a.csv")


def test_a_damaged_member_does_not_harm_the_others() -> None:
    content = bytearray(zipped({"a.csv": b"first file", "b.csv": b"second file"}, zipfile.ZIP_STORED))
    place = content.index(b"second")
    content[place : place + 6] = b"SECOND"
    with tree_of_bytes("up.zip", bytes(content)) as tree:
        assert tree.read("a.csv") == b"first file"
        with pytest.raises(BadInput, match=r"b\.csv: cannot be read from up\.zip.*CRC"):
            tree.read("b.csv")


def test_encrypted_double_and_linked_members() -> None:
    plain = bytearray(zipped({"a.csv": b"a"}))
    plain[plain.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BadInput, match="is encrypted"), tree_of_bytes("up.zip", bytes(plain)):
        pass
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("__MACOSX/._a.csv", b"x")
        archive.writestr("folder/", b"")
        archive.writestr("./folder/a.csv", b"a")
    with tree_of_bytes("up.zip", file.getvalue()) as tree:
        assert list(tree.sizes) == ["folder/a.csv"]
        assert [line.partition(": ")[2][:9] for line in tree.skipped] == ["holds wha", "is a link"]
    double = zipped({"a.csv": b"1", "b.csv": b"2"}).replace(b"b.csv", b"a.csv")
    with pytest.raises(BadInput, match=r"holds 'a\.csv' twice"), tree_of_bytes("up.zip", double):
        pass


def test_every_cut_of_a_zip_is_refused_or_read_whole() -> None:
    whole = zipped({"a.csv": b"a,b\n1,2\n" * 20, "b/c.json": b"{}"})
    for length in range(len(whole)):
        with pytest.raises(BadInput, match=r"up\.zip: is not a zip"), tree_of_bytes("up.zip", whole[:length]):
            pass


@pytest.mark.parametrize("name,said", [("missing", "No such file"), ("pipe", "neither a folder nor a file")])
def test_what_is_not_there_or_no_file_is_said(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match=said), open_tree(tmp_path / name):
        pass
