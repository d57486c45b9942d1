"""Suite files: what they become, and that each mistake is named with its file, line, value and what is allowed."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from monitor.canary import yaml_lines
from monitor.canary.checks import CHECKS
from monitor.canary.suites import Suite, load_suite
from monitor.chat import Generation
from monitor.errors import BadInput
from monitor.probe.bodies import Picture, Text, Turn
from tests.conftest import ROOT

GOOD = """\
suite: shapes
about: what the small vision checkpoints can do
settings: {max_tokens: 64, temperature: 0}
checks:
- refusal: false
items:
- id: colour-1
  tags: [colour, one-image]
  weight: 2
  group: img-1
  messages:
  - {role: system, content: Answer with one word.}
  - role: user
    content: [{image: images/a.png}, {text: "What colour is the circle?"}]
  settings: {max_tokens: 16, stop: ["."]}
  checks:
  - exact: red
  - {kind: max_tokens, most: 4}
- id: count-1
  images: [images/a.png, images/b.png]
  prompt: How many images are there?
"""


def write(folder: Path, text: str, name: str = "suite.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    for file, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (8, 8), colour).save(folder / "images" / f"{file}.png")
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def load(folder: Path, text: str) -> Suite:
    return load_suite(write(folder, text))


def problems(folder: Path, text: str, name: str = "suite.yaml") -> list[str]:
    """The lines of the error that a suite raises, each without the folder."""
    path = write(folder, text)
    with pytest.raises(BadInput) as caught:
        load_suite(path)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{folder / name}:") for line in lines), lines
    return [line.removeprefix(f"{folder / name}:") for line in lines]


def item(lines: str) -> str:
    """A suite of one item that is right but for these lines, which begin at line 6."""
    return f"suite: s\nitems:\n- id: a\n  prompt: hi\n  # what is wrong begins in the next line\n{lines}"


def checked(lines: str) -> str:
    """A suite of one item with these checks, which begin at line 5."""
    return f"suite: s\nitems:\n- {{id: a, prompt: hi,\n  checks: [\n{lines}]}}\n"


def test_a_suite_becomes_its_records(tmp_path: Path) -> None:
    suite = load(tmp_path, GOOD)
    first, second = suite.items
    red, blue = sorted(suite.images, key=lambda sha256: suite.images[sha256].name)
    assert (suite.id, suite.about) == ("shapes", "what the small vision checkpoints can do")
    assert suite.images[red].read_bytes() == (tmp_path / "images" / "a.png").read_bytes()
    assert first.turns == (
        Turn("system", "Answer with one word."),
        Turn("user", [Picture(red), Text("What colour is the circle?")]),
    )
    assert first.settings == Generation(max_tokens=16, stop=(".",))
    assert [check.definition for check in first.checks] == [
        {"kind": "exact", "text": "red"},
        {"kind": "max_tokens", "most": 4},
    ]
    assert (first.tags, first.weight, first.group, first.line) == (("colour", "one-image"), 2.0, "img-1", 7)
    assert second.turns == (Turn("user", [Picture(red), Picture(blue), Text("How many images are there?")]),)
    assert second.settings == Generation(max_tokens=64)
    assert [check.definition for check in second.checks] == [{"kind": "refusal", "expected": False}]
    assert (second.tags, second.weight, second.group) == ((), 1.0, None)


def test_a_folder_stands_for_the_suite_in_it(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert load_suite(tmp_path) == load_suite(str(tmp_path / "suite.yaml"))


def test_items_may_stand_in_a_file_of_json_lines(tmp_path: Path) -> None:
    lines = [{"id": "a", "prompt": "1 + 1?", "checks": [{"number": 2}]}, {"id": "b", "prompt": "hi", "weight": 3}]
    write(tmp_path, "\n\n".join(map(json.dumps, lines)), "many.jsonl")
    suite = load(tmp_path, "suite: s\nchecks: [{refusal: false}]\nitems: many.jsonl\n")
    assert [(one.id, one.line, one.weight, one.checks[0].kind) for one in suite.items] == [
        ("a", 1, 1.0, "number"),
        ("b", 3, 3.0, "refusal"),
    ]


def test_words_that_old_yaml_reads_as_other_things_stay_words(tmp_path: Path) -> None:
    words = ["no", "yes", "off", "12:30", "2021-03-03", "1_000", ".nan", "0.1.2", "+", "<<"]
    checks = "".join(f"  - exact: {word}\n" for word in words)
    suite = load(tmp_path, item(f"  checks:\n{checks}"))
    assert [check.definition["text"] for check in suite.items[0].checks] == words


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_suite(path).items[0].line == 7


def test_the_definition_of_an_item_is_json_that_says_all_about_it(tmp_path: Path) -> None:
    one = load(tmp_path, GOOD).items[0]
    assert json.loads(json.dumps(one.definition)) == one.definition
    assert one.definition["messages"][1]["content"][0]["type"] == "image"
    assert one.definition["settings"] == {"max_tokens": 16, "stop": ["."]}
    assert {*one.definition} == {"id", "messages", "settings", "checks", "tags", "weight", "group"}


@pytest.mark.parametrize(
    "old, new",
    [
        ("What colour is", "Which colour has"),
        ("images/a.png}, {text", "images/b.png}, {text"),
        ("max_tokens: 16", "max_tokens: 17"),
        ("exact: red", "exact: blue"),
        ("exact: red", "normalised: red"),
        ("Answer with one word.", "Answer with a word."),
    ],
)
def test_an_item_that_asks_or_checks_something_else_is_another_one(tmp_path: Path, old: str, new: str) -> None:
    before, after = load(tmp_path / "a", GOOD), load(tmp_path / "b", GOOD.replace(old, new))
    assert before.items[0].hash != after.items[0].hash
    assert before.items[1].hash == after.items[1].hash
    assert before.version != after.version


@pytest.mark.parametrize(
    "old, new", [("weight: 2", "weight: 3"), ("[colour, ", "[hue, "), ("id: colour-1", "id: c"), ("img-1", "img-2")]
)
def test_weight_tags_group_and_name_are_another_version_of_the_suite_but_the_same_item(
    tmp_path: Path, old: str, new: str
) -> None:
    before, after = load(tmp_path / "a", GOOD), load(tmp_path / "b", GOOD.replace(old, new))
    assert before.items[0].hash == after.items[0].hash
    assert before.version != after.version


@pytest.mark.parametrize(
    "old, new",
    [
        ("about: what the small vision checkpoints can do\n", ""),
        ("suite: shapes", "suite: renamed"),
        ("items:", "# a remark\nitems:"),
        ("max_tokens: 16, stop", "temperature: 0.0, max_tokens: 16, stop"),
        ("  - {kind: max_tokens, most: 4}", "  - max_tokens: 4"),
        ("images/a.png, images/b.png", "images/a.png, ./images/b.png"),
        ("content: Answer with one word.", 'content: [{text: "Answer with one word."}]'),
    ],
)
def test_how_a_suite_is_written_does_not_change_its_version(tmp_path: Path, old: str, new: str) -> None:
    assert load(tmp_path / "a", GOOD).version == load(tmp_path / "b", GOOD.replace(old, new)).version


def test_hashes_stay_the_same_from_release_to_release(tmp_path: Path) -> None:
    text = (
        'suite: s\nitems:\n- {id: a, prompt: "2 + 2?", checks: [{number: 4}, {kind: chrf, text: vier, least: 0.5}]}\n'
    )
    suite = load(tmp_path, text)
    assert (suite.items[0].hash, suite.version) == ("d857d4a72946d7e3", "d671073f682e74ef"), "histories would end"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("suite: A b\nitems: []\n", "1: suite is 'A b': must be a text that matches '^[a-z0-9-]{1,64}$'"),
        ("items: [{id: a, prompt: b, checks: [{exact: c}]}]\n", "1: suite is missing; a suite has suite, about, "),
        ("suite: s\n", "1: items is missing; a suite has suite, about, settings, checks, items"),
        ("suite: s\nitems: []\n", "2: items is []: must be a list that is not empty"),
        ("suite: s\nitems: {a: 1}\n", "2: items is {'a': 1}: must be a list that is not empty"),
        ("suite: s\nitem: []\n", "2: unknown key 'item'; allowed are suite, about, settings, checks, items"),
        (
            "suite: 7\nitems:\n- {id: a, prompt: b, checks: [{exact: c}]}\n",
            "1: suite is 7: must be a text; put it in q",
        ),
        ("- a\n- b\n", "1: is no suite; it must be a table with suite, about, settings, checks, items"),
        ("", "1: is no suite; it must be a table"),
        ("just words\n", "1: is no suite; it must be a table"),
        (
            "suite: s\nsettings: {max_tokens: 0}\nitems: []\n",
            "2: settings.max_tokens is 0: must be a whole number >= 1",
        ),
        ("suite: s\nsettings: {temprature: 1}\nitems: []\n", "2: unknown key 'temprature'; allowed are max_tokens, t"),
        ("suite: s\nsettings:\n  stop:\n  - a\n  - 3\nitems: []\n", "5: settings.stop[1] is 3: must be a text; put"),
        ("suite: s\nsettings: [1]\nitems: []\n", "2: settings is [1]: must be a table with max_tokens, temperature"),
        ("suite: s\nchecks: []\nitems: []\n", "2: checks is []: must be a list that is not empty"),
        (item("  checks: []\n"), "6: checks is []: must be a list that is not empty"),
        (item("  tags: colour\n"), "6: tags is 'colour': must be a list"),
        (
            item("  tags: [a b]\n"),
            "6: tags[0] is 'a b': must be a text that matches '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'",
        ),
        (item("  tags: [x, y, x]\n"), "6: tags has 'x' twice"),
        (item("  weight: 0\n"), "6: weight is 0: must be a number > 0.0"),
        (item("  weight: .inf\n"), "6: weight is '.inf': must be a number"),
        (item("  weight: 1e999\n"), "6: weight is inf: must be a number <= 1000000.0"),
        (item("  group: 3\n"), "6: group is 3: must be a text or nothing; put it in quotes"),
        (item("  settings: {top_p: 2}\n"), "6: settings.top_p is 2: must be a number <= 1.0"),
        (item("  settings: {seed: 1.5}\n"), "6: settings.seed is 1.5: must be a whole number or nothing"),
        (item("  colour: red\n"), "6: unknown key 'colour'; allowed are id, tags, weight, group, messages, prompt, im"),
        (item("  images: images/a.png\n"), "6: images is 'images/a.png': must be a list"),
        (item("  images: [images/none.png]\n"), "6: image 'images/none.png': cannot be read: No such file"),
        (item("  images: [images]\n"), "6: image 'images': cannot be read: Is a directory"),
        (item("  images: [../x.png]\n"), "6: image '../x.png': lies outside of the folder of the suite; give a path"),
        (item("  images: [/etc/hostname]\n"), "6: image '/etc/hostname': lies outside of the folder of the suite"),
        (item("  images: [suite.yaml]\n"), "6: image 'suite.yaml': the file is no image, or is damaged in its first"),
        (item('  images: ["a\\0b"]\n'), "6: image 'a\\x00b': is no name of a file"),
        (item("  messages: []\n"), "3: the item needs either messages or prompt, and not both"),
        ("suite: s\nitems:\n- id: a\n  checks: [{exact: b}]\n", "3: the item needs either messages or prompt"),
        ("suite: s\nitems:\n- prompt: b\n  checks: [{exact: b}]\n", "3: the item has no id; it needs one of its own"),
        ("suite: s\nitems:\n- id: a\n  prompt: b\n", "3: the item has no checks; give it some, or give the suite chec"),
        ("suite: s\nitems:\n- id: a b\n  prompt: c\n", "3: id is 'a b': must be a text that matches '^[A-Za-z0-9]"),
        (
            "suite: s\nitems:\n- 3\n",
            "3: an item is a table with id, tags, weight, group, messages, prompt, images, sett",
        ),
        (item("  prompt: twice\n"), "6: 'prompt' is given twice"),
    ],
)
def test_each_mistake_is_named_with_its_line_value_and_what_is_allowed(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert any(line.startswith(expected) for line in problems(tmp_path, text)), problems(tmp_path, text)


@pytest.mark.parametrize(
    "messages, expected",
    [
        ("[]", "4: messages is []: must be a list that is not empty"),
        ("[{role: robot, content: a}]", "4: role is 'robot'; allowed are system, user, assistant"),
        ("[{content: a}]", "4: role is None; allowed are system, user, assistant"),
        ("[{role: user}]", "4: the message has no content; give a text, or a list of texts and images"),
        ("[{role: user, content: 3}]", "4: content is 3: must be a list that is not empty"),
        ("[{role: user, content: [{txt: a}]}]", "4: unknown key 'txt'; allowed are text, image"),
        ("[{role: user, content: [a]}]", "4: a part is {text: ...} or {image: a file}, not 'a'"),
        ("[{role: user, content: [{text: 3}]}]", "4: text is 3: must be a text; put it in quotes"),
        ("[{role: user, content: [{image: ''}]}]", "4: image is '': must be a text of length >= 1"),
        ("[{role: user, content: ' '}]", "3: the question is empty: write a text, or add an image"),
        (f"[{', '.join(['{role: user, content: a}'] * 65)}]", "4: messages has 65 entries; allowed are 64"),
        (
            f"[{{role: user, content: [{', '.join(['{image: images/a.png}'] * 17)}]}}]",
            "3: the question has 17 images; one question may have 16",
        ),
    ],
)
def test_mistakes_in_messages_are_named(tmp_path: Path, messages: str, expected: str) -> None:
    text = f"suite: s\nitems:\n- id: a\n  messages: {messages}\n  checks: [{{exact: b}}]\n"
    assert expected in problems(tmp_path, text)


KINDS_SHOWN = ", ".join(CHECKS)


@pytest.mark.parametrize(
    "check, expected",
    [
        ("exact", "a check is {kind: value}, such as exact: red, not 'exact'"),
        ("exakt: red", f"check 'exakt' is no kind of check; kinds are {KINDS_SHOWN}"),
        ("{kind: [a]}", f"check ['a'] is no kind of check; kinds are {KINDS_SHOWN}"),
        ("{exact: a, regex: b}", "check 'exact' has regex beside it; write {kind: exact, ...} to give several"),
        ("exact: 3", "check exact is 3: must be a text or a list; put it in quotes"),
        ("exact: [a, '']", "check exact[1] is '': must be a text of length >= 1"),
        ("normalised: '...'", "check normalised: nothing is left of '...' without marks; use exact or regex"),
        ("contains: {case: true}", "check contains: give at least one text in all, any or none"),
        ("contains: {al: [a]}", "check contains is {'al': ['a']}: must be a text or a list"),
        ("{kind: contains, al: [a]}", "unknown key 'al'; allowed are all, any, none, case, words"),
        ("regex: '(?=a)'", "check regex: not a regular expression of RE2 (invalid perl operator: (?=)"),
        ("regex: '(a)\\1'", "check regex: not a regular expression of RE2 (invalid escape sequence: \\1)"),
        ("regex: '('", "check regex: not a regular expression of RE2 (missing ): ()"),
        ("json_schema: {type: objekt}", "check json_schema: not a JSON Schema: type: 'objekt' is not valid under"),
        ("json_schema: {pattern: '(?<=a)'}", "check json_schema: pattern '(?<=a)' is not a regular expression of"),
        ("json_schema: {$ref: 'http://x/y'}", "check json_schema: $ref is 'http://x/y': only places in the schema"),
        (
            "json_schema: {$ref: '#/$defs/none'}",
            "check json_schema: $ref is '#/$defs/none', which is not in the schema",
        ),
        ("json_schema: {patternProperties: {a: {}}}", "check json_schema: patternProperties is not supported"),
        ("json_schema: {$schema: 'http://json-schema.org/draft-04/schema#'}", "check json_schema: $schema is 'http"),
        ("json_schema: 3", "check json_schema is 3: must be a table"),
        ("number: x", "check number is 'x': must be a number"),
        ("{kind: number, tolerance: 1}", "check number lacks value; its parameters are value, tolerance, relative, "),
        ("{kind: number, value: 1, tolerance: -1}", "check number: tolerance is -1: must be a number >= 0.0"),
        ("{kind: number, value: 1, read: first}", "check number: read is 'first': Invalid enum value 'first'"),
        ("choice: b", "check choice is 'b': must be a text that matches '^[ABCDEFGHIJ]$'"),
        ("choice: F", "check choice: letter F is not among ABCD"),
        ("point_in: [0, 0, 1]", "check point_in is [0, 0, 1]: must be a list of length 4, got 3"),
        ("point_in: [0.5, 0, 0.1, 1]", "check point_in: box is [0.5, 0.0, 0.1, 1.0]; its corners are left, top, ri"),
        ("{kind: point_in, circle: [0, 0, 2]}", "check point_in: circle[2] is 2: must be a number <= 1.0"),
        ("{kind: point_in, polygon: [[0, 0], [1, 1]]}", "check point_in: polygon is [[0, 0], [1, 1]]: must be a l"),
        ("{kind: point_in, least: 1}", "check point_in: give one of box, polygon and circle"),
        ("refusal: 'yes'", "check refusal is 'yes': must be true or false"),
        ("{kind: chrf, text: a}", "check chrf lacks least; its parameters are text, least"),
        ("chrf: a", "check chrf lacks least; its parameters are text, least"),
        ("{kind: chrf, text: a, least: 60}", "check chrf: least is 60: must be a number <= 1.0"),
        ("{kind: rouge_l, text: '!', least: 0.5}", "check rouge_l: '!' has no words to be compared"),
        ("{kind: similarity, text: a, least: 0}", "check similarity: least is 0: must be a number > 0.0"),
        ("judge: ''", "check judge is '': must be a text of length >= 1"),
        ("max_latency_ms: 0", "check max_latency_ms is 0: must be a number > 0.0"),
        ("max_ttft_ms: fast", "check max_ttft_ms is 'fast': must be a number"),
        ("max_tokens: 1.5", "check max_tokens is 1.5: must be a whole number"),
    ],
)
def test_mistakes_in_checks_are_named(tmp_path: Path, check: str, expected: str) -> None:
    (found,) = problems(tmp_path, item(f"  checks:\n  - {check}\n"))
    assert found.startswith(f"7: {expected}")


def test_a_schema_may_refer_to_its_own_definitions(tmp_path: Path) -> None:
    schema = (
        "{$defs: {n: {type: number}, m: {$anchor: here, type: string}}, anyOf: [{$ref: '#/$defs/n'}, {$ref: '#here'}]}"
    )
    assert load(tmp_path, item(f"  checks:\n  - json_schema: {schema}\n")).items[0].checks[0].kind == "json_schema"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "suite: s\ncolour: red\nitems:\n- id: a\n  prompt: 3\n  checks:\n  - exact: 3\n- id: a\n  tags: [' ']\n"
    lines = [int(line.split(":")[0]) for line in problems(tmp_path, text)]
    assert lines == sorted(lines)
    assert {*lines} == {2, 5, 7, 8, 9}


def test_an_id_is_given_once(tmp_path: Path) -> None:
    text = GOOD.replace("count-1", "colour-1")
    assert problems(tmp_path, text) == ["19: id 'colour-1' is that of the item in line 7 too; each item needs its own"]


def test_of_very_many_problems_the_first_hundred_are_told(tmp_path: Path) -> None:
    items = "".join(f"- {{id: i-{n}, prompt: hi, checks: [{{exact: 3}}]}}\n" for n in range(150))
    found = problems(tmp_path, f"suite: s\nitems:\n{items}")
    assert len(found) == 101
    assert found[-1] == " and 50 more problems"


@pytest.mark.parametrize(
    "lines, expected",
    [
        ("{", "1: is not JSON: Expecting property name enclosed in double quotes (column 2)"),
        ('\n{"id": "a", "id": "b"}', "2: 'id' is given twice"),
        ('{"id": NaN}', "1: is not JSON: NaN is no number of JSON"),
        ("3", "1: an item is a table with id, tags, weight, group, messages, prompt, images, settings, checks, not 3"),
        ('{"id": "a", "prompt": "b", "checks": [{"exact": 3}]}', "1: check exact is 3: must be a text or a list; put"),
        ('{"id": "a", "prompt": "\\ud800", "checks": [{"exact": "c"}]}', "1: has half of a surrogate pair"),
        ("[" * 100_000, "1: is nested too deeply"),
    ],
)
def test_mistakes_in_json_lines_are_named_with_their_file_and_line(tmp_path: Path, lines: str, expected: str) -> None:
    write(tmp_path, lines, "many.jsonl")
    (found,) = problems(tmp_path, "suite: s\nitems: many.jsonl\n", "many.jsonl")
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("../many.jsonl", "2: items '../many.jsonl': lies outside of the folder of the suite"),
        ("empty.jsonl", "2: items 'empty.jsonl': the file has no items; write one JSON object a line"),
    ],
)
def test_a_file_of_items_lies_beside_the_suite_and_has_some(tmp_path: Path, name: str, expected: str) -> None:
    write(tmp_path, "", "empty.jsonl")
    (found,) = problems(tmp_path, f"suite: s\nitems: {name}\n")
    assert found.startswith(expected)


def test_a_file_of_items_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, "suite: s\nitems: no.jsonl\n", "no.jsonl") == [
        "1: cannot be read: No such file or directory"
    ]


def test_an_image_behind_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    Image.new("RGB", (8, 8)).save(outside)
    write(tmp_path / "suite", "")
    (tmp_path / "suite" / "images" / "link.png").symlink_to(outside)
    (tmp_path / "suite" / "images" / "circle.png").symlink_to("circle.png")
    text = item("  images: [images/link.png]\n  checks: [{exact: a}]\n")
    (found,) = problems(tmp_path / "suite", text)
    assert found.startswith("6: image 'images/link.png': lies outside of the folder of the suite")
    (found,) = problems(tmp_path / "suite", text.replace("link", "circle"))
    assert found.startswith("6: image 'images/circle.png': cannot be read: ")


def test_a_damaged_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "")
    whole = (tmp_path / "images" / "a.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2 + 8])
    (found,) = problems(tmp_path, item("  images: [half.png]\n  checks: [{exact: a}]\n"))
    assert found.startswith("6: image 'half.png': the PNG image of 8 x 8 is damaged: ")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("suite: [\n", "2: is not YAML: while parsing a flow node: did not find expected node content"),
        ("suite: s\n\titems: 3\n", "2: is not YAML: "),
        ("a: b: c\n", "1: is not YAML: mapping values are not allowed in this context"),
        ("suite: &a s\n", "1: &a is an anchor; aliases are not allowed, leave it out"),
        ("suite: s\nabout: *a\n", "2: *a is an alias; write out what it stands for"),
        ("suite: s\nabout: !!python/object/apply:os.system [ls]\n", "2: tag:yaml.org,2002:python/object/apply:os.s"),
        ("suite: s\nabout: !!str 3\n", "2: tag:yaml.org,2002:str is a tag; write the plain value"),
        ("suite: s\n---\nsuite: t\n", "2: a second document begins here (---); a suite is one document"),
        ("? [a, b]\n: c\n", "1: a list or a table cannot be a key"),
        ("suite: s\nabout: a\x01b\n", "2: is not YAML: control characters are not allowed"),
        ("[" * 100_000, "1: is nested deeper than 40 levels"),
        ("- " * 100_000, "1: is nested deeper than 40 levels"),
    ],
)
def test_hostile_and_broken_yaml_is_refused_at_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(expected)


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor(tmp_path: Path) -> None:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    rows += [
        f"{after}: &{after} [{', '.join([f'*{name}'] * 9)}]" for name, after in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert problems(tmp_path, "\n".join(rows)) == ["1: &a is an anchor; aliases are not allowed, leave it out"]


@given(st.data())
def test_no_damage_to_a_file_is_more_than_a_problem_with_a_line(data: st.DataObject) -> None:
    damaged = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged)))
        cut = data.draw(st.integers(0, 12))
        new = data.draw(st.text(st.sampled_from("ab1:-[]{}'\"#&*!|>%@, \n\t\0\ud800é"), max_size=6))
        damaged = damaged[:place] + new + damaged[place + cut :]
    with TemporaryDirectory() as folder:
        path = write(Path(folder), "")
        path.write_bytes(damaged.encode("utf-8", "surrogatepass"))
        told, suite = "", None
        try:
            suite = load_suite(path)
        except BadInput as error:
            told = str(error)
        assert suite is None or (suite.items and json.dumps([one.definition for one in suite.items]))
        assert suite or all(re.match(re.escape(str(path)) + r":\d+: \S", line) for line in told.split("\n"))


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=4), lambda one: st.lists(one, max_size=3))
)
def test_no_value_of_any_key_is_more_than_a_problem(value: Any) -> None:
    keys = ("id", "tags", "weight", "group", "messages", "prompt", "images", "settings", "checks")
    lines = [json.dumps({"id": "a", "prompt": "b", "checks": [{"exact": "c"}]} | {key: value}) for key in keys]
    lines += [json.dumps({"id": "a", "prompt": "b", "checks": [{kind: value}]}) for kind in CHECKS]
    lines += [json.dumps({"id": "a", "prompt": "b", "checks": [{"kind": kind, "text": value}]}) for kind in CHECKS]
    with TemporaryDirectory() as folder:
        write(Path(folder), "\n".join(lines), "many.jsonl")
        with pytest.raises(BadInput):  # the same id again and again, if nothing else
            load(Path(folder), "suite: s\nitems: many.jsonl\n")


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"suite: s\nabout: caf\xe9\n")
    with pytest.raises(BadInput, match=r"suite.yaml:2: is not UTF-8: byte 0xe9; save it as UTF-8"):
        load_suite(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none.yaml:1: cannot be read: No such file or directory"):
        load_suite(tmp_path / "none.yaml")


def test_files_and_suites_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_lines, "MAX_VALUES", 9)
    assert problems(tmp_path, "suite: s\nitems: [1, 2, 3, 4,\n5, 6]\n") == [
        "3: has more than 9 values, the most that is read: split the suite"
    ]
    monkeypatch.setattr(yaml_lines, "MAX_BYTES", 2**20)
    assert problems(tmp_path, "#" * (2**20 + 1)) == ["1: is larger than 1 MiB, the most that is read: split the suite"]


def test_a_suite_has_at_most_twenty_thousand_items(tmp_path: Path) -> None:
    line = '{"id": "a", "prompt": "b", "checks": [{"exact": "c"}]}\n'
    write(tmp_path, "".join(line.replace('"a"', f'"i{n}"') for n in range(20_001)), "many.jsonl")
    assert problems(tmp_path, "suite: s\nitems: many.jsonl\n", "many.jsonl") == [
        "20001: has more than 20000 items, the most of one suite: split it"
    ]


def test_the_suite_of_the_docs_is_right(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "canaries.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    suite = load(tmp_path, text)
    assert [(one.id, one.weight, len(one.checks)) for one in suite.items] == [
        ("opening-hours", 2.0, 2),
        ("order-as-json", 1.0, 1),
    ]


@pytest.mark.parametrize("kind", CHECKS)
def test_the_example_of_each_check_is_right(tmp_path: Path, kind: str) -> None:
    suite = load(tmp_path, item(f"  checks:\n  - {CHECKS[kind].example}\n"))
    assert [check.kind for check in suite.items[0].checks] == [kind]
