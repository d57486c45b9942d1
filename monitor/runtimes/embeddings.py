"""Asks an OpenAI-compatible server for embeddings; for checks by similarity and for features of drift.

The place is the `[embedding]` section of the fleet file. What a server sends is read within bounds and checked before
anybody computes with it.
"""

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

import httpx

from monitor.errors import TargetTimeout
from monitor.records import Endpoint
from monitor.runtimes import openai
from monitor.runtimes.calls import Calls, key_of
from monitor.runtimes.failures import Failure, Place, broken, failure_in, read_failure

EMBEDDINGS = "/embeddings"
MAX_BYTES = 8 * 1024 * 1024
MAX_DIMENSIONS = 65_536


def place_of(name: str, endpoint: Endpoint) -> Place:
    """Where an endpoint of the fleet file is called; `name` is what messages call it.

    Its url may end with the path of a call. Raises TargetRefused where its key is missing.
    """
    url = httpx.URL(endpoint.url)
    path = url.path.rstrip("/").removesuffix(openai.CHAT).removesuffix(EMBEDDINGS)
    return Place(name, url.copy_with(path=path), key_of(name, endpoint.key_env), endpoint.model)


async def ask_embeddings(
    place: Place, body: Mapping[str, Any], calls: Calls, *, deadline_s: float, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """The body with which the server answers. Raises the kinds of TargetError."""
    try:
        async with (
            asyncio.timeout(deadline_s),
            calls.http.stream("POST", place.at(EMBEDDINGS), json=body, headers=place.headers) as response,
        ):
            if not response.is_success:
                raise await read_failure(response)
            return await _body(response, max_bytes)
    except TimeoutError:
        raise TargetTimeout(f"{place.name} ({place.shown}) has not answered within {deadline_s:g} s") from None
    except httpx.HTTPError as error:
        raise broken(place, error, "before it had answered") from None
    except Failure as failure:
        found = failure.error(place)
    raise found  # out here, so that words which may hold the key do not hang on the error


async def _body(response: httpx.Response, max_bytes: int) -> dict[str, Any]:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > max_bytes:
            raise Failure(f"more than {max_bytes} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Failure("a body that is not JSON") from None
    if not isinstance(found, dict):
        raise Failure("a body that is no JSON object")
    if found.get("error"):
        raise failure_in(found) or Failure("an error without words")
    return found


def vectors_of(found: Mapping[str, Any], n: int) -> list[list[float]] | None:
    """The embeddings in the order of their index; None where they are not n lists of numbers of one length.

    >>> vectors_of({"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]}, 2)
    [[1, 0], [0, 1]]
    """
    rows = found.get("data")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    by_index = {row.get("index", place): row.get("embedding") for place, row in enumerate(rows)}
    vectors = [vector for place in range(n) if _is_vector(vector := by_index.get(place))]
    return vectors if len(vectors) == n and len({len(vector) for vector in vectors}) <= 1 else None


def _is_vector(found: Any) -> TypeGuard[list[float]]:
    return (
        isinstance(found, list)
        and 0 < len(found) <= MAX_DIMENSIONS
        and all(isinstance(number, int | float) and math.isfinite(number) for number in found)
    )
