"""How values are drawn: in the unit that keeps the numbers of an axis short."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Values are multiplied by `factor`, and the numbers of the axis end in `suffix`."""

    factor: float
    suffix: str


def scale_for(unit: str, largest: float) -> Scale:
    """Seconds above three seconds, percent for shares."""
    if unit == "ms":
        return Scale(0.001, " s") if largest > 3000 else Scale(1, " ms")
    if unit == "share":
        return Scale(100, " %")
    return Scale(1, "/s") if unit == "per_s" else Scale(1, "")
