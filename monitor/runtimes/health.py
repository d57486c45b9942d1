"""Whether an OpenAI-compatible server would answer now, asked without generating, where its engine tells it."""

import asyncio
from dataclasses import dataclass

import httpx

from monitor.errors import TargetError
from monitor.runtimes.calls import Calls, Health
from monitor.runtimes.failures import Place, broken, read_failure
from monitor.runtimes.openai import place_of
from monitor.runtimes.targets import Target

HEALTH_S = 5.0

ENDPOINTS: dict[str | None, str] = {
    "vllm": "/health",
    "sglang": "/ready",  # its /health generates a token
    "tgi": "/health",
    "llama.cpp": "/health",
    "transformers": "/health",
}
"""By engine, below the address without /v1. Others list their models: /health of LiteLLM would call every model."""

MISSING = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an endpoint answered: `status` is 0 where nobody answered."""

    status: int
    words: str
    body: bytes = b""


async def health(target: Target, calls: Calls) -> Health:
    """Ready where the first endpoint that the server has says so; never raises."""
    try:
        place = place_of(target)
    except TargetError as error:
        return Health(False, str(error))
    root = place.url.copy_with(path=place.url.path.rstrip("/").removesuffix("/v1"), query=None)
    own = ENDPOINTS.get(target.checkpoint.engine)
    addresses = [root.copy_with(path=root.path.rstrip("/") + own)] if own else []
    addresses += [place.at("/models"), root.copy_with(path=root.path.rstrip("/") + "/openapi.json")]
    for address in addresses:
        asked = await ask(place, address, calls)
        if asked.status not in MISSING:
            return _judged(asked, address)
    return Health(True, f"{place.shown} answers, but has no endpoint that tells whether it is ready")


async def ask(place: Place, address: httpx.URL, calls: Calls) -> Asked:
    """One GET, within HEALTH_S; never raises."""
    try:
        async with asyncio.timeout(HEALTH_S), calls.http.stream("GET", address, headers=place.headers) as response:
            if not response.is_success:
                failure = await read_failure(response)
                return Asked(response.status_code, place.scrubbed(failure.words))
            return Asked(response.status_code, "", await response.aread())
    except TimeoutError:
        return Asked(0, f"{place.name} ({place.shown}) has not answered within {HEALTH_S:g} s")
    except httpx.HTTPError as error:
        return Asked(0, str(broken(place, error, "before it answered")))


def _judged(asked: Asked, address: httpx.URL) -> Health:
    where = address.copy_with(query=None)
    if asked.status == 0:
        return Health(False, asked.words)
    if asked.status >= 300:
        return Health(False, f"{where} answered HTTP {asked.status}: {asked.words or 'no further words'}")
    return Health(True, f"{where} answered HTTP {asked.status}")
