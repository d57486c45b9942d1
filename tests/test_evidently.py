"""What Evidently compares, and the process that it runs in: no network, bounded, and never part of another one."""

import doctest
import json
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.errors import BadInput
from monitor.evidently import child, commands
from monitor.evidently import frames as framing
from monitor.evidently.child import Made, make
from monitor.evidently.commands import drift_report, drift_test
from monitor.evidently.frames import MOST_NAMES, OTHERS, frames
from monitor.evidently.orders import ORDER, Order
from tests.canarying import in_this_process
from tests.conftest import ROOT

WORDS = pa.map_(pa.string(), pa.string())


def both(window: dict[str, Any], reference: dict[str, Any], *only: str, **more: Any) -> Any:
    sides = [pa.table({name: _column(values) for name, values in side.items()}) for side in (window, reference)]
    return frames(sides[0], sides[1], only, **more)


def _column(values: list[Any]) -> pa.Array:
    return pa.array(values, WORDS) if any(isinstance(one, list) for one in values) else pa.array(values)


def test_each_feature_becomes_a_column_of_its_kind() -> None:
    side = {
        "ts": [1, 2],
        "event_id": ["a", "b"],
        "prompt_chars": [1.0, None],
        "prompt_language": ["en", None],
        "wrong": [True, None],
        "carried_str": [[("client", "web")], None],
        "input_text": ["hi", ""],
        "of_rows": [9, 9],
    }
    found = both(side, side)
    assert (found.numbers, found.texts, found.left_out) == (["prompt_chars"], [], {})
    assert found.categories == ["event.client", "prompt_language", "wrong"]
    assert found.window["wrong"].tolist() == ["yes", None]
    assert both(side, side, texts=True).window["input_text"].tolist() == ["hi", None]
    assert both(side, side, "event.client").categories == ["event.client"]


def test_features_without_values_on_a_side_are_left_out_with_the_reason() -> None:
    window = {"a": [1.0], "b": [1.0], "c": pa.array([None], pa.float64()), "d": [float("inf")]}
    reference = {"a": [1.0], "c": [2.0], "d": [1.0], "e": pa.array([None], pa.string())}
    found = both(window, reference)
    assert found.numbers == ["a"]
    assert found.left_out == {
        "b": "no values in the reference",
        "c": "no values in the window",
        "d": "no values in the window",
        "e": "no values on either side",
    }
    with pytest.raises(BadInput, match="no feature has values on both sides: x has no values in the reference"):
        both({"x": [1.0]}, {"y": [1.0]})
    with pytest.raises(BadInput, match=r"there is no feature 'z' in these predictions; there are a, b, c, d$"):
        both(window, reference, "z")


def test_rare_names_of_a_category_become_others_on_both_sides() -> None:
    common = ["common"] * 5
    found = both({"name": [*common, *(f"w{i}" for i in range(300))]}, {"name": [*common, *(f"r{i}" for i in range(9))]})
    names = {*found.window["name"], *found.reference["name"]}
    assert len(names) == MOST_NAMES
    assert {"common", OTHERS} < names


def test_a_feature_that_is_a_number_on_one_side_only_is_compared_as_names() -> None:
    numbers = pa.array([[("k", 3.0)]], pa.map_(pa.string(), pa.float64()))
    sides = [pa.table({"carried_num": numbers}), pa.table({"carried_str": pa.array([[("k", "3")]], WORDS)})]
    found = frames(*sides)
    assert (found.categories, found.window["event.k"].tolist()) == (["event.k"], ["3"])
    assert found.window.equals(found.reference)


def test_no_name_can_end_the_script_of_a_report() -> None:
    side = {"carried_str": [[("</script>", "<!-- <script>")]]}
    found = both(side, side)
    assert not any("<" in text for text in [*found.categories, *found.window.iloc[0]])


def test_the_example_of_a_harmless_name_is_true() -> None:
    assert doctest.testmod(framing) == (0, 1)


