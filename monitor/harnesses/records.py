"""What an importer of benchmark results finds in a tree, and what it refuses.

Each harness module makes one `Harness`; `monitor/harnesses/__init__.py` holds the table of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitor.benchmarks.evaluation import Evaluation
from monitor.harnesses.tree import Tree


@dataclass(frozen=True, slots=True)
class Refused:
    """A file, or a data set of a run, of which nothing was taken, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """One run of one harness. `read` does the work; it raises BadInput where nothing of the run can be read.

    `path` is the file or folder that a message names, `files` are those that no other harness may take.
    """

    harness: str
    path: str
    files: tuple[str, ...]
    read: Callable[[], Iterator[Evaluation | Refused]]


@dataclass(frozen=True, slots=True)
class Harness:
    """One harness whose files we read: `find` looks at names and at as few bytes as it can."""

    name: str
    about: str
    find: Callable[[Tree], Iterator[Found]]
