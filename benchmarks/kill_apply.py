"""Kill `oomdoc fix --apply` at random moments: the file is old or new, never a third, and undo works afterwards.

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
    apply(plan_edits({"train.max_length": 2048}, [load(path) for path in paths]), folder=state)
    undo(folder=state)
    if turn == 0:
        print("ready", flush=True)
"""
EXAMPLE = Path(__file__).parent.parent / "examples" / "ms-swift-ovis2"


def one(folder: Path, draw: random.Random, *, command: bool) -> str:
    """One trial; what became of the file: old, new, or what is wrong."""
    script, state = folder / "train.sh", folder / "state" / "oomdoc"
    surroundings = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    before = (EXAMPLE / "train.sh").read_bytes()
    script.write_bytes(before)
    words = [sys.executable, "-c", LOOP, str(state), str(script)]
    if command:
        log = str(EXAMPLE / "train.log")
        words = [sys.executable, "-m", "oomdoc", "fix", log, "-c", str(script), "--apply"]
    process = subprocess.Popen(words, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    if not command:
        process.stdout.readline()
    time.sleep(draw.uniform(0.2, 1.6) if command else draw.uniform(0.0, 0.25))
    process.kill()
    process.wait()
    process.stdout.close()
    now = script.read_bytes()
    after = before.replace(b"output/ovis2", b"output/ovis2 \\\n    --max_length 2048")
    if now not in (before, after):
        return "a third content"
    undo = subprocess.run([sys.executable, "-m", "oomdoc", "undo"], env=surroundings, capture_output=True, check=False)
    if now == after and (undo.returncode or script.read_bytes() != before):
        return f"undo failed: {undo.stderr.decode()}"
    if now == before and script.read_bytes() != before:
        return "undo changed an old file"
    if [path for path in folder.iterdir() if path.name.endswith(".oomdoc")]:
        return "a temporary file is left"
    return "new" if now == after else "old"


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
    return 1 if set(found) - {"old", "new"} else 0


if __name__ == "__main__":
    sys.exit(main())
