"""Checks that read a value out of an answer, or look at what it took: number, choice, JSON, point, time and length."""

import math
from typing import Annotated, Any, Literal

import msgspec

from monitor.canary.answers import Case, Outcome, shown
from monitor.canary.checks_text import Params
from monitor.canary.reading import chosen, numbers, only_number, read_json
from monitor.canary.schemas import first_mistake, schema_problem
from monitor.stats.points import shapes

LETTERS = "ABCDEFGHIJ"
Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Positive = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
Place = Annotated[float, msgspec.Meta(ge=0, le=1)]
Corner = tuple[Place, Place]


class Number(Params):
    value: Finite
    tolerance: Positive = 0.0
    relative: Positive = 0.0
    read: Literal["last", "whole"] = "last"


class Choice(Params):
    letter: Annotated[str, msgspec.Meta(pattern=f"^[{LETTERS}]$")]
    among: Annotated[str, msgspec.Meta(pattern=f"^[{LETTERS}]{{2,10}}$")] = "ABCD"

    def __post_init__(self) -> None:
        if self.letter not in self.among:
            raise ValueError(f"letter {self.letter} is not among {self.among}")


class JsonSchema(Params):
    schema: dict[str, Any]

    def __post_init__(self) -> None:
        if problem := schema_problem(self.schema):
            raise ValueError(problem)


class PointIn(Params):
    box: tuple[Place, Place, Place, Place] | None = None
    polygon: Annotated[list[Corner], msgspec.Meta(min_length=3, max_length=1000)] | None = None
    circle: tuple[Place, Place, Annotated[float, msgspec.Meta(gt=0, le=1)]] | None = None
    least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    most_points: Annotated[int, msgspec.Meta(ge=1, le=200)] | None = None
    size: tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=1)]] | None = None

    def __post_init__(self) -> None:
        if sum(area is not None for area in (self.box, self.polygon, self.circle)) != 1:
            raise ValueError("give one of box, polygon and circle")
        if self.box and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"box is {list(self.box)}; its corners are left, top, right, bottom, each in order")


class Most(Params):
    most: Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class MostTokens(Params):
    most: Annotated[int, msgspec.Meta(ge=1, le=10**6)]


def number(params: Number, case: Case) -> Outcome:
    found = numbers(case.answer.text) if params.read == "last" else [only_number(case.answer.text)]
    value = found[-1] if found else None
    if value is None:
        what = "has no number" if params.read == "last" else "is no single number"
        return Outcome("number", False, f"{shown(case.answer.text)} {what}; {params.value:g} is expected")
    room = max(params.tolerance, params.relative * abs(params.value))
    passed = math.isclose(value, params.value, rel_tol=1e-12, abs_tol=room * (1 + 1e-9))  # 3.15 is within 0.01 of 3.14
    within = f" within {room:g}" if room else ""
    return Outcome("number", passed, f"{value:.12g}; {params.value:.12g} is expected{within}", value)


def choice(params: Choice, case: Case) -> Outcome:
    letter = chosen(case.answer.text, params.among)
    said = f"chooses {letter}" if letter else f"{shown(case.answer.text)} names no single letter of {params.among}"
    return Outcome("choice", letter == params.letter, f"{said}; {params.letter} is expected")


def json_schema(params: JsonSchema, case: Case) -> Outcome:
    try:
        value = read_json(case.answer.text)
    except ValueError as error:
        return Outcome("json_schema", False, f"{shown(case.answer.text)}: {error}")
    try:
        mistake = first_mistake(params.schema, value)
    except ValueError as error:
        return Outcome("json_schema", None, str(error))
    return Outcome("json_schema", mistake is None, mistake or "it is as the schema wants it")


def point_in(params: PointIn, case: Case) -> Outcome:
    """RoboPoint's measure: the share of the points that lie inside (Yuan et al., 2024, arXiv:2406.10721)."""
    found = shapes(case.answer.text)
    points = [shape for shape in found if not shape.is_box]
    problem = None
    if not points:
        problem = "it draws a box, which is no point" if found else f"{shown(case.answer.text)} names no point"
    elif points[0].in_pixels and params.size is None:
        problem = "it names pixels; shares of the image are expected (or give its size in the check)"
    elif params.most_points is not None and len(found) > params.most_points:
        problem = f"it names {len(found)} points or boxes; at most {params.most_points} expected"
    if problem:
        return Outcome("point_in", False, problem, 0.0)
    places = [shape.shares(*(params.size or (1, 1))) for shape in points]
    inside = sum(covers(params, x, y) for x, y in places)
    share = inside / len(places)
    first = ", ".join(f"{place:.3g}" for place in places[0])
    reason = f"{inside} of {len(places)} points are inside (the first is at {first}); {params.least:.0%} expected"
    return Outcome("point_in", share >= params.least, reason, share)


def covers(area: PointIn, x: float, y: float) -> bool:
    """Whether a point lies in the area or on its edge."""
    if area.box:
        left, top, right, bottom = area.box
        return left <= x <= right and top <= y <= bottom
    if area.circle:
        across, down, radius = area.circle
        return math.hypot(x - across, y - down) <= radius
    return _in_polygon(area.polygon or [], x, y)


def _in_polygon(corners: list[Corner], x: float, y: float) -> bool:
    """A ray to the right crosses the outline an odd number of times (Shimrat, 1962, Algorithm 112); edges count.

    >>> corner = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    >>> _in_polygon(corner, 0.5, 0.5), _in_polygon(corner, 0.6, 0.5)
    (True, False)
    """
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        turn = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if abs(turn) < 1e-12 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def max_latency(params: Most, case: Case) -> Outcome:
    return _at_most("max_latency_ms", case.answer.latency_ms, params.most, "ms")


def max_ttft(params: Most, case: Case) -> Outcome:
    return _at_most("max_ttft_ms", case.answer.ttft_ms, params.most, "ms to the first token")


def max_tokens(params: MostTokens, case: Case) -> Outcome:
    return _at_most("max_tokens", case.answer.tokens_out, params.most, "tokens")


def _at_most(kind: str, value: float | None, most: float, unit: str) -> Outcome:
    if value is None or not math.isfinite(value):
        return Outcome(kind, None, f"the runtime does not tell it; at most {most:g} {unit} expected")
    return Outcome(kind, value <= most, f"{value:.6g} {unit}; at most {most:g} expected", float(value))
