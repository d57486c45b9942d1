"""Which checkpoint a harness means: never one of several that fit alike."""

import pytest

from monitor.errors import BadInput
from monitor.harnesses.naming import AS_IT_IS, Names, _step_in
from monitor.harnesses.run import import_tree
from monitor.records import Checkpoint, Fleet
from tests.harnesses.made import tree_of

FLEET = Fleet(
    checkpoints={
        id_: Checkpoint(id_, "m", weights=weights)
        for id_, weights in {
            "run1-100": "out/run1/checkpoint-100",
            "run2-100": "out/run2/checkpoint-100",
            "run2-200": "./out/run2/checkpoint-200",
            "checkpoint-300": "out/run3/checkpoint-300",
            "run4-300": "out/run4/checkpoint-300",
            "far": "/models/far",
        }.items()
    }
)


@pytest.mark.parametrize(
    "name, known",
    [
        ("run1-100", "run1-100"),
        ("RUN1-100", "run1-100"),
        ("out/run2/checkpoint-100", "run2-100"),
        ("out__run2__checkpoint-100", "run2-100"),
        ("/home/u/out/run2/checkpoint-100/", "run2-100"),
        ("run1/checkpoint-100", "run1-100"),
        ("checkpoint-200", "run2-200"),
        ("/home/u/out/run2/checkpoint-200", "run2-200"),
        ("checkpoint-300", "checkpoint-300"),  # an id comes before the last part of some path
        ("/models/far", "far"),
        ("far", "far"),
    ],
)
def test_a_name_that_one_checkpoint_fits_is_that_one(name: str, known: str) -> None:
    named = Names(FLEET).named(name)
    assert (named.checkpoint, named.how, named.several) == (known, "in the fleet file", ())


@pytest.mark.parametrize("name", ["other/checkpoint-100", "xout/run2/checkpoint-100", "/x/models/far", "400"])
def test_a_name_that_none_fits_is_kept(name: str) -> None:
    assert Names(FLEET).named(name).checkpoint == name


def test_a_name_that_several_fit_is_kept_and_the_line_says_which() -> None:
    named = Names(FLEET).named("checkpoint-100")
    assert (named.checkpoint, named.how) == ("checkpoint-100", AS_IT_IS)
    assert named.several == ("run1-100", "run2-100")
    tree = tree_of({"own.csv": "benchmark,checkpoint,metric,value\nb,checkpoint-100,acc,1\n"})
    (line,) = import_tree(tree, Names(FLEET), None, "me")
    assert any("may be any of run1-100, run2-100 of the fleet file" in note for note in line.notes)
    (line,) = import_tree(tree, Names(FLEET, {"checkpoint-100": "run2-100"}), None, "me")
    assert (line.checkpoint, line.how) == ("run2-100", "as you said")


def test_one_step_is_of_one_checkpoint_and_within_what_is_kept() -> None:
    two = tree_of({"own.csv": "benchmark,checkpoint,metric,value\nb,A,acc,1\nb,B,acc,1\n"})
    with pytest.raises(BadInput, match="--step 600 is the step of one checkpoint, and here are results of 2: A, B"):
        list(import_tree(two, Names(FLEET, step=600), None, "me"))
    one = tree_of({"own.csv": "benchmark,checkpoint,metric,value\nb,A,acc,1\n"})
    assert len(list(import_tree(one, Names(FLEET, step=600), None, "me"))) == 1
    with pytest.raises(BadInput, match="--step 100000000000000000000: allowed is a whole number"):
        list(import_tree(one, Names(FLEET, step=10**20), None, "me"))


@pytest.mark.parametrize(
    "name, step",
    [
        ("shapes-vlm-step-00600", 600),
        ("out/checkpoint-1200", 1200),
        ("global_step600", 600),
        ("model_global-step_7", 7),
        ("iteration=40/model.pt", 40),
        ("ckpt-3-merged", 3),
        ("checkpoint000.bin", 0),
        ("stepfun-ai/step3", None),
        ("step42", None),
        ("footstep-100", None),
        ("step-1200k", None),
        ("step-1.5", None),
        ("step-1234567890123", None),
        ("gpt-4", None),
    ],
)
def test_a_step_in_a_name_stands_by_itself(name: str, step: int | None) -> None:
    assert _step_in(name) == step
