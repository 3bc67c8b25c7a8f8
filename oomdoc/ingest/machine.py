"""The live machine as facts: cards, host memory and its limits, /dev/shm, and the versions of a Python environment."""

import os
from contextlib import suppress
from pathlib import Path

from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import lazy
from oomdoc.facts.model import Value
from oomdoc.ingest.gpu import GpuReading, read_gpus

_PACKAGES = {
    name.replace("_", "-"): f"env.{name}"
    for name in (
        "torch transformers peft accelerate deepspeed bitsandbytes flash_attn trl vllm xformers liger_kernel "
        "tensorflow jax diffusers lightning"
    ).split()
}
_DIST_INFO = lazy(r"^(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)\.dist-info$")


def machine_facts(reading: GpuReading | None = None) -> list[Fact]:
    """What this machine says of itself now; facts that cannot be read are left out."""
    reading = read_gpus() if reading is None else reading
    stated: dict[str, Value] = {}
    if reading.gpus:
        first = reading.gpus[0]
        stated["hardware.gpu_name"] = first.name
        stated["hardware.gpu_count"] = len(reading.gpus)
        stated["hardware.gpu_total_bytes"] = first.total_bytes
        stated["hardware.gpu_free_bytes"] = max(gpu.free_bytes for gpu in reading.gpus)
        stated["hardware.compute_capability"] = first.compute_capability
        stated["hardware.partitioned"] = any(gpu.is_partitioned for gpu in reading.gpus)
        stated["hardware.mixed_gpus"] = len({gpu.total_bytes for gpu in reading.gpus}) > 1
        stated["env.driver"] = reading.driver
    stated.update(host_memory())
    return [
        Fact(name=name, value=value, source=Source(how=How.LIVE)) for name, value in stated.items() if value is not None
    ]


def host_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> dict[str, Value]:
    """Host RAM within its cgroup limit, free RAM, and the size of /dev/shm, in bytes."""
    found: dict[str, Value] = {}
    with suppress(OSError, ValueError):
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
        limit = _cgroup_limit(cgroup)
        found["hardware.host_total_bytes"] = min(sizes["MemTotal"], limit) if limit else sizes["MemTotal"]
        found["hardware.host_free_bytes"] = sizes.get("MemAvailable", sizes["MemFree"])
    with suppress(OSError):
        shm = os.statvfs("/dev/shm")  # noqa: S108 (read, not written)
        found["hardware.shm_total_bytes"] = shm.f_blocks * shm.f_frsize
    with suppress(OSError):
        is_wsl = "microsoft" in (proc / "version").read_text(encoding="utf-8", errors="replace").lower()
        found["hardware.platform"] = "wsl" if is_wsl else "linux"
    found["hardware.container"] = Path("/.dockerenv").exists() or "KUBERNETES_SERVICE_HOST" in os.environ or None
    return {name: value for name, value in found.items() if value is not None}


def _cgroup_limit(cgroup: Path) -> int | None:
    for place in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limit = int((cgroup / place).read_text(encoding="ascii"))
            return limit if limit < 1 << 60 else None
    return None


def environment_facts(python: str | None = None) -> list[Fact]:
    """Versions of the training environment, from the names of its dist-info folders: nothing of it is imported.

    `python` is its interpreter; else VIRTUAL_ENV or CONDA_PREFIX. An interpreter that is not there gives no facts.
    """
    prefix = Path(python).parent.parent if python else _active_prefix()
    if prefix is None:
        return []
    facts = []
    for folder in sorted(prefix.glob("lib/python3*/site-packages")) + sorted(prefix.glob("Lib/site-packages")):
        with suppress(OSError):
            for entry in folder.iterdir():
                match = _DIST_INFO.match(entry.name)
                name = _PACKAGES.get(match["name"].lower().replace("_", "-")) if match else None
                if match and name:
                    source = Source(how=How.LIVE, file=str(entry))
                    facts.append(Fact(name=name, value=match["version"], source=source))
    return facts


def _active_prefix() -> Path | None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if os.environ.get(name):
            return Path(os.environ[name])
    return None
