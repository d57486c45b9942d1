"""The small checkpoints answer the suites that ship for them, in process: about as well as docs/canaries.md says."""

import asyncio
import queue

import pytest

from monitor.canary.aids import Aids
from monitor.canary.checks import Answer, check_answer
from monitor.canary.suites import SHIPPED, Item, Suite, load_suite
from monitor.chat import Image, Message, Piece
from monitor.demo.record import LIMITS, load_demo_checkpoint
from monitor.inference.checkpoint import Loaded
from monitor.inference.engine import Engine, EngineOptions
from monitor.inference.outcome import Outcome
from monitor.inference.prepare import prepare
from monitor.probe.bodies import Text
from tests.conftest import ROOT


def answer(engine: Engine, loaded: Loaded, suite: Suite, item: Item) -> str:
    messages = [
        Message(
            turn.role,
            tuple(
                part.text if isinstance(part, Text) else Image(suite.images[part.sha256].read_bytes())
                for part in turn.parts
            ),
        )
        for turn in item.turns
    ]
    heard: queue.SimpleQueue[object] = queue.SimpleQueue()
    engine.submit(prepare(loaded, messages, item.settings, LIMITS), item.settings, heard.put)
    while isinstance(found := heard.get(timeout=60), Piece):
        pass
    assert isinstance(found, Outcome), found
    return found.text


def passed(suite: Suite, checkpoint: str) -> int:
    loaded = load_demo_checkpoint(checkpoint)
    engine = Engine(loaded, EngineOptions(max_rows=1))
    engine.start()
    try:
        said = [Answer(answer(engine, loaded, suite, item), 1.0) for item in suite.items]
    finally:
        engine.stop()
    checked = [asyncio.run(check_answer(item, one, Aids())) for item, one in zip(suite.items, said, strict=True)]
    return sum(all(outcome.passed for outcome in outcomes) for outcomes in checked)


@pytest.mark.parametrize(
    "name, checkpoint, said, expected",
    [
        ("shapes", "shapes-vlm-step-00450", "passes 39 of 60", 39),
        ("shapes", "shapes-vlm-step-00600", "56", 56),
        ("shapes", "shapes-vlm-step-00900", "59", 59),
        ("shapes-text", "shapes-lm-step-00600", "all 40", 40),
    ],
)
def test_checkpoints_pass_as_many_items_as_the_docs_say(name: str, checkpoint: str, said: str, expected: int) -> None:
    text = " ".join((ROOT / "docs" / "canaries.md").read_text("utf-8").split())
    assert f"`{checkpoint}` {said}" in text
    assert abs(passed(load_suite(SHIPPED[name]), checkpoint) - expected) <= 2  # another processor rounds otherwise
