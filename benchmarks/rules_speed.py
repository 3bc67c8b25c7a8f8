"""1,000 rules over a case: the base's own rules, repeated under other names, judged and ranked (aim: 20 ms or less).

Run by hand: `python benchmarks/rules_speed.py [--rules 1000]`. Prints the median for every shipped example; asserts
nothing.
"""

import argparse
import dataclasses
import itertools
import statistics
import time
from pathlib import Path

from oomdoc.engine import findings
from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.engine.question import questions
from oomdoc.engine.rule import rules
from oomdoc.ingest.read import read_inputs

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*/train.log"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=25)
    options = parser.parse_args()
    own = rules()
    many = tuple(
        dataclasses.replace(rule, id=f"{rule.id}-{place}", cause=f"{rule.cause}-{place // len(own)}")
        for place, rule in zip(range(options.rules), itertools.cycle(own), strict=False)
    )
    print(f"{len(many)} rules made of {len(own)}, {sum(len(rule.signs) for rule in many)} signs")
    for log in EXAMPLES:
        settings = [str(path) for path in log.parent.iterdir() if path != log]
        values = findings.values_of(diagnose_case(read_inputs([str(log)], configs=settings)).case)
        judged, asked = [], []
        for _ in range(options.runs):
            started = time.process_time()
            judgements = tuple(findings.judge(rule, values) for rule in many)
            findings.rank(judgements)
            middle = time.process_time()
            questions(judgements, values)
            asked.append(time.process_time() - middle)
            judged.append(middle - started)
        judging, asking = (1000 * statistics.median(times) for times in (judged, asked))
        print(f"{log.parent.name:26} {len(values):3} facts: judged in {judging:.1f} ms, questions in {asking:.1f} ms")


if __name__ == "__main__":
    main()
