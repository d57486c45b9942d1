"""A retried batch counts once: at the same time, later, after a restart or a crash; and not when it was not kept."""

import gzip
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitor.config import Settings
from monitor.errors import BadInput, Overloaded
from monitor.ingest import door
from monitor.ingest.door import Answer, KeyReused
from monitor.store.owner import StoreOwner
from tests.conftest import wait_until
from tests.doorway import JSON, NDJSON, NOW, Doorway, one, open_doorway, post, select

Own = Callable[..., StoreOwner]
BATCH = [{"deployment": "d", "event_id": "a"}, {"deployment": "d", "latency_ms": -1}]
COUNT = "select count(*) from predictions"


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Doorway]:
    with open_doorway(tmp_path) as doorway:
        yield doorway


def test_a_retried_batch_counts_once_and_gets_the_same_answer(way: Doorway) -> None:
    first, again = way.post(BATCH, key="k"), way.post(BATCH, key="k")
    assert (first.accepted, first.rejected, first.replayed) == (1, 1, False)
    assert (again.accepted, again.errors, again.replayed) == (1, first.errors, True)
    assert len(way.lines()) == 2


def test_batches_without_a_key_or_with_other_keys_count_each_time(way: Doorway) -> None:
    for key in ("", "", "k1", "k2"):
        assert not way.post(BATCH, key=key).replayed
    assert len(way.rows()) == 4


def test_a_key_cannot_be_used_for_another_body(way: Doorway) -> None:
    way.post(BATCH, key="k")
    with pytest.raises(KeyReused, match="'k' was used for another body; use a new key for each batch") as refused:
        way.post(BATCH[:1], key="k")
    assert refused.value.status == 422
    assert len(way.lines()) == 2


def test_the_same_body_zipped_is_the_same_body(way: Doorway) -> None:
    way.post(BATCH, key="k")
    assert way.post(gzip.compress(orjson.dumps(BATCH)), key="k", encoding="gzip").replayed


def test_a_key_is_free_again_when_its_body_could_not_be_used(way: Doorway) -> None:
    with pytest.raises(BadInput, match="not closed"):
        way.post(b"[1", key="k")
    assert way.post(BATCH, key="k").accepted == 1


def test_the_same_key_many_times_at_once_counts_once(way: Doorway) -> None:
    start = threading.Barrier(16)

    def send(_: int) -> Answer:
        start.wait()
        return way.post(BATCH * 50, key="k")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert [answer.accepted for answer in answers] == [50] * 16
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(way.rows()) == 50


