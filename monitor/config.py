"""Settings: one table drives the defaults, the environment variables, the checks and the table in the README.

This is the only module that reads the environment.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError

PREFIX = "WATCHPOINT_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table: attribute name, default, what it does, and the smallest allowed number."""

    name: str
    default: str | int | float
    help: str
    least: float | None = None

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


SDK_VARIABLES = {"WATCHPOINT_TOKEN", "WATCHPOINT_SDK_SPOOL"}
"""Read by the SDK alone, which runs in other people's processes; in ours they are no mistake."""

MIB = 1024 * 1024

SETTINGS = (
    Setting("data_dir", "data", "folder of the store, the spool, the archive and the backups"),
    Setting("fleet_file", "watchpoint.toml", "what is deployed; a missing file means an empty fleet"),
    Setting("api_host", "127.0.0.1", "address that `api` listens on"),
    Setting("api_port", 8600, "port of `api`", 1),
    Setting("app_host", "127.0.0.1", "address that `app` listens on"),
    Setting("app_port", 8501, "port of `app`", 1),
    Setting(
        "api_url", "", "where `app`, `scheduler`, the command line and the SDK find `api`; empty: api_host and api_port"
    ),
    Setting("max_body_bytes", 32 * MIB, "largest request body, before and after gzip; larger is answered 413", 1024),
    Setting("max_text_bytes", 64 * 1024, "longer input or output texts are cut to this, and marked as cut", 64),
    Setting("max_pending_bytes", 64 * MIB, "bytes waiting in memory for the disk; more is answered 429", 1024),
    Setting("max_spool_bytes", 2048 * MIB, "bytes on disk not yet loaded; more is answered 429", 1024),
    Setting("segment_bytes", 4 * MIB, "a spool segment is closed at this size", 1024),
    Setting("segment_ms", 250, "or at this age, whichever comes first", 1),
    Setting("idempotency_hours", 48, "how long an Idempotency-Key is remembered", 1),
    Setting("raw_days", 30, "age at which raw predictions leave the store; rollups stay", 1),
    Setting("raw_action", "archive", "what then happens to them: archive (monthly Parquet files) or delete"),
    Setting(
        "rollup_days", 90, "how long rollups of one and five minutes are kept; hours and days are kept for good", 1
    ),
    Setting("duckdb_memory", "4GB", "memory limit of the store"),
    Setting("duckdb_threads", 0, "threads of the store; 0: one per core", 0),
    Setting("max_rows", 100_000, "largest page of rows that a query answers", 1),
    Setting("max_image_bytes", 20 * MIB, "largest image file, in a probe or sent to be kept", 1024),
    Setting("max_image_pixels", 50_000_000, "largest image, width times height; larger is refused unread", 4096),
    Setting("worker_host", "127.0.0.1", "address that `worker` listens on"),
    Setting("worker_port", 8700, "port of `worker`", 1),
    Setting("worker_url", "", "where `api` and the jobs find `worker`; empty: worker_host and worker_port"),
    Setting("worker_device", "auto", "auto (CUDA where there is one), cpu or cuda"),
    Setting("worker_memory_bytes", 0, "memory for checkpoints; 0: 60 % of what is free at start", 0),
    Setting("worker_batch", 0, "most rows in one batch; 0: 32 on a CPU, 64 on a GPU", 0),
    Setting("worker_queue", 512, "requests waiting in the worker; more is answered 429", 1),
    Setting("worker_wait_ms", 5, "an idle worker waits so long for company when requests come close together", 0),
    Setting("worker_threads", 0, "threads of arithmetic on a CPU; 0: 1 on up to four cores, else a quarter", 0),
    Setting("probes_per_minute", 60, "probes that one visitor may start within a minute", 1),
    Setting("probe_in_flight", 16, "requests of one batch probe that are asked at once, for each target", 1),
    Setting("probe_items", 2000, "most items of one batch probe", 1),
    Setting("load_concurrency", 64, "highest concurrency of a load probe", 1),
    Setting("load_seconds", 300, "longest load probe", 1),
    Setting("log_level", "info", "debug, info, warning or error"),
)


