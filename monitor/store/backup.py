"""Backup and restore: a consistent copy of store, spool, archive, images and reports, taken while running, and back.

`copy_store` is called by the writing thread of the store owner, `restore` by the command line while there is no owner.
"""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.errors import BadInput, StoreError
from monitor.ingest.spool import write_durably
from monitor.store.database import FILE, Connection, copy_file, open_database, schema_version
from monitor.store.media import FOLDER as MEDIA
from monitor.store.reports import FOLDER as REPORTS

MANIFEST = "backup.json"
SALT = "user.salt"
FOLDERS = ("spool", "archive")
UNFINISHED = shutil.ignore_patterns("*.open", "*.part")


def check_target(target: Path) -> None:
    """Raises BadInput for anything but a new or empty folder."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{target} is not an empty folder; a backup never overwrites: name a new one")


def copy_store(con: Connection, data: Path, target: Path) -> dict[str, Any]:
    """Copy into an empty folder, and return what the store says of itself.

    Runs in the writing thread, so that nothing changes the file meanwhile; the door stays open, and what comes in waits
    in the spool. Segments that were loaded already may be copied too: loading them again does nothing.
    """
    check_target(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        con.execute("force checkpoint")
        copy_file(data / FILE, target / FILE)
        for folder in FOLDERS:
            if (data / folder).exists():
                shutil.copytree(data / folder, target / folder, ignore=UNFINISHED)
        shutil.copyfile(data / SALT, target / SALT)
    except OSError as error:
        raise _cut_short(target, error) from None
    rows = con.execute("select count(*) from predictions").fetchall()[0][0]
    return {"schema_version": schema_version(con), "predictions": rows}


def copy_beside(data: Path, target: Path) -> None:
    """The images and reports, while new ones may come and old ones may go."""
    for path in sorted([*(data / MEDIA).glob("??/*"), *(data / REPORTS).glob("*")]):
        if path.name.endswith(".part"):
            continue
        copy = target / path.relative_to(data)
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _cut_short(target, error) from None


def write_manifest(target: Path, facts: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Say what the backup holds, file by file. Written last: without it a folder is no backup."""
    manifest = {"taken_at": now.astimezone(UTC).isoformat(), **facts, "files": _files(target)}
    write_durably(target / MANIFEST, json.dumps(manifest, indent=2).encode())
    return manifest | {"files": len(manifest["files"])}


def restore(source: Path, data: Path, now: datetime) -> dict[str, Any]:
    """Put a backup into an empty data folder, after checking each file of it; returns its manifest.

    Raises BadInput for a folder that is no backup or a target that is not empty, StoreError for a damaged one.
    """
    if not (source / MANIFEST).exists():
        raise BadInput(f"{source} holds no {MANIFEST}: it is not a backup, or one that was cut short")
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BadInput(
            f"{data} is not an empty folder; a restore never overwrites: "
            "move it away, or set WATCHPOINT_DATA_DIR to a new folder"
        )
    manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text())
    part = data.with_name(data.name + ".restoring")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(source, part, ignore=shutil.ignore_patterns(MANIFEST))
        found = _files(part)
        if wrong := [name for name, file in manifest["files"].items() if found.get(name) != file]:
            raise StoreError(f"{source} is damaged: {wrong[0]} is not what was backed up; use another backup")
        open_database(part / FILE, now).close()  # brings an older one to the newest schema
        if data.exists():
            data.rmdir()
        part.rename(data)
    except OSError as error:
        raise StoreError(f"{source} could not be restored: {error}; {data} was left as it was") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _cut_short(target: Path, error: OSError) -> StoreError:
    return StoreError(f"the backup into {target} was cut short: {error}; take it again into a new folder")


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file, by its path within the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            found[str(path.relative_to(folder))] = {"bytes": path.stat().st_size, "sha256": digest}
    return found
