"""The api over HTTP, as curl and other tools meet it."""

import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.errors import ConfigError
from monitor.listen import check_listen
from monitor.queries import QUERIES
from monitor.store.migrations import MIGRATIONS
from tests.conftest import ROOT, free_port, running_api, wait_until

PREDICTIONS = "/api/v1/predictions"
DAY = {"start": "-24h", "end": "now"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One api for the tests of this file, each of which uses deployments of its own."""
    port = free_port()
    folder = tmp_path_factory.mktemp("api")
    with (
        running_api(folder / "data", port, WATCHPOINT_MAX_BODY_BYTES="200000"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http,
    ):
        yield http


def stored(api: httpx.Client, deployment: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = api.get(
        "/api/v1/queries/requests", params=DAY | {"deployments": deployment}
    ).json()["rows"]
    return rows


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("one", b'{"deployment": "one"}', "application/json"),
        ("array", b'[{"deployment": "array"}]', "application/json; charset=utf-8"),
        ("lines", b'{"deployment": "lines"}\n\n', "application/x-ndjson"),
    ],
)
def test_a_prediction_goes_in_by_each_form_and_comes_out(api: httpx.Client, name: str, body: bytes, kind: str) -> None:
    answer = api.post(PREDICTIONS, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    wait_until(lambda: len(stored(api, name)) == 1)


def test_a_gzip_body_is_read(api: httpx.Client) -> None:
    body = gzip.compress(b'{"deployment": "zipped"}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert api.post(PREDICTIONS, content=body, headers=headers).json()["accepted"] == 1


def test_the_answer_names_each_refused_event_and_the_refused_can_be_read(api: httpx.Client) -> None:
    answer = api.post(PREDICTIONS, json=[{"deployment": "mixed"}, {"deployment": "mixed", "latency_ms": -5}]).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    assert answer["errors"] == [{"index": 1, "reason": "latency_ms is -5: expected `float` >= 0.0"}]

    def kept() -> bool:
        rows = api.get("/api/v1/queries/rejects", params=DAY).json()["rows"]
        return any(row["reason"].startswith("latency_ms is -5") and '"mixed"' in row["raw"] for row in rows)

    wait_until(kept)


@pytest.mark.parametrize(
    ("content", "headers", "status", "message"),
    [
        (b"", {"Content-Type": "application/json"}, 400, "the body is empty"),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "send application/json"),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "br"}, 415, "send gzip or none"),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400, "the body is not gzip"),
        (b"x" * 200_001, {"Content-Type": "application/json"}, 413, "WATCHPOINT_MAX_BODY_BYTES"),
        (
            gzip.compress(b" " * 300_000),
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            413,
            "expands to more than",
        ),
        (b"{}", {"Content-Type": "application/json", "Idempotency-Key": "k" * 256}, 400, "allowed are 255"),
    ],
)
def test_an_unusable_body_is_refused_whole(
    api: httpx.Client, content: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    answer = api.post(PREDICTIONS, content=content, headers=headers)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_a_chunked_body_is_bounded_too(api: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    answer = api.post(PREDICTIONS, content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_retried_batch_counts_once_and_says_so(api: httpx.Client) -> None:
    headers = {"Idempotency-Key": "batch-1"}
    first, second = (api.post(PREDICTIONS, json={"deployment": "once"}, headers=headers) for _ in range(2))
    assert "Idempotent-Replay" not in first.headers
    assert second.headers["Idempotent-Replay"] == "true"
    wait_until(lambda: len(stored(api, "once")) == 1)
    other = api.post(PREDICTIONS, json={"deployment": "twice"}, headers=headers)
    assert other.status_code == 422
    assert "use a new key for each batch" in other.json()["error"]


def test_rows_that_are_stored_already_are_counted_as_duplicates(api: httpx.Client) -> None:
    event = {"deployment": "imported", "event_id": "row-1", "ts": "2026-01-01T00:00:00Z"}
    first, second = (api.post(PREDICTIONS, params={"dedupe": "event_id"}, json=[event]).json() for _ in range(2))
    assert (first["accepted"], first["duplicates"]) == (1, 0)
    assert (second["accepted"], second["duplicates"]) == (0, 1)
    assert api.post(PREDICTIONS, params={"dedupe": "yes"}, json=[event]).status_code == 400


def test_a_query_answers_in_each_format(api: httpx.Client) -> None:
    api.post(PREDICTIONS, json=[{"deployment": "formats", "features": {"a": 1}}] * 3)
    wait_until(lambda: len(stored(api, "formats")) == 3)
    event_id = str(stored(api, "formats")[0]["event_id"])
    params = {"event_id": event_id}

    def fetch(kind: str) -> httpx.Response:
        return api.get("/api/v1/queries/request", params=params, headers={"Accept": kind})

    plain = fetch("*/*")
    assert plain.headers["content-type"] == "application/json"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", plain.json()["rows"][0]["ts"])
    tables = [
        pa.ipc.open_stream(fetch("application/vnd.apache.arrow.stream").content).read_all(),
        pyarrow.parquet.read_table(io.BytesIO(fetch("application/vnd.apache.parquet").content)),
        pyarrow.csv.read_csv(io.BytesIO(fetch("text/csv").content)),
        pyarrow.csv.read_csv(io.BytesIO(api.get("/api/v1/queries/request", params=params | {"format": "csv"}).content)),
    ]
    for table in tables:
        assert table.column_names == [column["name"] for column in plain.json()["columns"]]
        assert table["event_id"].to_pylist() == [event_id]
    assert json.loads(tables[2]["features_num"].to_pylist()[0]) == {"a": 1.0}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/v1/queries/golden_signals?start=-1h", 400, "end is missing"),
        ("/api/v1/queries/golden_signals?start=-1h&end=now&start=-2h", 400, "start is given twice"),
        ("/api/v1/queries/golden_signals?start=-1h&end=now&format=xml", 400, "allowed are json, csv"),
        ("/api/v1/queries/request?event_id=none", 404, "there is no request"),
        ("/api/v1/queries/nothing", 404, "Not Found"),
        ("/nowhere", 404, "/docs"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_allowed(
    api: httpx.Client, path: str, status: int, message: str
) -> None:
    answer = api.get(path)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_the_openapi_document_holds_the_door_and_every_query(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    door = document["paths"][PREDICTIONS]["post"]
    assert set(door["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    assert {"200", "413", "415", "422", "429", "507"} <= set(door["responses"])
    event = door["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
    assert "latency_ms" in event["properties"]
    for name, query in QUERIES.items():
        described = document["paths"][f"/api/v1/queries/{name}"]["get"]
        assert {p["name"] for p in described["parameters"]} == {*query.params.model_fields, "format"}
        assert described["description"] == query.doc


def test_the_list_of_queries_says_what_each_takes(api: httpx.Client) -> None:
    listed = {query["name"]: query for query in api.get("/api/v1/queries").json()["queries"]}
    assert set(listed) == set(QUERIES)
    assert listed["compare"]["required"] == ["start", "end", "a", "b"]


def test_health_readiness_and_metrics(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ready"}
    api.post(PREDICTIONS, json={"deployment": "counted"})
    api.get("/api/v1/queries/fleet")
    families = {family.name: family for family in text_string_to_metric_families(api.get("/metrics").text)}
    samples = {(s.name, tuple(s.labels.values())): s.value for family in families.values() for s in family.samples}
    assert samples["watchpoint_predictions_total", ("accepted",)] >= 1
    assert samples["watchpoint_query_seconds_count", ("fleet",)] >= 1
    assert {"watchpoint_spool_bytes", "watchpoint_loader_lag_seconds", "watchpoint_ingest_seconds"} <= set(families)


def test_a_page_of_another_site_cannot_reach_it_by_name(api: httpx.Client) -> None:
    assert api.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
    assert (
        api.post("/api/v1/maintenance/retention", content=b"", headers={"Content-Type": "text/plain"}).status_code
        == 400
    )


def test_maintenance_over_http(api: httpx.Client, tmp_path: Path) -> None:
    done = api.post("/api/v1/maintenance/backup", json={"target": str(tmp_path / "copy")}).json()
    assert done["schema_version"] == MIGRATIONS[-1].number
    assert (tmp_path / "copy" / "backup.json").exists()
    assert (
        "not an empty folder"
        in api.post("/api/v1/maintenance/backup", json={"target": str(tmp_path / "copy")}).json()["error"]
    )
    assert "give an absolute path" in api.post("/api/v1/maintenance/backup", json={"target": "here"}).json()["error"]
    assert api.post("/api/v1/maintenance/dance", json={}).status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_it_refuses_to_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(ConfigError, match="only loopback"):
        check_listen(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_loopback_is_allowed(host: str) -> None:
    check_listen(host)


@pytest.mark.parametrize("process", ["api", "app"])
def test_a_process_told_to_listen_everywhere_stops_with_the_reason(process: str, tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin",
        "WATCHPOINT_DATA_DIR": str(tmp_path),
        f"WATCHPOINT_{process.upper()}_HOST": "0.0.0.0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "monitor", process],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "refusing to listen on '0.0.0.0'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_api_on_the_same_data_is_refused_with_one_line(tmp_path: Path) -> None:
    port = free_port()
    with running_api(tmp_path / "data", port) as first:
        environment = {
            "PATH": "/usr/bin",
            "WATCHPOINT_DATA_DIR": str(tmp_path / "data"),
            "WATCHPOINT_API_PORT": str(free_port()),
        }
        second = subprocess.run(
            [sys.executable, "-m", "monitor", "api"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 2
        assert f"is owned by another process (pid {first.pid})" in second.stderr
        assert "Traceback" not in second.stderr
