"""Which endpoint of a Gradio app answers, what goes into its parameters, and that what cannot be told is refused."""

from typing import Any

import pytest

from monitor.chat import Generation, Image, Message
from monitor.errors import TargetRefused
from monitor.runtimes.endpoint import Endpoint, Parameter, answer_in, choose, endpoints_of, fill

PAIRS = "list[tuple[str, str]]"
B = Message("assistant", ("b",))
CHAT6 = "list[dict(role: str, content: list[dict(text: str, type: Literal[text])])]"
IMAGE, QUESTION = Parameter("image", "Image"), Parameter("question", "Textbox")
ASK = Endpoint("/ask", (IMAGE, QUESTION), ("Textbox",))
RED, BLUE = Image(b"red"), Image(b"blue")
SHORT = ("the app decides by itself, and was not told: max_tokens, temperature, top_p",)


def filled(parameters: tuple[Parameter, ...], *messages: Message, settings: Generation | None = None) -> Any:
    endpoint = Endpoint("/ask", parameters, ("Textbox",))
    return fill(endpoint, messages, settings or Generation(), lambda image: f"file:{image.data.decode()}")


def user(*parts: str | Image) -> Message:
    return Message("user", parts)


def test_what_an_app_says_about_itself_becomes_endpoints() -> None:
    info = {
        "named_endpoints": {
            "/ask": {
                "parameters": [
                    {
                        "label": "x",
                        "parameter_name": "image",
                        "component": "Image",
                        "python_type": {"type": "filepath"},
                    },
                    {"label": "y", "parameter_name": "n", "component": "Slider", "parameter_has_default": True},
                ],
                "returns": [{"label": "z", "component": "Textbox"}],
            }
        },
        "unnamed_endpoints": {},
    }
    (found,) = endpoints_of(info)
    assert found == Endpoint(
        "/ask", (Parameter("image", "Image", shape="filepath"), Parameter("n", "Slider", True)), ("Textbox",)
    )
    assert str(found) == "/ask(image: Image, n: Slider) -> Textbox"


def test_the_only_endpoint_that_could_answer_is_chosen() -> None:
    others = [Endpoint("/draw", (QUESTION,), ("Image",)), Endpoint("/load", (IMAGE,), ("Textbox",))]
    assert choose([*others, ASK], None) is ASK
    assert choose([ASK, Endpoint("/tell", (QUESTION,), ("Textbox",))], "/ask") is ASK


def test_several_endpoints_that_could_answer_are_listed() -> None:
    with pytest.raises(
        TargetRefused, match=r"2 endpoints of the app could answer, so api_name .* must name one; it has"
    ) as e:
        choose([ASK, Endpoint("/tell", (QUESTION,), ("Textbox",))], None)
    assert str(e.value).endswith(
        "/ask(image: Image, question: Textbox) -> Textbox; /tell(question: Textbox) -> Textbox"
    )


def test_a_configured_endpoint_that_is_not_there_is_refused_with_the_others() -> None:
    with pytest.raises(TargetRefused, match=r"the app has no endpoint /tell; it has /ask\("):
        choose([ASK], "/tell")
    with pytest.raises(TargetRefused, match=r"no endpoint of the app could answer, .*; it has none"):
        choose([], None)


def test_image_and_text_go_into_their_components_and_settings_into_their_names() -> None:
    parameters = (IMAGE, QUESTION, Parameter("Max_New_Tokens", "Slider", True), Parameter("temperature", "Number"))
    values, notes = filled(
        parameters, user(RED, "What?"), settings=Generation(9, 0.5, seed=1, stop=("x",), top_logprobs=0)
    )
    assert values == {"image": "file:red", "question": "What?", "Max_New_Tokens": 9, "temperature": 0.5}
    assert notes == ("the app decides by itself, and was not told: top_p, seed, stop, logprobs",)


