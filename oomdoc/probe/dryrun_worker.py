"""The dry run in the training interpreter: plans in as JSON lines, progress and one answer a plan out as JSON lines.

Needs Python 3.9+, torch 2.1+, transformers 4.40+; peft where LoRA is asked for.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any, TextIO


def main() -> None:
    """Answer every plan on standard input; standard output carries nothing but the protocol."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the model's own code prints must not break the protocol
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for line in sys.stdin:
        if line.strip():
            _write(out, {"answer": _answer(json.loads(line), out)})


def _write(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _answer(plan: dict[str, Any], out: TextIO) -> dict[str, Any]:
    started = time.perf_counter()

    def progress(stage: str) -> None:
        _write(out, {"progress": stage, "seconds": round(time.perf_counter() - started, 2)})

    progress("importing torch and transformers")
    try:
        import torch

        torch.set_num_threads(1)
        import transformers
    except Exception as error:
        return {"error": "environment", "message": f"{type(error).__name__}: {_line(error)}"}
    from oomdoc.probe.answer import answer
    from oomdoc.probe.build import CannotBuildError
    from oomdoc.probe.fake import NoFakeKernelError
    from oomdoc.probe.steps import Run

    run = Run(plan, progress)
    try:
        run.execute()
    except CannotBuildError as error:
        return {"error": "build", "message": str(error)}
    except NoFakeKernelError as error:
        return {"error": "operator", "operator": error.op, "message": str(error), "where": _where(error)}
    except Exception as error:
        return {"error": "run", "message": f"{type(error).__name__}: {_line(error)}", "where": _where(error)}
    progress("replaying the allocator")
    result = answer(run)
    result["seconds"] = round(time.perf_counter() - started, 3)
    result["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    result["rss_bytes"] = _peak_rss()
    del run
    gc.collect()
    return result


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:400]


def _where(error: BaseException) -> str:
    """The last line of model code on the way to an error."""
    import traceback

    frames: list[Any] = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/oomdoc/" not in f.filename and f"{os.sep}torch{os.sep}" not in f.filename]
    return f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else ""


def _peak_rss() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
