from pathlib import Path

import pytest
import torch

from bench.big_model import SMOLVLM_2B, TINY, build_model, build_tokenizer
from bench.inference_gpu import SKIPPED, Sizes, measure, on_a_gpu
from bench.inference_parts import Scale, by_images, mixed_requests
from bench.inference_plain import load_plain
from bench.inference_requests import IMAGES, mixed
from bench.inference_runs import Answered, Contestant, Run, faster
from monitor.demo.small import save_untrained

SCALE = Scale(requests=8, rounds=1, in_flight=(1, 16), images=(2,))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vision")
    save_untrained(folder, "vlm")
    return folder


def test_every_contestant_answers_the_same_requests_and_batched_answers_equal_single_ones(vision: Path) -> None:
    part = mixed_requests(vision, SCALE, padded_rows=4)
    assert [row["contestant"] for row in part.rows] == [
        "engine, one at a time",
        "engine, 16 in flight",
        "generate, one at a time",
        "generate, padded batches of 4",
    ]
    for row in part.rows:
        assert row["tokens/s"] >= row["requests/s"] > 0, row
        assert 0 < row["first token ms"] <= row["p50 ms"] <= row["p95 ms"], row
    same = part.checks[-1]
    assert same.met, same.measured
    assert same.measured.startswith("16 of 16 identical")


def test_requests_of_several_images_are_measured_by_their_number(vision: Path) -> None:
    part = by_images(vision, SCALE)
    assert {row["part"] for row in part.rows} == {"2 images a prompt"}
    assert all(row["images/s"] == pytest.approx(2 * row["requests/s"]) for row in part.rows)


def test_the_mixed_requests_are_the_same_for_the_same_seed_and_have_nought_to_eight_images() -> None:
    assert mixed(9, seed=1) == mixed(9, seed=1) != mixed(9, seed=2)
    asked = mixed(150, seed=1)
    assert {one.images for one in asked} == {*IMAGES}
    assert sum(one.images == 1 for one in asked) > 75


def test_a_ratio_is_taken_round_by_round() -> None:
    def contestant(*seconds: float) -> Contestant:
        return Contestant("x", lambda _: [], [Run(s, s / 2, None, [Answered("", 0.1, s)]) for s in seconds])

    found = faster(contestant(1, 2, 1), contestant(4, 4, 3))
    assert (found.median, found.low, found.high) == (3, 2, 4)


def test_the_large_model_has_the_shape_of_smolvlm() -> None:
    model = build_model(SMOLVLM_2B, build_tokenizer(SMOLVLM_2B), "meta", torch.bfloat16)
    assert sum(weights.numel() for weights in model.parameters()) == 2_246_272_880
    assert {weights.dtype for weights in model.parameters()} == {torch.bfloat16}
    assert SMOLVLM_2B.image_tokens == 81


def test_the_measurement_for_a_gpu_runs_on_a_cpu_with_a_tiny_model() -> None:
    sizes = Sizes(tokens=4, images=(1, 2), rows=(1, 4), rounds=1)
    part = measure(TINY, sizes, "cpu", torch.float32, (96, 72))
    assert {row["part"] for row in part.rows} >= {"2B, one tile an image, 2 a query", "2B, cut into tiles, 1 a query"}
    assert all(row["requests/s"] > 0 for row in part.rows)
    assert part.checks[0].bar == "one image, 4 tokens: under 2 s"


def test_a_machine_without_a_gpu_says_that_nothing_was_measured() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    part = on_a_gpu(quick=True)
    assert [row["contestant"] for row in part.rows] == [SKIPPED]
    assert part.checks == []


def test_plain_generation_runs_in_single_precision(vision: Path) -> None:
    assert load_plain(vision).model.dtype == torch.float32
