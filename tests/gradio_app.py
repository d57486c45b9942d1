"""A real Gradio app over a small vision-language checkpoint, as a process of its own for tests.

`python -m tests.gradio_app FOLDER PORT`: the app below /many has several endpoints, the one below /one a single one.
"""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: it starts to report at once

import gradio as gr
import torch
import uvicorn
from fastapi import FastAPI
from transformers import AutoModelForImageTextToText, AutoProcessor

running: list[str] = []
"""Questions that are waited upon."""


class Small:
    """The checkpoint, and an answer of it."""

    def __init__(self, folder: str) -> None:
        torch.set_num_threads(1)
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)

    def answer(self, images: list[Any], question: str, max_new_tokens: int) -> str:
        parts = [{"type": "image", "image": image} for image in images] + [{"type": "text", "text": question}]
        inputs = self.processor.apply_chat_template(
            [{"role": "user", "content": parts}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        out = self.model.generate(**inputs, do_sample=False, max_new_tokens=int(max_new_tokens))
        return str(self.processor.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def many(small: Small) -> gr.Blocks:
    """Endpoints that answer, answer bit by bit, fail, and wait."""

    def ask(image: Any, question: str, max_new_tokens: float = 8) -> str:
        return small.answer([image], question, int(max_new_tokens))

    def write(question: str) -> Iterator[str]:
        for count in (1, 2, 4):
            yield small.answer([], question, count)
            time.sleep(0.3)

    def fail(question: str) -> str:
        raise RuntimeError(f"the weights are on fire: {question}")

    def refuse(question: str) -> str:
        raise gr.Error(f"no answer to {question}")

    def wait(question: str) -> Iterator[str]:
        running.append(question)
        try:
            for second in range(100):
                yield f"{question}{' .' * second}"
                time.sleep(0.1)
        finally:
            running.remove(question)

    def chat(history: list[dict[str, Any]], message: str) -> tuple[str, list[dict[str, Any]]]:
        said = "/".join(part["text"] for turn in history for part in turn["content"])
        turns = [{"role": "user", "content": message}, {"role": "assistant", "content": f"{said}|{message}"}]
        return "", history + turns

    with gr.Blocks() as app:
        image, question, answer = gr.Image(type="pil"), gr.Textbox(label="Question"), gr.Textbox()
        history, length = gr.Chatbot(), gr.Slider(1, 64, value=8)
        for name, function, inputs, outputs in (
            ("ask", ask, [image, question, length], answer),
            ("write", write, [question], answer),
            ("fail", fail, [question], answer),
            ("refuse", refuse, [question], answer),
            ("wait", wait, [question], answer),
            ("waiting", lambda _: ",".join(running) or "nobody", [question], answer),
            ("chat", chat, [history, question], [question, history]),
        ):
            gr.Button().click(function, inputs, outputs, api_name=name)
    return app


def one(small: Small) -> gr.Interface:
    """A single endpoint that takes text and images together."""

    def look(message: dict[str, Any]) -> str:
        from PIL import Image

        sizes = [Image.open(path).size for path in message["files"]]
        return f"{message['text']} {sizes}"

    return gr.Interface(look, gr.MultimodalTextbox(), gr.Textbox(), api_name="look")


if __name__ == "__main__":
    checkpoint = Small(sys.argv[1])
    server = FastAPI()
    gr.mount_gradio_app(server, many(checkpoint), "/many")
    gr.mount_gradio_app(server, one(checkpoint), "/one")
    uvicorn.run(server, port=int(sys.argv[2]), log_level="warning")
