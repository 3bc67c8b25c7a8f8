"""Changes placed in real configurations and scripts: nothing but the intended settings may differ.

Usage: python benchmarks/patch_public.py FOLDER... [--most N]; a folder is a checkout of a framework with its examples.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from oomdoc.patch.document import load
from oomdoc.patch.edits import EditPlan
from oomdoc.patch.errors import PatchError
from oomdoc.patch.plan import plan_edits

ENDINGS = {".yaml", ".yml", ".sh", ".json", ".toml", ".py"}
CHANGES = (
    {"train.max_length": 1234},
    {"train.per_device_batch_size": 3},
    {"lora.rank": 5},
    {"train.gradient_checkpointing": True},
    {"train.gradient_accumulation_steps": 7},
    {"parallel.zero_stage": 3},
    {"eval.per_device_batch_size": 2},
    {"train.liger_kernel": True},
    {"image.max_pixels": 602112},
)


def is_exact(plan: EditPlan) -> bool:
    """Whether the splices alone make every new text."""
    for edit in plan.files:
        text, at = "", 0
        for start, end, new in edit.splices:
            text, at = text + edit.original.text[at:start] + new, end
        if text + edit.original.text[at:] != edit.text:
            return False
    return True


def main() -> int:
    """Print what was placed, what was left to the person and why; 1 where a byte changed that should not."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("folders", nargs="*", type=Path)
    arguments.add_argument("--most", type=int, default=200)
    given = arguments.parse_args()
    draw = random.Random(0)
    files = [path for folder in given.folders for path in sorted(folder.rglob("*")) if path.suffix in ENDINGS]
    draw.shuffle(files)
    found: Counter[str] = Counter()
    start = time.perf_counter()
    for path in files[: given.most]:
        if not path.is_file() or path.stat().st_size > 100_000:
            continue
        try:
            document = load(str(path))
        except PatchError:
            found["unreadable"] += 1
            continue
        for changes in draw.sample(CHANGES, 3):
            plan = plan_edits(changes, [document])
            found["plans"] += 1
            found["placed"] += bool(plan.files)
            found.update(f"by hand: {hand.key}" for hand in plan.by_hand)
            if not is_exact(plan):
                found["wrong"] += 1
                print(f"{path}: {changes}")
    for name, count in found.most_common():
        print(f"{count:6}  {name}")
    print(f"{time.perf_counter() - start:.1f} s")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
