"""Which folders are loaded, which are refused and why, and architectures that the engine could not answer exactly."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from monitor.demo.small import save_untrained
from monitor.errors import CheckpointError
from monitor.inference.checkpoint import choose_device, load_checkpoint
from monitor.inference.engine import Engine, EngineOptions
from monitor.inference.folders import INDEX, SINGLE, weights_bytes, weights_files, weights_folder
from monitor.records import Checkpoint
from tests.checkpoints import ask, png, running

LM, VLM = Checkpoint("lm", "m"), Checkpoint("vlm", "m")


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "lm"
    save_untrained(folder, "lm")
    return folder


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "vlm"
    save_untrained(folder, "vlm")
    return folder


def shards(folder: Path, target: Path) -> Path:
    """The same checkpoint in three shards with an index."""
    shutil.copytree(folder, target)
    tensors = load_file(target / SINGLE)
    (target / SINGLE).unlink()
    names = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    weight_map = {key: names[index % 3] for index, key in enumerate(tensors)}
    for name in names:
        save_file({key: tensors[key] for key in tensors if weight_map[key] == name}, target / name, {"format": "pt"})
    (target / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return target


def change(folder: Path, target: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy with another config.json."""
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    edit(config)
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_both_kinds_load_in_the_precision_of_the_device(vlm: Path, lm: Path) -> None:
    seeing, reading = load_checkpoint(VLM, vlm, "cpu"), load_checkpoint(LM, lm, "cpu")
    assert (seeing.takes_images, reading.takes_images) == (True, False)
    for loaded, folder in ((seeing, vlm), (reading, lm)):
        assert (loaded.dtype, loaded.context, loaded.device.type) == (torch.float32, 1024, "cpu")
        assert loaded.bytes == pytest.approx(2 * weights_bytes(folder), rel=0.02)  # stored in 16 bits
        assert loaded.tokenizer.padding_side == "left"
        assert not loaded.model.training
    assert load_checkpoint(LM, lm, "cpu", dtype="bfloat16").dtype == torch.bfloat16


def test_an_unknown_precision_is_refused(lm: Path) -> None:
    with pytest.raises(CheckpointError, match="dtype 'int4' of lm: the worker computes in float32, float16, bfloat16"):
        load_checkpoint(LM, lm, "cpu", dtype="int4")


def test_shards_are_loaded_and_a_missing_one_is_named(lm: Path, tmp_path: Path) -> None:
    folder = shards(lm, tmp_path / "shards")
    assert len(weights_files(folder)) == 3
    assert weights_bytes(folder) == pytest.approx(weights_bytes(lm), rel=0.01)
    assert load_checkpoint(LM, folder, "cpu").context == 1024
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00003.safetensors: 1 of 3 shards; copy them"):
        load_checkpoint(LM, folder, "cpu")


