"""The dry run against published, measured peaks, beside the closed form on the same rows.

    python benchmarks/dryrun_published.py --python .venv-torch [--rows 80] [--source litgpt] [--split core]

Reads the table of published figures beside the project and says so where it is not there. Rows that differ only in the
figure are run once; `--rows` takes that many, evenly over the sources.
"""

import argparse
import csv
import importlib.util
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from oomdoc.memory.predict import answer as closed_form
from oomdoc.probe.table import answers

BENCH = Path(__file__).resolve().parent.parent.parent / "shared" / "bench"


def scorer() -> Any:
    """The scorer that turns a row into canonical facts."""
    spec = importlib.util.spec_from_file_location("score_memory", BENCH / "score_memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chosen(rows: list[dict[str, str]], limit: int) -> list[dict[str, str]]:
    """At most `limit` rows, taken from each source in turn, spread over its length."""
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups[row["source"]].append(row)
    share = max(1, limit // max(1, len(groups)))
    out = []
    for group in groups.values():
        step = max(1, len(group) // share)
        out += group[::step][:share]
    return out


def summary(name: str, errors: list[float]) -> str:
    if not errors:
        return f"{name:44} no answer"
    sizes = sorted(abs(error) for error in errors)
    return (
        f"{name:44} n {len(errors):3d}  median {100 * statistics.median(sizes):5.1f} %  "
        f"mean {100 * statistics.mean(sizes):5.1f} %  "
        f"p90 {100 * sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))]:5.1f} %  "
        f"bias {100 * statistics.mean(errors):+6.1f} %  "
        f"too low by >5 % {100 * sum(error < -0.05 for error in errors) / len(errors):3.0f} %"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    parser.add_argument("--rows", type=int, default=80)
    parser.add_argument("--source", default="")
    parser.add_argument("--split", default="core")
    parser.add_argument("--table", type=Path, default=BENCH / "published_memory_dev.csv")
    arguments = parser.parse_args()
    if not arguments.table.exists():
        print("the table of published figures is not here: skipped")
        return 0
    score = scorer()
    with arguments.table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] in arguments.split.split(",")]
    rows = [row for row in rows if row["source"].startswith(arguments.source) and score.facts(row)]
    rows = chosen(rows, arguments.rows)
    facts = [score.facts(row) for row in rows]
    both: dict[str, list[list[float]]] = defaultdict(lambda: [[], []])
    refused = 0
    print(f"{'row':10} {'measured':>9} {'dry run':>9} {'closed':>9}  facts")
    for row, given, dry in zip(
        rows, facts, answers(((each, None) for each in facts), python=arguments.python), strict=True
    ):
        measured = float(row["measured_gib"])
        seen = score.told(row, dry["memory"] or {})
        if seen is None:
            refused += 1
            print(f"{row['id']:10} {measured:9.2f} {'-':>9} {'':>9}  {dry['error']}", flush=True)
            continue
        known = score.told(row, closed_form(given)["memory"] or {})
        print(
            f"{row['id']:10} {measured:9.2f} {seen:9.2f} {known or 0:9.2f}  {row['model']} {row['method']}", flush=True
        )
        both[row["source"]][0].append(seen / measured - 1)
        if known:
            both[row["source"]][1].append(known / measured - 1)
    for source, (dry_errors, closed_errors) in sorted(both.items()):
        print(summary(f"{source[:32]} dry run", dry_errors))
        print(summary(f"{source[:32]} closed form", closed_errors))
    print(summary("all dry run", [error for pair in both.values() for error in pair[0]]))
    print(summary("all closed form", [error for pair in both.values() for error in pair[1]]))
    print(f"{refused} of {len(rows)} rows could not be expressed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
