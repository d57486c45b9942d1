import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monitor.demo.questions import KINDS, Question, ask, sample
from monitor.demo.render import image
from monitor.demo.scenes import Scene, album
from monitor.demo.small import END, Kind, build_model, build_processor, build_tokenizer, save_untrained
from monitor.demo.texts import TEXT_KINDS
from monitor.demo.train.card import card
from monitor.demo.train.evaluate import Figure, held_out
from monitor.demo.train.fit import Stage
from monitor.demo.train.forward import answer_logits, answer_loss
from monitor.demo.train.gates import failures
from monitor.demo.train.halves import HALVES, Halves
from monitor.demo.train.lessons import FewImages, Questions, Sight, Texts
from monitor.demo.train.muon import Optimiser, orthogonal
from monitor.demo.train.recipe import CHOOSING_SEED, PUBLISHED_SEED, TEXT, VISION
from monitor.demo.train.rows import IGNORED, Packer, pixel_values

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def chosen_slow(config: pytest.Config) -> bool:
    return "slow" in str(config.getoption("-m")) and "not slow" not in str(config.getoption("-m"))


# -- tokenizer and processor


@pytest.mark.parametrize("kind", ["vlm", "lm"])
def test_a_text_survives_the_tokenizer_whatever_is_in_it(kind: Kind) -> None:
    tokenizer = build_tokenizer(kind)
    for text in ("What colour is the circle?", "Größe 漢字 🙂 \t\n  two  blanks", '[["red","circle"]]', "(0.35, 0.60)"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_word_of_the_prompts_and_a_coordinate_are_one_token_each() -> None:
    tokenizer = build_tokenizer("vlm")
    assert tokenizer.tokenize("What colour is the circle?") == ["What", "Ġcolour", "Ġis", "Ġthe", "Ġcircle", "?"]
    assert tokenizer.tokenize("(0.35, 0.60)") == ["(", "0.35", ",", "Ġ0.60", ")"]


def test_the_tokenizer_is_the_same_whenever_it_is_built() -> None:
    assert build_tokenizer("vlm").backend_tokenizer.to_str() == build_tokenizer("vlm").backend_tokenizer.to_str()


def test_the_template_takes_texts_parts_system_messages_several_turns_and_images_anywhere() -> None:
    processor = build_processor(build_tokenizer("vlm"))
    picture = Image.new("RGB", (64, 64), "white")
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "This: "}, {"type": "image", "image": picture}]},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "And this?"}]},
    ]
    text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text == (
        "<|im_start|>system\nBe brief.<end_of_utterance>\n<|im_start|>user\nThis: <image><end_of_utterance>\n"
        "<|im_start|>assistant\nyes<end_of_utterance>\n<|im_start|>user\n<image>And this?<end_of_utterance>\n"
        "<|im_start|>assistant\n"
    )


def test_the_trainer_sees_the_pixels_that_the_processor_makes() -> None:
    scenes = album(np.random.default_rng(0), 5)
    processor = build_processor(build_tokenizer("vlm"))
    made = processor.image_processor([[image(scene) for scene in scenes]], return_tensors="pt")["pixel_values"][0]
    assert (made - pixel_values(scenes)).abs().max() < 1e-6


def test_the_same_seed_writes_the_same_weights(tmp_path: Path) -> None:
    for place, seed in (("a", 3), ("b", 3), ("c", 4)):
        save_untrained(tmp_path / place, "vlm", seed)
    first, again, other = ((tmp_path / place / "model.safetensors").read_bytes() for place in "abc")
    assert first == again
    assert first != other


# -- rows


def questions_about(n: int) -> list[Question]:
    rng = np.random.default_rng(n)
    if n == 0:
        return [sample(kind, rng, TEXT_KINDS) for kind in ("caption", "extract")]
    kinds = {1: ("colour", "list", "point", "describe"), 2: ("compare", "compare")}.get(n, ("any", "images"))
    scenes: tuple[Scene, ...] = album(rng, n)
    return [ask(kind, scenes, rng) for kind in kinds]


