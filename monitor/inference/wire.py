"""Chat requests as they come over the wire: JSON in OpenAI's shape to our own words, every mistake told by name.

PARAMETERS is the table of what is honoured; the checks, the message for an unknown name and the docs come from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from monitor.chat import MAX_TOP_LOGPROBS, ROLES, Generation, Image, Message
from monitor.inference.dataurl import SHOWN, read_data_url
from monitor.inference.refused import BadParameter

MAX_STOPS = 4
MAX_STOP_CHARACTERS = 256
MAX_NEW_TOKENS = 32_768
MAX_DEADLINE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in our own words."""

    model: str
    messages: tuple[Message, ...]
    settings: Generation
    stream: bool = False
    include_usage: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of the table: name, the type that a value must have, and what is allowed, in words."""

    name: str
    type: Any
    allowed: str


_Stop = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_CHARACTERS)]
_Tokens = Annotated[int, Meta(ge=1, le=MAX_NEW_TOKENS)]
_TOKENS = f"a whole number from 1 to {MAX_NEW_TOKENS}; {Generation().max_tokens} when missing"

PARAMETERS = (
    Parameter("model", str, "the id of a checkpoint, see /v1/models"),
    Parameter("messages", Annotated[list[dict[str, Any]], Meta(min_length=1)], "a list of at least one message"),
    Parameter("max_tokens", _Tokens, _TOKENS),
    Parameter("max_completion_tokens", _Tokens, "another name of max_tokens"),
    Parameter("temperature", Annotated[float, Meta(ge=0, le=2)], "a number from 0 (greedy, the default) to 2"),
    Parameter("top_p", Annotated[float, Meta(gt=0, le=1)], "a number above 0, up to 1 (the default)"),
    Parameter("seed", Annotated[int, Meta(ge=0, le=2**63 - 1)], "a whole number from 0; repeats a sampled answer"),
    Parameter(
        "stop",
        _Stop | Annotated[list[_Stop], Meta(max_length=MAX_STOPS)],
        f"a text, or up to {MAX_STOPS} of them, each of 1 to {MAX_STOP_CHARACTERS} characters",
    ),
    Parameter("stream", bool, "true or false (the default)"),
    Parameter("stream_options", dict[str, Any], 'an object {"include_usage": true or false}, with stream'),
    Parameter("logprobs", bool, "true or false (the default)"),
    Parameter(
        "top_logprobs",
        Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)],
        f"a whole number from 0 to {MAX_TOP_LOGPROBS}, with logprobs",
    ),
    Parameter("n", Literal[1], "1; ask again for another answer"),
    Parameter(
        "deadline_s",
        Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S)],
        f"seconds until the answer is given up, up to {MAX_DEADLINE_S:g}; {Generation().deadline_s:g} when missing",
    ),
)
_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def parse_request(body: bytes, max_image_bytes: int) -> Asked:
    """A request body as `Asked`. Raises BadInput that names what is wrong. Decodes images: not for the event loop."""
    return read_request(decode_json(body), max_image_bytes)


def decode_json(body: bytes, what: str = "the body") -> Any:
    """The JSON value; BadInput says where it is broken."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadParameter("", f"{what} is not JSON: {error}", "invalid_json") from None


def read_request(given: Any, max_image_bytes: int) -> Asked:
    """A decoded request as `Asked`."""
    values = check_parameters(given, PARAMETERS, ("model", "messages"))
    messages = read_messages(values["messages"], max_image_bytes)
    stream = values.get("stream", False)
    return Asked(values["model"], messages, _settings(values), stream, _include_usage(values, stream))


def read_messages(given: Sequence[Mapping[str, Any]], max_image_bytes: int) -> tuple[Message, ...]:
    """The messages of a request."""
    return tuple(_message(f"messages[{index}]", one, max_image_bytes) for index, one in enumerate(given))


def parameters_table(parameters: Sequence[Parameter] = PARAMETERS) -> str:
    """The parameters as the Markdown table of docs/worker.md."""
    rows = [f"| `{parameter.name}` | {parameter.allowed} |" for parameter in parameters]
    return "\n".join(["| parameter | allowed |", "| --- | --- |", *rows])


