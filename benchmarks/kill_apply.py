"""Kill `oomdoc fix --apply` at random moments: each file is old or new, never a third, and undo works afterwards.

Usage: python benchmarks/kill_apply.py [--trials 120] [--command]; the default kills a process that applies and undoes
in a loop, so that most kills fall into the writing; `--command` kills the whole command, start-up included.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

LOOP = """
import sys
from pathlib import Path
from oomdoc.patch.apply import apply, undo
from oomdoc.patch.document import load
from oomdoc.patch.plan import plan_edits
state, paths = Path(sys.argv[1]), sys.argv[2:]
for turn in range(10**6):
    changes = {"train.max_length": 2048, "parallel.zero_stage": 3}
    apply(plan_edits(changes, [load(path) for path in paths]), folder=state)
    undo(folder=state)
    if turn == 0:
        print("ready", flush=True)
"""
EXAMPLE = Path(__file__).parent.parent / "examples" / "ms-swift-ovis2"


SHARDS = b'{"zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": 4}'


def one(folder: Path, draw: random.Random, *, command: bool) -> str:
    """One trial; what became of the files: old, new, part (undo restores it), or what is wrong."""
    script, shards, state = folder / "train.sh", folder / "ds.json", folder / "state" / "oomdoc"
    surroundings = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    text = (EXAMPLE / "train.sh").read_bytes()
    before = {script: text, shards: SHARDS}
    after = {script: text.replace(b"output/ovis2", b"output/ovis2 \\\n    --max_length 2048"), shards: SHARDS}
    words = [sys.executable, "-c", LOOP, str(state), str(script), str(shards)]
    if command:
        words = [sys.executable, "-m", "oomdoc", "fix", str(EXAMPLE / "train.log"), "-c", str(script), "--apply"]
    else:
        after[shards] = SHARDS.replace(b"2", b"3", 1)
    for path, data in before.items():
        path.write_bytes(data)
    process = subprocess.Popen(words, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    if not command:
        process.stdout.readline()
    time.sleep(draw.uniform(0.2, 1.6) if command else draw.uniform(0.0, 0.25))
    process.kill()
    process.wait()
    process.stdout.close()
    now = {path: path.read_bytes() for path in before}
    if any(data not in (before[path], after[path]) for path, data in now.items()):
        return "a third content"
    undo = subprocess.run([sys.executable, "-m", "oomdoc", "undo"], env=surroundings, capture_output=True, check=False)
    if any(path.read_bytes() != data for path, data in before.items()):
        return f"undo failed: {undo.stderr.decode()}"
    if [path for path in folder.iterdir() if path.name.endswith(".oomdoc")]:
        return "a temporary file is left"
    return "old" if now == before else "new" if now == after else "part"


def main() -> int:
    """Print the counts; 1 where a trial went wrong."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--trials", type=int, default=120)
    arguments.add_argument("--command", action="store_true")
    given = arguments.parse_args()
    draw, found = random.Random(0), Counter[str]()
    for _ in range(given.trials):
        folder = Path(tempfile.mkdtemp())
        found[one(folder, draw, command=given.command)] += 1
        shutil.rmtree(folder)
    print(", ".join(f"{name} {count}" for name, count in found.most_common()))
    return 1 if set(found) - {"old", "new", "part"} else 0


if __name__ == "__main__":
    sys.exit(main())
