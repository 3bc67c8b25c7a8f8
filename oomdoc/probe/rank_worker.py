"""One rank of a probe over several cards, in the training interpreter, under the run's own launcher.

Reads the plan from `job.json` in the probe's folder and writes what it does to `rank-N.jsonl` there. A rank that fails
says so and waits to be ended, so that its launcher does not end the others before they have spoken. Python 3.9+.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

from oomdoc.probe.probe_worker import probe, quiet


def main(folder: Path) -> None:
    """Run this rank's share; RANK, LOCAL_RANK and WORLD_SIZE come from the launcher."""
    quiet()
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    threading.Thread(target=_watch, args=(folder, int(job["driver"]), float(job["limit"])), daemon=True).start()
    with (folder / f"rank-{rank}.jsonl").open("a", encoding="utf-8") as out:
        lock = threading.Lock()

        def tell(message: dict[str, Any]) -> None:
            with lock:
                out.write(json.dumps(message) + "\n")
                out.flush()

        tell({"rank": rank, "pid": os.getpid()})
        answer = probe(_share(job["plan"], rank, local), tell, lambda device: _join(device, float(job["limit"])))
        tell({"answer": answer})
    if answer.get("error") or answer.get("oom"):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:  # the watch or the driver ends it
            time.sleep(1.0)
    _leave()


def _share(plan: dict[str, Any], rank: int, local: int) -> dict[str, Any]:
    """The plan with this rank's card; `caps` and `used` list bytes for each local rank."""
    out = dict(plan)
    if str(plan.get("device") or "cuda").startswith("cuda"):
        out["device"] = f"cuda:{local}"
        import contextlib

        with contextlib.suppress(Exception):  # what is wrong with the device is said later, and in words
            import torch

            torch.cuda.set_device(local)
    out["cap_bytes"] = (plan.get("caps") or [plan.get("cap_bytes")] * (local + 1))[local]
    out["used_before_bytes"] = (plan.get("used") or [0] * (local + 1))[local]
    if rank:
        out["snapshot"] = None
    return out


def _join(device: str, limit: float) -> None:
    """The process group. DeepSpeed and FSDP take the one that is there."""
    from datetime import timedelta

    import torch

    backend = "nccl" if device.startswith("cuda") else "gloo"
    torch.distributed.init_process_group(backend, timeout=timedelta(seconds=limit + 60.0))


def _leave() -> None:
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _watch(folder: Path, driver: int, limit: float) -> None:
    """End this rank where nobody waits for it any longer: the driver or its folder is gone, or the time is up.

    A driver that was killed could not remove its folder, so the ranks do.
    """
    end = time.monotonic() + limit + 30.0
    while time.monotonic() < end and (folder / "job.json").exists() and _lives(driver):
        time.sleep(0.5)
    if not _lives(driver):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(9)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
