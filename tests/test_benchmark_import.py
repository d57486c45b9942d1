"""Importing results of harnesses from the command line and by upload: figures as they are, twice changes nothing, and
what is damaged is refused by its name while the rest goes in.
"""

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from monitor.cli import cli
from monitor.errors import BadInput
from monitor.fleet import load_fleet
from monitor.harnesses.naming import Names
from monitor.harnesses.writing import BATCH_ITEMS, batches
from tests.benchmarking import results
from tests.conftest import free_port, running_api

CSV = """\
benchmark,checkpoint,metric,value,scale,n,step
shapes,shapes-600,accuracy,61.5,percent,200,600
shapes,shapes-900,accuracy,58.0,percent,200,900
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`python -m monitor`, in this process and with a store of its own."""
    for name, value in {"DATA_DIR": "data", "FLEET_FILE": "watchpoint.toml"}.items():
        monkeypatch.setenv(f"WATCHPOINT_{name}", str(tmp_path / value))
    monkeypatch.setenv("WATCHPOINT_API_PORT", "1")

    def run(*arguments: str | Path) -> Result:
        found = CliRunner().invoke(cli, list(map(str, arguments)))
        if isinstance(found.exception, Exception):
            raise found.exception
        return found

    return run


def kept(command: Any, query: str = "benchmark_scores", **params: Any) -> list[dict[str, Any]]:
    """What the store holds."""
    from monitor.config import load_settings
    from monitor.doors import open_door

    with open_door(load_settings()) as door:
        return door.query(query, **params)


def test_every_sample_comes_in_with_its_scale_its_n_and_its_state(shared: Path, command: Any) -> None:
    for folder in ("vlmevalkit", "lm_eval_0.4.13", "hf_hub"):
        assert command("import-benchmarks", shared / "samples" / folder).exit_code == 0
    runs = {(row["benchmark"], row["state"]) for row in kept(command, "benchmark_runs")}
    assert {("DocVQA_TEST", "skipped"), ("MMStar", "failed")} <= runs
    whole = [row for row in kept(command) if row["headline"]]
    told = {
        (row["benchmark"], json.loads(row["protocol"]).get("split"), json.loads(row["protocol"]).get("filter")): (
            row["metric"],
            row["value"],
            row["most"],
            row["n"],
        )
        for row in whole
        if row["origin"] == "import"
    }
    assert told == {
        ("DocVQA_VAL", "val", None): ("Overall", 62.5, 100.0, 8),
        ("MMMU_DEV_VAL", "dev", None): ("Overall", 0.25, 1.0, 12),
        ("MMMU_DEV_VAL", "validation", None): ("Overall", pytest.approx(1 / 12), 1.0, 12),
        ("MathVista_MINI", None, None): ("acc", 50.0, 100.0, 8),
        ("local_mcq", "train", "none"): ("acc", pytest.approx(1 / 3), 1.0, 3),
        ("local_qa", "train", "none"): ("exact_match", pytest.approx(1 / 3), 1.0, 3),
        ("local_qa", "train", "strict-match"): ("exact_match", pytest.approx(1 / 3), 1.0, 3),
    }
    assert {row["value"] for row in whole if row["origin"] == "claim"} == {42.0, 20.9}
    failed = {row["benchmark"]: row["failed"] for row in kept(command, "benchmark_runs") if row["failed"]}
    assert failed["MMMU_DEV_VAL"] == 3


def test_importing_twice_changes_nothing(shared: Path, command: Any) -> None:
    path = shared / "samples" / "lm_eval_0.4.13"
    command("import-benchmarks", path)
    before = kept(command, "benchmark_runs"), kept(command)
    again = command("import-benchmarks", path)
    assert (again.exit_code, "3 known already" in again.output) == (0, True)
    assert (kept(command, "benchmark_runs"), kept(command)) == before


def test_a_zip_of_a_folder_is_the_folder(shared: Path, command: Any, tmp_path: Path) -> None:
    made = shutil.make_archive(str(tmp_path / "run"), "zip", shared / "samples" / "vlmevalkit")
    command("import-benchmarks", shared / "samples" / "vlmevalkit")
    assert "6 known already" in command("import-benchmarks", made).output


