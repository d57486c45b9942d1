"""Which checkpoints are in memory: loaded once, put away by the budget and never at work, refused with a reason."""

import asyncio
import json
import shutil
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from monitor.chat import Generation, Message, Piece
from monitor.config import load_settings
from monitor.errors import CheckpointError, NotFound, Overloaded, TargetBusy, TargetTimeout
from monitor.fleet import load_fleet
from monitor.inference import pool as pool_module
from monitor.inference.folders import weights_files
from monitor.inference.images import ImageLimits
from monitor.inference.memory import needed_bytes
from monitor.inference.pool import Pool
from tests.workers import save_checkpoints, write_fleet

Scenario = Callable[[Pool], Awaitable[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pool")
    save_checkpoints(made, a="lm", b="lm", c="lm")
    return made


@pytest.fixture
def play(folder: Path) -> Callable[..., None]:
    """Run a scenario on a pool with room for so many of the checkpoints."""
    one = needed_bytes(weights_files(folder / "a"), half=False)

    def run(scenario: Scenario, room: float = 3, weights: dict[str, str | None] | None = None) -> None:
        fleet = load_fleet(write_fleet(folder, weights or {id_: id_ for id_ in "abc"}))
        settings = load_settings({}, worker_memory_bytes=int((room + 0.1) * one), worker_device="cpu", worker_threads=1)

        async def whole() -> None:
            pool = Pool(settings, fleet)
            try:
                await scenario(pool)
            finally:
                await pool.close()

        asyncio.run(whole())

    return run


def soon() -> float:
    return time.perf_counter() + 60


async def touch(pool: Pool, id_: str) -> None:
    async with pool.lease(id_, soon()):
        pass


def in_memory(pool: Pool) -> list[str]:
    return [id_ for id_, slot in pool.slots.items() if slot.ready]


def test_many_requests_for_one_checkpoint_wait_for_one_load(play: Callable[..., None]) -> None:
    async def scenario(pool: Pool) -> None:
        await asyncio.gather(*(touch(pool, "a") for _ in range(20)))
        assert pool.slots["a"].loads == 1
        assert pool.slots["a"].state == "ready"
        assert pool.taken() == pool.slots["a"].bytes > 0

    play(scenario)


def test_the_longest_unused_checkpoint_makes_room(play: Callable[..., None]) -> None:
    async def scenario(pool: Pool) -> None:
        await touch(pool, "a")
        await touch(pool, "b")
        await touch(pool, "a")
        await touch(pool, "c")
        assert in_memory(pool) == ["a", "c"]
        assert pool.slots["b"].state == "cold"
        assert pool.device is not None
        assert pool.taken() <= pool.device.budget
        await touch(pool, "b")
        assert in_memory(pool) == ["b", "c"]
        assert pool.slots["b"].loads == 2

    play(scenario, room=2)


def test_a_checkpoint_with_work_is_never_put_away(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "ROOM_S", 0.3)

    async def scenario(pool: Pool) -> None:
        async with pool.lease("a", soon()):
            with pytest.raises(Overloaded, match="taken by checkpoints that have work \\(a\\)"):
                await touch(pool, "b")
            assert in_memory(pool) == ["a"]
            assert pool.slots["b"].state == "cold", "nothing is wrong with it"
            waiting = asyncio.create_task(touch(pool, "b"))
            await asyncio.sleep(0.1)
            assert "waiting until one of a is idle" in pool.slots["b"].reason
        await waiting
        assert in_memory(pool) == ["b"]

    play(scenario, room=1)


def test_what_an_engine_counted_is_kept_when_it_is_put_away(play: Callable[..., None]) -> None:
    from monitor.inference.prepare import prepare

    async def scenario(pool: Pool) -> None:
        async with pool.lease("a", soon()) as ready:
            chat, ended = [Message("user", ("Hello",))], threading.Event()
            settings = Generation(max_tokens=2)
            prepared = prepare(ready.loaded, chat, settings, ImageLimits(1, 1))
            ready.engine.submit(prepared, settings, lambda event: None if isinstance(event, Piece) else ended.set())
            assert await asyncio.to_thread(ended.wait, 60)
        now, _ = pool.figures()["a"]
        assert now is not None
        assert now.tokens_out == 2
        await touch(pool, "b")
        gone, past = pool.figures()["a"]
        assert gone is None
        assert past.tokens_out == 2

    play(scenario, room=1)


def test_weights_that_can_never_fit_are_refused_unread(play: Callable[..., None], folder: Path) -> None:
    huge = folder / "huge"
    shutil.copytree(folder / "a", huge, dirs_exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]}}).encode()
    with (huge / "model.safetensors").open("wb") as weights:
        weights.write(struct.pack("<Q", len(header)) + header)
        weights.truncate(8 + len(header) + 2**32)  # sparse: it takes no room on the disk

    async def scenario(pool: Pool) -> None:
        with pytest.raises(CheckpointError, match=r"huge needs 4,096.0 MiB .* it can never fit"):
            await touch(pool, "huge")
        assert pool.slots["huge"].state == "failed"
        await touch(pool, "a")

    play(scenario, weights={"huge": "huge", "a": "a"})
    shutil.rmtree(huge)


def test_a_failed_load_is_tried_again_after_a_pause(
    play: Callable[..., None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "PAUSES_S", (0.5,))

    async def scenario(pool: Pool) -> None:
        with pytest.raises(CheckpointError, match="no folder"):
            await touch(pool, "late")
        shutil.copytree(folder / "a", folder / "late")
        with pytest.raises(CheckpointError, match=r"no folder .* \(the next request after"):
            await touch(pool, "late")
        assert pool.slots["late"].shown(time.perf_counter()) == "failed"
        await asyncio.sleep(0.6)
        assert pool.slots["late"].shown(time.perf_counter()) == "cold"
        await touch(pool, "late")
        assert pool.slots["late"].state == "ready"
        assert pool.slots["late"].failures == 0

    try:
        play(scenario, weights={"late": "late"})
    finally:
        shutil.rmtree(folder / "late", ignore_errors=True)


def test_a_request_waits_for_a_load_no_longer_than_its_deadline(play: Callable[..., None]) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(TargetTimeout, match="a is still loading after"):
            async with pool.lease("a", time.perf_counter() + 0.001):
                pass
        await touch(pool, "a")
        assert pool.slots["a"].loads == 1, "the load went on"

    play(scenario)


def test_a_pool_that_closes_says_so_to_whoever_comes_or_waits(play: Callable[..., None]) -> None:
    async def scenario(pool: Pool) -> None:
        waiting = asyncio.create_task(touch(pool, "a"))
        await asyncio.sleep(0.01)
        await pool.close()
        with pytest.raises(TargetBusy, match="is stopping"):
            await waiting
        with pytest.raises(TargetBusy, match="is stopping"):
            await touch(pool, "b")

    play(scenario)


def test_only_checkpoints_with_weights_are_there(play: Callable[..., None]) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(NotFound, match="has no `weights` in the fleet file; the worker answers for: a"):
            pool.slot("bare")
        with pytest.raises(NotFound, match="there is no checkpoint 'x'"):
            pool.slot("x")

    play(scenario, weights={"a": "a", "bare": None})
