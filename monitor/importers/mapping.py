"""Which column goes to which field of the event: named by the user, well known, or set for all rows.

`reader.py` makes one `Plan` per import and applies it to every row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from monitor.errors import BadInput
from monitor.importers.cells import BadCell, Event, missing, put_attribute
from monitor.importers.records import Column, Reading
from monitor.importers.targets import BY_NAME, SYNONYMS, TARGETS, UNIT_UNKNOWN, Target, plain, target_named
from monitor.importers.words import did_you_mean, listed


@dataclass(frozen=True, slots=True)
class Step:
    """One column and its target; `how` is named or automatic."""

    column: str
    target: Target
    how: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with every row after the importer itself."""

    steps: tuple[Step, ...]
    constants: tuple[tuple[Target, str], ...]
    columns: tuple[Column, ...]
    notes: tuple[str, ...]

    @property
    def fields(self) -> frozenset[str]:
        """The fields of the event that rows can have."""
        own = {BY_NAME[column.target].field for column in self.columns if column.target in BY_NAME}
        return frozenset(
            own | {step.target.claim for step in self.steps} | {target.claim for target, _ in self.constants}
        )


def parse_pairs(texts: list[str], option: str, *, several: bool = True) -> dict[str, str]:
    """`["ts=TIME,tokens_in=n"]` as a mapping; `several=False` keeps commas, for values of --set."""
    pairs: dict[str, str] = {}
    for text in texts:
        for part in text.split(",") if several else [text]:
            target, sign, value = part.partition("=")
            if not sign or not target.strip() or not value.strip():
                raise BadInput(f"{option} {text}: expected TARGET=VALUE, for example {option} ts=TIMESTAMP")
            if target.strip() in pairs:
                raise BadInput(f"{option}: {target.strip()} is given twice")
            pairs[target.strip()] = value.strip()
    return pairs


def plan(reading: Reading, mapping: Mapping[str, str], constants: Mapping[str, str]) -> Plan:
    """The plan of an import. Raises BadInput for unknown targets and columns, and for values that cannot be used."""
    for name in mapping.keys() & constants.keys():
        raise BadInput(f"{name} is given by --map and by --set; use one of them")
    fixed = tuple((_target(name, "--set"), value) for name, value in constants.items())
    _check_constants(fixed)
    notes = list(reading.notes)
    named = [
        Step(_column(name, column, reading, notes), _target(name, "--map"), "named") for name, column in mapping.items()
    ]
    taken = {step.target.claim for step in named} | {target.claim for target, _ in fixed} | _fields(reading.used)
    steps = named + _automatic(reading, taken, {step.column for step in named} | set(reading.used))
    notes += _unit_notes(reading, steps) if reading.automatic else []
    return Plan(tuple(steps), fixed, _columns(reading, steps), tuple(notes))


def _fields(used: Mapping[str, str]) -> set[str]:
    return {BY_NAME[target].field for target in used.values() if target in BY_NAME}


def _target(name: str, option: str) -> Target:
    target = target_named(name)
    if target is None:
        raise BadInput(
            f"{option} {name}=...: there is no target {name!r}{did_you_mean(name, BY_NAME)}; "
            f"targets are {listed(BY_NAME, 99)}"
        )
    return target


def _column(target: str, column: str, reading: Reading, notes: list[str]) -> str:
    if column in reading.names or column.partition(".")[0] in reading.names:
        return column
    said = f"--map {target}={column}: the file has no column {column!r}{did_you_mean(column, reading.names)}"
    if reading.exhaustive:
        raise BadInput(f"{said}; its columns are {listed(reading.names)}")
    notes.append(f"{said} in its first rows; it is taken where it appears")
    return column


def _check_constants(fixed: tuple[tuple[Target, str], ...]) -> None:
    for target, value in fixed:
        event: Event = {}
        try:
            target.put(event, target.field, value)
        except BadCell as error:
            raise BadInput(f"--set {target.name}={value}: {error}") from None
        if not event:
            raise BadInput(f"--set {target.name}={value}: the value is empty")


def _automatic(reading: Reading, taken: set[str], busy: set[str]) -> list[Step]:
    """Well-known columns for the fields that nothing has taken yet, then the importer's hints."""
    steps: list[Step] = []
    free = [name for name in reading.names if name not in busy] if reading.automatic else []
    for target in TARGETS:
        column = _best(target, free)
        if column is not None and target.field not in taken:
            steps.append(Step(column, target, "automatic"))
            free.remove(column)
            if target.name != "error":  # columns for class and message may stand beside it, and say it better
                taken.add(target.field)
    for name, column in reading.hints.items():
        if BY_NAME[name].field not in taken and column not in busy | {step.column for step in steps}:
            steps.append(Step(column, BY_NAME[name], "automatic"))
    return steps


def _best(target: Target, free: list[str]) -> str | None:
    if target.name in free:
        return target.name
    by_plain = {plain(name): name for name in reversed(free)}
    return next((by_plain[word] for word in SYNONYMS[target.name].split() if word in by_plain), None)


def _unit_notes(reading: Reading, steps: list[Step]) -> list[str]:
    taken = {step.target.claim for step in steps}
    mapped = {step.column for step in steps} | set(reading.used)
    notes = []
    for name in reading.names:
        choices = UNIT_UNKNOWN.get(plain(name), "").split()
        if choices and name not in mapped and choices[0] not in taken:
            ways = " or ".join(f"--map {choice}={name}" for choice in choices)
            notes.append(f"column {name!r} was left out, because its name does not say its unit; add {ways}")
    return notes


def _columns(reading: Reading, steps: list[Step]) -> tuple[Column, ...]:
    by_column = {
        name: Column(name, target, "importer") for name, target in reading.used.items() if name in reading.names
    }
    by_column |= {step.column: Column(step.column, step.target.name, step.how) for step in steps}
    nested = [column for column in by_column if column not in reading.names]
    return tuple(by_column.get(name, Column(name, None, "")) for name in [*reading.names, *nested])


def extended(planned: Plan, reading: Reading, names: list[str]) -> Plan:
    """The plan with columns that appeared later, as an `error` does; what is mapped already stays."""
    late = replace(reading, names=tuple(names), hints={})
    steps = _automatic(late, set(planned.fields), set(reading.used))
    columns = planned.columns + _columns(late, steps)
    return replace(planned, steps=planned.steps + tuple(steps), columns=columns)


def apply(plan: Plan, record: Mapping[str, Any], event: Event) -> None:
    """Write the mapped columns and the constants into the event. Raises BadCell, with the column's name."""
    for step in plan.steps:
        value = _lookup(record, step.column)
        if missing(value):
            continue
        try:
            step.target.put(event, step.target.field, value)
        except BadCell as error:
            raise BadCell(f"{step.target.name} (column {step.column}): {error}") from None
    for target, text in plan.constants:
        target.put(event, target.field, text)


def _lookup(record: Mapping[str, Any], column: str) -> Any:
    """The value of a column; `request.prompt` looks into an object unless there is a column of that very name."""
    if column in record or "." not in column:
        return record.get(column)
    value: Any = record
    for key in column.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def keep_rest(plan: Plan, record: Mapping[str, Any], event: Event) -> None:
    """Put the columns that go nowhere under attrs."""
    going = {column.name.partition(".")[0] for column in plan.columns if column.target is not None}
    for name, value in record.items():
        if name not in going:
            put_attribute(event, name, value)
