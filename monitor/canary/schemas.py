"""JSON Schemas of the check `json_schema`: refused where they are wrong, and never a way out or a way to hang.

Nothing is fetched, and patterns run on RE2. jsonschema takes a quarter of a second to import, so that only who meets a
schema pays for it.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from monitor.canary.checks_text import compiled

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEEPEST = 32
LONGEST = 200


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a schema, None where it can be used."""
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 (see the top)

    if schema.get("$schema", DIALECT) != DIALECT:
        return f"$schema is {schema['$schema']!r}; allowed is {DIALECT}, which is meant without it too"
    try:
        problem = next(_forbidden(schema), None)
        if problem is None:
            validator(json.dumps(schema, sort_keys=True)).check_schema(schema)
            problem = next(_dangling(schema), None)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        return f"not a JSON Schema: {f'{where}: ' if where else ''}{_short(error.message)}"
    except ValueError as error:
        return str(error)
    return problem


def _forbidden(node: Any, depth: int = 0) -> Iterator[str]:
    """Keywords that lead elsewhere or that are not run on RE2."""
    if depth > DEEPEST:
        yield f"the schema is nested deeper than {DEEPEST} levels"
        return
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                yield f"{name} is {value!r}: only places in the schema itself are looked up, such as #/$defs/thing"
            if name == "patternProperties" and isinstance(value, Mapping):
                yield "patternProperties is not supported; use propertyNames with a pattern"
            if name == "pattern" and isinstance(value, str):
                try:
                    compiled(value)
                except ValueError as error:
                    yield f"pattern {value!r} is {error}"
    inside = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for value in inside:
        yield from _forbidden(value, depth + 1)


def _dangling(schema: Mapping[str, Any]) -> Iterator[str]:
    """References to places that are not in the schema."""
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    registry: Registry[Any] = Registry().with_resource("", DRAFT202012.create_resource(dict(schema)))
    for ref in _references(schema):
        try:
            registry.resolver().lookup(ref)
        except Unresolvable:
            yield f"$ref is {ref!r}, which is not in the schema"


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
        yield node["$ref"]
    inside = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for value in inside:
        yield from _references(value)


def first_mistake(schema: Mapping[str, Any], value: Any) -> str | None:
    """The first thing in a value that the schema does not allow, None where it fits. Raises ValueError."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        error = best_match(validator(json.dumps(schema, sort_keys=True)).iter_errors(value))
    except Unresolvable as problem:
        raise ValueError(f"the schema refers to {str(problem.ref)!r}, which is not in it") from None
    except RecursionError:
        raise ValueError("the schema refers to itself without an end") from None
    return None if error is None else f"{error.json_path.removeprefix('$.')}: {_short(error.message)}"


@lru_cache(maxsize=256)
def validator(schema: str) -> Any:
    """The validator of a schema, given as JSON."""
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not compiled(wanted).search(instance):
            yield ValidationError(f"{_short(repr(instance))} does not match {wanted!r}")

    extend: Any = validators.extend
    kind = extend(Draft202012Validator, {"pattern": pattern})
    return kind(json.loads(schema), registry=Registry())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
