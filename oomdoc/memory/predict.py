"""From canonical facts to a prediction, for commands, the solver and tables of configurations."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oomdoc.memory.architecture import Architecture, ArchitectureError, Counts
from oomdoc.memory.catalog import find
from oomdoc.memory.closed_form import Peak, estimate, peak
from oomdoc.memory.config import from_config
from oomdoc.memory.local import find_local
from oomdoc.memory.profile import MemoryProfile
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import SettingsError
from oomdoc.messages import reason, said


class UnknownModelError(ArchitectureError):
    """Neither the catalog, nor a config, nor a size in the name says what the model is."""


def architecture_of(facts: Mapping[str, Any]) -> Architecture:
    """The model that the facts name: a config.json that is named or lies on this machine, then the catalog, a
    relative, a shape of that size.

    Raises ArchitectureError for an absurd config, UnknownModelError where nothing says what the model is.
    """
    name = facts.get("model.name") or facts.get("model.path")
    config = facts.get("model.config_path")
    if config:
        return read_config(str(config), str(name or ""))
    local = find_local(str(facts.get("model.path") or name or ""))
    if local is not None:
        return _counted(from_config(local.config, str(name or local.folder.name)), local.parameters)
    parameters = facts.get("model.parameters")
    size = int(parameters) if isinstance(parameters, int | float) and not isinstance(parameters, bool) else None
    if size is not None and not 1_000 <= size <= 10**14:
        raise ArchitectureError(said("setting.not_meant", name="model.parameters", value=f"{size:,}"))
    found = find(str(name), size) if name else find(None, size) if size else None
    if found is None:
        raise UnknownModelError(str(name or ""))
    return found


def _counted(model: Architecture, parameters: int | None) -> Architecture:
    """The model with the parameters that its files list, where the counting rule is not exact or disagrees."""
    total = model.counts.total
    if not parameters or parameters == total or not 0.5 < parameters / total < 2:
        return model
    groups = {**model.counts.groups, "other": model.counts.groups.get("other", 0) + parameters - total}
    if groups["other"] < 0:
        groups["attention"] = groups.get("attention", 0) + groups.pop("other")
    active = max(1, model.counts.active + parameters - total)
    return replace(model, counts=Counts(parameters, active, groups, exact=True))


def read_config(path: str, name: str = "") -> Architecture:
    """The architecture of a config.json (or of the folder that holds it). Raises ArchitectureError, one line."""
    file = Path(path).expanduser()
    file = file / "config.json" if file.is_dir() else file
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArchitectureError(said("usage.cannot_read", name=file, why=reason(error))) from None
    except ValueError as error:
        raise ArchitectureError(said("model.not_json", file=file, why=error)) from None
    return from_config(loaded, name or (file.parent.name or file.stem))


def predict(facts: Mapping[str, Any]) -> MemoryProfile:
    """The predicted memory of a run. Raises ArchitectureError or SettingsError, one line each."""
    model = architecture_of(facts)
    return estimate(model, from_facts(facts, model))


def predict_peak(facts: Mapping[str, Any], model: Architecture | None = None) -> Peak:
    """The peak figures alone; pass the architecture to search over settings without resolving it again."""
    known = model or architecture_of(facts)
    return peak(known, from_facts(facts, known))


def answer(facts: Mapping[str, Any]) -> dict[str, Any]:
    """One line of `--facts` output: `{"memory": ..., "assumed": [...], "error": null}`; an error is one sentence."""
    try:
        profile = predict(facts)
    except UnknownModelError as error:
        return {"memory": None, "assumed": [], "error": f"model not known: {error}" if str(error) else "no model.name"}
    except (ArchitectureError, SettingsError) as error:
        return {"memory": None, "assumed": [], "error": str(error)}
    return {"memory": as_json(profile), "assumed": list(profile.assumed), "error": None}


def as_json(profile: MemoryProfile) -> dict[str, Any]:
    """A profile in the shape of the report contract's `memory`, with the phases beside it."""
    return {
        "method": profile.method,
        "phase": profile.peak_phase,
        "capacity_bytes": profile.capacity_bytes,
        "allocated_bytes": profile.allocated_bytes,
        "reserved_bytes": profile.reserved_bytes,
        "device_bytes": profile.device_bytes,
        "low_bytes": profile.low_bytes,
        "high_bytes": profile.high_bytes,
        "components": dict(profile.components),
        "phases": [
            {"phase": each.phase, "allocated_bytes": each.allocated_bytes, "moment": each.moment}
            for each in profile.phases
        ],
        "basis": profile.basis,
    }
