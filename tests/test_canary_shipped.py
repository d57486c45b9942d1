"""The suites that ship: they are right, they are what the docs say, and their generator writes them again."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monitor.canary.suites import SHIPPED, load_suite
from monitor.demo import suites as demo_suites
from monitor.demo.questions import KINDS
from monitor.probe.bodies import Picture
from tests.conftest import ROOT


@pytest.mark.parametrize("name, n, images", [("general", 60, 0), ("shapes", 60, 28), ("shapes-text", 40, 0)])
def test_shipped_suites_are_right(name: str, n: int, images: int) -> None:
    suite = load_suite(SHIPPED[name])
    assert (suite.id, len(suite.items), len(suite.images)) == (name, n, images)
    assert all(one.tags and suite.about for one in suite.items)


def test_every_folder_of_shipped_suites_is_listed() -> None:
    assert {folder.name for folder in SHIPPED["general"].parent.iterdir()} == {*SHIPPED}


def test_the_vision_suite_asks_six_questions_of_each_kind_and_groups_those_about_the_same_images() -> None:
    suite = load_suite(SHIPPED["shapes"])
    assert [one.tags[0] for one in suite.items] == [kind for kind in KINDS for _ in range(6)]
    groups: dict[Any, set[Any]] = {}
    for one in suite.items:
        pictures = tuple(part.sha256 for part in one.turns[0].parts if isinstance(part, Picture))
        groups.setdefault(one.group, set()).add(pictures)
        assert ("one-image" in one.tags) == (len(pictures) == 1)
    assert all(len(pictures) == 1 for pictures in groups.values())
    assert len(groups) == 16
    assert len({one.hash for one in suite.items}) == 60
    assert sum(path.stat().st_size for path in suite.images.values()) < 150_000


def test_the_suites_of_shapes_are_what_their_generator_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_suites, "SHIPPED", {name: tmp_path / name for name in SHIPPED})
    demo_suites.main()
    for name in ("shapes", "shapes-text"):
        assert (tmp_path / name / "suite.yaml").read_text("utf-8") == (SHIPPED[name] / "suite.yaml").read_text("utf-8")
    for path in (SHIPPED["shapes"] / "images").iterdir():
        with Image.open(path) as kept, Image.open(tmp_path / "shapes" / "images" / path.name) as drawn:
            assert kept.tobytes() == drawn.tobytes()


def test_the_docs_name_the_shipped_suites_and_their_sizes() -> None:
    text = (ROOT / "docs" / "canaries.md").read_text("utf-8")
    for name, folder in SHIPPED.items():
        assert f"| `{name}` | {len(load_suite(folder).items)} " in text
