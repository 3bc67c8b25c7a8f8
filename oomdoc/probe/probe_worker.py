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
from typing import Any, TextIO

from oomdoc.probe.dryrun_worker import _line, _peak_rss, _where, _write


def main() -> None:
    """Answer the plan on standard input."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    line = sys.stdin.readline()
    if line.strip():
        _write(out, {"answer": probe(json.loads(line), out)})


def probe(plan: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Run the plan on its device. Running out of memory is a result, not an error."""
    started = time.perf_counter()

    def progress(stage: str) -> None:
        _write(out, {"progress": stage, "seconds": round(time.perf_counter() - started, 2)})

    progress("importing torch and transformers")
    try:
        import torch
        import transformers
    except Exception as error:
        return {"error": "environment", "message": f"{type(error).__name__}: {_line(error)}"}
    device = str(plan.get("device") or "cuda")
    if device.startswith("cuda") and not torch.cuda.is_available():
        return {"error": "no_gpu", "message": "torch sees no CUDA device"}
    from oomdoc.probe.build import CannotBuildError
    from oomdoc.probe.real_steps import RealRun

    answer: dict[str, Any] = {"error": None, "oom": None}
    run = RealRun(plan, progress)
    try:
        answer["used_before_bytes"] = _limit(torch, plan, device)
        run.execute()
    except CannotBuildError as error:
        return {"error": "build", "message": str(error)}
    except Exception as error:
        if not _is_memory(torch, error):
            return {"error": "run", "message": f"{type(error).__name__}: {_line(error)}", "where": _where(error)}
        answer["oom"] = {"phase": run.phase, "message": str(error)[:2000], "where": _where(error)}
        run.meter.leave(run.phase, "out of memory")
    answer.update(run.figures)
    answer["phases"] = run.meter.phases
    answer["allocated_bytes"] = max((each["allocated_bytes"] for each in run.meter.phases), default=0)
    answer["reserved_bytes"] = max((each["reserved_bytes"] for each in run.meter.phases), default=0)
    answer["device_bytes"] = max(0, run.meter.device_bytes() - int(answer["used_before_bytes"] or 0))
    answer["notes"] = run.notes
    answer["seconds"] = round(time.perf_counter() - started, 3)
    answer["rss_bytes"] = _peak_rss()
    answer["versions"] = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda,
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(0)
        answer["gpu"] = {"name": properties.name, "total_bytes": properties.total_memory,
                         "capability": [properties.major, properties.minor]}  # fmt: skip
        if plan.get("snapshot"):
            torch.cuda.memory._dump_snapshot(plan["snapshot"])
    return answer


def _limit(torch: Any, plan: dict[str, Any], device: str) -> int:
    """Play a smaller card: cap this process, and say what others use."""
    if not device.startswith("cuda"):
        return 0
    used = int(plan.get("used_before_bytes") or 0)
    cap = plan.get("cap_bytes")
    total = torch.cuda.get_device_properties(0).total_memory
    if cap:
        torch.cuda.set_per_process_memory_fraction(min(1.0, int(cap) / total), 0)
    if plan.get("snapshot"):
        torch.cuda.memory._record_memory_history(max_entries=1_000_000)
    return used


def _is_memory(torch: Any, error: BaseException) -> bool:
    kinds = tuple(
        kind
        for kind in (getattr(torch.cuda, "OutOfMemoryError", None), getattr(torch, "OutOfMemoryError", None))
        if kind
    )
    return isinstance(error, kinds) or "out of memory" in str(error).lower()