def in_process(folder: Path, build: str, memory_mib: int = 512, **pipes: Any) -> subprocess.Popen[str]:
    """The process of Evidently with something else to do, written as the body of `build(folder, order, on_step)`."""
    (folder / ORDER).write_text(json.dumps(Order("drift").as_dict()))
    code = f"""
import sys, types
from pathlib import Path
def build(folder, order, on_step):
{textwrap.indent(textwrap.dedent(build), "    ")}
sys.modules["monitor.evidently.building"] = stand_in = types.ModuleType("building")
stand_in.build = build
from monitor.evidently.__main__ import main
main(Path({str(folder)!r}), {memory_mib})
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **pipes
    )


def answer(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout
    with process:
        return [json.loads(line) for line in process.stdout]


def test_the_process_reaches_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        port = server.getsockname()[1]
        told = [
            answer(in_process(tmp_path, f"import socket; {attempt}"))
            for attempt in (
                f"socket.create_connection(('127.0.0.1', {port}))",
                f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
                "socket.gethostbyname('example.org')",
            )
        ]
        with pytest.raises(TimeoutError):
            server.accept()
    assert all(len(one) == 1 and "is made without a network" in one[0]["problem"] for one in told), told


def test_the_process_says_what_went_wrong_and_what_it_did(tmp_path: Path) -> None:
    told = answer(in_process(tmp_path, "on_step('describe'); print('chatter'); return {'columns': 3}"))
    assert told == [{"step": "describe"}, {"done": {"columns": 3}}]
    [broken] = answer(in_process(tmp_path, "raise KeyError('x')"))
    assert broken == {"problem": "Evidently could not make it (KeyError: 'x')"}
    [large] = answer(in_process(tmp_path, "bytearray(2**31)"))
    assert large == {"memory": 512}
    with pytest.raises(BadInput, match="needed more than the 512 MiB of memory that it may take: ask for a smaller"):
        child._outcome(large, 0, 512, tmp_path / "log")


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    process = in_process(tmp_path, "on_step('describe'); import threading; threading.Event().wait(60)")
    assert process.stdin
    assert process.stdout
    assert json.loads(process.stdout.readline()) == {"step": "describe"}
    process.stdin.close()
    assert process.wait(20) == 3
    process.stdout.close()


def test_a_report_that_takes_too_long_is_given_up() -> None:
    table = pa.table({"a": [1.0]})
    with pytest.raises(BadInput, match=r"not ready after 0\.01 s and was given up: ask for a smaller sample"):
        make(Order("drift"), table, table, timeout_s=0.01)


def test_a_process_that_breaks_off_is_told_with_what_it_said_last(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("first\nterminate called\n")
    with pytest.raises(BadInput, match=r"ended with -6 before the report was ready \(terminate called\); ask for"):
        child._outcome({"step": "compare"}, -6, 512, tmp_path / "log")


def test_the_process_gets_no_keys_and_sends_no_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    environment = child._environment(tmp_path)
    assert "OPENAI_API_KEY" not in environment
    assert {environment[name] for name in ("DO_NOT_TRACK", "ITERATIVE_DO_NOT_TRACK", "HF_HUB_OFFLINE")} == {"1"}


def test_no_other_process_imports_evidently() -> None:
    code = "import sys, monitor.api.app, monitor.scheduler, monitor.cli, monitor.evidently.making\n"
    code += "print([name for name in sys.modules if name.split('.')[0] in ('evidently', 'sklearn', 'nltk')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


SUMMARY = {"evidently": "0.7.23", "columns": 2, "drifted": 0, "features": [], "left_out": {}, "by_p": 0}


@pytest.mark.parametrize(
    ("statuses", "options", "code", "said"),
    [
        (["SUCCESS", "SUCCESS"], [], 0, "2 of 2 tests passed"),
        (["SUCCESS", "FAIL"], [], 1, "FAIL: Value Drift for column a: its score\n1 of 2 tests passed"),
        (["SUCCESS", "WARNING"], [], 0, "2 of 2 tests passed"),
        (["SUCCESS", "ERROR"], [], 1, "1 of 2 tests passed"),
        (["SUCCESS", "FAIL"], ["--only-share"], 0, "1 of 1 tests passed"),
    ],
)
def test_the_exit_code_says_whether_the_tests_passed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[str],
    options: list[str],
    code: int,
    said: str,
) -> None:
    names = ("Share of Drifted Columns: Less 0.500", "Value Drift for column a")
    tests = [
        {"name": name, "status": status, "said": "its score"} for name, status in zip(names, statuses, strict=True)
    ]
    made = Made(None, b"{}", SUMMARY | {"tests": tests})
    monkeypatch.setattr(commands, "_made", lambda *_, **__: (made, ["Window: a"]))
    done = in_this_process(drift_test, tmp_path, monkeypatch)("--deployment", "a", *options)
    assert (done.exit_code, done.stdout.endswith(f"{said}\n")) == (code, True), done.output


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (drift_report, ["--out", "report.pdf"], r"--out is report\.pdf: allowed are names that end with \.html or"),
        (drift_report, ["--out", "no/where.html"], "the folder .*no does not exist; make it first"),
        (drift_report, ["--preset", "best"], "--preset is 'best': allowed are drift, summary, text, all"),
        (drift_test, ["--out", "report.html"], r"expected a name that ends with \.json"),
        (drift_test, ["--only-share", "--preset", "text"], "--only-share needs the preset drift or all, not text"),
        (drift_report, [], "there is no reference for 'nobody'"),
        (drift_report, ["--reference-start", "-7d"], "give both reference_start and reference_end"),
        (drift_report, ["--reference-start", "-7d", "--reference-end", "-2d"], "nobody .* no described predictions in"),
        (drift_report, ["--start", "soon"], "start is 'soon': expected RFC 3339"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any, arguments: list[str], message: str
) -> None:
    run = in_this_process(command, tmp_path, monkeypatch)
    with pytest.raises(BadInput, match=message):
        run("--deployment", "nobody", *arguments)
