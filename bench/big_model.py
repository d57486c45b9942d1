"""A vision-language model of SmolVLM's real shape with random weights, made on the device from its config alone.

Speed does not depend on what the weights say. The same code makes a tiny one, which is how it is tested without a GPU.
"""

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    Idefics3Config,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

PAD, START, END = "<|im_end|>", "<|im_start|>", "<end_of_utterance>"
FAKE, IMAGE = "<fake_token_around_image>", "<image>"
CORPUS = ("user assistant What do you see in the image? Describe it.", "<global-img> <row_1_col_1> <row_2_col_3> 4\n")

TEMPLATE = """\
<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}{{ ': ' }}\
{%- if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] -%}
{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ part['text'] }}{% endif %}\
{%- endfor %}{% endif %}{{ '<end_of_utterance>\\n' }}{% endfor -%}
{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of an Idefics3 model: a SigLIP encoder, a pixel shuffle and a Llama."""

    vision_hidden: int
    vision_intermediate: int
    vision_layers: int
    vision_heads: int
    tile: int  # pixels of width and height
    patch: int
    scale: int  # the pixel shuffle makes one token of scale x scale patches
    longest_edge: int  # a larger image is shrunk to this before it is cut into tiles
    hidden: int
    intermediate: int
    layers: int
    heads: int
    vocabulary: int
    context: int
    rope_theta: float = 273_768.0

    @property
    def image_tokens(self) -> int:
        """Tokens that a tile becomes."""
        return (self.tile // self.patch // self.scale) ** 2


SMOLVLM_2B = Shape(1152, 4304, 27, 16, 384, 14, 3, 1536, 2048, 8192, 24, 32, 49_155, 16_384)
"""SmolVLM-Instruct, 2.2 billion parameters, as its published config.json says; 81 tokens a tile, untied embeddings."""

TINY = Shape(32, 64, 2, 2, 42, 14, 3, 168, 48, 96, 2, 2, 640, 2048)
"""The same code within a second on a CPU."""


def build_tokenizer(shape: Shape) -> PreTrainedTokenizerFast:
    """Byte-level BPE over a few words, filled up to the size of the vocabulary, so that each id has a text."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    last = [FAKE, IMAGE, END]  # the last three of the real vocabulary as well
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", START, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    inner.add_tokens([f"word{i}" for i in range(shape.vocabulary - inner.get_vocab_size() - len(last))])
    inner.add_special_tokens(last)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        padding_side="left",
        model_max_length=shape.context,
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
    )


def build_processor(shape: Shape, *, split: bool) -> Any:
    """The processor; `split` cuts an image into tiles and adds the whole image as one more, as the stock one does."""
    images = Idefics3ImageProcessorPil(
        do_image_splitting=split,
        size={"longest_edge": shape.longest_edge if split else shape.tile},
        max_image_size={"longest_edge": shape.tile},
    )
    return Idefics3Processor(images, build_tokenizer(shape), image_seq_len=shape.image_tokens, chat_template=TEMPLATE)


def build_config(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Any:
    """The config of Idefics3 with these dimensions."""
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return Idefics3Config(
        vision_config={
            "hidden_size": shape.vision_hidden,
            "intermediate_size": shape.vision_intermediate,
            "num_hidden_layers": shape.vision_layers,
            "num_attention_heads": shape.vision_heads,
            "image_size": shape.tile,
            "patch_size": shape.patch,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": shape.hidden,
            "intermediate_size": shape.intermediate,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.context,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
            "pad_token_id": tokenizer.pad_token_id,
            **ids,
        },
        scale_factor=shape.scale,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_model(shape: Shape, tokenizer: PreTrainedTokenizerFast, device: str, dtype: torch.dtype) -> Any:
    """The model with random weights, made where it will run: nothing is read and nothing is copied."""
    config = build_config(shape, tokenizer)
    with torch.device(device):
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model.eval()
