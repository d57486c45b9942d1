"""The endpoints of a Gradio app: which one answers a chat, what goes into its parameters, where its answer stands.

An app describes each parameter by the kind of its component and by its name, and nothing else; what cannot be told
from these two is refused with the endpoints and parameters that there are, rather than guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.chat import Generation, Image, Message
from monitor.errors import TargetRefused

TEXT = (
    "Textbox",
    "Text",
    "Textarea",
    "Markdown",
    "Code",
    "Html",
    "Json",
    "Label",
    "Number",
    "Chatbot",
    "Highlightedtext",
)
"""Components whose value has a text to be read."""

PROMPTS = ("message", "prompt", "question", "query", "instruction", "text", "input", "msg", "user_input", "text_input")
SYSTEMS = ("system", "system_prompt", "system_message")

SETTINGS: dict[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens", "max_new_tokens", "max_output_tokens", "max_length"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "seed": ("seed",),
}
"""How apps name the settings of generation."""

Upload = Callable[[Image], Any]
"""Makes of an image what gradio_client uploads."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An input of an endpoint."""

    name: str
    component: str  # Image, Textbox, Multimodaltextbox, Chatbot, Slider, ...
    has_default: bool = False
    shape: str = ""  # the type of its value as Python writes it

    def __str__(self) -> str:
        return f"{self.name}: {self.component}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function of the app that can be called by name."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: tuple[str, ...]  # the components that show its values

    def __str__(self) -> str:
        inputs = ", ".join(str(one) for one in self.parameters)
        return f"{self.name}({inputs}) -> {', '.join(self.returns) or 'nothing'}"

    @property
    def chats(self) -> bool:
        """Whether it could answer: a text goes in and one comes out."""
        takes = any(one.component in ("Textbox", "Multimodaltextbox", "Chatbot") for one in self.parameters)
        return takes and any(one in TEXT for one in self.returns)


def endpoints_of(info: Mapping[str, Any]) -> list[Endpoint]:
    """The named endpoints in what `Client.view_api` says."""
    return [
        Endpoint(
            name,
            tuple(
                Parameter(
                    str(one.get("parameter_name") or one.get("label")),
                    str(one.get("component")),
                    bool(one.get("parameter_has_default")),
                    str((one.get("python_type") or {}).get("type", "")),
                )
                for one in endpoint.get("parameters", ())
            ),
            tuple(str(one.get("component")) for one in endpoint.get("returns", ())),
        )
        for name, endpoint in info.get("named_endpoints", {}).items()
    ]


def choose(endpoints: Sequence[Endpoint], api_name: str | None) -> Endpoint:
    """The configured endpoint, or the only one that could answer. Raises TargetRefused, which lists them."""
    listed = "; ".join(str(one) for one in endpoints) or "none"
    if api_name:
        found = [one for one in endpoints if one.name == api_name]
        wanted = f"the app has no endpoint {api_name}"
    else:
        found = [one for one in endpoints if one.chats]
        count = f"{len(found)} endpoints of the app" if found else "no endpoint of the app"
        wanted = f"{count} could answer, so api_name in the fleet file must name one"
    if len(found) != 1:
        raise TargetRefused(f"{wanted}; it has {listed}")
    return found[0]


