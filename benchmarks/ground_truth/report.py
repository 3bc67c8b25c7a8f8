"""How far dry run and closed form are from what was measured: per group, median and 95th percentile of both figures.

    python benchmarks/ground_truth/report.py [RECORDED.jsonl ...] --python ENV [--rows] [--json] [--no-dry-run]

Reads what record.py wrote; measures nothing. Errors are |predicted / measured - 1| in percent, of allocated and of
reserved bytes; `bias` is the median with its sign. Rows of the stand-in (--device cpu) are left out. A row that ran out
of memory has no figure: there it is only asked whether it was foretold.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from record import RECORDED, read, state

from oomdoc.memory.predict import predict
from oomdoc.memory.profile import MemoryProfile
from oomdoc.probe.dryrun import profile_of
from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import PlanError, plan_of

GIB = 1 << 30
METHODS = ("dry run", "closed form")
FIGURES = ("allocated", "reserved")
TARGETS = {"allocated": (2.0, 6.0), "reserved": (4.0, 10.0)}  # of the dry run: median, 95th percentile


class Compared(NamedTuple):
    """One recorded row and what each method says of it."""

    line: dict[str, Any]
    group: str
    profiles: dict[str, MemoryProfile]

    def error(self, method: str, figure: str) -> float | None:
        """Signed, in percent; None where the method has no answer."""
        profile, measured = self.profiles.get(method), self.line.get(f"{figure}_bytes")
        if profile is None or not measured:
            return None
        return 100.0 * (getattr(profile, f"{figure}_bytes") / measured - 1.0)


def main() -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recorded", type=Path, nargs="*", default=[RECORDED])
    parser.add_argument("--python", help="the environment of the dry runs, as of oomdoc dryrun")
    parser.add_argument("--rows", action="store_true", help="every row as well")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-dry-run", action="store_true", help="the closed form alone, in seconds")
    arguments = parser.parse_args()
    lines = [line for path in arguments.recorded for line in read(path)]
    measured = [line for line in lines if state(line) in ("measured", "oom") and not line.get("stand_in")]
    if not measured:
        left_out = f" ({len(lines)} lines are errors or of the stand-in)" if lines else ""
        print(f"no recorded figures to compare with{left_out}", file=sys.stderr)
        return 2
    rows = list(compare(measured, arguments.python, dry=not arguments.no_dry_run))
    summary = summarise(rows)
    if arguments.json:
        print(json.dumps(summary))
        return 0
    for text in (*([*table(rows), ""] if arguments.rows else []), *told(summary), *surprises(rows)):
        print(text)
    return 0


def group_of(facts: dict[str, Any]) -> str:
    """What a row is about, by its settings."""
    if facts.get("train.method") == "inference" or facts.get("eval.predict_with_generate"):
        return "generation"
    if facts.get("eval.strategy"):
        return "evaluation"
    if facts.get("train.num_images"):
        return "images"
    if facts.get("quant.bits"):
        return "quantised"
    if str(facts.get("train.optimizer")) not in ("adamw_torch", "None"):
        return "optimizers"
    return "lora" if facts.get("train.method") in ("lora", "dora") else "full"


def compare(lines: Iterable[dict[str, Any]], python: str | None, *, dry: bool) -> Iterator[Compared]:
    """Each recorded row with the predictions for that card and those versions."""
    worker: Worker | None = None
    try:
        for line in lines:
            versions, gpu = line.get("versions") or {}, line.get("gpu") or {}
            facts = {**line["facts"], "hardware.gpu_name": gpu.get("name"), "env.torch": versions.get("torch"),
                     "env.transformers": versions.get("transformers")}  # fmt: skip
            facts = {name: value for name, value in facts.items() if value is not None}
            profiles = {"closed form": predict(facts)}
            if dry:
                try:
                    plan = plan_of(facts)
                    worker = worker or Worker(python)
                    profiles["dry run"] = profile_of(plan, worker.ask(plan.job, 600.0))
                except (WorkerError, PlanError) as error:
                    print(f"{line['name']}: no dry run: {error}", file=sys.stderr)
                    if isinstance(error, WorkerError) and error.kind in ("time", "died", "environment") and worker:
                        worker.close()
                        worker = None
            yield Compared(line, group_of(line["facts"]), profiles)
    finally:
        if worker is not None:
            worker.close()


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summarise(rows: list[Compared]) -> list[dict[str, Any]]:
    """One entry for each group, method and figure; the group "all" last."""
    fitted = [row for row in rows if not row.line.get("oom")]
    groups = [*sorted({row.group for row in fitted}), "all"]
    out = []
    for group in groups:
        inside = [row for row in fitted if group in (row.group, "all")]
        for method in METHODS:
            for figure in FIGURES:
                errors = [error for row in inside if (error := row.error(method, figure)) is not None]
                if errors:
                    sizes = [abs(error) for error in errors]
                    out.append({"group": group, "method": method, "figure": figure, "rows": len(errors),
                                "median": round(statistics.median(sizes), 2), "p95": round(percentile(sizes, 0.95), 2),
                                "bias": round(statistics.median(errors), 2)})  # fmt: skip
    return out


def told(summary: list[dict[str, Any]]) -> Iterator[str]:
    """The summary as a table, and whether the dry run keeps its promise."""
    yield f"{'group':12} {'method':12} {'figure':10} {'rows':>4} {'median':>8} {'95th':>8} {'bias':>8}"
    for row in summary:
        yield (
            f"{row['group']:12} {row['method']:12} {row['figure']:10} {row['rows']:4} {row['median']:7.2f}% "
            f"{row['p95']:7.2f}% {row['bias']:+7.2f}%"
        )
    for row in summary:
        if row["group"] == "all" and row["method"] == "dry run":
            median, p95 = TARGETS[row["figure"]]
            kept = row["median"] <= median and row["p95"] <= p95
            yield f"dry run, {row['figure']}: {'within' if kept else 'beyond'} the promise of {median:g} % / {p95:g} %"


def surprises(rows: list[Compared]) -> Iterator[str]:
    """Rows that ran out of memory although they were predicted to fit the card."""
    for row in rows:
        if not row.line.get("oom"):
            continue
        total = int((row.line.get("gpu") or {}).get("total_bytes") or 0)
        for method, profile in row.profiles.items():
            if total and profile.high_bytes <= total:
                yield f"{row.line['name']}: out of memory, {method} said {profile.device_bytes / GIB:.2f} GiB"


def table(rows: list[Compared]) -> Iterator[str]:
    """Every row: allocated as measured, and both predictions with their errors."""
    yield f"{'configuration':48} {'measured':>9} {'dry run':>17} {'closed form':>17}"
    for row in rows:
        cells = [f"{row.line['name']:48} {row.line['allocated_bytes'] / GIB:9.3f}"]
        for method in METHODS:
            error = row.error(method, "allocated")
            profile = row.profiles.get(method)
            cells.append(
                f"{profile.allocated_bytes / GIB:9.3f} {error:+6.1f}%"
                if profile and error is not None
                else f"{'-':>17}"
            )
        yield " ".join(cells) + (" (out of memory)" if row.line.get("oom") else "")


if __name__ == "__main__":
    sys.exit(main())
