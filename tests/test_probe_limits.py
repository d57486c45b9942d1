"""The bounds of probes by themselves: visitors, places, memory, and the gate in front of a target."""

import asyncio

import pytest

from monitor.errors import Overloaded, TargetBusy, TargetUnreachable
from monitor.probe import outage
from monitor.probe.limits import Memory, Places, Visitors
from monitor.probe.outage import Gate
from monitor.runtimes import Health
from monitor.store.owner import utc_now


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_visitor_may_start_again_when_the_oldest_start_is_a_minute_ago() -> None:
    clock = Clock()
    visitors = Visitors(2, clock)
    visitors.admit("ada")
    clock.now += 20
    visitors.admit("ada")
    with pytest.raises(Overloaded, match=r"ada has started 2 probes within a minute; allowed are 2 ") as error:
        visitors.admit("ada")
    assert error.value.retry_after_s == 40
    visitors.admit("grace")
    clock.now += 40
    visitors.admit("ada")
    with pytest.raises(Overloaded):
        visitors.admit("ada")


def test_a_place_is_free_again_when_its_run_is_over_however_it_ends() -> None:
    places = Places({"load": 1})
    with places.hold("load"):
        assert places.taken == {"load": 1}
        with pytest.raises(Overloaded, match="1 load run is under way"), places.hold("load"):
            pass
    with pytest.raises(ZeroDivisionError), places.hold("load"):
        raise ZeroDivisionError
    assert places.taken == {"load": 0}


def test_memory_is_given_in_turn_and_whole_to_who_wants_more_than_there_is() -> None:
    async def check() -> list[str]:
        memory, order = Memory(10), list[str]()

        async def use(name: str, size: int) -> None:
            async with memory.hold(size):
                order.append(name)
                await asyncio.sleep(0.01)
                order.append(f"-{name}")

        await asyncio.gather(use("a", 6), use("big", 99), use("b", 4), use("c", 6))
        async with asyncio.timeout(1), memory.hold(10):
            return order

    assert asyncio.run(check()) == ["a", "-a", "big", "-big", "b", "c", "-b", "-c"]


def test_memory_of_who_gives_up_waiting_is_not_lost() -> None:
    async def check() -> None:
        memory = Memory(10)
        async with memory.hold(10):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), memory.hold(5):
                    pass
            waiting = asyncio.create_task(_use(memory, 5))
            await asyncio.sleep(0)
        waiting.cancel()  # its turn has come by now, and it does not know yet
        await asyncio.wait([waiting])
        async with asyncio.timeout(1), memory.hold(10):
            pass

    asyncio.run(check())


async def _use(memory: Memory, size: int) -> None:
    async with memory.hold(size):
        await asyncio.sleep(0.01)


# -- the gate


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for."""
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(outage, "LONGEST_PAUSE_S", 0.02)


def test_a_gate_opens_when_the_target_is_well_and_forgets_the_outage_when_it_answers(quick: None) -> None:
    async def check() -> None:
        found = [Health(False, "loading"), Health(True, "ok")]

        async def health() -> Health:
            return found.pop(0)

        gate = Gate("chat", health, utc_now, 60)
        gate.shut(TargetBusy("later"))
        gate.shut(TargetBusy("later still"))
        assert not gate.open
        await asyncio.sleep(0.015)
        assert str(gate.problem).startswith("chat does not answer since ")
        assert str(gate.problem).endswith("UTC, trying again (loading)")
        assert await gate.passed()
        assert gate.problem is not None, "whether it answers is not known yet"
        gate.answered()
        now: str | None = gate.problem
        assert (now, gate.outages) == (None, 1)

    asyncio.run(check())


def test_a_gate_gives_up_on_a_target_that_says_it_is_well_and_answers_nothing(quick: None) -> None:
    async def check() -> int:
        async def health() -> Health:
            return Health(True, "all is well")

        gate, tries = Gate("chat", health, utc_now, 0.2), 0
        async with asyncio.timeout(5):
            while await gate.passed():
                tries += 1
                gate.shut(TargetUnreachable("it broke the connection"))
        assert str(gate.problem).endswith("gave up after 0.2 s (it broke the connection)")
        assert gate.outages == 1
        return tries

    assert 5 < asyncio.run(check()) < 30