def test_an_index_that_names_files_elsewhere_is_refused(lm: Path, tmp_path: Path) -> None:
    folder = shards(lm, tmp_path / "shards")
    for name in ("../other.safetensors", "/etc/passwd", "model.bin"):
        (folder / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(CheckpointError, match=r"names .*, which is no safetensors file of its folder"):
            weights_files(folder)


def test_a_folder_with_pickles_only_is_refused_unread(lm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lm, tmp_path / "pickles")
    (folder / SINGLE).unlink()
    trap = tmp_path / "trap"
    (folder / "pytorch_model.bin").write_bytes(f"cpathlib\nPath\n(S'{trap}'\ntR(S'touch'\n.".encode())
    with pytest.raises(CheckpointError, match=r"pickles only \(pytorch_model.bin\); reading a pickle runs code"):
        load_checkpoint(LM, folder, "cpu")
    assert not trap.exists()


def test_weights_that_are_cut_or_no_weights_at_all_are_refused(lm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lm, tmp_path / "cut")
    whole = (folder / SINGLE).read_bytes()
    (folder / SINGLE).write_bytes(whole[:-10])
    with pytest.raises(CheckpointError, match=f"is {len(whole) - 10} bytes, and should be {len(whole)} by its header"):
        load_checkpoint(LM, folder, "cpu")
    (folder / SINGLE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        load_checkpoint(LM, folder, "cpu")
    (folder / SINGLE).unlink()
    with pytest.raises(CheckpointError, match=r"has neither model.safetensors nor"):
        load_checkpoint(LM, folder, "cpu")
    with pytest.raises(CheckpointError, match=r"is no checkpoint: it has no config.json"):
        load_checkpoint(LM, tmp_path, "cpu")


def test_weights_that_do_not_fit_the_architecture_are_refused(lm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lm, tmp_path / "lacking")
    tensors = load_file(folder / SINGLE)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / SINGLE, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack model.layers.1.mlp.up_proj.weight: they belong to another"):
        load_checkpoint(LM, folder, "cpu")


def test_a_broken_tokenizer_is_told(lm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lm, tmp_path / "broken")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"lm cannot be loaded from .*broken"):
        load_checkpoint(LM, folder, "cpu")


def test_code_of_a_folder_runs_only_where_the_fleet_file_trusts_it(lm: Path, tmp_path: Path) -> None:
    def remote(config: dict[str, Any]) -> None:
        config["model_type"] = "house_made"
        config["auto_map"] = {"AutoConfig": "house.HouseConfig", "AutoModelForCausalLM": "house.HouseModel"}

    folder = change(lm, tmp_path / "remote", remote)
    trap = tmp_path / "it-ran"
    (folder / "house.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        f"open({str(trap)!r}, 'w').close()\n"
        "class HouseConfig(LlamaConfig):\n    model_type = 'house_made'\n"
        "class HouseModel(LlamaForCausalLM):\n    config_class = HouseConfig\n"
    )
    with pytest.raises(CheckpointError, match="trust_remote_code"):
        load_checkpoint(LM, folder, "cpu")
    assert not trap.exists()
    loaded = load_checkpoint(Checkpoint("lm", "m", trust_remote_code=True), folder, "cpu")
    assert trap.exists()
    assert type(loaded.model).__name__ == "HouseModel"


def test_a_folder_that_asks_for_smolvlms_own_processor_loads_without_its_video_packages(
    vlm: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(vlm, tmp_path / "stock")
    for name in ("processor_config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        content["processor_class"] = "SmolVLMProcessor"
        (folder / name).write_text(json.dumps(content))
    loaded = load_checkpoint(VLM, folder, "cpu")
    assert type(loaded.processor).__name__ == "Idefics3Processor"
    with running(loaded, max_rows=2) as engine:
        assert ask(engine, images=[png(1)], max_tokens=3).outcome().tokens_out > 0


@pytest.mark.parametrize(
    "edit, says",
    [
        ({"model_type": "vit"}, "neither a language model nor one of images and text"),
        ({"model_type": "qwen2_vl"}, "does not know how qwen2_vl takes the images of several requests"),
        ({"model_type": "nonesuch"}, "nonesuch"),
        ({"model_type": "gemma2"}, r"layers without full attention \(sliding_attention\)"),
    ],
)
def test_what_the_configuration_rules_out_is_refused_before_the_weights_are_read(
    lm: Path, tmp_path: Path, edit: dict[str, Any], says: str
) -> None:
    folder = change(lm, tmp_path / "other", lambda config: config.update(edit))
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(LM, folder, "cpu")


SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
LATENT = {
    "moe_intermediate_size": 32,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "first_k_dense_replace": 1,
}


def untrained(lm: Path, target: Path, kind: str, **options: Any) -> Path:
    """A folder with an untrained model of another architecture and the tokenizer of the small one."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    shutil.copytree(lm, target)
    (target / SINGLE).unlink()
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=len(AutoTokenizer.from_pretrained(lm)), **options)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    model.save_pretrained(target)
    return target


@pytest.mark.parametrize(
    "kind, options",
    [
        ("llama", SMALL | {"num_key_value_heads": 2}),  # shared keys
        ("gpt2", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512}),  # learned positions
        ("deepseek_v3", SMALL | LATENT),  # keys and values of different sizes, experts
    ],
)
def test_other_architectures_are_answered_exactly(lm: Path, tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    loaded = load_checkpoint(LM, untrained(lm, tmp_path / kind, kind, **options), "cpu")
    with running(loaded, max_rows=4) as engine:
        calls = [ask(engine, f"Question {number} " * (1 + number), max_tokens=6) for number in range(8)]
        for call in calls:
            call.outcome()
    for call in calls:
        ids = torch.tensor([call.ticket._row.prepared.ids])
        alone = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6)
        assert call.ticket._row.generated == alone[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize(
    "kind, options, says",
    [
        ("mistral", SMALL | {"num_key_value_heads": 2, "sliding_window": 64}, r"cannot batch exactly \(DynamicSliding"),
        ("mamba", {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8}, "without full attention"),
        ("bloom", {"hidden_size": 64, "n_layer": 2, "n_head": 4}, "scaled_dot_product_attention"),
    ],
)
def test_architectures_that_cannot_be_batched_exactly_are_refused(
    lm: Path, tmp_path: Path, kind: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(LM, untrained(lm, tmp_path / kind, kind, **options), "cpu")


def test_an_architecture_that_goes_by_places_in_the_batch_is_found_by_experiment(
    lm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Llama that ignores the positions it is given answers padded prompts wrongly; it must not get through."""
    from transformers import LlamaModel

    forward = LlamaModel.forward

    def careless(self: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["position_ids"] = None
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(LlamaModel, "forward", careless)
    with pytest.raises(CheckpointError, match=r"computes other logits in a batch than alone .*answer wrongly"):
        load_checkpoint(LM, lm, "cpu")


def test_settings_of_generation_that_the_worker_does_not_know_are_noted(lm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lm, tmp_path / "penalty")
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"repetition_penalty": 1.2}))
    loaded = load_checkpoint(LM, folder, "cpu")
    with running(loaded) as engine:
        notes = ask(engine, max_tokens=2).outcome().notes
    assert notes == ("its generation_config.json sets repetition_penalty, which the worker does not apply",)


def test_a_folder_is_found_beside_the_fleet_file_and_then_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = tmp_path / "fleet", tmp_path / "here"
    (here / "weights" / "a").mkdir(parents=True)
    (beside / "weights" / "b").mkdir(parents=True)
    monkeypatch.chdir(here)
    fleet = str(beside / "watchpoint.toml")
    assert weights_folder(Checkpoint("a", "m", weights="weights/a"), fleet) == here / "weights" / "a"
    assert weights_folder(Checkpoint("b", "m", weights="weights/b"), fleet) == beside / "weights" / "b"
    assert weights_folder(Checkpoint("a", "m", weights=str(here)), None) == here
    with pytest.raises(CheckpointError, match=r"no folder .*fleet/org/name or .*here/org/name; the worker never down"):
        weights_folder(Checkpoint("c", "m", weights="org/name"), fleet)
    with pytest.raises(CheckpointError, match="has no weights in the fleet file"):
        weights_folder(Checkpoint("d", "m"), fleet)


def test_the_device_is_chosen_and_a_missing_gpu_is_told() -> None:
    if torch.cuda.is_available():
        assert (choose_device("auto"), choose_device("cuda")) == ("cuda", "cuda")
    else:
        assert choose_device("auto") == "cpu"
        with pytest.raises(CheckpointError, match="finds no GPU; set it to auto or cpu"):
            choose_device("cuda")
    assert choose_device("cpu") == "cpu"


def test_sixteen_bit_weights_are_answered_too(vlm: Path) -> None:
    loaded = load_checkpoint(VLM, vlm, "cpu", dtype="bfloat16")
    engine = Engine(loaded, EngineOptions(max_rows=4))
    engine.start()
    calls = [ask(engine, images=[png(number)] * number, max_tokens=4, top_logprobs=1) for number in range(4)]
    assert [call.outcome().tokens_out > 0 for call in calls] == [True] * 4
    engine.stop()
