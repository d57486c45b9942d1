import json
import re
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from safetensors import safe_open

from monitor.demo.questions import KINDS, Question
from monitor.demo.small import CHECKPOINTS, CONTEXT
from monitor.demo.texts import TEXT_KINDS
from monitor.demo.train.evaluate import Checkpoint, Figure, held_out
from monitor.demo.train.gates import LEAST_DROP, LEAST_MEAN, LEAST_OF_A_KIND, failures
from monitor.demo.train.recipe import COURSES, PUBLISHED_N, PUBLISHED_SEED

ROOT = Path(__file__).parent.parent
NAMES = {course.kind: [name for _, _, name in course.folders()] for course in COURSES}
EVERY = [*NAMES["vlm"], *NAMES["lm"]]
FILES = {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}
ROW = re.compile(r"^\| (\w+) \| [^|]+ \| (\d+) \| (\d+) \| (\d\.\d{3}) \| (\d\.\d{3}) to (\d\.\d{3}) \|$", re.MULTILINE)
RE_ASKED = 40
"""Questions of each kind that are asked again; the figures of a model card are about three times as many."""


def card(name: str) -> str:
    return (CHECKPOINTS / name / "README.md").read_text("utf-8")


@cache
def published(name: str) -> dict[str, Figure]:
    return {kind: Figure(int(right), int(n)) for kind, right, n, *_ in ROW.findall(card(name))}


def average(name: str) -> float:
    figures = published(name)
    return sum(figure.share for figure in figures.values()) / len(figures)


# -- the folders


