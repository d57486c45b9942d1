"""What goes wrong inside the engine: memory that runs out, requests that poison a batch, an engine with a fault."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from monitor.errors import OutOfMemory, TargetError
from monitor.inference.checkpoint import Loaded
from monitor.inference.engine import Engine
from tests.checkpoints import Call, ask, load, png, running
from tests.conftest import wait_until

POISON = "poison"  # no token of its own, so that no answer says it by chance


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return replace(load(tmp_path_factory.mktemp("vlm"), "vlm"), ends=frozenset())


@contextmanager
def before_each_pass(loaded: Loaded, check: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Let a check see the tokens of each forward pass [rows, length] and raise in the middle of the real model."""
    hook = loaded.model.register_forward_pre_hook(lambda _m, _a, kwargs: check(kwargs["input_ids"]), with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def after_each_pass(loaded: Loaded, change: Callable[[torch.Tensor, torch.Tensor], None]) -> Iterator[None]:
    """Let a function see the tokens and change the logits of each pass."""

    def see(_module: Any, _args: Any, kwargs: Any, output: Any) -> None:
        change(kwargs["input_ids"], output.logits)

    hook = loaded.model.register_forward_hook(see, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


class Memory:
    """Enough for so many rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __call__(self, ids: torch.Tensor) -> None:
        if len(ids) > self.rows:
            raise torch.OutOfMemoryError(f"simulated: {len(ids)} rows, memory for {self.rows}")


def answers(engine: Engine, count: int, **settings: object) -> list[Call]:
    return [
        ask(engine, f"Question {number}", images=[png(number)] * (number % 3), **settings) for number in range(count)
    ]


def test_all_requests_complete_with_the_same_answers_when_memory_runs_out(loaded: Loaded) -> None:
    with running(loaded, max_rows=16) as engine:
        expected = [call.outcome().text for call in answers(engine, 60, max_tokens=9)]
    with before_each_pass(loaded, Memory(6)), running(loaded, max_rows=16) as engine:
        calls = answers(engine, 60, max_tokens=9)
        texts = [call.outcome().text for call in calls]
        figures = engine.figures()
    assert texts == expected
    for call in calls:
        assert "".join(piece.text for piece in call.pieces) == call.outcome().text
        assert call.outcome().batch_rows <= 6
    assert figures.out_of_memory >= 1
    assert figures.fitted_rows <= 6
    assert figures.failed == 0
    assert any("memory ran out" in note for call in calls for note in call.outcome().notes)


def test_memory_that_runs_out_in_the_middle_of_answers_costs_none_of_them(loaded: Loaded) -> None:
    memory = Memory(16)
    with before_each_pass(loaded, memory), running(loaded, max_rows=16) as engine:
        expected = [call.outcome().text for call in answers(engine, 8, max_tokens=30)]
        calls = answers(engine, 8, max_tokens=30)
        wait_until(lambda: min(len(call.pieces) for call in calls) >= 5)
        memory.rows = 3
        assert [call.outcome().text for call in calls] == expected
        assert engine.figures().restarted >= 5


def test_the_batch_grows_again_after_fifty_clean_steps(loaded: Loaded) -> None:
    memory = Memory(2)
    with before_each_pass(loaded, memory), running(loaded, max_rows=8) as engine:
        for call in answers(engine, 8, max_tokens=3):
            call.outcome()
        assert engine.figures().cap <= 2
        memory.rows = 8
        for call in answers(engine, 1, max_tokens=120):
            call.outcome()
        assert engine.figures().cap >= 4


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("simulated"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_request_that_does_not_fit_by_itself_fails_alone(loaded: Loaded, error: Exception) -> None:
    def check(ids: torch.Tensor) -> None:
        if ids.shape[1] > 500:
            raise error

    with before_each_pass(loaded, check), running(loaded, max_rows=8) as engine:
        calls = answers(engine, 3, max_tokens=4)
        giant = ask(engine, "How many? " * 250, max_tokens=4)
        calls += answers(engine, 3, max_tokens=4)
        said = giant.error()
        assert isinstance(said, OutOfMemory)
        assert "tokens and 0 images does not fit into memory, even by itself" in str(said)
        assert [call.outcome().tokens_out for call in calls] == [4] * 6
        assert engine.figures().failed == 1


def test_a_request_whose_prompt_breaks_the_model_fails_alone(loaded: Loaded) -> None:
    def check(ids: torch.Tensor) -> None:
        if any(POISON in loaded.text(row) for row in ids.tolist()):
            raise ValueError("poisoned")

    with before_each_pass(loaded, check), running(loaded, max_rows=16) as engine:
        calls = [
            ask(engine, f"{POISON if number in (3, 9) else 'Plain'} {number}", max_tokens=6) for number in range(12)
        ]
        for number, call in enumerate(calls):
            if number in (3, 9):
                assert isinstance(call.error(), TargetError)
                assert str(call.error()) == "the model failed on this request: ValueError: poisoned"
            else:
                assert call.outcome().finish_reason == "length"


@pytest.mark.parametrize("step", [False, True], ids=["in the prefill", "in a step"])
def test_a_request_whose_logits_are_not_numbers_fails_alone(loaded: Loaded, step: bool) -> None:
    with running(loaded, max_rows=16) as engine:
        plain = answers(engine, 10, max_tokens=6)
        expected = [call.outcome().text for call in plain]
    rows = [call.ticket._row for call in plain]
    bad = rows[4].generated[2]

    def spoil(ids: torch.Tensor, logits: torch.Tensor) -> None:
        if step and ids.shape[1] == 1:
            logits[ids[:, 0] == bad] = float("nan")
        elif ids.shape[1] > 1:
            for row, prompt in enumerate(ids.tolist()):
                generated_too = step and bad in prompt[-6:]
                if generated_too or (not step and prompt[-len(rows[4].prepared.ids) :] == [*rows[4].prepared.ids]):
                    logits[row] = float("nan")

    with after_each_pass(loaded, spoil), running(loaded, max_rows=16) as engine:
        calls = answers(engine, 10, max_tokens=6)
        for number, call in enumerate(calls):
            if (bad in rows[number].generated[:-1]) if step else number == 4:
                assert "NaN" in str(call.error())
            else:
                assert call.outcome().text == expected[number]


def test_a_step_that_raises_is_computed_again_row_by_row(loaded: Loaded) -> None:
    with running(loaded, max_rows=16) as engine:
        expected = [call.outcome().text for call in answers(engine, 5, max_tokens=6)]

    def check(ids: torch.Tensor) -> None:
        if ids.shape[1] == 1 and len(ids) > 1:
            raise ValueError("steps of several rows fail")

    with before_each_pass(loaded, check), running(loaded, max_rows=16) as engine:
        assert [call.outcome().text for call in answers(engine, 5, max_tokens=6)] == expected
        assert engine.figures().restarted >= 4


def test_an_engine_with_a_fault_of_its_own_fails_its_rows_and_goes_on(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with running(loaded) as engine:
        monkeypatch.setattr(engine._batch, "step", lambda: 1 / 0)
        assert "the engine failed: ZeroDivisionError" in str(ask(engine).error())
        monkeypatch.undo()
        assert ask(engine, max_tokens=3).outcome().tokens_out == 3
    assert "failed; its rows are given up, it goes on" in caplog.text
