from monitor.importers import open_import
from monitor.importers.identity import Identities
from tests.importers.logs import SET, Write, events, naive


def test_the_same_rows_get_the_same_ids_also_after_the_file_has_grown(write: Write) -> None:
    first = naive() + naive(input_text="other") + naive()
    before = [event["event_id"] for event in events(open_import(write("a.jsonl", first), constants=SET))]
    after = [event["event_id"] for event in events(open_import(write("b.jsonl", first + naive()), constants=SET))]
    assert after[:3] == before
    assert len(set(after)) == 4


def test_equal_logs_of_two_deployments_stay_two(write: Write) -> None:
    path = write("a.jsonl", naive())
    ids = {events(open_import(path, constants={"deployment": name}))[0]["event_id"] for name in ("a", "b")}
    assert len(ids) == 2


def test_ids_of_the_log_are_kept(write: Write) -> None:
    assert events(open_import(write("a.jsonl", naive(request_id="r-1")), constants=SET))[0]["event_id"] == "r-1"


def test_counting_equal_rows_is_bounded_and_forgets_only_far_ones() -> None:
    identities = Identities("csv", remembered=10)
    ids = [identities.next_id("d", {"row": n}) for n in range(100)]
    assert len(set(ids)) == 100
    assert identities.next_id("d", {"row": 99}) != ids[99]
    assert len(identities._young) + len(identities._old) <= 20
