"""Whether the engine can batch an architecture exactly: first what its configuration says, then an experiment.

A wrong answer would look like a worse checkpoint, so what cannot be shown to be right is refused.
"""

from typing import Any

import torch

from monitor.errors import CheckpointError
from monitor.inference.runner import JOINS, Entry, Runner

ADVICE = "serve it with a runtime that knows it, such as vLLM, and give the deployment its url"

TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.2}
"""Largest allowed distance between logits in a batch and alone, as a share of their spread; rounding stays below."""


def check_architecture(config: Any, takes_images: bool) -> None:
    """Refuse what is known not to fit, before any weight is read. Raises CheckpointError."""
    text = config.get_text_config(decoder=True)
    kind = config.model_type
    if takes_images and kind not in JOINS:
        raise CheckpointError(
            f"the worker does not know how {kind} takes the images of several requests; it knows {', '.join(JOINS)}: "
            f"{ADVICE}"
        )
    if config.is_encoder_decoder:
        raise CheckpointError(f"{kind} has an encoder and a decoder; the worker batches decoders only: {ADVICE}")
    rope = getattr(text, "rope_parameters", None) or {}
    if "mrope_section" in rope:
        raise CheckpointError(f"{kind} numbers its positions in three dimensions (mrope): {ADVICE}")
    layers = sorted(set(getattr(text, "layer_types", None) or ()) - {"full_attention"})
    if layers:
        raise CheckpointError(f"{kind} has layers without full attention ({', '.join(layers)}): {ADVICE}")


def check_batching(model: Any, device: torch.device, dtype: torch.dtype, vocabulary: int) -> None:
    """Answer two prompts of different lengths in a batch and alone, and compare. Raises CheckpointError.

    This finds architectures that go by the place of a token in the batch instead of its position: recurrent ones, some
    with learned or relative positions, and whatever is new.
    """
    images = getattr(model.config, "image_token_id", None)
    usable = [token for token in range(min(vocabulary, 64)) if token != images]
    prompts = [tuple((usable * 2)[start : start + size]) for start, size in ((5, 5), (3, 11), (7, 8))]
    runner = Runner(model, device, dtype, pad=usable[0])
    entries = [Entry(prompt, {}, len(prompt) + 4) for prompt in prompts]
    after = usable[-1]
    with torch.inference_mode():
        joined = runner.prefill(entries)
        runner.keep(entries)
        stepped = runner.step([after] * len(prompts))
        single = [model(input_ids=torch.tensor([[*prompt, after]], device=device)).logits[0, -2:] for prompt in prompts]
    for row, alone in enumerate(logits.float() for logits in single):
        together = torch.stack([joined[row], stepped[row]])
        distance = float((together - alone).abs().max() / alone.std().clamp(min=1e-6))
        if not distance < TOLERANCE[dtype]:
            raise CheckpointError(
                f"{model.config.model_type} computes other logits in a batch than alone (off by {distance:.2g} of "
                f"their spread; allowed {TOLERANCE[dtype]}), so the worker would answer wrongly: {ADVICE}"
            )
