"""Fit the weights of `oomdoc/chat/weigh.py` from the phrasings and write `knowledge/readings/weights.yaml`.

Run by hand after a change of `knowledge/phrasings/` or of the grammar: `python benchmarks/fit_readings.py [--folds 5]`.
Multinomial logistic regression by plain gradient steps in a fixed order, so the file only changes with its causes; five
folds tell what the grammar's own verdict is worth beside it. Weights are rounded to tenths and small ones left out.
"""

import argparse
import json
import math
import random
import statistics
from collections import Counter, defaultdict
from pathlib import Path

from oomdoc.chat import intents as grammar_of
from oomdoc.chat.features import features
from oomdoc.chat.grammar import mentions, plain
from oomdoc.chat.phrasings import lines
from oomdoc.chat.reply import INTENTS as ALL
from oomdoc.chat.spell import corrected
from oomdoc.chat.weigh import NOTHING, known_part

TARGET = Path(__file__).parents[1] / "knowledge" / "readings" / "weights.yaml"
INTENTS = tuple(one for one in ALL if one != "paste")  # what was pasted is known by its shape
UNIT = 10  # a weight of 10 is one unit of log-odds
LEAST = 2  # phrasings that must have a feature
SMALLEST = 1.0  # a weight below it, beside the median of its feature, is left out
ROUNDS, STEP, SHRINK = 4, 0.5, 1e-5


class Line:
    """One phrasing: features and the grammar's verdict; `template` is the phrasing before its places were filled."""

    def __init__(self, intent: str, text: str) -> None:
        self.intent, self.text = intent, text
        normal = plain(text)
        read = corrected(normal.lower())
        found = mentions(read, normal)
        self.features = features(read, found)
        self.grammar = grammar_of.verdict(read, has_facts=bool(found.facts or found.drops))
        self.template, self.wrapped = text, False


def fit(rows: list[Line], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Weights of every feature, one for each intent, in the order of INTENTS."""
    said = {(row.template, name) for row in rows if not row.wrapped for name in row.features}
    seen = Counter(name for _, name in said)
    known = {name: [0.0] * len(INTENTS) for name, count in seen.items() if count >= LEAST}
    known["#unseen"] = [0.0] * len(INTENTS)
    squares = {name: [1e-6] * len(INTENTS) for name in known}
    size = Counter(row.intent for row in rows)
    worth = {intent: (len(rows) / len(size) / count) ** 0.5 for intent, count in size.items()}
    data = [(known_part(row.features, known), INTENTS.index(row.intent), worth[row.intent]) for row in rows]
    order = random.Random(7)
    for _ in range(rounds):
        order.shuffle(data)
        for values, target, weight in data:
            held = [(known[name], squares[name], value) for name, value in values.items()]
            sums = [sum(row[place] * value for row, _, value in held) for place in range(len(INTENTS))]
            top = max(sums)
            parts = [math.exp(one - top) for one in sums]
            total = sum(parts)
            for place, part in enumerate(parts):
                gradient = weight * (part / total - (place == target))
                if abs(gradient) < 1e-3:
                    continue
                for row, square, value in held:
                    slope = gradient * value + SHRINK * row[place]
                    square[place] += slope * slope
                    row[place] -= STEP * slope / math.sqrt(square[place])
    return {name: pruned(row) for name, row in known.items() if name == "#unseen" or any(pruned(row))}


def pruned(row: list[float]) -> list[float]:
    """The weights of one feature beside their median (a shift of all moves nothing), small ones gone."""
    middle = statistics.median(row)
    return [weight - middle if abs(weight - middle) >= SMALLEST else 0.0 for weight in row]


def sums(weights: dict[str, list[float]], row: Line) -> list[float]:
    """The scores of one line, before the grammar's verdict."""
    total = [0.0] * len(INTENTS)
    for name, value in known_part(row.features, weights).items():
        for place, weight in enumerate(weights[name]):
            total[place] += weight * value
    return total


def held_out(rows: list[Line], folds: int) -> list[list[float]]:
    """Scores of every line by weights that have not seen its template."""
    names = sorted({row.template for row in rows})
    random.Random(11).shuffle(names)
    fold = {name: place % folds for place, name in enumerate(names)}
    found: dict[int, list[float]] = {}
    for number in range(folds):
        weights = fit([row for row in rows if fold[row.template] != number])
        found |= {id(row): sums(weights, row) for row in rows if fold[row.template] == number}
    return [found[id(row)] for row in rows]


def offsets(rows: list[Line]) -> dict[str, list[float]]:
    """Log-odds that the grammar's verdict adds to each intent."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    size = Counter(row.intent for row in rows)
    for row in rows:
        counts[row.grammar][row.intent] += 1
    found = {}
    for verdict in sorted({*counts, NOTHING}):
        shares = [(counts[verdict][one] + 0.5) / (size[one] + 5) for one in INTENTS]
        mean = sum(shares) / len(shares)
        found[verdict] = [math.log(share / mean) for share in shares]
    return found


def accuracy(rows: list[Line], scores: list[list[float]], added: dict[str, list[float]], trust: float) -> float:
    """The share of lines whose best score is their intent."""
    right = 0
    for row, score in zip(rows, scores, strict=True):
        joined = [one + trust * more for one, more in zip(score, added[row.grammar], strict=True)]
        right += INTENTS[joined.index(max(joined))] == row.intent
    return right / len(rows)


def write(weights: dict[str, list[float]], added: dict[str, list[float]], trust: float) -> None:
    """The weights file: for every feature the intents it speaks for and against."""
    parts = ["# Generated by benchmarks/fit_readings.py from knowledge/phrasings/; weights in tenths of log-odds."]
    parts += [f"unit: {UNIT}", f"intents: {json.dumps(list(INTENTS))}"]
    known = sorted(weights)
    parts.append("grammar:")
    for verdict, shares in added.items():
        parts.append(f"  {verdict}: {json.dumps([round(UNIT * trust * share) for share in shares])}")
    parts.append("weights:")
    for name in known:
        told = {intent: round(UNIT * weight) for intent, weight in zip(INTENTS, weights[name], strict=True)}
        ranked = sorted((one for one in told if told[one]), key=lambda one: (-told[one], one))
        if ranked:
            parts.append(
                f"  {json.dumps(name, ensure_ascii=False)}: {' '.join(f'{one} {told[one]}' for one in ranked)}"
            )
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("\n".join(parts) + "\n", "utf-8")


def main() -> None:
    """Fit, tell the held-out accuracy, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fast", action="store_true", help="no folds: the trust in the grammar is as told")
    parser.add_argument("--trust", type=float, default=0.75, help="where folds and labelled suites agree")
    asked = parser.parse_args()
    rows = []
    for line in lines():
        row = Line(line.intent, line.text)
        row.template, row.wrapped = line.phrasing, line.wrapped
        rows.append(row)
    added = offsets(rows)
    trust = asked.trust
    if not asked.fast:
        scores = held_out(rows, asked.folds)
        table = {one: accuracy(rows, scores, added, one) for one in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)}
        print("held out, by trust in the grammar:", {one: round(100 * share, 1) for one, share in table.items()})
        trust = max(table, key=lambda one: table[one])
    weights = fit(rows)
    write(weights, added, trust)
    print(f"{len(rows)} lines, {len(weights)} features, trust {trust}; {TARGET.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
