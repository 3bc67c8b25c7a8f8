"""How well utterances are understood on labelled suites that nobody tuned for: intents, facts taken and facts misread.

Run by hand: `python benchmarks/utterance_quality.py SUITE.jsonl... [--failures] [--ask N]`. A line of a suite is
{"text", "intent": [acceptable...], "facts": {must be taken}, "optional_facts": {may be}, "drops": [...]}. A fact is
wrong where it has another value than its label, or no label at all. Asserts nothing.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oomdoc.chat import grammar
from oomdoc.chat.features import features
from oomdoc.chat.spell import corrected
from oomdoc.chat.understand import understand
from oomdoc.chat.weigh import telling

READ_BY_READERS = "paste"  # what a paste states is the business of the readers of logs and commands


@dataclass
class Result:
    """One line beside what was understood."""

    line: dict[str, Any]
    intent: str
    facts: dict[str, Any]
    drops: list[str]
    seconds: float
    wrong: dict[str, Any] = field(init=False)
    missed: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Compare the facts with the label."""
        must, may = self.line.get("facts", {}), self.line.get("optional_facts", {})
        allowed = {**may, **must}
        pasted = self.intent == READ_BY_READERS
        self.wrong = {
            name: value
            for name, value in self.facts.items()
            if not (name in allowed and same(allowed[name], value)) and not (pasted and name not in allowed)
        }
        self.missed = [name for name in must if name not in self.facts]

    @property
    def right(self) -> bool:
        """Whether the intent is one of the acceptable."""
        return self.intent in self.line["intent"]


def same(told: object, taken: object) -> bool:
    """Equal values; names of cards and models by their letters and digits, numbers by value."""
    if isinstance(told, str) and isinstance(taken, str):
        left, right = (re.sub(r"nvidia|geforce|rtx|[^a-z0-9.]", "", value.lower()) for value in (told, taken))
        return left == right
    return told == taken


def lines_of(paths: list[Path]) -> list[dict[str, Any]]:
    """The lines of all suites."""
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines() if line.strip()]


def measured(line: dict[str, Any]) -> Result:
    """One line understood, in this process."""
    start = time.perf_counter()
    found = understand(line["text"])
    return Result(line, found.intent, dict(found.facts), list(found.drops), time.perf_counter() - start)


def table(results: list[Result]) -> None:
    """The figures."""
    by_intent: dict[str, list[bool]] = defaultdict(list)
    for one in results:
        by_intent[one.line["intent"][0]].append(one.right)
    for intent, right in sorted(by_intent.items()):
        print(f"  {intent:12} {sum(right):4} of {len(right):4}")
    confused = Counter((one.line["intent"][0], one.intent) for one in results if not one.right)
    print("confused:", ", ".join(f"{told}->{taken} {count}" for (told, taken), count in confused.most_common(12)))
    must = sum(len(one.line.get("facts", {})) for one in results)
    missed = sum(len(one.missed) for one in results)
    understood = sum(one.right for one in results)
    times = sorted(one.seconds * 1000 for one in results)
    print(f"intents {understood} of {len(results)} ({100 * understood / len(results):.1f} %)")
    print(f"facts taken {must - missed} of {must}; wrong facts {sum(len(one.wrong) for one in results)}")
    drops = [one for one in results if one.line.get("drops") and one.right]
    print(f"drops {sum(set(one.line['drops']) <= set(one.drops) for one in drops)} of {len(drops)} lines")
    print(f"milliseconds: median {statistics.median(times):.2f}, 99 of 100 {times[int(0.99 * len(times))]:.2f}")


def failures(results: list[Result]) -> None:
    """What went wrong, line by line."""
    for one in results:
        marks = []
        if not one.right:
            marks.append(f"{'/'.join(one.line['intent'])} -> {one.intent}")
        if one.wrong:
            marks.append(f"WRONG {one.wrong} (told {one.line.get('facts')})")
        if one.missed:
            marks.append(f"missed {', '.join(one.missed)}")
        if one.right and not set(one.line.get("drops", ())) <= set(one.drops):
            marks.append(f"drops {one.line['drops']}, taken {one.drops}")
        if marks:
            words = ", ".join(told_by(one.line["text"], one.intent))
            print(
                f"  {one.line['text']!r}: {'; '.join(marks)}" + (f"  [by: {words}]" if words and not one.right else "")
            )


def told_by(text: str, intent: str) -> list[str]:
    """The words that weighed most for what was understood."""
    normal = grammar.plain(text)
    read = corrected(normal.lower())
    return telling(features(read, grammar.mentions(read, normal)), intent)  # type: ignore[arg-type]


def agreement(results: list[Result], many: int) -> None:
    """Whether the command line says the same as this process, on every so-many-th line."""
    step = max(len(results) // many, 1)
    differ = 0
    for one in results[::step]:
        said = subprocess.run(
            [sys.executable, "-m", "oomdoc", "ask", "--format", "json", "--", one.line["text"]],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        answered = json.loads(said.stdout) if said.stdout else {"intent": f"exit {said.returncode}", "facts": {}}
        if answered["intent"] != one.intent or (one.intent != READ_BY_READERS and answered["facts"] != one.facts):
            differ += 1
            print(f"  differs: {one.line['text']!r}: {answered['intent']} {answered['facts']}, here {one.intent}")
    print(f"command line: {len(results[::step])} asked, {differ} differ")


def main() -> None:
    """Read the suites and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", type=Path)
    parser.add_argument("--failures", action="store_true")
    parser.add_argument("--ask", type=int, default=0, metavar="N", help="ask about N lines on the command line too")
    asked = parser.parse_args()
    understand("what if batch 2 on a 4090")  # the knowledge is loaded once
    understand("如果换成 4090 呢")
    results = [measured(line) for line in lines_of(asked.suites)]
    table(results)
    if asked.failures:
        failures(results)
    if asked.ask:
        agreement(results, asked.ask)


if __name__ == "__main__":
    main()
