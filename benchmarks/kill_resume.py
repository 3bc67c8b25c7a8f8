"""SIGKILL at random moments of a conversation and of an apply, then resume: is every turn that was shown still there,
is each file old or new and nothing else, does undo work?

Half of the rounds talk through a pipe (line mode), half through a terminal (tmux; left out where there is none). Prints
a table and one JSON object; status 1 where anything was lost. Run it from a checkout: python benchmarks/kill_resume.py
"""

import argparse
import json
import os
import random
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "minimind"
FILE = "train.sh"
SAID = [
    "no, batch is 31", "no, batch is 30", "plans", "show me the diff", "apply", "why?", "undo", "no, batch is 29",
    "plans", "show me the diff", "apply", "no, batch is 28", "undo", "what if batch 2", "no, batch is 27", "plans",
    "show me the diff", "apply", "no, batch is 26", "no, batch is 25",
]  # fmt: skip
APPLIES = [place for place, said in enumerate(SAID) if said == "apply"]
_TAKEN = re.compile(r"→ (\d+)")


@dataclass
class Round:
    """One conversation that was cut off. `shown` are the batch sizes whose answers had been drawn."""

    way: str
    seed: int
    killed_in: str
    shown: list[int] = field(default_factory=list)
    kept: int = 0
    file: str = ""
    undone: bool | None = None
    problems: list[str] = field(default_factory=list)


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person's own is touched."""
    return {
        **os.environ, "XDG_STATE_HOME": str(folder / "state"), "OOMDOC_LANG": "en", "PYTHONPATH": str(ROOT),
        "TERM": os.environ.get("TERM", "xterm-256color"),
    }  # fmt: skip


