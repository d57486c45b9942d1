"""What changes in the demo's requests, and exactly when: the planted truth that drift is held against.

`traffic` makes these shifts happen with the answers that `record` heard; `incidents.write_truth` writes them down.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

SHIFTED = {
    "longer_prompts": "text-prod",
    "new_shape": "vision-edge",
    "darker_images": "vision-prod",
    "german_prompts": "text-prod",
    "blank_images": "vision-prod",
    "larger_images": "vision-prod",
}
"""Each kind of shift, in order of time, with the deployment that it is planted on."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Requests that are others than before, from `start` up to and without `end`.

    `right` is the share of right answers to such requests, as the checkpoint was heard, and `right_before` that to the
    same questions about the images as they were, or to what such requests replace. An end after the demo's `now` has
    not come yet.
    """

    kind: str  # of SHIFTED
    deployment: str
    start: datetime
    end: datetime
    share: float  # of the deployment's requests
    slice: tuple[str, str] | None  # dimension and value that all of them have in common; None: all are alike in it
    feature: str  # of monitor.features.table that must show it
    also: tuple[str, ...]  # features that show it, too
    hurts: bool
    right: float
    right_before: float
    sees: str  # what must be seen

    @property
    def client(self) -> str | None:
        return self.slice[1] if self.slice else None

    def __str__(self) -> str:
        return (
            f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC, {self.deployment}, {self.kind}: {self.sees}"
        )


def shifts(hour: datetime) -> tuple[Shift, ...]:
    """The shifts of the story that is told at this hour, in order of their start; all lie in its last seven days."""
    return (_longer(hour), _new_shape(hour), _darker(hour), _german(hour), _blank(hour), _larger(hour))


def _longer(hour: datetime) -> Shift:
    start = hour - timedelta(hours=132)
    return Shift(
        kind="longer_prompts",
        deployment=SHIFTED["longer_prompts"],
        start=start,
        end=start + timedelta(hours=24),
        share=0.25,
        slice=("client", "batch"),
        feature="prompt_chars",
        also=("prompt_words", "tokens_in"),
        hurts=True,
        right=0.286,
        right_before=1.0,
        sees="for a day the batch client sends whole reports, more of them than usual, and summaries leave pages out",
    )


def _new_shape(hour: datetime) -> Shift:
    start = hour - timedelta(hours=110)
    return Shift(
        kind="new_shape",
        deployment=SHIFTED["new_shape"],
        start=start,
        end=start + timedelta(hours=36),
        share=0.55,
        slice=("client", "web"),
        feature="prompt_oov_share",
        also=(),
        hurts=True,
        right=0.385,
        right_before=0.791,
        sees="images and questions of the web client are about stars, a shape that the checkpoint never saw",
    )


def _darker(hour: datetime) -> Shift:
    start = hour - timedelta(hours=98)
    return Shift(
        kind="darker_images",
        deployment=SHIFTED["darker_images"],
        start=start,
        end=start + timedelta(hours=48),
        share=0.3,
        slice=("client", "mobile"),
        feature="image_brightness",
        also=("image_contrast",),
        hurts=True,
        right=0.733,
        right_before=0.895,
        sees="most images of the mobile client are 40 % darker for two days, and are read wrong more often",
    )


def _german(hour: datetime) -> Shift:
    start = hour - timedelta(hours=40)
    return Shift(
        kind="german_prompts",
        deployment=SHIFTED["german_prompts"],
        start=start,
        end=start + timedelta(hours=96),
        share=0.35,
        slice=("client", "web"),
        feature="prompt_language",
        also=("prompt_oov_share", "tokens_in", "tokens_out", "finish_reason"),
        hurts=True,
        right=0.0,
        right_before=1.0,
        sees="a third of the prompts is in German, which the checkpoint never learned: it answers with a stammer",
    )


def _blank(hour: datetime) -> Shift:
    start = hour - timedelta(hours=26)
    return Shift(
        kind="blank_images",
        deployment=SHIFTED["blank_images"],
        start=start,
        end=start + timedelta(hours=3),
        share=0.4,
        slice=None,
        feature="image_blank",
        also=("image_contrast", "image_brightness"),
        hurts=True,
        right=0.139,
        right_before=0.919,
        sees="a broken upstream hands on grey images instead of two in five, whoever asks; no request fails",
    )


def _larger(hour: datetime) -> Shift:
    start = hour - timedelta(hours=20)
    return Shift(
        kind="larger_images",
        deployment=SHIFTED["larger_images"],
        start=start,
        end=start + timedelta(hours=48),
        share=0.5,
        slice=("client", "web"),
        feature="image_width",
        also=("image_height", "image_sharpness"),
        hurts=False,
        right=0.904,
        right_before=0.895,
        sees="a new web client sends images of twice the width and height; answers are as good as before",
    )
