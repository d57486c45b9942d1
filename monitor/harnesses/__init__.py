"""Results of other people's benchmark harnesses, as evaluations; `monitor.harnesses.run` imports what is found here.

tree, records        what is imported, and what an importer finds in it
sheets, xlsx, values, strict   tables, JSON, YAML and single values of strangers
one module a harness, larger ones with parts of their own (`tri_vlm_items`); `HARNESSES` is the table of them
checking             what has to hold for whatever an importer gives
published            figures of other people's models, for drawing
run, naming, writing from what was found to the store
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from monitor.errors import BadInput
from monitor.harnesses import (
    depictqa,
    hf_cards,
    lighteval,
    lm_eval,
    lmms_eval,
    plain,
    robopoint,
    tri_vlm,
    vlmevalkit,
)
from monitor.harnesses.checking import checked
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.tree import Tree

HARNESSES: dict[str, Harness] = {
    module.HARNESS.name: module.HARNESS
    for module in (vlmevalkit, lmms_eval, lm_eval, lighteval, tri_vlm, robopoint, depictqa, hf_cards, plain)
}
"""In the order in which they are asked: a file that one of them takes is not shown to the next."""


class _Watched(Tree):
    """A tree that remembers which files could not be read, as nobody can tell what they are."""

    def __init__(self, tree: Tree, taken: set[str], unreadable: dict[str, str]) -> None:
        left = {path: size for path, size in tree.sizes.items() if path not in taken}
        super().__init__(tree.name, left, tree.read, skipped=tree.skipped, parent=tree.parent, bounds=tree.bounds)
        self._unreadable = unreadable

    def read(self, path: str) -> bytes:
        try:
            return super().read(path)
        except BadInput as error:
            self._unreadable[path] = str(error)
            raise


def find_all(tree: Tree, harness: str = "") -> Iterator[Found | Refused]:
    """The runs in a tree, of one harness where it is named. A file goes to the first harness that knows it.

    Files that nobody knows are passed over, those that cannot be read are refused. Raises BadInput for an unknown
    harness, and where there is nothing that anybody knows.
    """
    if harness and harness not in HARNESSES:
        raise BadInput(f"harness {harness[:60]!a} is not known; allowed are {', '.join(HARNESSES)}")
    taken: set[str] = set()
    unreadable: dict[str, str] = {}
    nothing = True
    for one in [HARNESSES[harness]] if harness else HARNESSES.values():
        try:
            found = list(one.find(_Watched(tree, taken, unreadable)))
        except BadInput as error:
            found, nothing = [], False
            yield Refused(tree.name, f"looked for {one.name}: {error}")
        yield from (replace(run, read=partial(checked, run.read)) for run in found)
        taken.update(path for run in found for path in run.files)
        nothing = nothing and not found
    refused = {path: why for path, why in unreadable.items() if path not in taken}
    yield from (Refused(path, why) for path, why in refused.items())
    if nothing and not refused:
        raise BadInput(_nothing_known(tree, harness))


def _nothing_known(tree: Tree, harness: str) -> str:
    known = [HARNESSES[harness]] if harness else list(HARNESSES.values())
    layouts = "\n".join(f"  {one.name}: {one.about}" for one in known)
    left_out = f", {len(tree.skipped)} left out ({tree.skipped[0]})" if tree.skipped else ""
    return f"{tree.name}: no results that are known among its {len(tree.sizes)} files{left_out}. Known are\n{layouts}"
