"""The small checkpoints as folders that transformers' Auto classes load: architecture, tokenizer, processor, template.

The trainer fills them with trained weights; tests and benchmarks write untrained ones with `save_untrained`.
"""

from pathlib import Path
from typing import Literal

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMVisionConfig,
)

from monitor.demo.scenes import SIDE
from monitor.demo.vocabulary import vocabulary

Kind = Literal["vlm", "lm"]

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""The folder of the trained ones, one below it for each."""

PATCH = 8
SCALE = 2
IMAGE_TOKENS = (SIDE // PATCH // SCALE) ** 2
CONTEXT = 1024

PAD, START, END = "<pad>", "<|im_start|>", "<end_of_utterance>"
IMAGE, FAKE, GLOBAL = "<image>", "<fake_token_around_image>", "<global-img>"
MAX_NEW_TOKENS = {"vlm": 48, "lm": 128}

# A number with two decimals is one token, so that a coordinate is one decision of the model.
WORDS = r" ?\d\.\d\d| ?\p{L}+| ?\d| ?[^\s\p{L}\d]|\s+(?!\S)|\s+"

TEMPLATE = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}
{{ '<image>' }}
{%- elif part['type'] == 'text' -%}
{{ part['text'] }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ '<end_of_utterance>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
"""
"""Takes contents that are a text or a list of parts, images anywhere among them, and any number of turns."""


def build_tokenizer(kind: Kind) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the words of the prompts: a frequent word is one token, and no text is unknown."""
    special = [PAD, START, END] + ([IMAGE, FAKE, GLOBAL] if kind == "vlm" else [])
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,  # more than the words need: the end is when each of them is one token
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(vocabulary(kind), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=(
            {"image_token": IMAGE, "fake_image_token": FAKE, "global_image_token": GLOBAL} if kind == "vlm" else {}
        ),
        chat_template=TEMPLATE,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Idefics3Processor:
    """Idefics3's processor, as SmolVLM-Instruct has: its image part needs neither torchvision nor num2words."""
    images = Idefics3ImageProcessorPil(
        do_image_splitting=False, size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}
    )
    return Idefics3Processor(images, tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=TEMPLATE)


def build_model(kind: Kind, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> torch.nn.Module:
    """A model with random weights that are the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _vision_model(tokenizer) if kind == "vlm" else LlamaForCausalLM(_text_config(tokenizer))
    model.generation_config = GenerationConfig(
        max_new_tokens=MAX_NEW_TOKENS[kind],
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model.eval()


def _vision_model(tokenizer: PreTrainedTokenizerFast) -> SmolVLMForConditionalGeneration:
    vision = SmolVLMVisionConfig(
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=PATCH,
    )
    config = SmolVLMConfig(
        vision_config=vision,
        text_config=_text_config(tokenizer),
        scale_factor=SCALE,
        tie_word_embeddings=True,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        pad_token_id=tokenizer.pad_token_id,
    )
    model = SmolVLMForConditionalGeneration(config)
    table = model.model.vision_model.embeddings.position_embedding.weight
    table.data.copy_(0.3 * _places(table.size(1)))
    return model


def _places(width: int) -> torch.Tensor:
    """Sines and cosines of row and column for each patch: from there, positions are learned in a fifth of the time."""
    side = SIDE // PATCH
    waves = torch.arange(side)[:, None] / 100 ** (torch.arange(width // 4) / (width // 4))
    line = torch.cat([waves.sin(), waves.cos()], dim=1)
    rows, columns = line.repeat_interleave(side, 0), line.repeat(side, 1)
    return torch.cat([rows, columns], dim=1)


def _text_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=3,
        num_key_value_heads=3,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.05,  # half of 1 / sqrt(width): from the usual 0.02 a model of this width hardly gets going
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def save(folder: Path, kind: Kind, model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write everything that the Auto classes need, the weights in half precision, readable for everyone."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = build_model(kind, tokenizer)
    copy.load_state_dict(model.state_dict())
    copy.half().save_pretrained(folder)
    (build_processor(tokenizer) if kind == "vlm" else tokenizer).save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # save_pretrained leaves the weights unreadable for other users
    folder.chmod(0o755)


def save_untrained(folder: Path, kind: Kind, seed: int = 0) -> None:
    """Write a complete checkpoint with random weights; the same seed gives the same files."""
    tokenizer = build_tokenizer(kind)
    save(folder, kind, build_model(kind, tokenizer, seed), tokenizer)