def talk(run: Path, lines: list[str], *arguments: str) -> str:
    """A whole conversation through a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "oomdoc", "chat", "--plain", *arguments], cwd=run, input="\n".join(lines) + "\n",
        env=environment(run.parent), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def contents() -> set[str]:
    """The file as it may be: old, and after each apply of an undisturbed conversation."""
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        shutil.copytree(ROOT / "examples" / EXAMPLE, run)
        found = {(run / FILE).read_text(encoding="utf-8")}
        for place in APPLIES:
            shutil.rmtree(run.parent / "state", ignore_errors=True)
            shutil.copy(ROOT / "examples" / EXAMPLE / FILE, run / FILE)
            talk(run, SAID[: place + 1])
            found.add((run / FILE).read_text(encoding="utf-8"))
    return found


def by_pipe(run: Path, dice: random.Random, length: float) -> tuple[list[int], str]:
    """Kill line mode; in every second round within moments of a request to write."""
    process = subprocess.Popen(
        [sys.executable, "-m", "oomdoc", "chat", "--plain"], cwd=run, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=environment(run.parent),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(("\n".join(SAID) + "\n").encode())
    process.stdin.flush()
    os.set_blocking(process.stdout.fileno(), False)
    seen = b""
    aimed = dice.random() < 0.5
    wanted, pause = dice.randint(1, 3), dice.uniform(0, 0.03)
    end = time.perf_counter() + dice.uniform(0.2, length)
    while process.poll() is None and (aimed or time.perf_counter() < end):
        if select.select([process.stdout], [], [], 0.002)[0]:
            seen += process.stdout.read(1 << 16) or b""
        if aimed and seen.count(b"I write plan") >= wanted:
            time.sleep(pause)
            break
    process.kill()
    process.wait()
    os.set_blocking(process.stdout.fileno(), True)
    seen += process.stdout.read()
    process.stdin.close()
    process.stdout.close()
    return [int(number) for number in _TAKEN.findall(seen.decode())], "apply" if aimed else "talk"


def by_terminal(run: Path, dice: random.Random, length: float) -> tuple[list[int], str]:
    """Kill the room in a terminal of its own."""
    socket = f"oomdoc-kill-{os.getpid()}"
    tmux = ["tmux", "-L", socket]
    room = environment(run.parent)
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "200", "-c", str(run),
         "-e", f"XDG_STATE_HOME={room['XDG_STATE_HOME']}", "-e", "OOMDOC_LANG=en", "-e", f"PYTHONPATH={ROOT}",
         f"exec {sys.executable} -m oomdoc tui"], check=True,
    )  # fmt: skip
    pid = int(subprocess.check_output([*tmux, "list-panes", "-F", "#{pane_pid}"], text=True))
    seen: set[int] = set()

    def look() -> str:
        screen = subprocess.check_output([*tmux, "capture-pane", "-p"], text=True)
        seen.update(int(number) for number in _TAKEN.findall(screen))
        return screen

    aimed = dice.random() < 0.5
    wanted, pause = dice.randint(0, 2), dice.uniform(0, 0.25)
    try:
        while "You can say" not in look():
            time.sleep(0.02)
        start = time.perf_counter()
        end = start + dice.uniform(0.1, length)
        for place, said in enumerate(SAID):
            subprocess.run([*tmux, "send-keys", "-l", said], check=True)
            subprocess.run([*tmux, "send-keys", "Enter"], check=True)
            if aimed and place == APPLIES[wanted]:
                time.sleep(pause)
                break
            if not aimed and time.perf_counter() > end:
                break
            time.sleep(0.12)
            look()
        look()
        os.kill(pid, signal.SIGKILL)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
    return sorted(seen, reverse=True), "apply" if aimed else "talk"


def check(run: Path, one: Round, possible: set[str]) -> None:
    """Resume, compare, undo."""
    now = (run / FILE).read_text(encoding="utf-8")
    original = (ROOT / "examples" / EXAMPLE / FILE).read_text(encoding="utf-8")
    one.file = "old" if now == original else "new" if now in possible else "broken"
    if one.file == "broken":
        one.problems.append(f"{FILE} is neither old nor new")
    journal = run.parent / "state" / "oomdoc" / "journal.sqlite3"
    if journal.exists():
        with sqlite3.connect(journal) as db:
            if db.execute("pragma integrity_check").fetchone()[0] != "ok":
                one.problems.append("the journal is damaged")
    elif one.shown:
        one.problems.append("there is no journal")
    again = talk(run, ["history"], "--resume")
    if "Traceback" in again or "defect of oomdoc" in again:
        one.problems.append("resuming failed")
    said = [int(number) for number in re.findall(r"^> no, batch is (\d+)", again, re.MULTILINE)]
    one.kept = len(said)
    lost = [number for number in one.shown if number in range(25, 32) and number not in said]
    if lost:
        one.problems.append(f"lost: {lost}")
    if one.shown and f"train.per_device_batch_size     {said[-1]} (answered)" not in again:
        one.problems.append("the case is not the one that was shown")
    if one.file == "new":
        talk(run, ["undo"], "--resume")
        one.undone = (run / FILE).read_text(encoding="utf-8") == original
        if not one.undone:
            one.problems.append("undo did not restore the file")
    left = sorted(path.name for path in run.iterdir() if path.name.startswith("."))
    if left:
        one.problems.append(f"left behind: {left}")


def play(way: str, seed: int, length: float, possible: set[str]) -> Round:
    """One round."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        shutil.copytree(ROOT / "examples" / EXAMPLE, run)
        shown, moment = (by_pipe if way == "pipe" else by_terminal)(run, dice, length)
        one = Round(way, seed, moment, shown)
        check(run, one, possible)
    return one


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    possible = contents()
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        shutil.copytree(ROOT / "examples" / EXAMPLE, run)
        start = time.perf_counter()
        talk(run, SAID)
        length = time.perf_counter() - start
    ways = ("pipe", "terminal") if shutil.which("tmux") else ("pipe",)
    rounds = []
    print("round way      cut off in  shown kept file undone  problems")
    for number in range(given.rounds):
        one = play(ways[number % len(ways)], given.seed + number, length, possible)
        rounds.append(one)
        undone = {None: "-", True: "yes", False: "NO"}[one.undone]
        print(
            f"{number + 1:5} {one.way:8} {one.killed_in:10} {len(one.shown):6} {one.kept:4} {one.file:5}"
            f" {undone:6}  {'; '.join(one.problems) or '-'}",
            flush=True,
        )
    bad = [one for one in rounds if one.problems]
    print(
        json.dumps(
            {
                "rounds": len(rounds),
                "with problems": len(bad),
                "cut off in an apply": sum(one.killed_in == "apply" for one in rounds),
                "file new": sum(one.file == "new" for one in rounds),
                "undone": sum(one.undone is True for one in rounds),
                "undisturbed_s": round(length, 2),
            }
        )
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
