"""How long a key waits for its echo in the real room, in a pseudo-terminal: at rest, while a 1 GB log is read, while a
dry run works beside it, and with every core of the machine taken by somebody else.

The log is a sparse file (64 KiB of text in every MiB) and goes away afterwards. A dry run needs the interpreter of a
training environment. Prints one JSON object; times in milliseconds. Run it from a checkout:
python benchmarks/tui_keystroke.py --python ~/venvs/train/bin/python
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tui_first_frame import DRAWN, ROOT, Room

LINE = b"{'loss': 1.7342, 'grad_norm': 18.21, 'learning_rate': 6.17e-08, 'epoch': 0.01, 'memory(GiB)': 71.2}\n"
WORD = "qzxvjkwyfhbgmupd"
PAUSE = 0.04  # seconds between an echo and the next key
MISSED = 5.0


def big_log(path: Path, size: int) -> None:
    """Text, holes, and the end of a real run."""
    tail = (ROOT / "examples" / "minimind" / "train.log").read_bytes()
    piece = LINE * ((64 << 10) // len(LINE))
    with path.open("wb") as out:
        out.write(LINE * ((4 << 20) // len(LINE)))
        for at in range(4 << 20, size - len(tail) - (1 << 20), 1 << 20):
            out.seek(at)
            out.write(piece)
        out.seek(size - len(tail) - 1)
        out.write(b"\n" + tail)


def press(room: Room, count: int, still: Any = None) -> list[float]:
    """Seconds from each key to its echo; ends early where `still` says that the work is over."""
    waits = []
    for number in range(count):
        if still is not None and not still():
            break
        key = WORD[number % len(WORD)]
        mark, start = len(room.seen), time.perf_counter()
        room.type(key)
        while key.encode() not in room.seen[mark:] and time.perf_counter() - start < MISSED:
            room.pump(0.001)
        waits.append(time.perf_counter() - start)
        end = time.perf_counter() + PAUSE
        while time.perf_counter() < end:
            room.pump(0.01)
        if number % len(WORD) == len(WORD) - 1:  # an empty line again: a long one scrolls
            room.type("\x15")
            room.pump(0.05)
    return waits


def told(waits: list[float]) -> dict[str, float]:
    ranked = sorted(1000 * wait for wait in waits)
    if not ranked:
        return {"keys": 0}
    at = [ranked[min(int(share * len(ranked)), len(ranked) - 1)] for share in (0.5, 0.95)]
    return {
        "keys": len(ranked), "median": round(at[0], 1), "p95": round(at[1], 1), "worst": round(ranked[-1], 1),
    }  # fmt: skip


def at_rest(count: int) -> list[float]:
    room = Room(ROOT / "examples" / "minimind", "--lang", "en")
    room.wait_for(b"You can say", 20)
    waits = press(room, count)
    room.close()
    return waits


def reading(log: Path, count: int) -> tuple[list[float], bool]:
    """While the log is read; whether it still was when the last key came."""
    room = Room(log.parent, log.name, "--lang", "en")
    room.wait_for(DRAWN, 20)
    waits = press(room, count, lambda: b"out of GPU memory" not in room.seen)
    still = b"out of GPU memory" not in room.seen
    room.close()
    return waits, still


def verifying(count: int, python: str) -> list[float]:
    """While a dry run works that the room itself has started."""
    room = Room(ROOT / "examples" / "llamafactory-qwen2.5-vl", "--lang", "en", "--python", python)
    room.wait_for(b"You can say", 20)
    for line in ("plans", "verify"):
        room.type(f"{line}\r")
        for _ in range(30):
            room.pump(0.05)
    waits = press(room, count, lambda: b"erified" not in room.seen)
    room.close()
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log-bytes", type=int, default=1 << 30)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--python", help="interpreter of a training environment, for the dry run")
    given = parser.parse_args()
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    found["at rest"] = told(at_rest(given.presses))
    with tempfile.TemporaryDirectory() as name, ExitStack() as beside:
        log = Path(name) / "train.log"
        big_log(log, given.log_bytes)

        def measure(title: str) -> None:
            waits, still = reading(log, given.presses)
            found[title] = {**told(waits), "still reading at the end": still}

        measure("reading")
        if given.python:
            found["a dry run in the room"] = told(verifying(given.presses, given.python))
            dry = [sys.executable, "-m", "oomdoc", "dryrun", "--model", "Qwen2.5-7B", "--python", given.python]
            loop = f"import subprocess\nwhile True: subprocess.run({dry!r}, capture_output=True)"
            beside.enter_context(_running([sys.executable, "-c", loop]))
            measure("reading, a dry run beside it")
        for _ in range(os.cpu_count() or 1):
            beside.enter_context(_running([sys.executable, "-c", "while True: pass"]))
        measure("reading, and every core taken")
    found["load_after"] = os.getloadavg()[0]
    print(json.dumps(found, indent=1))


class _running:  # noqa: N801 (reads as a verb in a with statement)
    def __init__(self, command: list[str]) -> None:
        self._command = command

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, start_new_session=True)

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, 9)
        self._process.wait()


if __name__ == "__main__":
    main()