def test_a_dry_run_says_what_is_there_and_writes_nothing(command: Any, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(CSV)
    found = command("import-benchmarks", tmp_path / "own.csv", "--dry-run")
    assert "read     shapes of shapes-600 [plain]: accuracy 61.5 of 100, no items" in found.output
    assert "2 can be read, nothing was written" in found.output
    assert not (tmp_path / "data").exists()


def test_what_is_damaged_is_refused_by_its_name_and_the_rest_goes_in(
    shared: Path, command: Any, tmp_path: Path
) -> None:
    shutil.copytree(shared / "samples" / "vlmevalkit", tmp_path / "runs", copy_function=shutil.copyfile)
    broken = next((tmp_path / "runs").rglob("*MMMU_DEV_VAL_exact_matching_result.xlsx"))
    broken.write_bytes(broken.read_bytes()[:2000])
    found = command("import-benchmarks", tmp_path / "runs")
    assert found.exit_code == 1
    assert "refused" in found.output
    assert broken.name in found.output
    assert {row["benchmark"] for row in kept(command)} == {"DocVQA_VAL", "MathVista_MINI"}


def test_names_of_checkpoints_are_mapped_and_a_wrong_mapping_changes_nothing(command: Any, tmp_path: Path) -> None:
    (tmp_path / "watchpoint.toml").write_text('[models.m]\n[checkpoints.best]\nmodel = "m"\nstep = 7\n')
    (tmp_path / "own.csv").write_text(CSV)
    with pytest.raises(BadInput, match="results of 2: shapes-600, shapes-900; give --map"):
        command("import-benchmarks", tmp_path / "own.csv", "--checkpoint", "best")
    with pytest.raises(BadInput, match="there are no results of 'shapes-700'"):
        command("import-benchmarks", tmp_path / "own.csv", "--map", "shapes-700=best")
    assert kept(command) == []
    found = command("import-benchmarks", tmp_path / "own.csv", "--map", "shapes-600=best")
    assert "kept     shapes of best (shapes-600 as you said) [plain]" in found.output
    rows = {row["checkpoint"]: (row["model"], row["step"]) for row in kept(command)}
    assert rows == {"best": ("m", 600), "shapes-900": (None, 900)}


def test_a_model_beside_a_checkpoint_is_its_family(command: Any, tmp_path: Path) -> None:
    rows = ["benchmark,checkpoint,model,step,metric,value,most", "b,one,house,100,acc,0.5,1", "b,,house,200,acc,0.6,1"]
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    assert command("import-benchmarks", tmp_path / "own.csv").exit_code == 0
    assert {(row["checkpoint"], row["model"], row["step"]) for row in kept(command)} == {
        ("one", "house", 100),
        ("house-step-200", "house", 200),
    }


def test_a_mistake_can_be_taken_back(command: Any, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(CSV)
    command("import-benchmarks", tmp_path / "own.csv")
    run = kept(command, "benchmark_runs", checkpoint="shapes-600")[0]["run"]
    assert command("forget-benchmark", run).output == f"forgotten: {run}\n"
    assert [row["checkpoint"] for row in kept(command)] == ["shapes-900"]


@pytest.mark.parametrize(
    "name, known",
    [
        ("org/small-vlm", "small"),
        ("org__small-vlm", "small"),
        ("org--small-vlm", "small"),
        ("Small-VLM", "small"),
        ("small", "small"),
        ("smaller", "smaller"),
    ],
)
def test_a_checkpoint_is_recognised_however_its_harness_writes_it(tmp_path: Path, name: str, known: str) -> None:
    file = tmp_path / "watchpoint.toml"
    file.write_text('[models.m]\n[checkpoints.small]\nmodel = "m"\nweights = "org/small-vlm"\n')
    assert Names(load_fleet(file)).named(name).checkpoint == known


def test_items_are_sent_in_batches_that_the_api_takes() -> None:
    items = results([1.0] * 4_500)
    sizes = [len(batch) for batch in batches(items)]
    assert (sum(sizes), max(sizes)) == (4_500, BATCH_ITEMS)
    long = [replace(item, answer="x" * 300_000) for item in items[:10]]
    assert [len(batch) for batch in batches(long)] == [3, 3, 3, 1]


# -- uploads


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with running_api(tmp_path_factory.mktemp("uploads") / "data", port, WATCHPOINT_MAX_BODY_BYTES="2000000"):
        yield f"http://127.0.0.1:{port}"


def upload(api: str, content: bytes, **params: Any) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return httpx.post(f"{api}/api/v1/benchmarks", content=content, params=params, headers=headers, trust_env=False)


def test_a_file_is_uploaded_and_each_line_of_the_answer_is_one_evaluation(api: str) -> None:
    first = upload(api, CSV.encode(), name="own.csv").json()["lines"]
    assert [(line["outcome"], line["checkpoint"], line["figure"]) for line in first] == [
        ("kept", "shapes-600", "accuracy 61.5 of 100"),
        ("kept", "shapes-900", "accuracy 58 of 100"),
    ]
    again = upload(api, CSV.encode(), name="own.csv").json()["lines"]
    assert [line["outcome"] for line in again] == ["known", "known"]
    rows = httpx.get(f"{api}/api/v1/queries/benchmark_scores", trust_env=False).json()["rows"]
    assert [row["value"] for row in rows] == [61.5, 58.0]


@pytest.mark.parametrize(
    "content, params, status, problem",
    [
        (b"nothing that anybody knows", {"name": "notes.txt"}, 400, "no results that are known"),
        (b"PK\x03\x04 cut off", {"name": "run.zip"}, 400, "run.zip"),
        (CSV.encode(), {"name": "own.csv", "step": "seven"}, 400, "step is 'seven'"),
        (CSV.encode(), {"name": "own.csv", "folder": "/etc"}, 400, "there is no parameter 'folder'"),
        (CSV.encode(), {"name": "own.csv", "harness": "mine"}, 400, "harness 'mine' is not known"),
        (CSV.encode(), {"name": "own.csv", "checkpoint": "best"}, 400, "results of 2"),
        (b"x" * 2_000_001, {"name": "own.csv"}, 413, "allowed are 2000000"),
    ],
)
def test_an_upload_that_is_no_use_is_refused_with_its_reason(
    api: str, content: bytes, params: dict[str, str], status: int, problem: str
) -> None:
    answer = upload(api, content, **params)
    assert (answer.status_code, problem in answer.json()["error"]) == (status, True), answer.text


def test_a_zip_that_leads_out_of_its_folder_is_refused(api: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as made:
        made.writestr("../own.csv", CSV)
    answer = upload(api, (tmp_path / "run.zip").read_bytes(), name="run.zip")
    assert answer.status_code == 400
    assert "../own.csv" in answer.json()["error"]


def test_a_form_of_another_site_cannot_upload(api: str) -> None:
    answer = httpx.post(f"{api}/api/v1/benchmarks", files={"file": b"x"}, trust_env=False)
    assert answer.status_code == 415
