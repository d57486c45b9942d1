"""Where the weights of a checkpoint lie, whether they are whole, and how large they are: all before anything is loaded.

Only safetensors count: files of pickles run code while they are read. No torch here.
"""

import json
import struct
from pathlib import Path
from typing import Any

from monitor.errors import CheckpointError
from monitor.records import Checkpoint

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
MAX_HEADER = 100_000_000  # bytes, as the safetensors format itself bounds it


def weights_folder(checkpoint: Checkpoint, fleet_path: str | None) -> Path:
    """The folder that `weights` names: beside the fleet file, else in the working directory. Raises CheckpointError."""
    name = checkpoint.weights
    if not name:
        raise CheckpointError(
            f"checkpoint {checkpoint.id} has no weights in the fleet file; the worker needs `weights`, a local folder"
        )
    bases = ([Path(fleet_path).resolve().parent] if fleet_path else []) + [Path.cwd()]
    tried = list(dict.fromkeys(base / Path(name).expanduser() for base in bases))
    found = next((folder for folder in tried if folder.is_dir()), None)
    if found is None:
        raise CheckpointError(
            f"checkpoint {checkpoint.id}: no folder {' or '.join(str(folder) for folder in tried)}; "
            "the worker never downloads: fetch the weights first, or correct `weights` in the fleet file"
        )
    return found


def weights_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, each of them whole. Raises CheckpointError that names what is missing."""
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has no {CONFIG}")
    if (folder / INDEX).is_file():
        files = _shards(folder)
    elif (folder / SINGLE).is_file():
        files = [folder / SINGLE]
    else:
        raise CheckpointError(_no_weights(folder))
    for file in files:
        _check_whole(file)
    return files


def weights_bytes(folder: Path) -> int:
    """Size of the safetensors files on disk. Raises CheckpointError like `weights_files`."""
    return sum(file.stat().st_size for file in weights_files(folder))


def _shards(folder: Path) -> list[Path]:
    weight_map = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{folder / INDEX} has no weight_map; copy it again")
    names = sorted({str(name) for name in weight_map.values()})
    outside = [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]
    if outside:
        raise CheckpointError(f"{folder / INDEX} names {outside[0]!r}, which is no safetensors file of its folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise CheckpointError(f"{folder} lacks {named}: {len(missing)} of {len(names)} shards; copy them again")
    return [folder / name for name in names]


def _no_weights(folder: Path) -> str:
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        return (
            f"{folder} holds its weights as pickles only ({pickles[0]}); reading a pickle runs code from the file, "
            "so the worker takes safetensors alone: convert it with save_pretrained"
        )
    return f"{folder} has neither {SINGLE} nor {INDEX}; copy the weights again"


def _check_whole(file: Path) -> None:
    """A download that broke off, or a pointer file in place of the weights, is told from its header."""
    size = file.stat().st_size
    try:
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            header = json.loads(content.read(length)) if length <= MAX_HEADER else {}
        expected = (
            8 + length + max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        )
    except PermissionError:
        raise CheckpointError(f"{file} may not be read by this user; allow it: chmod 644") from None
    except (struct.error, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{file} is no safetensors file ({size} bytes); copy it again") from None
    if size != expected:
        raise CheckpointError(f"{file} is {size} bytes, and should be {expected} by its header; copy it again")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}; copy it again") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} is not a JSON object; copy it again")
    return content
