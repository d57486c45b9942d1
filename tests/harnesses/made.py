"""Trees of files that a test writes down, and what one importer makes of them."""

import io
import json
from typing import Any

import numpy as np
from PIL import Image

from monitor.benchmarks.evaluation import Evaluation, Score
from monitor.harnesses.records import Harness, Refused
from monitor.harnesses.tree import Tree


def tree_of(files: dict[str, Any], name: str = "upload", parent: str = "") -> Tree:
    """A tree of texts, bytes, and values that become JSON; `.jsonl` takes a list and has one value a line."""
    written = {path: _bytes(path, content) for path, content in files.items()}
    return Tree(name, {path: len(content) for path, content in written.items()}, written.__getitem__, parent=parent)


def _bytes(path: str, content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if path.endswith(".jsonl"):
        return "".join(json.dumps(line) + "\n" for line in content).encode()
    return json.dumps(content, indent=2).encode()


def all_of(harness: Harness, tree: Tree) -> list[Evaluation | Refused]:
    return [one for found in harness.find(tree) for one in found.read()]


def evaluations(harness: Harness, tree: Tree) -> list[Evaluation]:
    """All of a tree of which nothing is refused."""
    found = all_of(harness, tree)
    kept = [one for one in found if isinstance(one, Evaluation)]
    assert len(kept) == len(found), found
    return kept


def only(harness: Harness, tree: Tree) -> Evaluation:
    """The one evaluation that there is."""
    (found,) = evaluations(harness, tree)
    return found


def headline(evaluation: Evaluation) -> Score:
    (score,) = (score for score in evaluation.scores if score.headline)
    return score


def grey(rows: list[list[int]], mode: str = "L") -> bytes:
    """A picture, without loss, under whatever name."""
    file = io.BytesIO()
    Image.fromarray(np.array(rows, np.uint8)).convert(mode).save(file, "PNG")
    return file.getvalue()
