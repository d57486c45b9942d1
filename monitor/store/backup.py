"""Backup and restore: a consistent copy of store, spool and archive, taken while running, and its way back."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from monitor.errors import BadInput, StoreError
from monitor.store.database import FILE, open_database, schema_version

MANIFEST = "backup.json"
FOLDERS = ("spool", "archive")


def copy_store(con: duckdb.DuckDBPyConnection, data: Path, target: Path, now: datetime) -> dict[str, Any]:
    """Copy into an empty folder. Runs in the writing thread, so that nothing changes the file meanwhile; the door stays
    open, and what comes in waits in the spool. Returns the manifest, which is written last.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{target} is not an empty folder; a backup never overwrites: name a new one")
    target.mkdir(parents=True, exist_ok=True)
    con.execute("checkpoint")
    shutil.copyfile(data / FILE, target / FILE)
    # segments first sealed after the checkpoint are copied too: loading them is idempotent
    for folder in FOLDERS:
        if (data / folder).exists():
            shutil.copytree(data / folder, target / folder, ignore=shutil.ignore_patterns("*.open", "*.part"))
    shutil.copyfile(data / "user.salt", target / "user.salt")
    manifest = {
        "taken_at": now.astimezone(UTC).isoformat(),
        "schema_version": schema_version(con),
        "predictions": con.execute("select count(*) from predictions").fetchall()[0][0],
        "store_bytes": (target / FILE).stat().st_size,
    }
    part = target / f"{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=2))
    part.rename(target / MANIFEST)
    return manifest


def restore(source: Path, data: Path, now: datetime) -> dict[str, Any]:
    """Put a backup into an empty data folder, after reading it through; returns its manifest.

    Raises BadInput for a folder that is no whole backup or a target that is not empty, StoreError when the copy cannot be read.
    """
    if not (source / MANIFEST).exists():
        raise BadInput(f"{source} holds no {MANIFEST}: it is not a backup, or one that was cut short")
    if data.exists() and any(data.iterdir()):
        raise BadInput(
            f"{data} is not empty; a restore never overwrites: move it away, or set WATCHPOINT_DATA_DIR to a new folder"
        )
    manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text())
    part = data.with_name(data.name + ".restoring")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part, ignore=shutil.ignore_patterns(MANIFEST))
    con = open_database(part / FILE, now)
    try:
        rows = con.execute("select count(*) from predictions").fetchall()[0][0]
    finally:
        con.close()
    if rows != manifest["predictions"]:
        shutil.rmtree(part)
        raise StoreError(
            f"{source} should hold {manifest['predictions']} predictions and holds {rows}; take another backup"
        )
    if data.exists():
        data.rmdir()
    part.rename(data)
    return manifest
