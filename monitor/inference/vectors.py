"""Embeddings of texts and images from a checkpoint that was trained to answer; called by `embeddings.py` in a thread.

A text becomes the mean of the last hidden states of its tokens, images the mean of what the vision tower hands to the
text model behind its connector. Both are of unit length. Passes are bounded, and between two of them it is looked
whether anybody still waits.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.chat import Message
from monitor.errors import BadInput, OutOfMemory, TargetError
from monitor.inference.checkpoint import Loaded
from monitor.inference.images import ImageLimits
from monitor.inference.peak import is_out_of_memory
from monitor.inference.prepare import check_messages, picture_of, tensors_of

MOST_ROWS = 64
MOST_TOKENS = 8192
"""Texts of one pass, and tokens with their padding, unless a single text is longer."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of what was given (n, d), the space that they lie in, the tokens that were read, notes."""

    vectors: Vectors
    space: str  # text or images: distances across them mean nothing
    tokens: int
    notes: tuple[str, ...] = ()


def embed_texts(loaded: Loaded, texts: Sequence[str], go_on: Callable[[], None]) -> Embedded:
    """The embeddings of texts. `go_on` is called before each pass, and raises what ends it.

    Raises BadInput for a text that cannot be read, OutOfMemory.
    """
    rows = [_ids(loaded, place, text) for place, text in enumerate(texts)]
    found: dict[int, Vectors] = {}
    for places in _passes([len(ids) for ids in rows]):
        _embed_rows(loaded, rows, places, found, go_on)
    return Embedded(_unit(np.stack([found[place] for place in range(len(rows))])), "text", sum(map(len, rows)))


def embed_images(
    loaded: Loaded, messages: Sequence[Message], limits: ImageLimits, go_on: Callable[[], None]
) -> Embedded:
    """One embedding of the images of a conversation. Raises BadInput, OutOfMemory."""
    images = check_messages(loaded, messages, limits)
    pictures = [picture_of(number, image, limits) for number, image in enumerate(images, 1)]
    ids, pixels = tensors_of(loaded, loaded.processor.image_token * len(pictures), pictures)
    notes = tuple(f"image {number}: {note}" for number, picture in enumerate(pictures, 1) for note in picture.notes)
    go_on()
    try:
        with torch.inference_mode():
            inputs = {name: _moved(loaded, tensor) for name, tensor in pixels.items()}
            seen = loaded.model.get_image_features(**inputs).pooler_output
            mean = torch.cat([one.reshape(-1, one.shape[-1]).float() for one in seen]).mean(dim=0).cpu()
    except Exception as error:  # noqa: BLE001 (whatever a model raises is told to who asked)
        raise _told(loaded, error, f"a message of {len(pictures)} images") from None
    return Embedded(_unit(mean[None].numpy()), "images", len(ids), notes)


def _ids(loaded: Loaded, place: int, text: str) -> tuple[int, ...]:
    image = getattr(loaded.processor, "image_token", None) if loaded.takes_images else None
    if image and image in text:
        raise BadInput(f"input[{place}] holds {image}, which stands for an image inside the model: take it out")
    ids = loaded.ids(text, True)
    if not 0 < len(ids) <= loaded.context:
        raise BadInput(
            f"input[{place}] is {len(ids)} tokens long; {loaded.id} reads 1 to {loaded.context} tokens: "
            f"{'shorten it' if ids else 'leave it out'}"
        )
    return ids


def _passes(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of texts that are computed together: those of like lengths, the longest first."""
    waiting = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while waiting:
        rows = max(1, min(MOST_ROWS, MOST_TOKENS // lengths[waiting[0]]))
        yield waiting[:rows]
        del waiting[:rows]


def _embed_rows(
    loaded: Loaded,
    rows: Sequence[tuple[int, ...]],
    places: Sequence[int],
    found: dict[int, Vectors],
    go_on: Callable[[], None],
) -> None:
    """Compute some texts in one pass, or in halves where memory is not enough."""
    go_on()
    try:
        means = _means(loaded, [rows[place] for place in places])
    except Exception as error:  # noqa: BLE001 (whatever a model raises is told to who asked)
        if not is_out_of_memory(error) or len(places) == 1:
            raise _told(loaded, error, f"a text of {len(rows[places[0]])} tokens") from None
    else:
        found |= dict(zip(places, means, strict=True))
        return
    gc.collect()
    if loaded.device.type == "cuda":
        torch.cuda.empty_cache()
    middle = len(places) // 2
    _embed_rows(loaded, rows, places[:middle], found, go_on)
    _embed_rows(loaded, rows, places[middle:], found, go_on)


def _means(loaded: Loaded, rows: Sequence[tuple[int, ...]]) -> Vectors:
    """The mean hidden state of each row of tokens, which are padded behind: what a token sees stands before it."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[loaded.pad] * (width - len(row))] for row in rows], device=loaded.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=loaded.device)
    with torch.inference_mode():
        hidden = loaded.model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        weights = mask[..., None].float()
        means = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)
    return np.asarray(means.cpu().numpy(), np.float32)


def _moved(loaded: Loaded, tensor: torch.Tensor) -> torch.Tensor:
    """Pixels in the precision of the weights; masks as they are."""
    return tensor.to(loaded.device, loaded.dtype if tensor.is_floating_point() else None)


def _unit(vectors: Any) -> Vectors:
    """The vectors with the length 1. Raises TargetError for what has no direction."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise TargetError("the model computed NaN, infinite values or only zeros for this request")
    return np.asarray(vectors / lengths, np.float32)


def _told(loaded: Loaded, error: Exception, what: str) -> Exception:
    if is_out_of_memory(error):
        return OutOfMemory(f"{what} does not fit into the memory of {loaded.device} beside {loaded.id}: send less")
    return TargetError(f"{loaded.id} broke on {what}: {type(error).__name__}: {str(error)[:300]}")
