"""Model files on this machine: a folder with config.json, an adapter beside its base, the caches of the two hubs.

Nothing is downloaded and no weight is read: of a safetensors file only its header, which lists every tensor's shape.
"""

import json
import os
import struct
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

_HEADER_LIMIT = 100_000_000  # a header is a few hundred KiB; anything larger is not one


class Found(NamedTuple):
    """Where a model was found, its config, its parameters by safetensors header (None: not read), an adapter's own."""

    folder: Path
    config: dict[str, Any]
    parameters: int | None
    adapter: dict[str, Any] | None


def find_local(name: str) -> Found | None:
    """The model of a path or hub name as it lies here, or None; unreadable files count as absent."""
    for folder in _folders(name):
        adapter = _object(folder / "adapter_config.json")
        config = _object(folder / "config.json")
        if config is None and adapter is not None:
            base = adapter.get("base_model_name_or_path")
            below = find_local(str(base)) if base and str(base) != name else None
            if below is not None:
                return below._replace(adapter=adapter)
        if config is not None:
            return Found(folder, config, header_parameters(folder), adapter)
    return None


def header_parameters(folder: Path) -> int | None:
    """Parameters by the headers of a folder's safetensors files; None where there are none or they are packed.

    The format: eight bytes little-endian length, then JSON of {"tensor": {"dtype", "shape", "data_offsets"}}.
    """
    total = 0
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        try:
            with file.open("rb") as handle:
                (length,) = struct.unpack("<Q", handle.read(8))
                if not 2 <= length <= _HEADER_LIMIT:
                    return None
                header = json.loads(handle.read(length))
        except (OSError, ValueError, struct.error):
            return None
        count = _listed(header)
        if count is None:
            return None
        total += count
    return total or None


def _listed(header: Any) -> int | None:
    """Parameters that one header lists; None where it is damaged or lists packed words of a quantised model."""
    if not isinstance(header, dict):
        return None
    total = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or entry.get("dtype") in ("U8", "I8", "I32"):
            return None
        if not all(isinstance(size, int) and 0 <= size < 1 << 40 for size in shape):
            return None
        total += prod(shape)
    return total


def _folders(name: str) -> list[Path]:
    """The folders where a name may lie: itself, then the caches of Hugging Face and ModelScope."""
    if not name or "\0" in name or len(name) > 4096:
        return []
    path = Path(os.path.expandvars(name))
    if name.startswith("~"):
        path = Path(os.path.expanduser(name))  # noqa: PTH111  (keeps an unknown user's ~ as it is instead of raising)
    found = [path] if path.is_dir() else []
    owner, slash, model = name.strip("/").partition("/")
    if slash and "/" not in model and not name.startswith(("/", ".", "~")):
        hub = Path(
            os.environ.get("HF_HUB_CACHE")
            or Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface", "hub")
        )
        snapshots = hub / f"models--{owner}--{model}" / "snapshots"
        if snapshots.is_dir():
            found.extend(sorted(snapshots.iterdir()))
        scope = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache/modelscope")
        found.extend(each for each in (scope / "hub" / "models" / name, scope / "hub" / name) if each.is_dir())
    return found


def _object(file: Path) -> dict[str, Any] | None:
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None