@pytest.mark.parametrize("images", [0, 1, 2, 5])
def test_packed_questions_are_the_same_to_the_model_as_prompts_of_their_own(images: int) -> None:
    kind: Kind = "vlm" if images else "lm"
    tokenizer = build_tokenizer(kind)
    model, packer = build_model(kind, tokenizer), Packer(tokenizer)
    processor = build_processor(tokenizer) if images else tokenizer
    questions = questions_about(images) if images else questions_about(0)[:1]
    batch = packer.pack([questions, questions[:1]])
    with torch.inference_mode():
        logits = answer_logits(model, batch)[0][(batch.targets[0] != IGNORED) & (batch.weights[0] == 1)]
        for question in questions:
            chat = [
                {
                    "role": "user",
                    "content": [
                        *({"type": "image", "image": image(scene)} for scene in question.scenes),
                        {"type": "text", "text": question.prompt},
                    ],
                }
            ]
            inputs = processor.apply_chat_template(
                chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
            answer = tokenizer(question.label + END, add_special_tokens=False, return_tensors="pt")["input_ids"]
            ids = torch.cat([inputs.pop("input_ids"), answer], 1)
            inputs["attention_mask"] = torch.ones_like(ids)
            inputs.pop("token_type_ids", None)
            size = answer.shape[1]
            alone = model(input_ids=ids, **inputs).logits[0, -size - 1 : -1]
            assert (alone - logits[:size]).abs().max() < 1e-4
            logits = logits[size:]
    assert len(logits) == 0


def test_a_hint_asks_the_last_word_for_the_answer_and_a_colour_for_its_shape() -> None:
    tokenizer = build_tokenizer("vlm")
    rng = np.random.default_rng(0)
    question = next(q for q in (sample("exist", rng) for _ in range(50)) if q.label == "yes")
    batch = Packer(tokenizer).pack([[question]])
    hints = [
        (tokenizer.decode(batch.ids[0][place]), tokenizer.decode(target))
        for place, target, weight in zip(batch.asked[0], batch.targets[0], batch.weights[0], strict=True)
        if weight < 1
    ]
    colour, shape = question.prompt.rstrip("?").split()[-2:]
    assert hints == [(f" {shape}", "yes"), (f" {colour}", f" {shape}")]


# -- steps


def lone(parameters: int) -> Halves:
    """One process that does both halves' part: the barrier lets it pass."""
    memory = torch.zeros(HALVES, parameters), torch.zeros(parameters)
    return _Both(0, *memory, threading.Barrier(1))  # type: ignore[arg-type]  # of threads, here


class _Both(Halves):
    def ours(self, n: int) -> slice:
        return slice(0, n)


def test_orthogonal_makes_all_singular_values_about_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 20, 50)))
    assert 0.6 < values.min() < values.max() < 1.3


