"""The solver's time and cost over generated runs, beside an exhaustive search over the same knobs.

Usage: python benchmarks/solver_reference.py [RUNS]. The reference is that of tests/remedies/test_solver.py.
"""

import statistics
import sys
import time
from pathlib import Path

from oomdoc.memory.predict import architecture_of
from oomdoc.remedies.options import knobs
from oomdoc.remedies.search import Search, ordered
from oomdoc.remedies.solver import HASTE, solve
from oomdoc.remedies.weigh import Scale, scale_for

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "remedies"))
from test_solver import cheapest, run_of, small


def main(runs: int) -> int:
    """Print how many plans cost what the reference costs, and the times of whole solutions."""
    equal = fitting = 0
    spent = []
    for seed in range(1000, 1000 + runs):
        facts, capacity = run_of(seed)
        model = architecture_of(facts)
        room = int(0.96 * capacity)
        scale = scale_for(model, facts, capacity, room)
        turned = small(knobs(facts))
        expected = cheapest(scale, turned, room)
        plain = Scale(model, scale.facts)
        found = Search(plain, ordered(plain, turned), room, lambda option: option.cost(HASTE)).run()
        price = None if found is None else sum(option.cost(HASTE) for option in found)
        fitting += expected is not None
        equal += price is expected or (price is not None and expected is not None and abs(price - expected) < 1e-6)
        start = time.perf_counter()
        solve(facts, model, capacity)
        spent.append(time.perf_counter() - start)
    print(f"{equal} of {runs} at the cost of the reference ({fitting} of them can be made to fit)")
    print(f"whole solution: median {statistics.median(spent):.3f} s, longest {max(spent):.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
