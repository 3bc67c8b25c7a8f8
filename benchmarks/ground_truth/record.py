"""Measure the matrix on this machine's GPU and record it; compare dry run and closed form with what was recorded.

    python benchmarks/ground_truth/record.py measure --python ENV [--out FILE] [--only WORD] [--device N] [--timeout S]
    python benchmarks/ground_truth/record.py compare --python ENV [--recorded FILE]
    python benchmarks/ground_truth/record.py list

`measure` runs each configuration through `oomdoc probe`'s own worker and appends one JSON line with versions; a rerun
goes on where it stopped. Without a GPU it says so and exits 2.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from matrix import rows

from oomdoc.memory.predict import predict
from oomdoc.probe.dryrun import dry_run
from oomdoc.probe.gpu_probe import RefusedError, cards, probe
from oomdoc.probe.host import WorkerError
from oomdoc.probe.plan import PlanError

RECORDED = Path(__file__).parent / "recorded.jsonl"
GIB = 1 << 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "compare", "list"])
    parser.add_argument("--python")
    parser.add_argument("--recorded", "--out", type=Path, default=RECORDED)
    parser.add_argument("--only", default="")
    parser.add_argument("--device", type=int)
    parser.add_argument("--timeout", type=float, default=300)
    arguments = parser.parse_args()
    chosen = [(name, facts) for name, facts in rows() if arguments.only in name]
    if arguments.what == "list":
        for name, facts in chosen:
            print(name, json.dumps(facts))
        return 0
    return measure(chosen, arguments) if arguments.what == "measure" else compare(dict(chosen), arguments)


def measure(chosen: list[tuple[str, dict[str, Any]]], arguments: argparse.Namespace) -> int:
    if not cards():
        print("no GPU here: nothing was measured", file=sys.stderr)
        return 2
    known = {line["name"] for line in read(arguments.recorded)}
    for name, facts in chosen:
        if name in known:
            continue
        record: dict[str, Any] = {"name": name, "facts": facts}
        try:
            found = probe(facts, python=arguments.python, device=arguments.device, timeout=arguments.timeout, yes=True)
        except (RefusedError, WorkerError, PlanError) as error:
            record["error"] = str(error)
        else:
            keep = (
                "phases",
                "allocated_bytes",
                "reserved_bytes",
                "device_bytes",
                "parameters",
                "oom",
                "notes",
                "versions",
                "gpu",
                "seconds",
            )
            record |= {key: found.answer.get(key) for key in keep}
        with arguments.recorded.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")
        print(f"{name:48} {record.get('error') or round(record['allocated_bytes'] / GIB, 3)}", flush=True)
    return 0


def compare(facts: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> int:
    recorded = [
        line
        for line in read(arguments.recorded)
        if line["name"] in facts and not line.get("error") and not line.get("oom")
    ]
    if not recorded:
        print("no recorded figures to compare with", file=sys.stderr)
        return 2
    errors: dict[str, list[float]] = {
        "dry run allocated": [],
        "dry run reserved": [],
        "closed form allocated": [],
        "closed form reserved": [],
    }
    print(f"{'configuration':48} {'measured':>9} {'dry run':>9} {'closed':>9}")
    for line in recorded:
        given = {**facts[line["name"]], "hardware.gpu_name": line["gpu"]["name"]}
        dry = dry_run(given, python=arguments.python).profile
        closed = predict(given)
        for label, profile in (("dry run", dry), ("closed form", closed)):
            errors[f"{label} allocated"].append(profile.allocated_bytes / line["allocated_bytes"] - 1)
            errors[f"{label} reserved"].append(profile.reserved_bytes / line["reserved_bytes"] - 1)
        print(
            f"{line['name']:48} {line['allocated_bytes'] / GIB:9.3f} {dry.allocated_bytes / GIB:9.3f} "
            f"{closed.allocated_bytes / GIB:9.3f}",
            flush=True,
        )
    for label, found in errors.items():
        sizes = sorted(abs(error) for error in found)
        print(
            f"{label:24} median {100 * statistics.median(sizes):5.2f} %  "
            f"95th {100 * sizes[int(0.95 * (len(sizes) - 1))]:5.2f} %  n {len(sizes)}"
        )
    return 0


def read(path: Path) -> list[dict[str, Any]]:
    """The recorded lines, none where the file is absent."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
