"""How many processes a launch starts and on how many GPUs: launchers, their options, the environment."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.ingest.frameworks import Framework, normal
from oomdoc.ingest.syntax.setting import Command, Setting


@dataclass(frozen=True, slots=True)
class Launched:
    """The launcher's name, its processes where they are known, and the setting that said so."""

    launcher: str
    processes: int | None
    distributed: bool
    said_by: Setting | None = None


@cache
def _launchers() -> list[dict[str, Any]]:
    return list(base.section("frameworks").get("shared/launchers.yaml", []))


def launched(command: Command, entry: Framework | None, gpus: int | None, said: Mapping[str, Value]) -> Launched:
    """What one command starts. `gpus` is the number of visible GPUs; `said` holds facts of configuration files."""
    for rule in _launchers():
        for program in command.launcher:
            if program.rsplit("/", 1)[-1] in rule["words"]:
                return _by_options(rule, command.flags_of(program), gpus, said)
    launch = entry.launch if entry else None
    if launch and launch.processes_env and (setting := command.env.get(launch.processes_env)):
        count = setting.value if isinstance(setting.value, int) else None
        nodes = command.env.get("NNODES")
        many = nodes.value if nodes and isinstance(nodes.value, int) else 1
        return Launched("torchrun", count * many if count else None, distributed=True, said_by=setting)
    if launch and launch.plain == "per-gpu":
        forced = launch.starts_per_gpu_env is not None and launch.starts_per_gpu_env in command.env
        distributed = forced or (gpus or 0) > 1
        return Launched("torchrun" if distributed else _own(command), gpus, distributed=distributed)
    return Launched(_own(command), 1 if launch else None, distributed=False)


def _own(command: Command) -> str:
    word = command.words[0].rsplit("/", 1)[-1] if command.words else "python"
    return {"swift": "swift", "llamafactory-cli": "llamafactory-cli", "ray": "ray"}.get(word, "python")


def _by_options(
    rule: Mapping[str, Any], flags: Sequence[Setting], gpus: int | None, said: Mapping[str, Value]
) -> Launched:
    given = {normal(flag.key): flag for flag in flags}
    nodes = _first(rule.get("nodes", ()), given)
    many = nodes.value if nodes and isinstance(nodes.value, int) else 1
    if (total := _first(rule.get("total", ()), given)) is not None:
        return _counted(rule, total, 1)
    if (listed := _first(rule.get("list", ()), given)) is not None:
        return Launched(rule["launcher"], _devices(str(listed.value)), distributed=True, said_by=listed)
    if (each := _first(rule.get("per_node", ()), given)) is not None:
        if str(each.value) in {"auto", "gpu"}:
            return Launched(rule["launcher"], gpus * many if gpus else None, distributed=True, said_by=each)
        return _counted(rule, each, many)
    stated = said.get("parallel.world_size")
    if rule["unsaid"] == "visible":
        count = stated if isinstance(stated, int) else gpus
        return Launched(rule["launcher"], count, distributed=True)
    return Launched(rule["launcher"], many if rule["unsaid"] == "one" else None, distributed=True)


def _counted(rule: Mapping[str, Any], setting: Setting, many: int) -> Launched:
    count = setting.value if isinstance(setting.value, int) and not isinstance(setting.value, bool) else None
    return Launched(rule["launcher"], count * many if count else None, distributed=True, said_by=setting)


def _first(names: Sequence[str], given: Mapping[str, Setting]) -> Setting | None:
    return next((given[normal(name)] for name in names if normal(name) in given), None)


def _devices(include: str) -> int | None:
    """GPUs in deepspeed's `worker-0:0,1@worker-1:0` or accelerate's `0,1`."""
    count = 0
    for host in include.split("@"):
        devices = host.rsplit(":", 1)[-1]
        if not all(part.strip().isdigit() for part in devices.split(",")):
            return None
        count += len(devices.split(","))
    return count
