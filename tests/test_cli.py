"""The command line as a person types it: real processes, their output and their exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, free_port, running_api


class Shell:
    """Runs `python -m monitor ...` against one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __call__(self, *words: str, module: str = "monitor") -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "WATCHPOINT_DATA_DIR": str(self.folder / "data"),
            "WATCHPOINT_FLEET_FILE": str(self.folder / "watchpoint.toml"),
            "WATCHPOINT_API_PORT": str(self.port),
        }
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def log_file(folder: Path, rows: int) -> Path:
    path = folder / "predictions.jsonl"
    lines = [
        {
            "timestamp": f"2026-11-0{1 + i % 9}T12:00:{i % 60:02d}Z",
            "input_text": f"q{i}",
            "output": "a",
            "model_version": "m",
        }
        for i in range(rows)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_check_prints_the_fleet(shell: Shell) -> None:
    done = shell("check", "watchpoint.example.toml")
    assert done.returncode == 0
    assert "deployments" in done.stdout


def test_check_names_every_mistake_and_fails(shell: Shell) -> None:
    (shell.folder / "watchpoint.toml").write_text('[deployments.a]\ncheckpoint = "none"\ncolour = "red"\n')
    done = shell("check")
    assert done.returncode == 2
    assert "colour" in done.stderr
    assert "none" in done.stderr


def test_check_refuses_a_redaction_pattern_that_cannot_run(shell: Shell) -> None:
    (shell.folder / "watchpoint.toml").write_text('[[redaction.patterns]]\nname = "x"\npattern = "(?<=a)b"\n')
    done = shell("check")
    assert done.returncode == 2
    assert "look-around" in done.stderr


def test_importing_twice_and_after_growth_adds_only_what_is_new(shell: Shell) -> None:
    path = log_file(shell.folder, 300)
    first = shell("import", str(path), "--set", "deployment=chat")
    assert "accepted 300, rejected 0, duplicate 0" in first.stdout, first.stdout + first.stderr
    log_file(shell.folder, 310)
    second = shell("import", str(path), "--set", "deployment=chat")
    assert "accepted 10, rejected 0, duplicate 300" in second.stdout


def test_an_import_works_with_and_without_a_running_api(shell: Shell) -> None:
    path = log_file(shell.folder, 20)
    with running_api(shell.folder / "data", shell.port):
        assert "accepted 20" in shell("import", str(path), "--set", "deployment=chat").stdout
    assert "duplicate 20" in shell("import", str(path), "--set", "deployment=chat").stdout


def test_a_dry_run_sends_nothing(shell: Shell) -> None:
    done = shell("import", str(log_file(shell.folder, 5)), "--set", "deployment=chat", "--dry-run")
    assert "nothing was sent" in done.stdout
    assert not (shell.folder / "data").exists()


def test_an_import_without_a_deployment_says_how_to_give_one(shell: Shell) -> None:
    done = shell("import", str(log_file(shell.folder, 5)))
    assert done.returncode == 2
    assert "--set deployment=" in done.stderr


def test_query_prints_tables_and_writes_files(shell: Shell) -> None:
    with running_api(shell.folder / "data", shell.port):
        httpx.post(f"{shell.url}/api/v1/predictions", json={"deployment": "chat", "ts": "2026-11-01T00:00:00Z"})
        table = shell("query", "deployments")
        assert table.returncode == 0, table.stderr
        assert "chat" in table.stdout or "Empty" in table.stdout
        target = shell.folder / "out.json"
        assert shell("query", "ingest_status", "--format", "json", "--output", str(target)).returncode == 0
        assert json.loads(target.read_text())["name"] == "ingest_status"
        listing = shell("query")
        assert "golden_signals" in listing.stdout
        bad = shell("query", "golden_signals", "start=-1h")
        assert bad.returncode == 2
        assert "end is missing" in bad.stderr


def test_query_without_an_api_says_where_it_looked(shell: Shell) -> None:
    done = shell("query", "fleet")
    assert done.returncode == 2
    assert shell.url in done.stderr


def test_backup_and_restore_bring_everything_back(shell: Shell) -> None:
    shell("import", str(log_file(shell.folder, 50)), "--set", "deployment=chat")
    assert shell("backup", str(shell.folder / "copy")).returncode == 0
    occupied = shell("restore", str(shell.folder / "copy"))
    assert occupied.returncode == 2
    assert "a restore never overwrites" in occupied.stderr
    (shell.folder / "data").rename(shell.folder / "gone")
    assert "restored 50 predictions" in shell("restore", str(shell.folder / "copy")).stdout
    assert "duplicate 50" in shell("import", str(log_file(shell.folder, 50)), "--set", "deployment=chat").stdout


def test_retention_runs_by_itself(shell: Shell) -> None:
    path = log_file(shell.folder, 9)
    path.write_text(path.read_text().replace("2026-11", "2025-01"))
    shell("import", str(path), "--set", "deployment=chat")
    done = shell(module="jobs.retention")
    assert done.returncode == 0
    assert '"left_the_store": 9' in done.stderr
    assert list((shell.folder / "data" / "archive" / "2025-01").glob("*.parquet"))


def test_an_unknown_setting_is_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHPOINT_DATA_DIRR", "x")
    done = shell("check")
    assert done.returncode == 2
    assert "WATCHPOINT_DATA_DIRR is not a setting" in done.stderr


def test_the_version_is_the_top_of_the_changelog(shell: Shell) -> None:
    top = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert shell("version").stdout.strip() in top
