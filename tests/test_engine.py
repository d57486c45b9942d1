"""The engine as its users see it: streaming, stop strings, seeds, logprobs, limits, cancelling, deadlines, fairness."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from monitor.chat import Generation
from monitor.errors import Overloaded, TargetBusy
from monitor.inference.checkpoint import Loaded
from monitor.inference.engine import Engine, EngineOptions
from monitor.inference.prepare import prepare
from tests.checkpoints import LIMITS, Call, ask, load, png, running, user
from tests.conftest import wait_until

LONG = 900


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tmp_path_factory.mktemp("vlm"), "vlm")


@pytest.fixture(scope="module")
def endless(vlm: Loaded) -> Loaded:
    """The same, without a token that closes an answer: it goes on until something else ends it."""
    return replace(vlm, ends=frozenset())


@pytest.fixture(scope="module")
def engine(endless: Loaded) -> Iterator[Engine]:
    with running(endless, max_rows=8) as engine:
        engine.warm_up()
        yield engine


def test_the_pieces_of_a_stream_are_the_text(engine: Engine) -> None:
    calls = [ask(engine, f"Question {number}", max_tokens=30, top_logprobs=0) for number in range(6)]
    for call in calls:
        outcome = call.outcome()
        assert outcome.text
        assert "".join(piece.text for piece in call.pieces) == outcome.text
        assert tuple(token for piece in call.pieces for token in piece.tokens) == outcome.tokens
        assert "".join(token.text for token in outcome.tokens) == outcome.text
        assert sum(bool(piece.text) for piece in call.pieces) > 5


def test_a_stop_string_ends_the_answer_and_is_never_emitted(engine: Engine) -> None:
    whole = ask(engine, max_tokens=30).outcome().text
    stop = whole[len(whole) // 2 :][:3]
    call = ask(engine, max_tokens=30, stop=(stop, "never"))
    outcome = call.outcome()
    assert outcome.finish_reason == "stop"
    assert outcome.text == whole[: whole.index(stop)] == "".join(piece.text for piece in call.pieces)
    assert outcome.tokens_out < 30


def test_the_closing_token_ends_an_answer_without_being_part_of_it(vlm: Loaded, engine: Engine) -> None:
    third = ask(engine, max_tokens=5).ticket
    wait_until(lambda: len(third._row.generated) == 5)
    closing = third._row.generated[2]
    with running(replace(vlm, ends=frozenset([closing]))) as closed:
        outcome = ask(closed, max_tokens=5, top_logprobs=0).outcome()
    first = third._row.generated.index(closing)
    assert (outcome.finish_reason, outcome.tokens_out) == ("stop", first + 1)
    assert len(outcome.tokens) == first


def test_the_same_seed_gives_the_same_answer_alone_and_in_a_crowd(engine: Engine) -> None:
    sampled: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95, "max_tokens": 12}
    alone = ask(engine, seed=3, **sampled).outcome().text
    crowd = [ask(engine, seed=seed, **sampled) for seed in (1, 2, 3, 4, 5)]
    texts = [call.outcome().text for call in crowd]
    assert texts[2] == alone
    assert len({*texts}) == 5


def test_logprobs_are_given_where_they_were_asked_for(engine: Engine) -> None:
    asked, plain = ask(engine, max_tokens=6, top_logprobs=3), ask(engine, max_tokens=6)
    tokens = asked.outcome().tokens
    assert plain.outcome().tokens == ()
    assert len(tokens) == 6
    for token in tokens:
        assert len(token.top) == 3
        assert token.top[0][1] == pytest.approx(token.logprob)
        assert sorted((logprob for _, logprob in token.top), reverse=True) == [logprob for _, logprob in token.top]
        assert sum(math.exp(logprob) for _, logprob in token.top) <= 1.0001


def test_the_context_bounds_an_answer_and_a_note_says_so(engine: Engine) -> None:
    outcome = ask(engine, "How many? " * 330, max_tokens=5000).outcome()
    assert outcome.finish_reason == "length"
    assert outcome.tokens_in + outcome.tokens_out == engine.loaded.context
    assert outcome.notes == (f"the context of 1024 tokens leaves {outcome.tokens_out} for the answer",)


def test_timings_add_up_and_the_batch_is_told(engine: Engine) -> None:
    calls = [ask(engine, images=[png(1)], max_tokens=4) for _ in range(4)]
    outcomes = [call.outcome() for call in calls]
    for outcome in outcomes:
        parts = outcome.queue_ms + outcome.preprocess_ms + outcome.prefill_ms + outcome.decode_ms
        assert 0 < parts <= outcome.total_ms
        assert outcome.ttft_ms is not None
        assert outcome.preprocess_ms + outcome.prefill_ms <= outcome.ttft_ms <= outcome.total_ms
        assert outcome.peak_memory_bytes > 10_000_000
    assert max(outcome.batch_rows for outcome in outcomes) >= 2


def test_a_cancelled_row_leaves_within_one_step_and_the_others_go_on(engine: Engine) -> None:
    seen: list[int] = []

    def cancel(call: Call) -> None:
        if not seen and len(call.pieces) == 3:
            call.ticket.cancel()
            seen.append(len(call.ticket._row.generated))

    settings = Generation(max_tokens=LONG)
    other = ask(engine, "The other one", max_tokens=40)
    prepared = prepare(engine.loaded, user("Cancel me"), settings, LIMITS)
    cancelled = Call(engine, prepared, settings, then=lambda call: cancel(call) if hasattr(call, "ticket") else None)
    outcome = cancelled.outcome()
    assert outcome.finish_reason == "cancelled"
    assert outcome.tokens_out <= seen[0] + 1
    assert outcome.text == "".join(piece.text for piece in cancelled.pieces) != ""
    assert (other.outcome().finish_reason, other.outcome().tokens_out) == ("length", 40)


def test_a_request_is_cancelled_while_it_waits(endless: Loaded) -> None:
    with running(endless, max_rows=1) as engine:
        busy = ask(engine, max_tokens=LONG)
        wait_until(lambda: bool(busy.pieces))
        waiting = ask(engine, max_tokens=5)
        waiting.ticket.cancel()
        outcome = waiting.outcome()
        assert not busy.done
        busy.ticket.cancel()
        assert busy.outcome().finish_reason == "cancelled"
    assert (outcome.finish_reason, outcome.tokens_out, outcome.ttft_ms) == ("cancelled", 0, None)


def test_a_deadline_ends_an_answer_in_the_queue_and_in_the_middle(endless: Loaded) -> None:
    slowly = endless.model.register_forward_pre_hook(lambda *_: time.sleep(0.005))  # the context lasts for over 4 s
    with running(endless, max_rows=1) as engine:
        busy = ask(engine, "On and on", max_tokens=100_000, deadline_s=1.5)
        wait_until(lambda: bool(busy.pieces))
        waiting = ask(engine, max_tokens=5, deadline_s=0.05)
        assert waiting.outcome().finish_reason == "timeout"
        assert (waiting.outcome().tokens_out, waiting.outcome().text) == (0, "")
        outcome = busy.outcome()
        figures = engine.figures()
    slowly.remove()
    assert (outcome.finish_reason, figures.timeout) == ("timeout", 2)
    assert outcome.tokens_out > 0
    assert outcome.total_ms >= 1500


def test_a_full_queue_refuses_and_says_when_to_come_back(endless: Loaded) -> None:
    engine = Engine(endless, EngineOptions(max_rows=2, queue=3))
    calls = [ask(engine, max_tokens=2) for _ in range(3)]
    with pytest.raises(Overloaded, match=r"3 requests .* wait .* allowed are 3 .*WATCHPOINT_WORKER_QUEUE") as refused:
        ask(engine, max_tokens=2)
    assert refused.value.retry_after_s == 1
    assert (engine.figures().rejected, engine.figures().waiting) == (1, 3)
    engine.start()
    assert [call.outcome().finish_reason for call in calls] == ["length"] * 3
    engine.stop()


def test_the_tensors_that_wait_are_bounded_too(endless: Loaded) -> None:
    engine = Engine(endless, EngineOptions(queue_bytes=150_000))
    ask(engine, images=[png(1)])
    ask(engine, images=[])
    with pytest.raises(Overloaded, match="MiB"):
        ask(engine, images=[png(1)])
    engine.stop()


def test_stopping_an_engine_fails_what_is_there(endless: Loaded) -> None:
    with running(endless, max_rows=1) as engine:
        busy, waiting = ask(engine, max_tokens=LONG), ask(engine, max_tokens=LONG)
        wait_until(lambda: bool(busy.pieces))
    for call in (busy, waiting):
        assert isinstance(call.error(), TargetBusy)
    with pytest.raises(TargetBusy, match="was stopped"):
        ask(engine)


def test_rows_join_while_others_are_in_the_middle_of_their_answer(engine: Engine) -> None:
    long = ask(engine, max_tokens=200)
    wait_until(lambda: len(long.ticket._row.generated) > 5)
    short = ask(engine, images=[png(2)], max_tokens=3).outcome()
    assert not long.done
    assert short.batch_rows == 2
    assert long.outcome().tokens_out == 200


def test_a_rare_request_is_served_while_another_bucket_is_flooded(endless: Loaded) -> None:
    """Every answer of the flood is followed by two new ones, so the short bucket always fills the batch by itself."""
    with running(endless, max_rows=4, wait_ms=1e6) as engine:
        settings = Generation(max_tokens=2)
        short = prepare(endless, user("Short"), settings, LIMITS)
        flood = [Call(engine, short, settings) for _ in range(60)]
        rare = ask(engine, "Rare " * 60, images=[png(3)] * 3, max_tokens=2)
        place = len(flood)
        while not rare.done:
            flood += [Call(engine, short, settings) for _ in range(4)]
            time.sleep(0.005)
            assert len(flood) < 2000, "the rare request starves"
        before = sum(call.done for call in flood)
        assert before <= place + 8, f"{before - place} of the flood came after it and were served before it"


def test_an_idle_engine_gives_its_memory_back(endless: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.inference.engine.IDLE_S", 0.05)
    with running(endless) as engine:
        ask(engine, max_tokens=2).outcome()
        wait_until(lambda: engine.figures().cache_bytes == 0)
        assert ask(engine, max_tokens=2).outcome().tokens_out == 2


def test_figures_count_what_happened(endless: Loaded) -> None:
    with running(endless, max_rows=4) as engine:
        engine.warm_up()
        assert engine.figures().submitted == 0
        calls = [ask(engine, "One word" + " more" * number, max_tokens=5) for number in range(4)]
        tokens_in = sum(call.outcome().tokens_in for call in calls)
        figures = engine.figures()
    assert (figures.submitted, figures.length, figures.tokens_out, figures.prompt_tokens) == (4, 4, 20, tokens_in)
    assert figures.row_steps == 4 * 4
    assert 0 <= figures.padding_waste < 0.5
    assert 1 <= figures.mean_rows <= figures.fitted_rows <= 4
    assert figures.prefill_s > 0 < figures.decode_s


def test_a_listener_that_raises_harms_nobody_else(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the listener's own mistake")

    settings = Generation(max_tokens=20)
    engine.submit(prepare(engine.loaded, user(), settings, LIMITS), settings, fail)
    assert ask(engine, max_tokens=20).outcome().tokens_out == 20
    assert "a listener failed" in caplog.text


def test_settings_of_threads_are_left_alone() -> None:
    assert torch.get_num_threads() == 1