def check_parameters(given: Any, parameters: Sequence[Parameter], needed: Sequence[str]) -> dict[str, Any]:
    """The parameters that were given, each of its type; null counts as not given. Raises BadParameter."""
    by_name = {parameter.name: parameter for parameter in parameters}
    if not isinstance(given, dict):
        raise BadParameter("", f"the request is {_shown(given)}: must be a JSON object", "invalid_type")
    if unknown := [name for name in given if name not in by_name]:
        others = f" (nor is {', nor is '.join(unknown[1:4])})" if len(unknown) > 1 else ""
        raise BadParameter(
            unknown[0],
            f"is not a parameter of this worker{others}: leave it out; allowed are {', '.join(by_name)}",
            "unknown_parameter",
        )
    values = {name: _convert(by_name[name], value) for name, value in given.items() if value is not None}
    for name in needed:
        if name not in values:
            raise BadParameter(name, f"is missing: {by_name[name].allowed}", "missing_parameter")
    return values


def _convert(parameter: Parameter, value: Any) -> Any:
    try:
        return msgspec.convert(value, parameter.type)
    except msgspec.ValidationError:
        raise BadParameter(parameter.name, f"is {_shown(value)}: allowed is {parameter.allowed}") from None


def _settings(values: Mapping[str, Any]) -> Generation:
    chosen = {name: values[name] for name in ("temperature", "top_p", "seed", "deadline_s") if name in values}
    stop = values.get("stop", ())
    return Generation(
        max_tokens=_max_tokens(values),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        top_logprobs=_top_logprobs(values),
        **chosen,
    )


def _max_tokens(values: Mapping[str, Any]) -> int:
    one, other = values.get("max_tokens"), values.get("max_completion_tokens")
    if one is not None and other is not None and one != other:
        raise BadParameter(
            "max_completion_tokens", f"is {other} and max_tokens is {one}: they mean the same, send one of them"
        )
    return int(one or other or Generation().max_tokens)


def _top_logprobs(values: Mapping[str, Any]) -> int | None:
    top = values.get("top_logprobs")
    if values.get("logprobs", False):
        return top or 0
    if top is not None:
        raise BadParameter("top_logprobs", "needs logprobs: true beside it")
    return None


def _include_usage(values: Mapping[str, Any], stream: bool) -> bool:
    options = values.get("stream_options")
    if options is None:
        return False
    if not stream:
        raise BadParameter("stream_options", "needs stream: true beside it")
    include = options.get("include_usage", False)
    if set(options) - {"include_usage"} or not isinstance(include, bool):
        raise BadParameter("stream_options", f"is {_shown(options)}: allowed is {_BY_NAME['stream_options'].allowed}")
    return include


def _message(place: str, given: Mapping[str, Any], max_image_bytes: int) -> Message:
    _only(place, given, ("role", "content"))
    role = given.get("role")
    if role not in ROLES:
        raise BadParameter(f"{place}.role", f"is {_shown(role)}: allowed are {', '.join(ROLES)}")
    content = given.get("content")
    if isinstance(content, str):
        return Message(role, (content,))
    if not isinstance(content, Sequence) or not content:
        raise BadParameter(
            f"{place}.content", f"is {_shown(content)}: allowed is a text, or a list of at least one part"
        )
    parts = (_part(f"{place}.content[{index}]", part, max_image_bytes) for index, part in enumerate(content))
    return Message(role, tuple(parts))


def _part(place: str, given: Any, max_image_bytes: int) -> str | Image:
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "text":
        _only(place, given, ("type", "text"))
        if not isinstance(given.get("text"), str):
            raise BadParameter(f"{place}.text", f"is {_shown(given.get('text'))}: must be a text")
        return str(given["text"])
    if kind != "image_url":
        shown = _shown(given if kind is None else kind)
        raise BadParameter(f"{place}.type", f"is {shown}: allowed are text and image_url")
    _only(place, given, ("type", "image_url"))
    image = given.get("image_url")
    if not isinstance(image, dict):
        raise BadParameter(f"{place}.image_url", f'is {_shown(image)}: must be an object {{"url": "data:..."}}')
    _only(f"{place}.image_url", image, ("url", "detail"))
    if image.get("detail", "auto") != "auto":
        raise BadParameter(
            f"{place}.image_url.detail",
            f"is {_shown(image['detail'])}: allowed is auto; the checkpoint's own processor decides on the size",
        )
    return read_data_url(f"{place}.image_url.url", image.get("url"), max_image_bytes)


def _only(place: str, given: Mapping[str, Any], allowed: Sequence[str]) -> None:
    for name in given:
        if name not in allowed:
            raise BadParameter(
                f"{place}.{name}", f"is not known; allowed in it are {', '.join(allowed)}", "unknown_parameter"
            )


def _shown(value: Any) -> str:
    """A value as it stood in the JSON, cut."""
    if value is None:
        return "missing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