def fill(
    endpoint: Endpoint, messages: Sequence[Message], settings: Generation, upload: Upload
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values by parameter, and notes about settings that have no parameter.

    Raises TargetRefused where a part of the messages has no parameter, or a parameter no value.
    """
    filling = _Filling(endpoint, upload)
    filling.say(messages)
    notes = filling.set(settings)
    if open_ := [str(one) for one in filling.open if not one.has_default]:
        raise TargetRefused(f"{endpoint} needs {', '.join(open_)}, which a chat does not have; choose another api_name")
    return filling.values, notes


class _Filling:
    """Parameters of one call as they get their values, each once."""

    def __init__(self, endpoint: Endpoint, upload: Upload) -> None:
        self.endpoint = endpoint
        self.upload = upload
        self.values: dict[str, Any] = {}

    @property
    def open(self) -> list[Parameter]:
        return [one for one in self.endpoint.parameters if one.name not in self.values]

    def say(self, messages: Sequence[Message]) -> None:
        """The last turn goes into text and images, what came before into the history."""
        system = "\n".join(one.text for one in messages if one.role == "system")
        turns = [one for one in messages if one.role != "system"]
        if not turns:
            raise TargetRefused("there is no turn of a user to answer")
        self._system(system)
        chat = next((one for one in self.open if one.component == "Chatbot"), None)
        prompt = self._prompt()
        if prompt is None and chat is None:
            raise TargetRefused(f"{self.endpoint} takes no text; choose another api_name")
        before = turns[:-1] if prompt else turns
        if chat:
            self.values[chat.name] = self._history(chat, before)
        elif before:
            raise TargetRefused(f"{self.endpoint} takes one turn and no history, and there are {len(turns)} turns")
        if prompt:
            self._last(prompt, turns[-1])

    def set(self, settings: Generation) -> tuple[str, ...]:
        """Settings go into parameters of their name; what has none is noted."""
        given = {"max_tokens": settings.max_tokens, "temperature": settings.temperature, "top_p": settings.top_p}
        given |= {"seed": settings.seed} if settings.seed is not None else {}
        left = []
        for setting, value in given.items():
            parameter = next((one for one in self.open if one.name.lower() in SETTINGS[setting]), None)
            if parameter:
                self.values[parameter.name] = value
            else:
                left.append(setting)
        left += ["stop"] if settings.stop else []
        left += ["logprobs"] if settings.top_logprobs is not None else []
        return (f"the app decides by itself, and was not told: {', '.join(left)}",) if left else ()

    def _system(self, system: str) -> None:
        parameter = next((one for one in self.open if one.name.lower() in SYSTEMS and one.component == "Textbox"), None)
        if parameter and (system or not parameter.has_default):
            self.values[parameter.name] = system
        elif system:
            raise TargetRefused(f"{self.endpoint} has no parameter for a system message ({' or '.join(SYSTEMS)})")

    def _prompt(self) -> Parameter | None:
        both = [one for one in self.open if one.component == "Multimodaltextbox"]
        if len(both) == 1:
            return both[0]
        texts = [one for one in self.open if one.component == "Textbox" and one.name.lower() not in SYSTEMS]
        named = [one for one in texts if one.name.lower() in PROMPTS]
        needed = [one for one in texts if not one.has_default]
        for found in (texts, named, needed):
            if len(found) == 1:
                return found[0]
        if texts or both:
            raise TargetRefused(
                f"{self.endpoint} takes several texts, and none is clearly the prompt; rename one to prompt"
            )
        return None

    def _last(self, prompt: Parameter, turn: Message) -> None:
        images = [self.upload(image) for image in turn.images]
        if prompt.component == "Multimodaltextbox":
            self.values[prompt.name] = {"text": turn.text, "files": images}
            return
        self.values[prompt.name] = turn.text
        for parameter in self.open:
            if parameter.component == "Gallery" and images:
                self.values[parameter.name] = [{"image": image, "caption": None} for image in images]
                images = []
            elif parameter.component in ("Image", "File") and images:
                self.values[parameter.name] = images.pop(0)
        if images:
            raise TargetRefused(f"{self.endpoint} has no parameter for {len(images)} of {len(turn.images)} images")

    def _history(self, chat: Parameter, turns: Sequence[Message]) -> list[Any]:
        if "role" not in chat.shape and turns:
            raise TargetRefused(
                f"{self.endpoint} has a history of pairs, as before Gradio 6; only one turn can be sent"
            )
        return [{"role": one.role, "content": self._content(chat, one)} for one in turns]

    def _content(self, chat: Parameter, turn: Message) -> Any:
        if "content: list" in chat.shape:  # Gradio 6
            return [
                {"type": "file", "file": self.upload(part)}
                if isinstance(part, Image)
                else {"type": "text", "text": part}
                for part in turn.parts
            ]
        if turn.images:
            raise TargetRefused(
                f"{self.endpoint} has a history of texts only, and there are images before the last turn"
            )
        return turn.text


def answer_in(endpoint: Endpoint, value: Any) -> str:
    """The text of an answer: of the first returned component that has one. Empty where none has."""
    values = value if len(endpoint.returns) > 1 and isinstance(value, list | tuple) else [value]
    found = (_text(component, one) for component, one in zip(endpoint.returns, values, strict=False))
    return next((text for text in found if text), "")


def _text(component: str, value: Any) -> str:
    if component not in TEXT:
        return ""
    if component == "Chatbot" and isinstance(value, list):
        last = value[-1] if value else ""
        if isinstance(last, dict) and last.get("role") == "user":
            return ""  # the app has not answered yet
        return _plain(last[-1] if isinstance(last, list | tuple) and last else last)
    return _plain(value)


def _plain(value: Any) -> str:
    """Text, a number, a list of parts, or an object that holds one of them under a usual name."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list | tuple):
        return "".join(_plain(part) for part in value)
    if isinstance(value, dict):
        return next((text for key in ("content", "text", "label", "value") if (text := _plain(value.get(key)))), "")
    return ""
