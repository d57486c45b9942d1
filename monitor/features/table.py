"""The table of features: every descriptor of a prediction with its kind, its unit and what it says.

`jobs/drift.py` computes them once per prediction, `monitor/queries` and the pages take names and words from here, and
`docs/drift-features.md` is generated from it.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "category", "vector"]
Side = Literal["input", "output", "image", "request"]

VERSION = 1
"""Raised when what a feature means changes: cells are then described anew."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A descriptor: what it is of, whether it is a number, a category or a vector, and its unit."""

    name: str
    kind: Kind
    side: Side
    about: str
    unit: str


def _number(name: str, side: Side, about: str, unit: str) -> Feature:
    return Feature(name, "number", side, about, unit)


def _category(name: str, side: Side, about: str, unit: str = "name") -> Feature:
    return Feature(name, "category", side, about, unit)


_ALL = (
    _number("prompt_chars", "input", "length of the prompt, also of what was cut", "characters"),
    _number("prompt_words", "input", "words in the prompt; a sign of a script without blanks is one", "words"),
    _number("prompt_letters_share", "input", "letters of any script among the characters of the prompt", "share"),
    _number("prompt_upper_share", "input", "upper case among the letters of the prompt that have a case", "share"),
    _number("prompt_digit_share", "input", "digits among the characters of the prompt", "share"),
    _number("prompt_punctuation_share", "input", "punctuation and signs among the characters of the prompt", "share"),
    _number("prompt_nonascii_share", "input", "characters of the prompt outside of ASCII", "share"),
    _number("prompt_repetition", "input", "runs of three words in the prompt that stood there before", "share"),
    _number("prompt_oov_share", "input", "words of the prompt outside of the reference's vocabulary", "share"),
    _category("prompt_script", "input", "script of most letters in the prompt: latin, cyrillic, han ..."),
    _category("prompt_language", "input", "language of the prompt by its letters and frequent words"),
    _category("prompt_type", "input", "what the prompt asks for: what, how many, describe, translate ..."),
    _number("answer_chars", "output", "length of the answer, also of what was cut", "characters"),
    _number("answer_words", "output", "words in the answer; a sign of a script without blanks is one", "words"),
    _number("answer_digit_share", "output", "digits among the characters of the answer", "share"),
    _number("answer_nonascii_share", "output", "characters of the answer outside of ASCII", "share"),
    _number("answer_repetition", "output", "runs of three words in the answer that stood there before", "share"),
    _number("answer_points", "output", "points that the answer names", "points"),
    _number("answer_boxes", "output", "boxes that the answer names", "boxes"),
    _category("answer_script", "output", "script of most letters in the answer: latin, cyrillic, han ..."),
    _category("answer_language", "output", "language of the answer by its letters and frequent words"),
    _category("answer_format", "output", "form of the answer: empty, json, json_broken, number, choice, points ..."),
    _category("answer_choice", "output", "the option that the answer names, or the whole of a short answer"),
    _category("answer_refusal", "output", "whether the answer refuses: yes or no"),
    _number("confidence", "output", "confidence that the event carries", "share"),
    _number("tokens_in", "request", "tokens of the request", "tokens"),
    _number("tokens_out", "output", "tokens of the answer", "tokens"),
    _category("finish_reason", "output", "why the answer ended: stop, length ..."),
    _category("outcome", "request", "ok, or the kind of error"),
    _number("images", "image", "images in the request", "images"),
    _number("image_width", "image", "width, the mean over the request's images", "pixels"),
    _number("image_height", "image", "height, the mean over the request's images", "pixels"),
    _number("image_aspect", "image", "width divided by height, the mean over the request's images", "ratio"),
    _number("image_brightness", "image", "mean luma, 0 is black and 1 is white", "share"),
    _number("image_contrast", "image", "standard deviation of the luma; a half is the most", "share"),
    _number("image_sharpness", "image", "fine detail against the contrast: 0 is smooth, 1 as in white noise", "ratio"),
    _number(
        "image_colourfulness",
        "image",
        "colourfulness as people see it: 0 is grey, 59 quite colourful",
        "points",
    ),
    _number("image_saturation", "image", "mean saturation of the colours, 0 is grey", "share"),
    _category("image_blank", "image", "whether any image is near-blank: yes or no"),
    Feature("prompt_vector", "vector", "input", "embedding of the prompt in 32 fixed random directions", "cosine"),
    Feature("image_vector", "vector", "image", "mean embedding of the images in 32 fixed random directions", "cosine"),
    _number("agreement", "request", "cosine between the embeddings of prompt and image", "cosine"),
)

FEATURES: dict[str, Feature] = {feature.name: feature for feature in _ALL}
"""Every feature by its name, in the order in which pages list them."""


def features_table() -> str:
    """The features as the Markdown table of `docs/drift-features.md`."""
    rows = [f"| `{one.name}` | {one.kind} | {one.side} | {one.unit} | {one.about} |" for one in FEATURES.values()]
    return "\n".join(["| feature | kind | of | unit | what it says |", "| --- | --- | --- | --- | --- |", *rows])
