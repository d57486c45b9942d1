"""Files are compared column by column, in bounded memory, and say what is wrong with them."""

import gc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from monitor.datasets import comparing, reading
from monitor.datasets.comparing import compare, profiles
from monitor.drift.judging import Judged, Pair, Rule, judge
from monitor.drift.profile import Category, Numeric, edges_of, profile_names, profile_numbers
from monitor.errors import BadInput

N = 3000


def columns(seed: int, shift: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    length = rng.normal(shift, 1, size=N)
    return {
        "length": np.where(rng.random(N) < 0.1, np.nan, length),
        "words": rng.poisson(4 + shift, size=N),
        "language": rng.choice(["en", "de", "fr"], N, p=[0.7 - shift / 4, 0.2 + shift / 4, 0.1]),
    }


def write(path: Path, **values: Any) -> Path:
    table = pa.table(values)
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path, row_group_size=700)
    return path


def by_name(found: list[Judged]) -> dict[str, Judged]:
    return {one.feature: one for one in found}


@pytest.mark.parametrize("ends", [".parquet", ".csv"])
def test_two_files_are_judged_as_their_columns_are(tmp_path: Path, ends: str) -> None:
    before, now = columns(1), columns(2, 0.8)
    seen: list[tuple[int, int]] = []
    found = compare(
        write(tmp_path / f"before{ends}", **before),
        write(tmp_path / f"now{ends}", **now),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    pairs = []
    for name in ("length", "words"):
        ours, theirs = (side[name].astype(float) for side in (before, now))
        cuts = edges_of(ours)
        pairs.append(Pair(name, profile_numbers(ours, cuts), profile_numbers(theirs, cuts), math.nan))
    languages = [profile_names(side["language"].tolist()) for side in (before, now)]
    expected = judge([*pairs, Pair("language", languages[0], languages[1], math.nan)], Rule())
    assert [str(one) for one in found] == [str(one) for one in expected]
    assert [one.state for one in found] == ["moved"] * 3
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_same_file_against_itself_has_not_moved(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", **columns(3))
    assert {one.state for one in compare(path, path)} == {"steady"}
    assert {one.effect for one in compare(path, path)} == {0.0}


def test_chunks_of_a_column_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = (write(tmp_path / f"{seed}.parquet", **columns(seed, seed / 9)) for seed in (4, 5))
    whole = by_name(compare(before, now))
    for module in (reading, comparing):
        monkeypatch.setattr(module, "CHUNK", 1000)
    parts = by_name(compare(before, now))
    assert parts["length"].n_window == whole["length"].n_window
    assert parts["language"] == whole["language"]
    assert parts["length"].effect == pytest.approx(whole["length"].effect, abs=0.01)
    assert parts["words"].effect == pytest.approx(whole["words"].effect)


@pytest.mark.parametrize(
    "values, kind",
    [
        ([True, False, None], Category),
        ([1, None, 3], Numeric),
        ([1.5, None, math.nan], Numeric),
        (pa.array([1, 2, 3], pa.uint64()), Numeric),
        (pa.array(["a", None, "b"]).dictionary_encode(), Category),
        (pa.array([1, 2, None], pa.decimal128(9, 2)), Numeric),
        (pa.array([1.5, 2, None], pa.float16()), Numeric),
        (pa.nulls(3), Category),
    ],
)
def test_kinds_come_from_types(tmp_path: Path, values: Any, kind: type) -> None:
    (found,) = profiles(write(tmp_path / "a.parquet", x=values)).values()
    assert isinstance(found, kind)
    assert found.n + found.missing == 3


def test_many_names_keep_the_most_frequent(tmp_path: Path) -> None:
    names = [f"n{at}" for at in range(5000)] + ["n7"] * 5 + [None]
    found = profiles(write(tmp_path / "a.parquet", x=names))["x"]
    assert isinstance(found, Category)
    assert (found.names[0], found.counts[0], found.n, found.missing, len(found.names)) == ("n7", 6, 5005, 1, 256)


def test_a_column_of_a_csv_is_of_numbers_only_if_all_of_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\tc\td\n1\t1\t\ttrue\n2\tx\t\tfalse\nNaN\t3\t\t\n", "utf-8")
    found = profiles(path)
    assert {name: type(each).__name__ for name, each in found.items()} == {
        "a": "Numeric",
        "b": "Category",
        "c": "Category",
        "d": "Category",
    }
    assert (found["a"].n, found["a"].missing, found["c"].missing) == (2, 1, 3)


def test_a_column_that_is_empty_on_one_side_is_all_missing(tmp_path: Path) -> None:
    full = write(tmp_path / "full.parquet", x=[1.0, 2.0] * 200)
    (found,) = compare(full, write(tmp_path / "none.parquet", x=pa.nulls(300)))
    assert (found.kind, found.state, found.called_by) == ("number", "moved", ("missing",))


def test_files_without_rows_are_no_data(tmp_path: Path) -> None:
    empty = write(tmp_path / "a.parquet", x=pa.array([], pa.float64()), y=pa.array([], pa.string()))
    assert [one.state for one in compare(empty, empty)] == ["no_data", "no_data"]


def test_dates_and_lists_are_left_out_and_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet", x=[1, 2], y=["a", "b"], when=pa.array([1, 2], pa.timestamp("us")), l=[[1], [2]]
    )
    assert list(profiles(path)) == ["x", "y"]
    assert [one.feature for one in compare(path, path, only=["y"])] == ["y"]


def broken(path: Path) -> Path:
    whole = write(path, **columns(6)).read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 200 + whole[204:])
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content, "utf-8")
    return path


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda at: at / "none.parquet", "none.parquet is not there"),
        (lambda at: text(at / "a.json", "{}"), "expected .parquet, .pq, .csv or .tsv"),
        (lambda at: text(at / "a.parquet", "PAR1 no"), "a.parquet is not a Parquet file that can be read"),
        (lambda at: text(at / "a.csv", ""), "a.csv is not a CSV file that can be read"),
        (
            lambda at: text(at / "a.csv", "x,y\n1,2\n3\n"),
            "a.csv is not a CSV file that can be read: .*Expected 2 columns",
        ),
        (lambda at: text(at / "a.csv", "x,x\n1,2\n"), "two columns"),
        (lambda at: write(at / "a.parquet", l=[[1]]), "no column of numbers or names"),
        (lambda at: broken(at / "broken.parquet"), "broken.parquet, column"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        profiles(make(tmp_path))
    gc.collect()  # a file that stayed open would warn here


def test_files_that_do_not_fit_say_which_columns(tmp_path: Path) -> None:
    one = write(tmp_path / "one.parquet", x=[1, 2], y=["a", "b"])
    with pytest.raises(BadInput, match=r"two.parquet lacks 'y', which .*one.parquet has"):
        compare(one, write(tmp_path / "two.parquet", x=[1]))
    with pytest.raises(BadInput, match=r"column 'x' is a number in .* and a category in"):
        compare(one, write(tmp_path / "three.parquet", x=["1"], y=["a"]))
    with pytest.raises(BadInput, match=r"has no column 'z' of numbers or names; it has 'x', 'y'"):
        compare(one, one, only=["z"])


def test_a_csv_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    profiles(text(tmp_path / "a.csv", "x\n1\n"))
    assert list((tmp_path / "temporary").iterdir()) == []
