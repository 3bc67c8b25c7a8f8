"""The closed form against measured figures: published tables, and recorded dry runs.

    python benchmarks/memory_accuracy.py [--rows ../shared/bench/published_memory_dev.csv] [--dry-runs FILE.jsonl]

Published rows are asked exactly as bench/score_memory.py asks them (facts only: source, precision, lengths as the table
gives them). Printed per source: median and 95th percentile error, bias, how often the interval holds the figure;
then the worst rows with what the model believed. Dry runs are JSON Lines of {"facts", "allocated", "device"}.
Skips quietly what is not there.
"""

import argparse
import collections
import csv
import importlib.util
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from oomdoc.memory.predict import answer

GIB = 1 << 30
SHARED = Path(__file__).parent.parent.parent / "shared" / "bench"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=SHARED / "published_memory_dev.csv")
    parser.add_argument("--scorer", type=Path, default=SHARED / "score_memory.py")
    parser.add_argument("--dry-runs", type=Path)
    parser.add_argument("--split", default="core,extra")
    parser.add_argument("--worst", type=int, default=10)
    given = parser.parse_args()
    if given.rows.is_file() and given.scorer.is_file():
        published(given.rows, given.scorer, given.split.split(","), given.worst)
    else:
        print(f"no rows at {given.rows}: skipped", file=sys.stderr)
    if given.dry_runs:
        dry_runs(given.dry_runs)
    return 0


def published(rows: Path, scorer: Path, splits: list[str], worst: int) -> None:
    """Error per source, and the worst rows with their facts."""
    ask = load(scorer)
    found: dict[str, list[tuple[float, bool, str]]] = collections.defaultdict(list)
    unanswered: collections.Counter[str] = collections.Counter()
    for row in csv.DictReader(rows.open(encoding="utf-8")):
        facts = ask.facts(row) if row["split"] in splits else None
        if facts is None:
            continue
        memory = answer(facts)["memory"]
        told = ask.told(row, memory) if memory else None
        source = f"{row['split']}: {row['source']}"
        if memory is None or told is None:
            unanswered[source] += 1
            continue
        measured = float(row["measured_gib"])
        inside = memory["low_bytes"] / GIB <= measured <= memory["high_bytes"] / GIB
        shown = f"{row['id']:9} measured {measured:6.2f} predicted {told:6.2f}  {json.dumps(facts)[:170]}"
        found[source].append((told / measured - 1, inside, shown))
    for source, errors in sorted(found.items()):
        line(source, errors, unanswered[source])
    for split in splits:
        every = [each for source, errors in found.items() if source.startswith(f"{split}:") for each in errors]
        line(f"all {split}", every, sum(n for source, n in unanswered.items() if source.startswith(f"{split}:")))
    print()
    every = [each for errors in found.values() for each in errors]
    for error, _, shown in sorted(every, key=lambda each: -abs(each[0]))[:worst]:
        print(f"{100 * error:+7.1f} %  {shown}")


def dry_runs(path: Path) -> None:
    """Error against the dry run's own allocated bytes, and whether the interval holds its device figure."""
    errors = []
    for text in path.read_text(encoding="utf-8").splitlines():
        record: dict[str, Any] = json.loads(text)
        memory = answer(record["facts"])["memory"]
        if memory is None:
            continue
        inside = memory["low_bytes"] <= record["device"] <= memory["high_bytes"]
        errors.append((memory["allocated_bytes"] / record["allocated"] - 1, inside, str(record["facts"])))
    line("dry runs", errors, 0)
    for error, _, shown in sorted(errors, key=lambda each: -abs(each[0]))[:5]:
        print(f"{100 * error:+7.1f} %  {shown[:170]}")


def line(name: str, errors: list[tuple[float, bool, str]], unanswered: int) -> None:
    """One row of the table."""
    if not errors:
        print(f"{name:52} no answer for {unanswered}")
        return
    sizes = sorted(abs(error) for error, _, _ in errors)
    p95 = sizes[min(len(sizes) - 1, int(0.95 * len(sizes)))]
    inside = sum(held for _, held, _ in errors) / len(errors)
    bias = statistics.mean(error for error, _, _ in errors)
    counted = f"n {len(errors):4d} (+{unanswered} unanswered)"
    figures = f"median {100 * statistics.median(sizes):5.1f} %  p95 {100 * p95:6.1f} %  bias {100 * bias:+6.1f} %"
    print(f"{name:52} {counted}  {figures}  interval holds {100 * inside:3.0f} %")


def load(path: Path) -> Any:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
