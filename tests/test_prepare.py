"""Chats become the input of a model exactly as transformers would make it, or a refusal that says why."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from monitor.chat import Generation, Image, Message
from monitor.errors import BadInput, TooLarge
from monitor.inference.checkpoint import Loaded
from monitor.inference.images import ImageLimits
from monitor.inference.prepare import prepare
from tests.checkpoints import LIMITS, ask, load, png, running, user

PLAIN = Generation()


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tmp_path_factory.mktemp("vlm"), "vlm")


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tmp_path_factory.mktemp("lm"), "lm")


CHAT = [
    Message("system", ("You see shapes.",)),
    Message("user", ("First ", Image(png(1)), " then ", Image(png(2, (150, 40))), "which is red?")),
    Message("assistant", ("The second.",)),
    Message("user", ("And ", Image(png(3, (33, 64))))),
]


def by_transformers(loaded: Loaded, messages: list[Message]) -> dict[str, torch.Tensor]:
    """What the processor's own chat template and call make of it."""
    chat = [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else {"type": "image", "image": Picture.open(io.BytesIO(part.data))}
                for part in message.parts
            ],
        }
        for message in messages
    ]
    return dict(
        loaded.processor.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    )


@pytest.mark.parametrize("quick", [True, False])
def test_a_chat_with_images_becomes_what_transformers_makes_of_it(vlm: Loaded, quick: bool) -> None:
    assert vlm.quick is not None
    prepared = prepare(vlm if quick else replace(vlm, quick=None), CHAT, PLAIN, LIMITS)
    expected = by_transformers(vlm, CHAT)
    assert [*prepared.ids] == expected["input_ids"][0].tolist()
    assert {*prepared.pixels} == {"pixel_values", "pixel_attention_mask"}
    for name, tensor in prepared.pixels.items():
        assert torch.equal(tensor, expected[name])
    assert (prepared.images, prepared.tokens_in, prepared.notes) == (3, len(prepared.ids), ())
    assert prepared.preprocess_ms > 0


@pytest.mark.parametrize("kind", ["vlm", "lm"])
def test_a_chat_of_text_becomes_what_transformers_makes_of_it(
    kind: str, vlm: Loaded, lm: Loaded, request: pytest.FixtureRequest
) -> None:
    loaded: Loaded = request.getfixturevalue(kind)
    chat = [
        Message(
            "user",
            (
                "Where is ",
                "the circle? 😀",
            ),
        )
    ]
    template = [{"role": "user", "content": "Where is the circle? 😀"}]
    expected = loaded.tokenizer.apply_chat_template(template, add_generation_prompt=True)["input_ids"]
    prepared = prepare(loaded, chat, PLAIN, LIMITS)
    assert ([*prepared.ids], prepared.pixels, prepared.images) == (expected, {}, 0)


def test_images_that_are_split_into_tiles_come_out_the_same(vlm: Loaded) -> None:
    from transformers import Idefics3ImageProcessorPil, Idefics3Processor

    from monitor.inference.quick import quick_processor

    maker = Idefics3ImageProcessorPil(size={"longest_edge": 128}, max_image_size={"longest_edge": 64})
    processor = Idefics3Processor(maker, vlm.tokenizer, image_seq_len=16, chat_template=vlm.processor.chat_template)
    quick = quick_processor(processor)
    assert quick is not None
    split = replace(vlm, processor=processor, quick=quick)
    expected = by_transformers(split, CHAT)
    prepared = prepare(split, CHAT, PLAIN, LIMITS)
    assert [*prepared.ids] == expected["input_ids"][0].tolist()
    assert torch.equal(prepared.pixels["pixel_values"], expected["pixel_values"])
    assert prepared.pixels["pixel_values"].shape[1] > 3


def test_the_quick_way_is_left_where_it_would_not_give_the_same(vlm: Loaded) -> None:
    from transformers import Idefics3ImageProcessorPil, Idefics3Processor

    from monitor.inference.quick import quick_processor

    for options in ({"do_normalize": False}, {"do_pad": False}):
        maker = Idefics3ImageProcessorPil(**options)
        assert quick_processor(Idefics3Processor(maker, vlm.tokenizer)) is None

    class Odd(Idefics3ImageProcessorPil):  # type: ignore[misc]  # transformers is not typed for the checker
        def rescale(self, image: np.ndarray[Any, Any], scale: float, **kwargs: object) -> object:
            """What the table is made from comes out otherwise than what an image is."""
            return super().rescale(image, scale * 2 if image.shape[-1] == 256 else scale, **kwargs)

    Odd.__name__ = "Idefics3ImageProcessorPil"
    odd = Odd(do_image_splitting=False, size={"longest_edge": 64}, max_image_size={"longest_edge": 64})
    assert quick_processor(Idefics3Processor(odd, vlm.tokenizer, image_seq_len=16)) is None