@pytest.mark.parametrize("lesson", [Sight, Questions, FewImages])
def test_a_few_steps_on_the_same_rows_lower_the_loss(lesson: type[Sight] | type[Questions]) -> None:
    tokenizer = build_tokenizer("vlm")
    taught = lesson(build_model("vlm", tokenizer).train(), tokenizer, 0)
    optimiser = Optimiser(taught.module, lone(sum(p.numel() for p in taught.module.parameters())))
    losses = []
    for _ in range(6):
        taught.module.zero_grad()
        loss = taught.loss(np.random.default_rng(0))
        loss.backward()
        for parameter in taught.module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        optimiser.step(2e-3)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_two_halves_take_the_same_step_from_the_mean_of_their_gradients() -> None:
    barrier = threading.Barrier(HALVES)
    models = [torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Linear(4, 3)) for _ in range(HALVES)]
    models[1].load_state_dict(models[0].state_dict())
    memory = torch.zeros(HALVES, 100), torch.zeros(100)

    def half(number: int) -> None:
        halves = Halves(number, *memory, barrier)  # type: ignore[arg-type]  # of threads, here
        optimiser = Optimiser(models[number], halves)
        for step in range(3):
            models[number].zero_grad()
            models[number](torch.full((2, 6), float(number + step))).pow(2).sum().backward()
            halves.mean_gradients([*models[number].parameters()])
            optimiser.step(0.01)

    threads = [threading.Thread(target=half, args=(number,)) for number in range(HALVES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)
    assert (models[0][0].weight.grad != 0).any()


def test_the_text_lesson_asks_all_kinds_and_its_loss_can_be_learned_from() -> None:
    tokenizer = build_tokenizer("lm")
    model = build_model("lm", tokenizer)
    assert {*Texts.ROWS} == {*TEXT_KINDS}
    loss = Texts(model, tokenizer, 0).loss(np.random.default_rng(0))
    loss.backward()
    assert float(model.model.layers[0].self_attn.q_proj.weight.grad.abs().sum()) > 0


def test_the_loss_is_that_of_guessing_before_anything_is_learned() -> None:
    tokenizer = build_tokenizer("vlm")
    batch = Packer(tokenizer).pack([questions_about(1)])
    batch.weights[batch.weights < 1] = 0
    loss = float(answer_loss(build_model("vlm", tokenizer), batch).detach())
    assert abs(loss - np.log(len(tokenizer))) < 0.5


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    stage = Stage("s", Questions, steps=100, rate=1.0, last_rate=0.1, warm_up=10)
    rates = [stage.rate_at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


# -- gates, cards and the whole


def figures(share: float) -> dict[str, Figure]:
    return {kind: Figure(round(share * 100), 100) for kind in KINDS}


def test_a_fleet_passes_when_the_best_is_good_in_all_kinds_and_better_than_the_last() -> None:
    assert failures("vlm", [("a", figures(0.5)), ("b", figures(0.97)), ("c", figures(0.9))]) == []


@pytest.mark.parametrize(
    "fleet, problem",
    [
        ([("a", figures(0.92)), ("b", figures(0.8))], "a reaches 0.920: at least 0.93 is needed"),
        (
            [("a", figures(0.99) | {"point": Figure(84, 100)}), ("b", figures(0.8))],
            "a reaches 0.840 on the questions of point: at least 0.85 is needed",
        ),
        ([("a", figures(0.97)), ("b", figures(0.95))], "b reaches 0.950 and a 0.970"),
    ],
)
def test_a_missed_gate_says_what_was_reached_and_what_is_needed(
    fleet: list[tuple[str, dict[str, Figure]]], problem: str
) -> None:
    (found,) = failures("vlm", fleet)
    assert problem in found


def test_the_questions_that_are_published_are_none_that_the_choice_was_made_with() -> None:
    for kind in ("list", "point", "any"):
        chosen = {(q.prompt, q.scenes) for q in held_out("vlm", kind, 60, CHOOSING_SEED)}
        assert chosen.isdisjoint((q.prompt, q.scenes) for q in held_out("vlm", kind, 120, PUBLISHED_SEED))


def test_a_model_card_names_the_stages_with_their_steps_and_rates() -> None:
    stage, step, name = VISION.folders()[-1]
    text = card(VISION, name, stage, step, 5, figures(0.5), 1234)
    assert "1,234 parameters" in text
    assert "--seed 5" in text
    assert "`tune-48-images` (steps 901 to 1020, learning rate 0.0015 to 0.0015)" in text
    stage, step, name = VISION.folders()[0]
    early = card(VISION, name, stage, step, 5, figures(0.5), 1234)
    assert "`one-image`" in early
    assert "`questions`" not in early, "it has seen nothing of the later stages"
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)


def test_a_text_only_model_card_loads_with_the_classes_for_texts() -> None:
    stage, step, name = TEXT.folders()[-1]
    text = card(TEXT, name, stage, step, 0, {"caption": Figure(9, 10)}, 1)
    assert "AutoTokenizer, AutoModelForCausalLM" in text


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_training_again_passes_the_gates(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    if not chosen_slow(pytestconfig):
        pytest.skip("trains for minutes on two cores: choose it with -m slow")
    done = subprocess.run(
        [sys.executable, "-m", "monitor.demo.train", "--folder", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {folder.name for folder in tmp_path.iterdir()} == {
        name for course in (VISION, TEXT) for _, _, name in course.folders()
    }
