"""The probe in the training interpreter: one plan in as a JSON line, progress and one answer out, then the end.

Its GPU memory, its process group and its files go with it. Needs Python 3.9+, torch 2.1+ and what the run itself uses.
"""

# ruff: noqa: SLF001
# torch's memory snapshot is private

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from oomdoc.probe.dryrun_worker import _line, _peak_rss, _where, _write

Tell = Callable[[dict[str, Any]], None]


def main() -> None:
    """Answer the plan on standard input."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    quiet()
    line = sys.stdin.readline()
    if line.strip():
        _write(out, {"answer": probe(json.loads(line), lambda message: _write(out, message))})


def quiet() -> None:
    """No network, and no chatter of the libraries."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def probe(plan: dict[str, Any], tell: Tell, join: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Run the plan on its device. Running out of memory is a result, not an error.

    `join` makes the process group of several ranks; it is called once torch is there and the device is known to work.
    """
    started = time.perf_counter()

    def progress(stage: str) -> None:
        tell({"progress": stage, "seconds": round(time.perf_counter() - started, 2)})

    progress("importing torch and transformers")
    try:
        import torch
        import transformers
    except Exception as error:
        return {"error": "environment", "message": f"{type(error).__name__}: {_line(error)}"}
    device = str(plan.get("device") or "cuda")
    refused = _unusable(torch, device)
    if refused:
        return refused
    from oomdoc.probe.build import CannotBuildError
    from oomdoc.probe.material import MissingError

    answer: dict[str, Any] = {"error": None, "oom": None}
    run: Any = None
    try:
        answer["used_before_bytes"] = _limit(torch, plan, device)
        if join is not None:
            progress("joining the other ranks")
            join(device)
        from oomdoc.probe.real_steps import RealRun

        run = RealRun(plan, progress)
        run.meter.listener = lambda phase: tell({"phase": phase})
        run.execute()
    except MissingError as error:
        return {"error": "missing", "package": error.package, "use": error.use, "message": str(error)}
    except CannotBuildError as error:
        return {"error": "build", "message": str(error)}
    except Exception as error:
        if not is_memory(torch, error):
            return {"error": "run", "message": f"{type(error).__name__}: {_line(error)}", "where": _where(error)}
        phase = run.phase if run is not None else "load"
        answer["oom"] = {"phase": phase, "message": str(error)[:2000], "where": _where(error)}
        if run is not None:
            run.meter.leave(phase, "out of memory")
    if run is not None:
        answer.update(_measured(run, answer["used_before_bytes"]))
    answer["seconds"] = round(time.perf_counter() - started, 3)
    answer["rss_bytes"] = _peak_rss()
    answer["versions"] = versions(torch, transformers)
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        answer["gpu"] = {"name": properties.name, "total_bytes": properties.total_memory,
                         "capability": [properties.major, properties.minor]}  # fmt: skip
        if plan.get("snapshot"):
            torch.cuda.memory._dump_snapshot(plan["snapshot"])
    return answer


def _measured(run: Any, used_before: int) -> dict[str, Any]:
    phases = run.meter.phases
    return {
        **run.figures, "phases": phases,
        "allocated_bytes": max((each["allocated_bytes"] for each in phases), default=0),
        "reserved_bytes": max((each["reserved_bytes"] for each in phases), default=0),
        "device_bytes": max(0, run.meter.device_bytes() - int(used_before or 0)), "notes": run.notes,
    }  # fmt: skip


def versions(torch: Any, transformers: Any) -> dict[str, Any]:
    """What the figures depend on."""
    found = {"torch": torch.__version__, "transformers": transformers.__version__, "cuda": torch.version.cuda,
             "python": sys.version.split()[0]}  # fmt: skip
    for name in ("accelerate", "bitsandbytes", "deepspeed", "flash_attn", "peft"):
        module = sys.modules.get(name)
        if module is not None:
            found[name] = str(getattr(module, "__version__", ""))
    return found


def _unusable(torch: Any, device: str) -> dict[str, Any] | None:
    """Why the device cannot be used, as an answer; None where it can."""
    if not device.startswith("cuda"):
        return None
    if torch.version.cuda is None:
        return {"error": "without_cuda", "message": "this torch is built without CUDA", "torch": torch.__version__}
    try:
        if torch.cuda.is_available():
            torch.cuda.init()
            torch.cuda.mem_get_info()
            return None
        torch.cuda.init()
    except Exception as error:
        text = str(error).lower()
        if not ("no nvidia driver" in text or "no cuda gpus" in text):
            return {"error": "driver", "message": _line(error)}
    return {"error": "no_gpu", "message": "torch sees no CUDA device"}


def _limit(torch: Any, plan: dict[str, Any], device: str) -> int:
    """Play a smaller card: cap this process, and say what others use.

    A card of a size holds this process's CUDA context too, which PyTorch's own limit does not count.
    """
    used = int(plan.get("used_before_bytes") or 0)
    if not device.startswith("cuda"):
        return used
    cap = plan.get("cap_bytes")
    free, total = torch.cuda.mem_get_info()
    if cap:
        context = min(max(0, total - free - used), 2 << 30)
        torch.cuda.set_per_process_memory_fraction(min(1.0, max(1, int(cap) - context) / total))
    if plan.get("snapshot"):
        torch.cuda.memory._record_memory_history(max_entries=1_000_000)
    return used


def is_memory(torch: Any, error: BaseException) -> bool:
    """Whether an error says that the device's memory ran out."""
    kinds = tuple(
        kind
        for kind in (getattr(torch.cuda, "OutOfMemoryError", None), getattr(torch, "OutOfMemoryError", None))
        if kind
    )
    text = str(error).lower()
    return isinstance(error, kinds) or "out of memory" in text or "cublas_status_alloc_failed" in text
