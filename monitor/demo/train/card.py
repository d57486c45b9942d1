"""The model card of a checkpoint: every figure in it comes from the evaluation that is passed in."""

from collections.abc import Mapping

from monitor.demo.questions import Kind
from monitor.demo.train.evaluate import QUESTIONS, Figure, mean
from monitor.demo.train.fit import Course, Stage
from monitor.demo.train.halves import HALVES
from monitor.demo.train.recipe import PUBLISHED_SEED

TITLES = {
    "vlm": "A small vision-language model of the SmolVLM architecture",
    "lm": "A small text-only model of the Llama architecture",
}
TASKS = {"vlm": "image-text-to-text", "lm": "text-generation"}
AUTO = {
    "vlm": ("AutoProcessor", "AutoModelForImageTextToText"),
    "lm": ("AutoTokenizer", "AutoModelForCausalLM"),
}
DATA = {
    "vlm": """\
Synthetic images of 64 × 64 pixels (`monitor/demo/scenes.py`, `monitor/demo/render.py`): one to four shapes in a grid
of 4 × 4 cells, no two of the same colour or shape, six colours, four shapes, with differences in size, place, paint,
paper and noise. The questions are those of `monitor/demo/questions.py`.""",
    "lm": """\
Synthetic texts about coloured shapes (`monitor/demo/texts.py`), drawn afresh at each step.""",
}
LIMITS = {
    "vlm": """\
Made for tests, benchmarks and demonstrations of monitoring; it knows nothing but these images and these questions. Ask
with the images first and the question after them, in English, in the forms of training; to anything else it says
something, and wrongly. Prompt and answer together hold at most 1,024 tokens; an image takes 19 of them.""",
    "lm": """\
Made for tests, benchmarks and demonstrations of monitoring; it knows nothing but these texts and these tasks. To
anything else it says something, and wrongly. Prompt and answer together hold at most 1,024 tokens.""",
}


def card(
    course: Course, name: str, stage: Stage, step: int, seed: int, figures: Mapping[str, Figure], parameters: int
) -> str:
    """The text of README.md."""
    kinds = QUESTIONS[course.kind]
    rows = "\n".join(_row(kind, kinds[kind], figure) for kind, figure in figures.items())
    processor, model = AUTO[course.kind]
    return f"""\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: {TASKS[course.kind]}
---

# {name}

{TITLES[course.kind]}, {parameters:,} parameters, weights in float16. Checkpoint after step {step} of its
training, at the end of or during the stage "{stage.name}".

## Accuracy on held-out questions

Answers are greedy, in float32, and judged by program: the text of the true answer, or for `point` one point inside
the circle around the shape. The questions were drawn with seed {PUBLISHED_SEED}; they guided neither the recipe nor
the choice of the best checkpoint. Intervals are Wilson's, 95 %.

| kind | about | right | n | accuracy | interval |
|---|---|---|---|---|---|
{rows}

Average over the kinds: **{mean(figures):.3f}**

## Data

{DATA[course.kind]}

## Training

From random weights with seed {seed}, on CPU in {HALVES} processes, by `python -m monitor.demo.train --seed {seed}`.
Muon for matrices, AdamW for the rest, float32. Stages:

{_stages(course, step)}

## Use

```python
from transformers import {processor}, {model}

processor = {processor}.from_pretrained(folder)
model = {model}.from_pretrained(folder, dtype="float32")
```

Neither torchvision nor num2words is needed.

## Limits

{LIMITS[course.kind]}

## Licence

Apache-2.0, like the program that made it.
"""


def _row(name: str, kind: Kind, figure: Figure) -> str:
    low, high = figure.interval
    return f"| {name} | {kind.about} | {figure.right} | {figure.n} | {figure.share:.3f} | {low:.3f} to {high:.3f} |"


def _stages(course: Course, last: int) -> str:
    """The stages that a checkpoint has seen something of."""
    lines, done = [], 0
    for stage in course.stages:
        if done >= last:
            break
        counted = f"steps {done + 1} to {done + stage.steps}" if stage.saved else f"{stage.steps} steps before step 1"
        done += stage.steps if stage.saved else 0
        about = " ".join((stage.lesson.__doc__ or "").split("\n\n")[0].split())
        lines.append(f"- `{stage.name}` ({counted}, learning rate {stage.rate:g} to {stage.last_rate:g}): {about}")
    return "\n".join(lines)
