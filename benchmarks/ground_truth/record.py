"""Measure the matrix on this machine's GPU and record it, one JSON line a configuration.

    python benchmarks/ground_truth/record.py --python ENV [--out FILE] [--only WORD] [--limit-seconds S] [--device N]
    python benchmarks/ground_truth/record.py --list

Each configuration is run by the probe's own worker in a process of its own. A rerun goes on where the last one
stopped: rows in the file are not measured again, the line of each is on the disk before the next begins, and no row is
begun that the time left does not hold. Without a GPU it says so and exits 2; interrupted it exits 130, out of time 0.

`--device cpu` runs the same path without a GPU, to see that it works: tensors are counted by a stand-in, and the rows
are marked so that no report takes them for measurements.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from matrix import rows

from oomdoc import __version__
from oomdoc.probe.cards import RefusedError, usable
from oomdoc.probe.gpu_probe import ended, probe
from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import PlanError, plan_of

RECORDED = Path(__file__).parent / "recorded.jsonl"
GIB = 1 << 30
_LEAST = 20.0  # seconds without which no row is begun: importing torch alone takes some
_KEPT = ("phases", "allocated_bytes", "reserved_bytes", "device_bytes", "parameters", "class", "oom", "ending", "notes",
         "versions", "gpu", "seconds", "attention")  # fmt: skip


def main() -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the training environment, as of oomdoc probe")
    parser.add_argument("--out", type=Path, default=RECORDED)
    parser.add_argument("--only", action="append", default=[], help="rows whose name holds this; may be repeated")
    parser.add_argument("--device", help="number of the GPU, else the freest; or cpu")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a row")
    parser.add_argument(
        "--limit-seconds", type=float, help="seconds in all: rows that do not fit in are left for later"
    )
    parser.add_argument(
        "--again", choices=["errors", "all"], help="measure these again; their old lines stay, new ones count"
    )
    parser.add_argument("--list", action="store_true", help="print the rows and what of them is recorded")
    arguments = parser.parse_args()
    chosen = [row for row in rows() if not arguments.only or any(word in row[0] for word in arguments.only)]
    known = {line["name"]: line for line in read(arguments.out)}
    if arguments.list:
        for name, facts in chosen:
            print(f"{state(known.get(name)):9} {name:48} {json.dumps(facts)}")
        return 0
    wanted = [row for row in chosen if is_wanted(known.get(row[0]), arguments.again)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the row in progress is ended and cleaned up
    try:
        return measure(wanted, arguments)
    except KeyboardInterrupt:
        print("interrupted: what was measured is recorded", file=sys.stderr)
        return 130


def state(line: dict[str, Any] | None) -> str:
    """A recorded line in a word."""
    if line is None:
        return "-"
    return "error" if line.get("error") else "oom" if line.get("oom") else "ended" if line.get("ending") else "measured"


def is_wanted(line: dict[str, Any] | None, again: str | None) -> bool:
    """Whether a row is still to be measured."""
    return line is None or again == "all" or (again == "errors" and state(line) in ("error", "ended"))


def measure(wanted: list[tuple[str, dict[str, Any]]], arguments: argparse.Namespace) -> int:
    """Measure row by row and write each at once."""
    if arguments.device != "cpu":
        try:
            usable()
        except RefusedError as error:
            print(f"no GPU can be used here ({error.reason}): nothing was measured", file=sys.stderr)
            return 2
    started = time.monotonic()
    about = {"driver": None if arguments.device == "cpu" else driver(), "oomdoc": __version__}
    for number, (name, facts) in enumerate(wanted):
        left = (
            float("inf") if arguments.limit_seconds is None else arguments.limit_seconds - (time.monotonic() - started)
        )
        if left < _LEAST:
            print(f"out of time: {len(wanted) - number} rows are left for another call", file=sys.stderr)
            return 0
        record = {"name": name, "facts": facts, **about, "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")}
        cut = left < arguments.timeout
        record |= one(facts, arguments, min(arguments.timeout, left))
        if cut and (record.get("ending") or {}).get("kind") == "time":  # our own limit ended it: it says nothing
            print(f"out of time within {name}: {len(wanted) - number} rows are left for another call", file=sys.stderr)
            return 0
        append(arguments.out, record)
        shown = record.get("error") or f"{record['allocated_bytes'] / GIB:8.3f} GiB {state(record)}"
        print(f"{number + 1:3}/{len(wanted)} {name:48} {shown}", flush=True)
    return 0


def one(facts: dict[str, Any], arguments: argparse.Namespace, timeout: float) -> dict[str, Any]:
    """What is recorded of one configuration: its measured figures, or why there are none."""
    try:
        if arguments.device == "cpu":
            answer = on_cpu(facts, arguments.python, timeout)
        else:
            device = int(arguments.device) if arguments.device else None
            answer = probe(facts, python=arguments.python, device=device, timeout=timeout).answer
    except (RefusedError, WorkerError, PlanError, ValueError) as error:
        return {"error": str(error)}
    return {name: answer[name] for name in _KEPT if name in answer} | (
        {"stand_in": True} if arguments.device == "cpu" else {}
    )


def on_cpu(facts: dict[str, Any], python: str | None, timeout: float) -> dict[str, Any]:
    """The worker's whole path without a GPU. The figures are a stand-in's."""
    job = {**plan_of(facts).job, "device": "cpu"}
    with Worker(python, "probe_worker") as worker:
        try:
            return worker.ask(job, timeout)
        except WorkerError as error:
            if error.kind not in ("died", "time"):
                raise
            return ended(error)


def driver() -> str | None:
    """The driver's version."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True,
            timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.splitlines() or [""])[0].strip() or None


def read(path: Path) -> list[dict[str, Any]]:
    """The recorded lines, of a row measured twice the later; a line cut off is skipped. None where there is no file."""
    if not path.exists():
        return []
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "name" in record:
            found[record["name"]] = record
    return list(found.values())


def append(path: Path, record: dict[str, Any]) -> None:
    """One line, on the disk before this returns; a line that a killed call left unended is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as out:
        if out.tell():
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":
                out.write(b"\n")
        out.write(json.dumps(record).encode() + b"\n")
        out.flush()
        os.fsync(out.fileno())


if __name__ == "__main__":
    sys.exit(main())
