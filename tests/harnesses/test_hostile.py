"""Whatever lies in a tree, an importer either says what is wrong with it or gives evaluations that can be trusted."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.benchmarks.evaluation import STATES, Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol
from monitor.errors import BadInput
from monitor.harnesses import HARNESSES, find_all
from monitor.harnesses.checking import checked, problem_of
from monitor.harnesses.records import Found, Refused
from monitor.harnesses.tree import Tree, open_tree, tree_of_bytes
from tests.harnesses.made import tree_of
from tests.harnesses.seeds import SEEDS

NAMES = sorted(SEEDS)
DEEP = "[" * 10_000_000
ODD: list[Any] = [
    None,
    True,
    False,
    -1,
    2**70,
    10**400,
    1e308,
    math.nan,
    math.inf,
    "",
    " ",
    "\0",
    "\ud800",
    "=1+1",
    "x" * 400,
]
ODD += [[], {}, [[]], [None], [1, "a"], {"a": {}}, "2026-13-45", "NaN", "N/A"]


def read(tree: Tree, harness: str = "") -> list[Evaluation | Refused]:
    """All that is in a tree, as an import goes over it."""
    results: list[Evaluation | Refused] = []
    for found in find_all(tree, harness):
        if isinstance(found, Refused):
            results.append(found)
            continue
        try:
            results += found.read()
        except BadInput as error:
            results.append(Refused(found.path, str(error)))
    for one in results:
        check(one)
    return results


def check(one: Evaluation | Refused) -> None:
    """What everybody behind an importer may rely on."""
    if isinstance(one, Refused):
        assert one.path
        assert one.reason
        return
    assert one.state in STATES
    assert (one.state == "done") == (one.problem is None), (one.state, one.problem)
    assert one.benchmark.strip()
    assert one.model.strip()
    assert one.source_sha256
    assert one.at is None or one.at.utcoffset() is not None
    assert sum(score.headline for score in one.scores) <= 1
    names = [(score.metric, score.category) for score in one.scores]
    assert len(set(names)) == len(names), names
    assert len({item.item for item in one.items}) == len(one.items), "items are told apart by their names"
    for score in one.scores:
        assert math.isfinite(score.value), score
        assert score.most is None or (math.isfinite(score.most) and score.most > 0), score
        assert score.stderr is None or (math.isfinite(score.stderr) and score.stderr >= 0), score
        assert score.n is None or score.n >= 0, score
    for item in one.items:
        assert len(item.item_hash) == 16, item
        assert all(math.isfinite(value) for value in item.scores.values()), item
    json.dumps([one.notes, one.model, [vars_of(item) for item in one.items]], ensure_ascii=False).encode()


def vars_of(item: Any) -> list[Any]:
    return [item.item, item.question, item.target, item.answer, item.failed, item.group, item.categories]


def healthy(name: str) -> dict[str, Any]:
    return dict(SEEDS[name])


def written(name: str) -> dict[str, bytes]:
    tree = tree_of(SEEDS[name])
    return {path: tree.read(path) for path in tree.sizes}


def test_there_is_a_healthy_run_of_each_harness() -> None:
    assert set(SEEDS) == set(HARNESSES)


@pytest.mark.parametrize("name", NAMES)
def test_the_healthy_run_is_read_whole_and_by_its_own_harness_alone(name: str) -> None:
    tree = tree_of(healthy(name))
    assert {found.harness for found in find_all(tree) if isinstance(found, Found)} == {name}
    results = read(tree)
    assert any(isinstance(one, Evaluation) and one.state == "done" and one.scores for one in results), results
    assert not [one for one in results if isinstance(one, Refused)]


def test_runs_of_all_harnesses_in_one_tree_are_each_read_once() -> None:
    alone = sum(len(read(tree_of(healthy(name)))) for name in NAMES)
    together = {f"{name}/{path}": content for name in NAMES for path, content in SEEDS[name].items()}
    tree = tree_of(together)
    assert {found.harness for found in find_all(tree) if isinstance(found, Found)} == set(NAMES)
    assert len(read(tree)) == alone


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read(name: str, data: st.DataObject) -> None:
    files = written(name)
    path = data.draw(st.sampled_from(sorted(files)))
    content = files[path]
    at = data.draw(st.integers(0, len(content)))
    damage = data.draw(st.sampled_from(["cut", "insert", "replace", "drop"]))
    junk = data.draw(
        st.sampled_from([b"\0", b"\xff", b'"', b"{", b"}", b"[[", b",", b"\n", b"NaN", b"1e999", b"-", b"="])
    )
    files[path] = {
        "cut": content[:at],
        "insert": content[:at] + junk + content[at:],
        "replace": content[:at] + junk + content[at + len(junk) :],
        "drop": content[:at] + content[at + 1 + at % 40 :],
    }[damage]
    survives(tree_of(files))


@pytest.mark.parametrize("name", [name for name in NAMES if any(".json" in path for path in SEEDS[name])])
@given(data=st.data())
def test_values_of_wrong_types_are_refused_or_read(name: str, data: st.DataObject) -> None:
    files = healthy(name)
    path = data.draw(st.sampled_from(sorted(path for path in files if ".json" in path)))
    value = json.loads(json.dumps(files[path]))
    places = list(places_in(value))
    holder, key = places[data.draw(st.integers(0, len(places) - 1))]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(st.sampled_from(ODD))
    survives(tree_of(files | {path: value}))


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value that can be written to."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places_in(value[key])


def survives(tree: Tree) -> None:
    """Nothing but BadInput comes out, and that only when there is nothing left which anybody knows."""
    message = "Known are"
    try:
        read(tree)
    except BadInput as error:
        message = str(error)
    assert "Known are" in message


def everywhere(name: str, damage: Callable[[bytes], bytes]) -> Iterator[Tree]:
    """The healthy run with one of its files damaged, for each of its files."""
    files = written(name)
    for path in files:
        yield tree_of(files | {path: damage(files[path])})


@pytest.mark.parametrize("name", NAMES)
def test_empty_and_half_files_and_other_encodings_are_survived(name: str) -> None:
    damages: list[Callable[[bytes], bytes]] = [
        lambda _: b"",
        lambda _: b"\0" * 100,
        lambda content: content[: len(content) // 2],
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.decode("latin-1").encode("utf-16"),
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content + content,
    ]
    for damage in damages:
        for tree in everywhere(name, damage):
            survives(tree)


@pytest.mark.parametrize("name", NAMES)
def test_ten_megabytes_of_nesting_are_refused_by_name(name: str) -> None:
    for path, content in written(name).items():
        if path.endswith((".xlsx", ".jpg", ".csv")):
            continue
        nested = content.replace(b"\n", b" ").rstrip(b" ]}").decode() + ", " + DEEP
        survives(tree_of(written(name) | {path: nested}))
        survives(tree_of(written(name) | {path: DEEP}))


@pytest.mark.parametrize("name", [name for name in NAMES if any(path.endswith(".json") for path in SEEDS[name])])
def test_a_name_given_twice_refuses_the_file_that_has_it(name: str) -> None:
    files = written(name)
    path = next(path for path in files if path.endswith(".json"))
    text = files[path].decode()
    first = text.index('"')
    key = text[first : text.index(":", first) + 1]
    tree = tree_of(files | {path: f"{text[:first]}{key} 1,\n{text[first:]}"})
    try:
        results = read(tree)
    except BadInput:
        return  # it is no longer known as a file of this harness
    assert not [one for one in results if isinstance(one, Evaluation) and one.source == path and one.state == "done"]


@pytest.mark.parametrize("name", NAMES)
def test_a_zip_is_read_as_the_folder_is_and_a_damaged_member_costs_only_itself(name: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in written(name).items():
            archive.writestr(path, content)
        archive.writestr("other/README.md", written("hf-cards")["m/README.md"])
    with tree_of_bytes("all.zip", file.getvalue()) as tree:
        whole = read(tree)
    assert len(whole) == len(read(tree_of(healthy(name)))) + 1
    broken = bytearray(file.getvalue())
    start = broken.index(next(iter(written(name))).encode()) + len(next(iter(written(name))))
    broken[start + 5 : start + 15] = b"\xff" * 10
    with tree_of_bytes("all.zip", bytes(broken)) as tree:
        results = read(tree)
    assert any(isinstance(one, Evaluation) and one.model == "m" for one in results)
    assert any(isinstance(one, Refused) for one in results), "the damaged one is named"


def good(**more: Any) -> Evaluation:
    item = ItemResult("1", "0" * 16, {"acc": 1.0})
    score = Score("acc", 1.0, headline=True)
    made: dict[str, Any] = {
        "benchmark": "b",
        "model": "m",
        "protocol": Protocol("x"),
        "source": "f",
        "source_sha256": "0" * 64,
        "scores": (score,),
        "items": (item,),
    }
    return Evaluation(**(made | more))


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"state": "done", "problem": "x"}, "it is done with the problem x"),
        ({"state": "failed"}, "it is failed with the problem None"),
        ({"at": datetime(2026, 1, 1)}, "its time has no zone"),  # noqa: DTZ001
        ({"scores": (Score("acc", math.nan),)}, "acc is nan, allowed is a finite number"),
        ({"scores": (Score("acc", 1, most=0),)}, "acc is out of 0, allowed is a number above 0"),
        ({"scores": (Score("acc", 1, n=-1),)}, "acc is over -1 items, allowed is 0 to 2147483647"),
        ({"scores": (Score("acc", 1, stderr=-1),)}, "the standard error of acc is -1, allowed is a number from 0"),
        ({"scores": (Score("acc", 1), Score("acc", 0))}, "two scores are called 'acc'"),
        (
            {"scores": (Score("a", 1, headline=True), Score("b", 0, headline=True))},
            "more than one of its scores is the main one",
        ),
        ({"items": (ItemResult("1", "", {}), ItemResult("1", "", {}))}, "two items are called '1'"),
        ({"items": (ItemResult("1", "", {"a": math.inf}),)}, "item '1': a is inf, allowed is a finite number"),
    ],
)
def test_an_evaluation_that_cannot_be_trusted_is_refused(wrong: dict[str, Any], why: str) -> None:
    assert problem_of(good()) is None
    assert list(checked(lambda: iter([good(**wrong)]))) == [Refused("f", f"f: {why}")]


@pytest.mark.parametrize("name", ["benchmark", "model"])
def test_a_blank_name_is_refused(name: str) -> None:
    assert "is blank" in (problem_of(good(**{name: " "})) or "")


def test_a_second_evaluation_that_says_nothing_new_is_refused() -> None:
    entry = "- {dataset: {id: MMMU/MMMU, task_id: val}, value: 42}\n"
    first, second = read(tree_of({"m/.eval_results/a.yaml": entry + entry.replace("42", "43")}))
    assert isinstance(first, Evaluation)
    assert isinstance(second, Refused)
    assert second.reason.endswith("holds 'm' on 'MMMU/MMMU' a second time, and does not say what was different")
    third = entry.replace("42}", "43, notes: with tools}")
    assert (
        len([one for one in read(tree_of({"m/.eval_results/a.yaml": entry + third})) if isinstance(one, Evaluation)])
        == 2
    )


def test_nothing_that_is_known_says_what_would_be(tmp_path: Any) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with open_tree(tmp_path) as tree, pytest.raises(BadInput) as error:
        list(find_all(tree))
    assert "no results that are known among its 1 files" in str(error.value)
    assert all(f"  {name}: " in str(error.value) for name in HARNESSES)


def test_an_unknown_harness_is_refused_and_a_known_one_reads_only_its_own() -> None:
    tree = tree_of({f"{name}/{path}": content for name in NAMES for path, content in SEEDS[name].items()})
    with pytest.raises(BadInput, match=r"harness 'helm' is not known; allowed are .*plain"):
        list(find_all(tree, "helm"))
    assert {found.harness for found in find_all(tree, "plain") if isinstance(found, Found)} == {"plain"}


def test_a_file_that_cannot_be_read_is_refused_by_its_name() -> None:
    def gone(path: str) -> bytes:
        raise BadInput(f"{path}: cannot be read: gone")

    assert read(Tree("x", {"scores.csv": 10}, gone)) == [Refused("scores.csv", "scores.csv: cannot be read: gone")]


@pytest.mark.timeout(60)
def test_a_hundred_thousand_items_are_read() -> None:
    rows = "".join(f"x,m,{index},{index % 2},What is number {index}?,{index}\n" for index in range(100_000))
    (one,) = read(tree_of({"items.csv": "benchmark,checkpoint,item,score,question,target\n" + rows}))
    assert isinstance(one, Evaluation)
    assert (len(one.items), one.scores[0].value, one.scores[0].n) == (100_000, 0.5, 100_000)
