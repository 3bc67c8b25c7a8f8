"""What lies in the folder of the run: the newest logs, configurations and scripts, found by name without reading."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOGS: Final = (".log", ".out", ".err")
_CONFIGS: Final = (".yaml", ".yml", ".toml")
_SCRIPTS: Final = (".sh", ".py", ".slurm", ".sbatch")
_LOG_WORDS: Final = ("log", "nohup", "slurm", "output", "stderr", "stdout", "train", "run", "crash", "oom")
_SKIPPED: Final = {"node_modules", "__pycache__", "site-packages", "wandb", "runs"}
_SCRIPT_WORDS: Final = ("train", "run", "sft", "finetune", "pretrain", "dpo", "launch", "lora", "eval", "infer")
_DEEP: Final = 1  # folders below the run's own
_MOST_ENTRIES: Final = 2000
_CONFIG_BYTES: Final = 256 << 10
_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class Found:
    """Paths, the newest first. `more` counts the logs that were seen and not taken."""

    logs: tuple[Path, ...] = ()
    configs: tuple[Path, ...] = ()
    scripts: tuple[Path, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.logs or self.configs or self.scripts)


def look_around(folder: Path) -> Found:
    """The inputs of a folder; links out of it, hidden files and what cannot be listed are left out."""
    logs: list[tuple[float, Path]] = []
    configs: list[tuple[float, Path]] = []
    scripts: list[tuple[float, Path]] = []
    for path, modified, size in _files(folder):
        name, ending = path.name.lower(), path.suffix.lower()
        if ending in _LOGS or (ending in (".txt", "") and any(word in name for word in _LOG_WORDS)):
            if size:
                logs.append((modified, path))
        elif size > _CONFIG_BYTES:
            continue
        elif ending in _CONFIGS or (name.startswith(("ds_", "deepspeed", "zero")) and ending == ".json"):
            configs.append((modified, path))
        elif ending in _SCRIPTS and (ending != ".py" or any(word in name for word in _SCRIPT_WORDS)):
            scripts.append((modified, path))
    newest = _sorted(logs)
    return Found(newest[:1], _sorted(configs)[:_KEPT], _sorted(scripts)[:_KEPT], max(len(newest) - 1, 0))


def _sorted(entries: list[tuple[float, Path]]) -> tuple[Path, ...]:
    return tuple(path for _, path in sorted(entries, key=lambda entry: (-entry[0], str(entry[1]))))


def _files(folder: Path) -> list[tuple[Path, float, int]]:
    found: list[tuple[Path, float, int]] = []
    waiting = [(folder, 0)]
    seen = 0
    while waiting:
        place, depth = waiting.pop()
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                seen += 1
                if seen > _MOST_ENTRIES or entry.name.startswith("."):
                    continue
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        if depth < _DEEP and entry.name not in _SKIPPED:
                            waiting.append((Path(entry.path), depth + 1))
                    elif entry.is_file():
                        stat = entry.stat()
                        found.append((Path(entry.path), stat.st_mtime, stat.st_size))
    return found


def is_setting(name: str) -> bool:
    """Whether a path is, by its ending, a configuration or a script rather than a log."""
    return Path(name).suffix.lower() in (*_CONFIGS, *_SCRIPTS, ".json")
