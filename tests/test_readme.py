"""The README is the table of contents: its tree and its settings are those of the repository."""

import subprocess
from pathlib import Path

from monitor.config import settings_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DEPTH = {"monitor": 3}
"""How many levels of a folder the tree must show; of all others its own line is enough."""


def between(start: str, end: str) -> str:
    assert README.count(start) == 1, f"README.md needs {start} once"
    assert end in README.split(start)[1], f"README.md needs {end} after {start}"
    return README.split(start)[1].split(end)[0].strip()


def tree() -> dict[str, str]:
    """Each path of the annotated tree with what it is; folders end in a slash, four spaces indent one level."""
    found: dict[str, str] = {}
    folders: list[str] = []
    for line in (
        between("<!-- tree -->", "<!-- /tree -->").removeprefix("```text").removesuffix("```").strip().splitlines()
    ):
        name, _, meaning = line.strip().partition(" ")
        level = (len(line) - len(line.lstrip())) // 4
        folders[level:] = [name]
        path = "".join(folders)
        assert path not in found, f"{path} stands twice in the tree"
        found[path] = meaning.strip()
    return found


def in_git() -> set[str]:
    """Files and folders that git tracks, or would with the next `git add .`."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    files = {Path(name) for name in listed if (ROOT / name).exists()}
    folders = {parent for file in files for parent in file.parents if parent != Path()}
    return {file.as_posix() for file in files} | {f"{folder.as_posix()}/" for folder in folders}


def expected(path: str) -> bool:
    parts = path.rstrip("/").split("/")
    return len(parts) <= DEPTH.get(parts[0], 1) and parts[-1] != "__init__.py"


def test_the_tree_names_everything_that_is_there() -> None:
    missing = sorted({path for path in in_git() if expected(path)} - tree().keys())
    assert not missing, "\n".join(["add a line for each to the tree in README.md:", *missing])


def test_everything_that_the_tree_names_is_there() -> None:
    gone = sorted(tree().keys() - in_git())
    assert not gone, "\n".join(["remove these from the tree in README.md:", *gone])


def test_each_line_of_the_tree_says_what_it_is() -> None:
    assert [path for path, meaning in tree().items() if not meaning] == []


def test_the_settings_are_the_generated_table() -> None:
    assert between("<!-- settings -->", "<!-- /settings -->") == settings_table()
