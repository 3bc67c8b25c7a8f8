"""The facts of a run's own files, and the files that its launcher and DeepSpeed would read themselves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_READ_BY_LAUNCHER = ("distributed_type", "compute_environment")  # keys of an accelerate configuration


def of_run(files: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(facts, keyword arguments of `probe`: deepspeed, launch_config) of launch scripts and configurations.

    Files that these name, as a launch script names its DeepSpeed configuration, are found by the facts read from them.
    """
    if not files:
        return {}, {}
    from oomdoc.ingest.read import read_inputs

    case = read_inputs([], configs=list(files))
    facts = {name: case.value(name) for name in case.names()}
    found = [case.fact(name) for name in facts if name.startswith(("parallel.", "train."))]
    named = [*files, *(fact.source.file for fact in found if fact is not None and fact.source.file)]
    return facts, own_files(named)


def own_files(named: Sequence[str]) -> dict[str, Any]:
    """Among these files, DeepSpeed's configuration as an object and accelerate's as a path."""
    own: dict[str, Any] = {}
    for name in dict.fromkeys(named):
        path = Path(name).expanduser()
        if path.suffix.lower() not in (".json", ".yaml", ".yml") or not path.is_file():
            continue
        content = _read(path)
        if "zero_optimization" in content:
            own.setdefault("deepspeed", content)
        elif any(key in content for key in _READ_BY_LAUNCHER):
            own.setdefault("launch_config", str(path.resolve()))
    return own


def _read(path: Path) -> Mapping[str, Any]:
    """The object in a JSON or YAML file; empty where it is none, which its reader has said already."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
