"""The only door to NVML: what the cards of this machine hold right now, or one line that says why it cannot be told."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oomdoc.messages import said


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """One process on a card; `bytes` is None where the driver does not tell (WSL, no permission)."""

    pid: int
    bytes: int | None
    name: str | None = None
    owner: str | None = None
    is_gone: bool = False  # holds memory but is no longer among the processes seen from here


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card at one moment; sizes in bytes, `utilization` in percent."""

    index: int
    name: str
    total_bytes: int
    used_bytes: int
    free_bytes: int
    utilization: int | None = None
    compute_capability: str | None = None
    is_partitioned: bool = False
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuReading:
    """All cards, or `problem` in one line (lower case, no final period) that knows both languages."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    problem: str | None = None


_PROBLEMS = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": "no_driver",
    "NVML_ERROR_DRIVER_NOT_LOADED": "not_loaded",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": "mismatch",
    "NVML_ERROR_NO_PERMISSION": "permission",
    "NVML_ERROR_GPU_IS_LOST": "lost",
    "NVML_ERROR_FUNCTION_NOT_FOUND": "too_old",
}


def read_gpus() -> GpuReading:
    """Ask NVML once; never raises. A few milliseconds with a driver, one failed dlopen without."""
    import pynvml  # 20 ms, and only the live machine needs it

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return GpuReading(problem=_sentence(pynvml, error))
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        count = pynvml.nvmlDeviceGetCount()
        return GpuReading(tuple(_gpu(pynvml, index) for index in range(count)), driver)
    except pynvml.NVMLError as error:
        return GpuReading(problem=_sentence(pynvml, error))
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _sentence(nvml: Any, error: Any) -> str:
    for name, key in _PROBLEMS.items():
        if error.value == getattr(nvml, name):
            return said(f"nvml.{key}")
    return said("nvml.other", error=error)


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    utilization = capability = None
    partitioned = False
    with suppress(nvml.NVMLError):
        utilization = int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with suppress(nvml.NVMLError):
        capability = "{}.{}".format(*nvml.nvmlDeviceGetCudaComputeCapability(handle))
    with suppress(nvml.NVMLError):
        partitioned = nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE
    return Gpu(
        index=index,
        name=_text(nvml.nvmlDeviceGetName(handle)),
        total_bytes=int(memory.total),
        used_bytes=int(memory.used),
        free_bytes=int(memory.free),
        utilization=utilization,
        compute_capability=capability,
        is_partitioned=partitioned,
        processes=_processes(nvml, handle),
    )


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...]:
    found: dict[int, GpuProcess] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        with suppress(nvml.NVMLError):
            for process in ask(handle):
                used = process.usedGpuMemory
                # 2^64-1 is NVML's "not available", printed by careless tools as 17179869184 GiB.
                size = None if used is None or used >= 1 << 62 else int(used)
                found.setdefault(int(process.pid), _process(int(process.pid), size))
    return tuple(sorted(found.values(), key=lambda process: -(process.bytes or 0)))


def _process(pid: int, size: int | None) -> GpuProcess:
    folder = Path("/proc") / str(pid)
    try:
        name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
        return GpuProcess(pid, size, name, _owner(folder))
    except OSError:
        # In a container NVML names host processes: not seen from here is not the same as dead.
        return GpuProcess(pid, size, is_gone=True)


def _owner(folder: Path) -> str | None:
    with suppress(OSError, KeyError):
        return folder.owner()
    return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
