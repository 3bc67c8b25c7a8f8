"""How good the diagnosis is on a folder of labelled reports, and whether its probabilities mean what they say.

Run by hand: `python benchmarks/diagnosis_quality.py [FOLDER] [--failures]`; FOLDER holds one folder a case with
report.txt and label.json (is_oom, memory, primary, acceptable). Skips where there is none; asserts nothing.
"""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oomdoc.engine.diagnosis import Diagnosis, diagnose_case
from oomdoc.ingest.read import read_inputs

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "dev"
BINS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.01)
UNKNOWN = "insufficient-information"


@dataclass(frozen=True)
class Result:
    """One case: its label beside what was said."""

    name: str
    label: dict[str, Any]
    found: Diagnosis

    @property
    def causes(self) -> list[str]:
        """The causes named, best first."""
        return [finding.rule.cause for finding in self.found.findings]

    @property
    def first(self) -> str:
        """The first cause, or that nothing can be told."""
        return self.causes[0] if self.causes else UNKNOWN

    @property
    def sure(self) -> bool:
        """Whether the first cause is held likely or better."""
        return bool(self.causes) and self.found.findings[0].standing != "possible"


def share(name: str, right: list[bool]) -> None:
    """One line of the table."""
    print(f"  {name:22} {sum(right):4} of {len(right):4}   {100 * sum(right) / max(len(right), 1):5.1f} %")


def table(results: list[Result]) -> None:
    oom = [one for one in results if one.label["is_oom"]]
    told = [one for one in results if one.label["primary"] != UNKNOWN]
    share("verdict", [(one.found.verdict.outcome == "oom") is bool(one.label["is_oom"]) for one in results])
    share("memory", [one.found.verdict.memory == one.label["memory"] for one in oom])
    share("first is acceptable", [one.first in one.label["acceptable"] for one in results])
    share("first is the labelled", [one.first == one.label["primary"] for one in told])
    share("labelled in three", [one.label["primary"] in one.causes[:3] for one in told])
    share("sure and wrong", [one.sure and one.first not in one.label["acceptable"] for one in results])


def calibration(results: list[Result]) -> None:
    """How often a first cause told with some probability is one an expert accepts."""
    print("\n  told         cases   right")
    binned: dict[float, list[bool]] = defaultdict(list)
    for one in results:
        if one.found.findings:
            probability = one.found.findings[0].probability
            binned[next(high for high in BINS if probability < high)].append(one.first in one.label["acceptable"])
    for low, high in zip((0.0, *BINS), BINS, strict=False):
        if right := binned.get(high):
            print(f"  {low:.1f} to {min(high, 1):.1f}   {len(right):5}   {100 * sum(right) / len(right):4.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=CORPUS)
    parser.add_argument("--failures", action="store_true", help="name the cases whose first cause nobody accepts")
    options = parser.parse_args()
    labels = sorted(options.folder.glob("*/label.json"))
    if not labels:
        sys.exit(f"skipped: no labelled reports in {options.folder}")
    results = []
    for path in labels:
        label = json.loads(path.read_text(encoding="utf-8"))
        found = diagnose_case(read_inputs([str(path.with_name("report.txt"))]))
        results.append(Result(path.parent.name, label, found))
    print(f"{len(results)} reports")
    table(results)
    calibration(results)
    if options.failures:
        print()
        for one in results:
            if one.first not in one.label["acceptable"]:
                print(f"  {one.name:48} {one.label['primary']:28} told {one.first}{' (sure)' if one.sure else ''}")


if __name__ == "__main__":
    main()