def test_the_folder_holds_the_checkpoints_of_the_recipe_and_nothing_else() -> None:
    assert sorted(folder.name for folder in CHECKPOINTS.iterdir()) == sorted(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_a_folder_is_complete_readable_for_everyone_and_holds_no_weights_but_safetensors(name: str) -> None:
    folder = CHECKPOINTS / name
    wanted = FILES | ({"processor_config.json"} if name in NAMES["vlm"] else set())
    assert {file.name for file in folder.iterdir()} == wanted
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o444 == 0o444, f"{file.name} is not readable for everyone"


@pytest.mark.parametrize("name", EVERY)
def test_weights_are_about_a_megabyte_in_half_precision(name: str) -> None:
    file = CHECKPOINTS / name / "model.safetensors"
    assert 600_000 < file.stat().st_size < 1_200_000
    with safe_open(file, "pt") as weights:
        assert {weights.get_slice(key).get_dtype() for key in weights.keys()} == {"F16"}  # noqa: SIM118  # no mapping


def test_no_two_checkpoints_are_the_same() -> None:
    assert len({(CHECKPOINTS / name / "model.safetensors").read_bytes() for name in EVERY}) == len(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_no_file_tells_of_the_machine_that_made_it(name: str) -> None:
    for file in (CHECKPOINTS / name).iterdir():
        if file.suffix != ".safetensors":
            text = file.read_text("utf-8")
            assert not re.search(r"_name_or_path|/tmp|/home|/root|/Users|file://", text), file.name
    with safe_open(CHECKPOINTS / name / "model.safetensors", "pt") as weights:
        assert weights.metadata() == {"format": "pt"}


@pytest.mark.parametrize("name", [NAMES["vlm"][-1], NAMES["lm"][-1]])
def test_the_context_leaves_room_for_eight_images_and_a_question(name: str) -> None:
    config = json.loads((CHECKPOINTS / name / "config.json").read_text("utf-8"))
    assert config.get("text_config", config)["max_position_embeddings"] == CONTEXT
    assert CONTEXT > 8 * 19 + 100


# -- loading


LOAD = """
import sys, torch
sys.modules["torchvision"] = None
sys.modules["num2words"] = None
torch.set_num_threads(1)
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
vision, text = sys.argv[1:]
processor = AutoProcessor.from_pretrained(vision)
model = AutoModelForImageTextToText.from_pretrained(vision, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(text)
other = AutoModelForCausalLM.from_pretrained(text, dtype=torch.float32)
print(type(processor).__name__, type(model).__name__, type(other).__name__, processor.tokenizer.padding_side)
"""


def test_both_kinds_load_through_the_auto_classes_without_torchvision_and_num2words() -> None:
    folders = [str(CHECKPOINTS / NAMES[kind][-1]) for kind in ("vlm", "lm")]
    done = subprocess.run([sys.executable, "-c", LOAD, *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Idefics3Processor", "SmolVLMForConditionalGeneration", "LlamaForCausalLM", "left"]


# -- the published figures


@pytest.mark.parametrize("name", EVERY)
def test_a_model_card_says_how_many_of_how_many_with_wilsons_interval(name: str) -> None:
    kinds = KINDS if name in NAMES["vlm"] else TEXT_KINDS
    assert [*published(name)] == [*kinds]
    for kind, right, n, share, low, high in ROW.findall(card(name)):
        figure = Figure(int(right), int(n))
        assert figure.n == PUBLISHED_N
        wanted = (f"{figure.share:.3f}", f"{figure.interval.low:.3f}", f"{figure.interval.high:.3f}")
        assert (share, low, high) == wanted, kind
    assert f"Average over the kinds: **{average(name):.3f}**" in card(name)
    assert f"seed {PUBLISHED_SEED}" in card(name)
    assert "license: apache-2.0" in card(name)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.model)
def test_the_published_figures_pass_the_gates(course) -> None:  # type: ignore[no-untyped-def]  # a parameter of pytest
    fleet = [(name, published(name)) for name in NAMES[course.kind]]
    assert failures(course.kind, fleet) == []


def test_the_best_vision_checkpoint_is_not_the_last() -> None:
    means = {name: average(name) for name in NAMES["vlm"]}
    best = max(means, key=lambda name: means[name])
    assert means[best] >= LEAST_MEAN
    assert min(figure.share for figure in published(best).values()) >= LEAST_OF_A_KIND
    assert means[best] - means[NAMES["vlm"][-1]] >= LEAST_DROP
    assert best != NAMES["vlm"][-1]


@cache
def best_answers() -> dict[str, list[tuple[Question, str]]]:
    """What the best vision checkpoint says to the first published questions of each kind."""
    best = max(NAMES["vlm"], key=average)
    checkpoint = Checkpoint(CHECKPOINTS / best, "vlm")
    questions = {kind: held_out("vlm", kind, RE_ASKED, PUBLISHED_SEED) for kind in KINDS}
    flat = [question for some in questions.values() for question in some]
    answers = iter(checkpoint.answer(flat))
    return {kind: [(question, next(answers)) for question in some] for kind, some in questions.items()}


def test_asked_again_the_best_checkpoint_gives_its_published_figures() -> None:
    best = max(NAMES["vlm"], key=average)
    for kind, pairs in best_answers().items():
        wrong = sum(not question.right(answer) for question, answer in pairs)
        figure = published(best)[kind]
        # Of the first questions no more can be wrong than of all; one flips where another processor rounds otherwise.
        assert wrong <= figure.n - figure.right + 1, f"{kind}: {wrong} of {len(pairs)} wrong"
    again = [question.right(answer) for pairs in best_answers().values() for question, answer in pairs]
    assert abs(sum(again) / len(again) - average(best)) < 0.03


def test_asked_again_the_text_checkpoint_gives_its_published_figures() -> None:
    name = NAMES["lm"][-1]
    figures = Checkpoint(CHECKPOINTS / name, "lm").figures(PUBLISHED_N, PUBLISHED_SEED)
    for kind, figure in figures.items():
        assert abs(figure.right - published(name)[kind].right) <= 1, kind


def test_answers_are_plain_texts_without_special_tokens_or_blanks_around() -> None:
    for pairs in best_answers().values():
        assert all(answer == answer.strip() and "<" not in answer for _, answer in pairs)


# -- the page about them


def test_the_docs_show_the_figures_of_the_model_cards() -> None:
    text = (ROOT / "docs" / "checkpoints.md").read_text("utf-8")
    for name in EVERY:
        cells = [name, *(f"{figure.share:.3f}" for figure in published(name).values()), f"**{average(name):.3f}**"]
        assert f"| {' | '.join(cells)} |" in text
