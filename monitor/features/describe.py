"""Every feature of many predictions at once; called by `jobs/drift.py` with the rows of a cell.

Texts that come again are described once per call. Nothing here reads a file or a clock: what is known about images is
passed in, as `images.describe_image` told it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from monitor.features.table import FEATURES
from monitor.features.texts import Columns, Said, answers, prompts
from monitor.features.vocabulary import learn_vocabulary

__all__ = ["describe", "learn_vocabulary"]

Row = Mapping[str, Any]
Identity = tuple[str | None, int | None, int | None, str | None]  # SHA-256, width, height, type
Shown = tuple[Any, ...]
T = TypeVar("T")

OK = "ok"
_PASSED_ON = ("confidence", "tokens_in", "tokens_out", "finish_reason")
_IMAGE = "image/"
_MEANS = ("brightness", "contrast", "sharpness", "colourfulness", "saturation")
_IMAGE_FEATURES = ("images", *(f"image_{name}" for name in ("width", "height", "aspect", *_MEANS, "blank")))
_NO_IMAGES = (0, *[None] * (len(_IMAGE_FEATURES) - 1))


def describe(rows: Sequence[Row], images: Mapping[str, Row], vocabulary: frozenset[str] | None = None) -> Columns:
    """Each feature that is not a vector, by name, with one value per row; None is missing.

    `rows` hold input_text, output_text, input_chars, output_chars, status, error_type, finish_reason, confidence,
    tokens_in, tokens_out and media; `images` what `describe_image` said by SHA-256, of those that were kept. Words are
    held against `vocabulary`, unless it is empty. `agreement` is missing here: it takes an embedding model.

    >>> row = {"input_text": "Is there a dog?", "output_text": "no", "status": "ok"}
    >>> found = describe([row], {})
    >>> found["prompt_type"], found["answer_choice"], found["prompt_chars"], found["images"]
    (['yes_no'], ['no'], [15], [0])
    """
    asked = _spread([row.get("input_text") for row in rows], lambda texts: prompts(texts, vocabulary or None))
    kinds = asked.get("prompt_type") or [None] * len(rows)
    said = [_said(row, kind) for row, kind in zip(rows, kinds, strict=True)]
    found: Columns = {name: [None] * len(rows) for name, feature in FEATURES.items() if feature.kind != "vector"}
    found |= asked | _spread(said, answers) | _of_images(rows, images)
    found |= {name: [row.get(name) for row in rows] for name in _PASSED_ON}
    found["prompt_chars"] = [_length(row, "input") for row in rows]
    found["answer_chars"] = [_length(row, "output") for row in rows]
    found["outcome"] = [_outcome(row) for row in rows]
    return found


def _spread(keys: Sequence[T | None], compute: Callable[[list[T]], Columns]) -> Columns:
    """What is computed of the distinct keys, back at each of their rows; None where the key is None."""
    places = {key: place for place, key in enumerate(dict.fromkeys(key for key in keys if key is not None))}
    columns = compute([*places])
    at = [len(places) if key is None else places[key] for key in keys]
    return {name: [*map([*values, None].__getitem__, at)] for name, values in columns.items()}


def _said(row: Row, prompt_type: str | None) -> Said | None:
    text = row.get("output_text")
    if text is None:
        return None
    return Said(text, prompt_type == "choice", (row.get("output_chars") or 0) > len(text))


def _length(row: Row, side: str) -> int | None:
    """The length that the event tells, else that of the text that is there."""
    length, text = row.get(f"{side}_chars"), row.get(f"{side}_text")
    return length if length is not None or text is None else len(text)


def _outcome(row: Row) -> str | None:
    status = row.get("status")
    return status if status in (None, OK) else row.get("error_type") or status


def _of_images(rows: Sequence[Row], images: Mapping[str, Row]) -> Columns:
    """The means over the images of each request; the same images in the same order are described once."""
    known: dict[tuple[Identity, ...], Shown] = {}
    found = []
    for row in rows:
        key = tuple([_identity(one) for one in row.get("media") or ()])
        if key not in known:
            known[key] = _shown([one for one in key if (one[3] or _IMAGE).startswith(_IMAGE)], images)
        found.append(known[key])
    columns = zip(*found, strict=True) if found else ((),) * len(_IMAGE_FEATURES)
    return {name: [*values] for name, values in zip(_IMAGE_FEATURES, columns, strict=True)}


def _identity(one: Row) -> Identity:
    return one.get("sha256"), one.get("width"), one.get("height"), one.get("mime")


def _shown(shown: Sequence[Identity], images: Mapping[str, Row]) -> Shown:
    """The values of _IMAGE_FEATURES for a request with these images."""
    if not shown:
        return _NO_IMAGES
    described = [images.get(sha256 or "") or {} for sha256, *_ in shown]
    sizes = [size for one, row in zip(shown, described, strict=True) if (size := _size(one, row))]
    blank = [row["blank"] for row in described if row.get("blank") is not None]
    return (
        len(shown),
        _mean([width for width, _ in sizes]),
        _mean([height for _, height in sizes]),
        _mean([width / height for width, height in sizes]),
        *(_mean([row[key] for row in described if row.get(key) is not None]) for key in _MEANS),
        ("yes" if any(blank) else "no") if blank else None,
    )


def _size(one: Identity, row: Row) -> tuple[int, int] | None:
    """Width and height in pixels: of the file if it was kept, else as the event says."""
    width, height = row.get("width") or one[1], row.get("height") or one[2]
    return (width, height) if width and height else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