def test_a_prompt_past_the_context_is_refused_with_both_lengths(vlm: Loaded) -> None:
    with pytest.raises(BadInput, match=r"the prompt is \d{4} tokens long with 1 images; vlm has a context of 1024"):
        prepare(vlm, user("How many? " * 400, [png(1)]), PLAIN, LIMITS)


def test_images_are_refused_where_the_checkpoint_takes_none(lm: Loaded) -> None:
    with pytest.raises(BadInput, match="lm is a language model and takes no images; 2 were given"):
        prepare(lm, user("Look", [png(1), png(2)]), PLAIN, LIMITS)


def test_a_place_for_an_image_without_its_image_is_refused(vlm: Loaded) -> None:
    with pytest.raises(BadInput, match=r"a text holds <image>, .* and 0 images were given"):
        prepare(vlm, user("<image> What colour is it?"), PLAIN, LIMITS)
    with pytest.raises(BadInput, match="a text holds <image>"):
        prepare(vlm, user("<image> What colour is it?", [png(1)]), PLAIN, LIMITS)


def test_a_damaged_image_is_named_by_its_number(vlm: Loaded) -> None:
    with pytest.raises(BadInput, match=r"^image 2: the PNG image of 64 x 64 is damaged"):
        prepare(vlm, user("Look", [png(1), png(2)[:2000]]), PLAIN, LIMITS)
    with pytest.raises(TooLarge, match=r"^image 1: the image is"):
        prepare(vlm, user("Look", [png(1)]), PLAIN, ImageLimits(10**6, 100))


def test_more_images_than_allowed_are_refused(vlm: Loaded) -> None:
    with pytest.raises(BadInput, match="9 images were given; allowed are 8"):
        prepare(vlm, user("Look", [png(1)] * 9), PLAIN, LIMITS)


def test_notes_of_the_images_come_with_the_answer(vlm: Loaded) -> None:
    file = io.BytesIO()
    frames = [Picture.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    with running(vlm) as engine:
        outcome = ask(engine, images=[png(1), file.getvalue()], max_tokens=2).outcome()
    assert outcome.notes == ("image 2: GIF with several frames: the first one was used",)


@pytest.mark.parametrize(
    "messages, says",
    [
        ([], "neither text nor image"),
        ([Message("user", ("",))], "neither text nor image"),
        ([Message("robot", ("Hi",))], "the role 'robot' is unknown; allowed are system, user, assistant"),
    ],
)
def test_messages_that_ask_nothing_are_refused(vlm: Loaded, messages: list[Message], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        prepare(vlm, messages, PLAIN, LIMITS)


@pytest.mark.parametrize(
    "settings, says",
    [
        (Generation(max_tokens=0), "max_tokens is 0; allowed: at least 1"),
        (Generation(temperature=-1), "temperature is -1"),
        (Generation(temperature=float("nan")), "temperature is nan"),
        (Generation(top_p=0), "top_p is 0; allowed: above 0, at most 1"),
        (Generation(stop=("a", "")), "stop is"),
        (Generation(top_logprobs=21), "top_logprobs is 21; allowed: 0 to 20"),
        (Generation(deadline_s=0), "deadline_s is 0"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(vlm: Loaded, settings: Generation, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        prepare(vlm, user(), settings, LIMITS)


def test_a_template_that_refuses_the_roles_is_quoted(lm: Loaded) -> None:
    strict = load_with_template(lm, "{{ raise_exception('no system message, please') }}")
    with pytest.raises(BadInput, match="the chat template of lm refuses these messages: no system message, please"):
        prepare(strict, user(), PLAIN, LIMITS)


def test_a_checkpoint_without_a_template_gets_the_text_as_it_is(lm: Loaded) -> None:
    bare = load_with_template(lm, None)
    prepared = prepare(bare, user("Once upon"), PLAIN, LIMITS)
    assert bare.text(prepared.ids) == "Once upon"
    assert prepared.notes == ("it has no chat template: the texts were joined as they are",)


def load_with_template(loaded: Loaded, template: str | None) -> Loaded:
    import copy

    tokenizer = copy.deepcopy(loaded.tokenizer)
    tokenizer.chat_template = template
    return replace(loaded, tokenizer=tokenizer, processor=tokenizer)


def test_many_threads_prepare_the_same(vlm: Loaded) -> None:
    chats = [user(f"Question {number} " * (1 + number), [png(number)] * (number % 3)) for number in range(24)]
    expected = [prepare(vlm, chat, PLAIN, LIMITS) for chat in chats]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            made = [*pool.map(lambda chat: prepare(vlm, chat, PLAIN, LIMITS), chats)]
            assert [one.ids for one in made] == [one.ids for one in expected]
            for one, other in zip(made, expected, strict=True):
                assert all(torch.equal(one.pixels[name], other.pixels[name]) for name in other.pixels)
