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
    Setting("log_level", "info", "debug, info, warning or error"),
)


CHOICES: dict[str, tuple[str, ...]] = {
    "raw_action": ("archive", "delete"),
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
    log_level: str

    @property
    def data(self) -> Path:
        return Path(self.data_dir)

    @property
    def api(self) -> str:
        """Base URL of the `api` process, without a trailing slash."""
        return (self.api_url or f"http://{self.api_host}:{self.api_port}").rstrip("/")


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


def widen_websocket_headers() -> None:
    """Let the websockets library take 64 KiB header lines: with its 8 KiB, a visitor with many groups sees nothing."""
    os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", "65536")


def settings_table() -> str:
    """The settings as the Markdown table of the README."""
    rows = [f"| `{s.variable}` | `{s.default}` | {s.help} |" for s in SETTINGS]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])
