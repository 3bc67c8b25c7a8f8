"""Reads large inputs in a process of its own: a thread that reads a gigabyte keeps the interpreter lock from the keys.

The child speaks JSON lines: progress, then the case or what could not be read. It goes when it is told to, when it is
done, or when the parent is gone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from oomdoc.facts.case import Case
from oomdoc.ingest.errors import InputError
from oomdoc.ingest.read import read_inputs

Progress = Callable[[str, int, int], None]

# The child takes a quarter of a second to start; so long a thread may read.
_LARGE: Final = 12 << 20
_PACKED: Final = 8  # a compressed log is about this much longer
_NICE: Final = 5
_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from oomdoc.chat.aside import main; main()"


def read_beside(logs: Sequence[str], configs: Sequence[str], progress: Progress | None = None) -> Case:
    """As `read_inputs`, large inputs in a child. What `progress` raises ends the child; InputError as ever."""
    if progress is None or not _is_large(logs):
        return read_inputs(logs, configs=configs, progress=progress)
    case = _asked(logs, configs, progress)
    return case if case is not None else read_inputs(logs, configs=configs, progress=progress)


def _is_large(logs: Sequence[str]) -> bool:
    total = 0
    for log in logs:
        with suppress(OSError):
            size = Path(log).stat().st_size
            total += size * (_PACKED if Path(log).suffix in {".gz", ".bz2", ".xz", ".zst"} else 1)
    return total >= _LARGE


def _asked(logs: Sequence[str], configs: Sequence[str], progress: Progress) -> Case | None:
    """The child's case; None where there is no child or it died, which is no reason not to read."""
    package = str(Path(__file__).parents[2])
    try:
        child = subprocess.Popen(  # noqa: S603 (ourselves)
            [sys.executable, "-P", "-c", _START, package], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps({"logs": list(logs), "configs": list(configs)}).encode() + b"\n")
            child.stdin.flush()  # and stays open: its end tells the child that we are gone
        for line in child.stdout:
            heard: dict[str, Any] = json.loads(line)
            if "progress" in heard:
                name, done, total = heard["progress"]
                progress(name, done, total)
            elif "error" in heard:
                raise InputError(heard["error"])
            elif "case" in heard:
                return Case.model_validate_json(heard["case"])
        return None
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def main() -> None:
    """The child."""
    with suppress(OSError, AttributeError):
        os.nice(_NICE)  # the room's keys come first
    asked = json.loads(sys.stdin.buffer.readline())

    def answer(**said: Any) -> None:
        sys.stdout.buffer.write(json.dumps(said).encode() + b"\n")
        sys.stdout.buffer.flush()

    try:
        case = read_inputs(
            asked["logs"],
            configs=asked["configs"],
            progress=lambda name, done, total: answer(progress=[name, done, total]),
        )
    except InputError as error:
        answer(error=str(error))
    except BrokenPipeError:  # nobody listens any more
        os._exit(0)
    else:
        answer(case=case.model_dump_json(exclude_defaults=True))
