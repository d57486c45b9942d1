"""What a trained fleet has to reach before it is written."""

from collections.abc import Mapping, Sequence

from monitor.demo.small import Kind
from monitor.demo.train.evaluate import Figure, mean

LEAST_MEAN = 0.93
LEAST_OF_A_KIND = 0.85
LEAST_DROP = 0.03
"""By how much the last vision checkpoint, tuned on few images, has to be worse than the best one."""


def failures(kind: Kind, fleet: Sequence[tuple[str, Mapping[str, Figure]]]) -> list[str]:
    """What is wrong with the checkpoints of a model, in the order of their steps; empty when all gates are passed."""
    means = {name: mean(figures) for name, figures in fleet}
    best, figures = max(fleet, key=lambda one: means[one[0]])
    last = fleet[-1][0]
    problems = []
    if means[best] < LEAST_MEAN:
        problems.append(f"{best} reaches {means[best]:.3f}: at least {LEAST_MEAN} is needed")
    problems += [
        f"{best} reaches {figure.share:.3f} on the questions of {name}: at least {LEAST_OF_A_KIND} is needed"
        for name, figure in figures.items()
        if figure.share < LEAST_OF_A_KIND
    ]
    if kind == "vlm" and means[best] - means[last] < LEAST_DROP:
        problems.append(
            f"{last} reaches {means[last]:.3f} and {best} {means[best]:.3f}: the last one has to be {LEAST_DROP} worse"
        )
    return problems