# The parameters of an endpoint, the messages, and the values that are sent.
MAPPED: list[tuple[tuple[Parameter, ...], tuple[Message, ...], dict[str, Any]]] = [
    ((Parameter("m", "Multimodaltextbox", True),), (user(RED, BLUE, "Same?"),),
     {"m": {"text": "Same?", "files": ["file:red", "file:blue"]}}),
    ((Parameter("a", "Image"), Parameter("b", "Image", True), QUESTION), (user(RED, BLUE, "Same?"),),
     {"a": "file:red", "b": "file:blue", "question": "Same?"}),
    ((Parameter("a", "Image"), Parameter("b", "Image", True), QUESTION), (user(RED, "What?"),),
     {"a": "file:red", "question": "What?"}),
    ((Parameter("all", "Gallery"), QUESTION), (user(RED, BLUE, "Same?"),),
     {"all": [{"image": "file:red", "caption": None}, {"image": "file:blue", "caption": None}], "question": "Same?"}),
    ((Parameter("system_prompt", "Textbox", True), QUESTION), (Message("system", ("Be short.",)), user("Hi")),
     {"system_prompt": "Be short.", "question": "Hi"}),
    ((Parameter("system_prompt", "Textbox", True), QUESTION), (user("Hi"),), {"question": "Hi"}),
    ((Parameter("context", "Textbox", True), Parameter("prompt", "Textbox", True)), (user("Hi"),), {"prompt": "Hi"}),
    ((Parameter("a", "Textbox", True), Parameter("b", "Textbox")), (user("Hi"),), {"b": "Hi"}),
    ((Parameter("history", "Chatbot", True, CHAT6), QUESTION), (user(RED, "a"), B, user("c")),
     {"history": [
         {"role": "user", "content": [{"type": "file", "file": "file:red"}, {"type": "text", "text": "a"}]},
         {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
     ], "question": "c"}),
    ((Parameter("history", "Chatbot", True, "list[dict(role: str, content: str)]"),), (user("a"),),
     {"history": [{"role": "user", "content": "a"}]}),
    ((Parameter("history", "Chatbot", True, PAIRS), QUESTION), (user("a"),),
     {"history": [], "question": "a"}),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "messages", "values"), MAPPED)
def test_messages_are_mapped_by_the_kind_of_each_component(
    parameters: tuple[Parameter, ...], messages: tuple[Message, ...], values: dict[str, Any]
) -> None:
    assert filled(parameters, *messages) == (values, SHORT)


# The parameters of an endpoint, the messages, and why they are refused.
REFUSED: list[tuple[tuple[Parameter, ...], tuple[Message, ...], str]] = [
    ((IMAGE, QUESTION), (user("What?"),), "needs image: Image, which a chat does not have"),
    ((QUESTION,), (user(RED, "What?"),), "has no parameter for 1 of 1 images"),
    ((IMAGE, QUESTION), (user(RED, BLUE, "What?"),), "has no parameter for 1 of 2 images"),
    ((QUESTION, Parameter("style", "Dropdown")), (user("Hi"),), "needs style: Dropdown, which a chat does not have"),
    ((QUESTION,), (user("a"), B, user("c")), "takes one turn and no history, and there are 3"),
    ((QUESTION,), (Message("system", ("Be short.",)), user("Hi")), "has no parameter for a system message"),
    ((Parameter("a", "Textbox"), Parameter("b", "Textbox")), (user("Hi"),), "and none is clearly the prompt"),
    ((IMAGE,), (user(RED),), "takes no text; choose another api_name"),
    ((QUESTION,), (Message("system", ("Be short.",)),), "there is no turn of a user to answer"),
    ((Parameter("h", "Chatbot", True, PAIRS), QUESTION), (user("a"), B, user("c")),
     "has a history of pairs"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "messages", "why"), REFUSED)
def test_what_has_no_place_is_refused_with_the_parameters_that_there_are(
    parameters: tuple[Parameter, ...], messages: tuple[Message, ...], why: str
) -> None:
    with pytest.raises(TargetRefused) as caught:
        filled(parameters, *messages)
    assert why in str(caught.value)


TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}]


@pytest.mark.parametrize(
    ("returns", "value", "text"),
    [
        (("Textbox",), "red", "red"),
        (("Image", "Markdown"), ({"path": "x.png"}, "red"), "red"),
        (("Textbox", "Chatbot"), ("", TURNS), "Hello"),
        (("Chatbot",), TURNS[:1], ""),
        (("Chatbot",), [["Hi", "Hello"]], "Hello"),
        (("Label",), {"label": "cat", "confidences": []}, "cat"),
        (("Json",), {"text": "red", "files": []}, "red"),
        (("Json",), "red", "red"),
        (("Number",), 3, "3"),
        (("Textbox",), None, ""),
        (("Image",), {"path": "x.png"}, ""),
    ],
)
def test_the_answer_is_the_first_text_that_is_returned(returns: tuple[str, ...], value: Any, text: str) -> None:
    assert answer_in(Endpoint("/ask", (QUESTION,), returns), value) == text
