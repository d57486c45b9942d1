"""Targets are what stands in the fleet file, and their health is asked where each kind of server tells it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from monitor.config import load_settings
from monitor.errors import NotFound
from monitor.fleet import load_fleet
from monitor.records import RUNTIMES as RUNTIME_NAMES
from monitor.records import Checkpoint, Deployment, Fleet, Model
from monitor.runtimes import RUNTIMES, Calls, Health, Target, health, target, targets
from tests.conftest import ROOT, free_port
from tests.model_servers import says, serving


def fleet_with(*deployments: Deployment, path: str | None = None, **weights: str) -> Fleet:
    names = {one.checkpoint for one in deployments} | {*weights}
    checkpoints = {name: Checkpoint(name, "m", weights=weights.get(name)) for name in sorted(names)}
    return Fleet({"m": Model("m")}, checkpoints, {one.id: one for one in deployments}, path=path)


def test_each_runtime_of_the_fleet_file_is_in_the_table() -> None:
    assert RUNTIMES.keys() == {*RUNTIME_NAMES}


def test_targets_are_deployments_that_can_be_called_and_checkpoints_with_local_weights(tmp_path: Path) -> None:
    (tmp_path / "weights" / "b").mkdir(parents=True)
    fleet = fleet_with(
        Deployment("prod", "a", "m", url="http://127.0.0.1:8000/v1", served_model="chat", key_env="KEY"),
        Deployment("logged", "a", "m"),
        Deployment("ours", "b", "m", runtime="local"),
        Deployment("app", "a", "m", runtime="gradio", url="http://127.0.0.1:7860", api_name="/ask"),
        path=str(tmp_path / "watchpoint.toml"),
        b="weights/b",
        c="org/name",
    )
    found = targets(fleet)
    assert [*found] == ["prod", "ours", "app", "worker/b"]
    assert found["prod"] == Target(
        "prod", fleet.deployments["prod"], fleet.checkpoints["a"], "openai", "http://127.0.0.1:8000/v1", "KEY", "chat"
    )
    assert [found[id_].model for id_ in ("prod", "ours", "worker/b")] == ["chat", "b", "b"]
    assert [found[id_].logged_as for id_ in ("prod", "worker/b")] == ["prod", "worker"]
    assert (found["worker/b"].runtime, found["worker/b"].deployment) == ("local", None)


@pytest.mark.parametrize(
    ("id_", "why"),
    [
        ("http://169.254.169.254/", "it is not in the fleet file"),
        ("worker/zzz", "it is not in the fleet file"),
        ("logged", "it has no url in the fleet file, and is watched through its log only"),
        ("worker/a", "its weights (not given) are no folder here"),
        ("worker/c", "its weights (org/name) are no folder here"),
        ("a", "it is a checkpoint, which the worker answers as worker/a when"),
    ],
)
def test_what_cannot_be_called_is_not_found_with_the_reason_and_the_targets(id_: str, why: str) -> None:
    fleet = fleet_with(Deployment("logged", "a", "m"), Deployment("prod", "a", "m", url="http://h/v1"), c="org/name")
    with pytest.raises(NotFound) as caught:
        target(fleet, id_)
    assert str(caught.value).startswith(f"{id_!r} cannot be called: {why}")
    assert str(caught.value).endswith("targets are prod")


def test_the_targets_of_the_example_file_are_called_in_three_ways() -> None:
    found = targets(load_fleet(ROOT / "watchpoint.example.toml"))
    assert {id_: one.runtime for id_, one in found.items()} == {
        "chat-prod": "openai",
        "documents-demo": "gradio",
        "documents-staging": "local",
    }


def asked(url: str | None, runtime: str = "openai", engine: str | None = None, **more: Any) -> Health:
    deployment = Deployment("d", "step-9", "m", runtime=runtime, url=url)
    one = Target("d", deployment, Checkpoint("step-9", "m", engine=engine), runtime, url, **more)

    async def work() -> Health:
        worker = {"worker_url": url} if runtime == "local" and url else {}
        async with Calls(load_settings({}, **worker)) as calls:
            return await health(one, calls)

    return asyncio.run(work())


LOADING = says({"error": {"code": 503, "message": "Loading model"}}, 503)
MODELS = says({"object": "list", "data": [{"id": "m"}]})

# (engine, pages of the server, path of the address, whether it is ready, what is said, which paths were asked)
HEALTH: list[tuple[str | None, dict[str, Response], str, bool, str, list[str]]] = [
    ("vllm", {"/health": Response("")}, "/v1", True, "/health answered HTTP 200", ["/health"]),
    ("vllm", {"/health": Response("", 503)}, "/v1", False, "HTTP 503: Service Unavailable", ["/health"]),
    ("vllm", {"/v1/models": MODELS}, "/v1", True, "/v1/models answered HTTP 200", ["/health", "/v1/models"]),
    ("sglang", {"/ready": Response(""), "/health": LOADING}, "/v1/", True, "/ready answered HTTP 200", ["/ready"]),
    ("llama.cpp", {"/health": LOADING}, "/v1", False, "/health answered HTTP 503: Loading model", ["/health"]),
    ("tgi", {"/llm/health": Response("")}, "/llm/v1", True, "/llm/health answered HTTP 200", ["/llm/health"]),
    ("transformers", {"/health": says({"status": "unhealthy", "reason": "cb_worker_dead"}, 503)}, "/v1", False,
     "HTTP 503: cb_worker_dead", ["/health"]),
    (None, {"/v1/models": MODELS, "/health": LOADING}, "/v1", True, "/v1/models answered HTTP 200", ["/v1/models"]),
    ("other", {"/v1/models": says({"error": "no key"}, 401)}, "/v1", False, "HTTP 401: no key", ["/v1/models"]),
    (None, {"/openapi.json": says({})}, "", True, "/openapi.json answered HTTP 200", ["/models", "/openapi.json"]),
    (None, {}, "/v1", True, "has no endpoint that tells whether it is ready", ["/v1/models", "/openapi.json"]),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "pages", "path", "ready", "said", "paths"), HEALTH)
def test_health_is_asked_where_the_engine_tells_it_and_never_by_generating(
    engine: str | None, pages: dict[str, Response], path: str, ready: bool, said: str, paths: list[str]
) -> None:
    with serving(pages=pages) as server:
        found = asked(server.url + path, engine=engine)
    assert (found.ready, said in found.reason) == (ready, True), found
    assert (server.paths, server.asked) == (paths, [])


@pytest.mark.parametrize("runtime", ["openai", "gradio", "local"])
def test_the_health_of_nobody_is_an_answer_and_no_error(runtime: str) -> None:
    found = asked(f"http://127.0.0.1:{free_port()}", runtime)
    assert not found.ready
    assert "cannot be reached at http://127.0.0.1:" in found.reason
    assert ("python -m monitor worker" in found.reason) == (runtime == "local")


def test_the_health_of_a_target_without_its_key_says_which_variable_is_missing() -> None:
    found = asked("http://127.0.0.1:1/v1", key_env="NO_SUCH_KEY")
    assert found == Health(
        False,
        "d was not called: the environment variable NO_SUCH_KEY (key_env) is not set in this process, or is empty",
    )


@pytest.mark.parametrize(
    ("state", "ready", "said"),
    [
        ("ready", True, "ready"),
        ("cold", True, "not loaded yet: its first answer takes longer"),
        ("loading", False, "step-9 is loading"),
        ("warming", False, "step-9 is warming"),
        ("failed", False, "step-9 cannot be loaded: a shard is missing"),
    ],
)
def test_the_worker_tells_the_state_of_each_checkpoint(state: str, ready: bool, said: str) -> None:
    listed = says({"data": [{"id": "step-9", "state": state, "reason": "a shard is missing"}]})
    with serving(pages={"/v1/models": listed}) as server:
        assert asked(server.url, "local") == Health(ready, said)


def test_a_checkpoint_that_the_worker_does_not_know_is_not_ready() -> None:
    with serving(pages={"/v1/models": says({"data": [{"id": "other"}]})}) as server:
        assert asked(server.url, "local").reason.startswith("the worker does not know step-9")


def test_a_gradio_app_is_ready_when_it_has_the_endpoint() -> None:
    config = says({"version": "6.31.0", "dependencies": [{"api_name": "ask"}, {"api_name": False}]})
    with serving(pages={"/config": config}) as server:
        assert asked(server.url, "gradio", api_name="/ask") == Health(True, "Gradio 6.31.0")
        found = asked(server.url, "gradio", api_name="/answer")
        assert found == Health(False, "Gradio 6.31.0 answers, and has no endpoint /answer; it has /ask")
    with serving(pages={"/config": says([1])}) as server:
        assert "is no Gradio app" in asked(server.url, "gradio").reason


def test_importing_the_runtimes_imports_neither_torch_nor_gradio_client() -> None:
    code = "import sys, json, monitor.runtimes; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "gradio_client", "gradio", "huggingface_hub", "monitor.inference.engine"}
    assert heavy & {*json.loads(done.stdout)} == set()