CHOICES: dict[str, tuple[str, ...]] = {
    "raw_action": ("archive", "delete"),
    "worker_device": ("auto", "cpu", "cuda"),
    "log_level": ("debug", "info", "warning", "error"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force; attribute by attribute the table above."""

    data_dir: str
    fleet_file: str
    api_host: str
    api_port: int
    app_host: str
    app_port: int
    api_url: str
    max_body_bytes: int
    max_text_bytes: int
    max_pending_bytes: int
    max_spool_bytes: int
    segment_bytes: int
    segment_ms: int
    idempotency_hours: int
    raw_days: int
    raw_action: str
    rollup_days: int
    duckdb_memory: str
    duckdb_threads: int
    max_rows: int
    max_image_bytes: int
    max_image_pixels: int
    worker_host: str
    worker_port: int
    worker_url: str
    worker_device: str
    worker_memory_bytes: int
    worker_batch: int
    worker_queue: int
    worker_wait_ms: int
    worker_threads: int
    probes_per_minute: int
    probe_in_flight: int
    probe_items: int
    load_concurrency: int
    load_seconds: int
    log_level: str

    @property
    def data(self) -> Path:
        return Path(self.data_dir)

    @property
    def api(self) -> str:
        """Base URL of the `api` process, without a trailing slash."""
        return (self.api_url or f"http://{self.api_host}:{self.api_port}").rstrip("/")

    @property
    def worker(self) -> str:
        """Base URL of the `worker` process, without a trailing slash."""
        return (self.worker_url or f"http://{self.worker_host}:{self.worker_port}").rstrip("/")


def _read(setting: Setting, text: str) -> str | int | float:
    convert: Callable[[str], Any] = type(setting.default)
    try:
        value: str | int | float = convert(text.strip())
    except ValueError:
        kind = "a whole number" if isinstance(setting.default, int) else "a number"
        raise ConfigError(f"{setting.variable}={text!r}: expected {kind} ({setting.help})") from None
    if setting.least is not None and float(value) < setting.least:
        raise ConfigError(
            f"{setting.variable}={text!r}: the smallest allowed value is {setting.least:g} ({setting.help})"
        )
    allowed = CHOICES.get(setting.name)
    if allowed and value not in allowed:
        raise ConfigError(f"{setting.variable}={text!r}: allowed are {', '.join(allowed)}")
    return value


def load_settings(environ: Mapping[str, str] | None = None, **overrides: str | int | float) -> Settings:
    """Settings from the environment (`WATCHPOINT_...`), overridden by keyword arguments.

    Raises ConfigError for a bad value and for a `WATCHPOINT_` variable that does not exist.
    """
    environ = os.environ if environ is None else environ
    known = {setting.variable for setting in SETTINGS}
    for name in environ:
        if name.startswith(PREFIX) and name not in known | SDK_VARIABLES:
            raise ConfigError(f"{name} is not a setting; the settings are {', '.join(sorted(known))}")
    values: dict[str, Any] = {
        s.name: _read(s, environ[s.variable]) if s.variable in environ else s.default for s in SETTINGS
    }
    return Settings(**(values | overrides))


def secret(name: str, environ: Mapping[str, str] | None = None) -> str:
    """The key in the environment variable that a `key_env` of the fleet file names.

    Raises ConfigError, which never repeats the value: it may be a key with a line break behind it.
    """
    value = (os.environ if environ is None else environ).get(name, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {name} (key_env) is not set in this process, or is empty")
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise ConfigError(
            f"the environment variable {name} (key_env) holds characters that no key has; it is not shown"
        )
    return value


def widen_websocket_headers() -> None:
    """Let the websockets library take 64 KiB header lines: with its 8 KiB, a visitor with many groups sees nothing."""
    os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", "65536")


def set_up_arithmetic(threads: int) -> None:
    """Before torch is imported: bound the threads of its libraries, and keep transformers from asking a hub."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the threads that prepare requests are enough


def settings_table() -> str:
    """The settings as the Markdown table of the README."""
    rows = [f"| `{s.variable}` | `{s.default}` | {s.help} |" for s in SETTINGS]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