def test_who_waits_for_a_batch_that_fails_fails_with_it_and_the_key_is_free(tmp_path: Path) -> None:
    with open_doorway(tmp_path) as way:
        (tmp_path / "spool").rename(tmp_path / "gone")  # no segment can be made there
        hold = way.spool._lock
        with hold:  # the writer cannot take the first one yet, so that the second one finds it waiting
            answers: list[Future[Any]] = []
            threads = [
                threading.Thread(target=lambda: answers.append(way.door.accept(b"{}", JSON, NOW, key="k")))
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
        for thread in threads:
            thread.join()
        for answer in answers:
            with pytest.raises(Exception, match="nothing of this request was kept"):
                answer.result(10)
        (tmp_path / "gone").rename(tmp_path / "spool")
        assert not way.post(b"{}", key="k").replayed


def test_an_answer_that_nobody_waits_for_any_more_is_an_answer_for_the_retry(way: Doorway) -> None:
    first = way.door.accept(b"{}", JSON, NOW, key="k")
    assert not first.cancel()  # as a server does when its client has gone
    assert way.post(b"{}", key="k").replayed


def test_a_key_is_free_again_when_a_bound_was_reached(tmp_path: Path) -> None:
    with open_doorway(tmp_path, max_spool_bytes=100) as way:
        way.post(BATCH)
        with pytest.raises(Overloaded):
            way.post(BATCH, key="k")
        way.spool.seal().result(10)
        way.spool.remove(way.spool.sealed())
        assert not way.post(BATCH, key="k").replayed


# -- with a store


def test_a_key_is_known_after_a_restart(own: Own) -> None:
    owner = own()
    first = post(owner, BATCH, key="k")
    owner.stop()
    again = post(own(), BATCH, key="k")
    assert again.replayed
    assert again.errors == first.errors


def test_a_key_is_known_after_a_crash_before_its_batch_was_loaded(own: Own, settings: Settings) -> None:
    own().stop()
    # as a crash leaves it: a full load of segments that nobody has loaded yet, and an open one behind them
    with open_doorway(settings.data) as way:
        for n in range(40):
            way.post([{"deployment": "d", "event_id": f"s{n}"}], key=f"s{n}")
            way.spool.seal().result(10)
        way.post([{"deployment": "d", "event_id": "open"}], key="open")
        (open_,) = way.spool.folder.glob("*.open")
        data = open_.read_bytes()
    (settings.data / "spool" / open_.with_suffix(".ndjson").name).unlink()
    open_.write_bytes(data + b'{"deployment":"torn"')
    restarted = own()
    for n in range(40):
        assert post(restarted, [{"deployment": "d", "event_id": f"s{n}"}], key=f"s{n}").replayed
    assert post(restarted, [{"deployment": "d", "event_id": "open"}], key="open").replayed
    restarted.wait_loaded()
    assert one(restarted, COUNT) == 41


def test_more_keys_than_memory_holds_are_asked_of_the_store(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REMEMBERED_KEYS", 10)
    owner = own()
    for n in range(50):
        post(owner, [{"deployment": "d", "event_id": str(n)}], key=f"k{n}")
    owner.wait_loaded()
    wait_until(lambda: len(owner._keys._seen) <= 10)
    for n in range(50):
        assert post(owner, [{"deployment": "d", "event_id": str(n)}], key=f"k{n}").replayed
    assert not post(owner, BATCH, key="new").replayed
    with pytest.raises(KeyReused):
        post(owner, BATCH, key="k3")
    owner.wait_loaded()
    assert one(owner, COUNT) == 51


def test_keys_are_forgotten_after_their_time(own: Own) -> None:
    now = [NOW]
    owner = own(clock=lambda: now[0], idempotency_hours=48)
    post(owner, BATCH, key="old")
    owner.wait_loaded()
    now[0] += timedelta(hours=49)
    post(owner, BATCH, key="new")
    owner.expire(now[0])
    owner.stop()
    restarted = own(clock=lambda: now[0])
    assert post(restarted, BATCH, key="new").replayed
    assert not post(restarted, BATCH, key="old").replayed


# -- dedupe by event id

LOG = [{"deployment": "d", "event_id": f"row-{i}", "ts": f"2026-03-01T00:00:{i:02d}Z"} for i in range(30)]


def test_importing_twice_changes_nothing_across_a_restart(own: Own) -> None:
    owner = own()
    first = post(owner, LOG, dedupe=True)
    assert (first.accepted, first.duplicates) == (30, 0)
    again = post(owner, LOG, dedupe=True)
    assert (again.accepted, again.duplicates) == (0, 30)
    owner.stop()
    restarted = own()
    grown = [*LOG, {"deployment": "d", "event_id": "row-new", "ts": "2026-03-01T00:01:00Z"}]
    later = post(restarted, grown, dedupe=True)
    assert (later.accepted, later.duplicates) == (1, 30)
    restarted.wait_loaded()
    assert one(restarted, COUNT) == 31


def test_rows_that_repeat_within_one_body_are_duplicates_too(own: Own) -> None:
    answer = post(own(), [LOG[0], LOG[1], LOG[0], {"deployment": "d", "latency_ms": -1}], dedupe=True)
    assert (answer.accepted, answer.duplicates, answer.rejected) == (2, 1, 1)


def test_the_same_id_at_another_time_is_another_row(own: Own) -> None:
    owner = own()
    post(owner, [LOG[0], LOG[5]], dedupe=True)
    moved = LOG[0] | {"ts": "2026-03-01T00:00:03Z"}
    assert post(owner, [moved, LOG[5], LOG[9]], dedupe=True).duplicates == 1


def test_imports_at_the_same_time_keep_each_row_once(own: Own) -> None:
    owner = own()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(owner, LOG, dedupe=True), range(4)))
    assert sorted(answer.accepted for answer in answers) == [0, 0, 0, 30]
    owner.wait_loaded()
    assert one(owner, COUNT) == 30


def test_an_import_into_archived_days_finds_its_rows_there(own: Own) -> None:
    owner = own(clock=lambda: datetime(2026, 6, 1, tzinfo=UTC))
    post(owner, LOG, dedupe=True)
    assert owner.expire(owner.clock()) == 30
    assert one(owner, COUNT) == 0
    assert post(owner, LOG, dedupe=True).duplicates == 30


def test_a_key_and_dedupe_together_replay_the_counts(own: Own) -> None:
    owner = own()
    first, again = (post(owner, LOG, dedupe=True, key="k") for _ in range(2))
    assert (again.accepted, again.duplicates, again.replayed) == (first.accepted, first.duplicates, True)


def test_an_import_that_waits_does_not_keep_the_owner_from_stopping(own: Own) -> None:
    owner = own()
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(post, owner, LOG, dedupe=True) for _ in range(4)]
        owner.stop()
        for answer in sent:
            error = answer.exception(40)
            assert error is None or "stopping" in str(error) or "closed" in str(error)


def test_lines_of_an_import_are_counted_like_a_body(own: Own) -> None:
    owner = own()
    body = b"\n".join(b'{"deployment":"d","event_id":"%d","ts":"2026-03-01T00:00:00Z"}' % (i % 3) for i in range(9))
    answer = post(owner, body, NDJSON, dedupe=True)
    assert (answer.accepted, answer.duplicates) == (3, 6)
    assert select(owner, "select count(*) from rejects") == [(0,)]
