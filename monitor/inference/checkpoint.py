"""Loads a checkpoint from its folder: weights, tokenizer, processor. Refuses what the engine would answer wrongly.

Only safetensors are read, nothing is downloaded, and Python files beside the weights run only where the fleet file says
`trust_remote_code`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from monitor.errors import CheckpointError
from monitor.inference.fitness import check_architecture, check_batching
from monitor.inference.folders import weights_files
from monitor.inference.quick import Quick, quick_processor
from monitor.records import Checkpoint

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
NATURAL = {"cpu": "float32", "cuda": "bfloat16"}
"""In which precision a device computes unless it is told otherwise."""

NO_LIMIT = 10**9
"""Tokenizers without a limit state an absurd one."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with what turns messages into its input. Nothing of it changes while it is in use."""

    id: str
    model: Any = field(repr=False)
    processor: Any = field(repr=False)  # a processor where it takes images, else the tokenizer
    tokenizer: Any = field(repr=False)
    device: torch.device
    dtype: torch.dtype
    takes_images: bool
    context: int  # most tokens of prompt and answer together
    bytes: int  # of the weights in memory
    ends: frozenset[int] = frozenset()  # tokens that close an answer
    pad: int = 0  # token that fills prompts on the left
    notes: tuple[str, ...] = ()  # what its folder asks for and the engine does not do
    quick: Quick | None = field(default=None, repr=False)  # a faster way through the processor, where there is one

    def text(self, ids: Sequence[int]) -> str:
        """The text of tokens, without the special ones."""
        if isinstance(self.tokenizer, PreTrainedTokenizerFast) and not self.tokenizer.clean_up_tokenization_spaces:
            return str(self.tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=True))  # ten times as fast
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def name(self, token: int) -> str:
        """The text of a single token, special or not."""
        return str(self.tokenizer.decode([token]))

    def ids(self, text: str, special: bool) -> tuple[int, ...]:
        """The tokens of a text; `special` adds what the tokenizer puts around every text. Thread-safe."""
        if isinstance(self.tokenizer, PreTrainedTokenizerFast):
            return tuple(self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=special).ids)
        return tuple(self.tokenizer(text, add_special_tokens=special)["input_ids"])


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda` for the setting `auto`, `cpu` or `cuda`. Raises CheckpointError when there is no GPU."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise CheckpointError(
            f"WATCHPOINT_WORKER_DEVICE=cuda, and PyTorch {torch.__version__} finds no GPU; set it to auto or cpu, or "
            "install a CUDA build of PyTorch and check the driver with nvidia-smi"
        )
    return "cuda" if there and wanted != "cpu" else "cpu"


def load_checkpoint(checkpoint: Checkpoint, folder: Path, device: str, *, dtype: str | None = None) -> Loaded:
    """Load a folder onto `cpu` or `cuda`; blocking, for a thread. Raises CheckpointError that says what is wrong."""
    weights_files(folder)
    chosen = DTYPES.get(dtype or NATURAL[device])
    if chosen is None:
        raise CheckpointError(f"dtype {dtype!r} of {checkpoint.id}: the worker computes in {', '.join(DTYPES)}")
    try:
        return _load(checkpoint, folder, torch.device(device), chosen)
    except CheckpointError:
        raise
    except Exception as error:  # what a folder can break is without end: each is told, none ends the worker
        raise CheckpointError(
            f"{checkpoint.id} cannot be loaded from {folder}: {type(error).__name__}: {str(error)[:500]}"
        ) from error


def _load(checkpoint: Checkpoint, folder: Path, device: torch.device, dtype: torch.dtype) -> Loaded:
    local = {"local_files_only": True, "trust_remote_code": checkpoint.trust_remote_code}
    transformers.utils.logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, **local)
    takes_images = _takes_images(config)
    check_architecture(config, takes_images)
    processor = _processor(folder, local) if takes_images else AutoTokenizer.from_pretrained(folder, **local)
    tokenizer = processor.tokenizer if takes_images else processor
    tokenizer.padding_side = "left"
    if isinstance(tokenizer, PreTrainedTokenizerFast):  # set for good: a call that changes them is not thread-safe
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
    model = _model(AutoModelForImageTextToText if takes_images else AutoModelForCausalLM, folder, dtype, local)
    model = model.to(device)
    check_batching(model, device, dtype, len(tokenizer))
    return Loaded(
        id=checkpoint.id,
        model=model,
        processor=processor,
        tokenizer=tokenizer,
        device=device,
        dtype=dtype,
        takes_images=takes_images,
        context=_context(config, tokenizer),
        bytes=sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers()]),
        ends=_ends(model, tokenizer),
        pad=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0,
        notes=_unheeded(model.generation_config),
        quick=quick_processor(processor) if takes_images else None,
    )


def _takes_images(config: Any) -> bool:
    """Whether it is a vision-language model. Raises CheckpointError for what is neither that nor a language model."""
    remote = getattr(config, "auto_map", None) or {}
    if config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or "AutoModelForImageTextToText" in remote:
        return True
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or "AutoModelForCausalLM" in remote:
        return False
    raise CheckpointError(
        f"the architecture {config.model_type} is neither a language model nor one of images and text; the worker "
        "answers chats only"
    )


def _processor(folder: Path, local: dict[str, Any]) -> Any:
    """The processor of a folder; SmolVLM's own needs packages for video, Idefics3's does the same with images."""
    try:
        return AutoProcessor.from_pretrained(folder, **local)
    except (ImportError, AttributeError, ValueError, OSError) as error:
        try:
            return Idefics3Processor.from_pretrained(folder, **local)
        except Exception:  # noqa: BLE001 (the first error is the one that tells)
            raise CheckpointError(f"the processor of {folder} cannot be loaded: {str(error)[:300]}") from error


def _model(kind: Any, folder: Path, dtype: torch.dtype, local: dict[str, Any]) -> Any:
    """The model in evaluation mode. Raises CheckpointError when weights are missing, which transformers makes up."""
    model, report = kind.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa", use_safetensors=True, output_loading_info=True, **local
    )
    missing = sorted(report["missing_keys"])
    if missing:
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise CheckpointError(f"the weights in {folder} lack {named}: they belong to another architecture, or are cut")
    return model.eval()


def _context(config: Any, tokenizer: Any) -> int:
    text = config.get_text_config(decoder=True)
    limits = [getattr(text, "max_position_embeddings", None), tokenizer.model_max_length]
    known = [limit for limit in limits if limit and limit < NO_LIMIT]
    if not known:
        raise CheckpointError("neither its config.json (max_position_embeddings) nor its tokenizer states the context")
    return int(min(known))


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or ())


def _unheeded(wanted: Any) -> tuple[str, ...]:
    """Settings of generation_config.json that change a greedy answer and that the engine does not know."""
    plain = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0, "num_beams": 1}
    odd = [name for name, value in plain.items() if getattr(wanted, name, None) not in (None, value)]
    return tuple(f"its generation_config.json sets {name}, which the worker does not apply" for name in odd)
