"""A real checkpoint behind a real worker: weights of 8 bits under the same name are found, unchanged ones are not."""

from pathlib import Path

from bench.canary_planted import int8_weights, planted_place


def test_weights_of_8_bits_behind_the_same_address_are_found_within_two_replays(tmp_path: Path) -> None:
    with planted_place(tmp_path) as place:
        with place.served():
            for in_flight in (4, 8, 32):
                told = place.replay("int8", in_flight)
                assert {row["state"] for row in told} <= {"ok", "no_data"}, in_flight
        with place.served(int8_weights):
            place.replay("int8", 4)
            told = place.replay("int8", 4)
        whole = {row["channel"]: row for row in told if row["tag"] == ""}
        assert whole["behaviour"]["state"] == "alert"
        assert whole["behaviour"]["effect"] > 0.5, "most items have other log probabilities"
        assert whole["quality"]["state"] in ("ok", "warn")
