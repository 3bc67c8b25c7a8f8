"""The six shipped examples by keyboard only, in the real program in a real terminal (tmux): greeting, cause, plans,
diff, apply, verify, "run it again; I'll watch". Writes every screen to a folder and prints a table of what was reached.

Skips without tmux. Run it from a checkout: python benchmarks/tmux_walk.py --python ~/venvs/train/bin/python
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEPS = {
    "en": ("why?", "plans", "show me the diff", "apply", "verify", "next"),
    "zh": ("为什么？", "有什么办法", "看看改动", "应用", "验证", "下一步"),
}
READY = {"en": ("ready", "following"), "zh": ("就绪", "正在盯着")}
LONGEST = 180.0


@dataclass
class Walk:
    """One example, language and size: the screens in order, and what was wrong with them."""

    example: str
    language: str
    columns: int
    rows: int
    screens: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    changed: bool = False


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, folder: Path, command: str, columns: int, rows: int, environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-L", f"oomdoc-walk-{os.getpid()}"]
        named = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        self._run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder),
                  *named, command)  # fmt: skip

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._tmux, *arguments], check=True, capture_output=True, text=True).stdout

    def screen(self) -> str:
        """What is seen."""
        return self._run("capture-pane", "-p")

    def say(self, text: str) -> None:
        """Type a line."""
        self._run("send-keys", "-l", text)
        self._run("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names."""
        self._run("send-keys", *keys)

    def settle(self, ready: tuple[str, ...], longest: float = LONGEST) -> str:
        """The screen once the room rests and draws nothing new."""
        end = time.monotonic() + longest
        last, same = "", 0
        while time.monotonic() < end:
            time.sleep(0.15)
            now = self.screen()
            same = same + 1 if now == last else 0
            last = now
            if same >= 3 and any(word in now.split("\n")[0] for word in ready):
                break
        return last

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


def cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def judge(walk: Walk, step: str, screen: str) -> None:
    """What a machine can see: a traceback, a frame that does not close, a line that is too wide."""
    if step != "F4" and "Traceback (most recent call last)" in screen and "│" not in screen:
        walk.problems.append(f"{step}: a traceback")
    for row in screen.split("\n"):
        if cells(row) > walk.columns:
            walk.problems.append(f"{step}: a row is too wide")
        if re.search(r"\{[a-z_]+\}", row) and "'" not in row:
            walk.problems.append(f"{step}: a place was not filled: {row.strip()[:60]}")


def walk(example: str, language: str, columns: int, rows: int, python: str | None) -> Walk:
    """From the folder to the watched log, and the change undone."""
    one = Walk(example, language, columns, rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / example
        shutil.copytree(ROOT / "examples" / example, folder)
        before = _files(folder)
        environment = {
            "XDG_STATE_HOME": str(Path(name) / "state"), "OOMDOC_LANG": language, "PYTHONPATH": str(ROOT),
            "TERM": "tmux-256color", "LANG": "C.UTF-8", "LC_ALL": "", "OOMDOC_THEME": "dark",
        }  # fmt: skip
        more = f" --python {python}" if python else ""
        command = f"exec {sys.executable} -m oomdoc tui --lang {language}{more}"
        terminal = Terminal(folder, command, columns, rows, environment)
        try:
            ready = READY[language]
            one.screens.append(("start", terminal.settle(ready)))
            for step in STEPS[language]:
                terminal.say(step)
                time.sleep(0.4)
                one.screens.append((step, terminal.settle(ready)))
                if step in ("apply", "应用"):
                    one.changed = _files(folder) != before
                    if not one.changed:  # the first plan is done by hand: the next may be written
                        for other in ("use plan 2", "apply") if language == "en" else ("用方案 2", "应用"):
                            terminal.say(other)
                            time.sleep(0.4)
                            one.screens.append((other, terminal.settle(ready)))
                        one.changed = _files(folder) != before
            for key in ("F2", "F1", "F4"):
                terminal.press(key)
                time.sleep(0.5)
                one.screens.append((key, terminal.screen()))
                terminal.press("Escape")
                time.sleep(0.3)
            terminal.say("undo" if language == "en" else "撤销")
            one.screens.append(("undo", terminal.settle(ready)))
            if _files(folder) != before:
                one.problems.append("undo did not restore every file")
        finally:
            terminal.close()
    for step, screen in one.screens:
        judge(one, step, screen)
    return one


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="interpreter of a training environment, for the dry run")
    parser.add_argument("--out", type=Path, help="folder for the screens")
    parser.add_argument("--only", help="one example")
    parser.add_argument("--size", default="80x24,120x40")
    parser.add_argument("--lang", default="en,zh")
    given = parser.parse_args()
    if shutil.which("tmux") is None:
        print("skipped: there is no tmux here")
        return 0
    examples = sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir())
    bad = 0
    for example in [given.only] if given.only else examples:
        for language in given.lang.split(","):
            for size in given.size.split(","):
                columns, rows = map(int, size.split("x"))
                one = walk(example, language, columns, rows, given.python)
                bad += bool(one.problems)
                verified = next((s for step, s in one.screens if step in ("verify", "验证")), "")
                ending = [row.strip() for row in verified.split("\n") if row.strip()[:1] in "✓!?"]
                written = "written" if one.changed else "by hand"
                last = ending[-1] if ending else "-"
                print(f"{example} {language} {size}: {written}; {last}", flush=True)
                for problem in one.problems:
                    print(f"  {problem}", flush=True)
                if given.out:
                    given.out.mkdir(parents=True, exist_ok=True)
                    shown = "\n".join(f"{f'== {step} ':=<{columns}}\n{screen}" for step, screen in one.screens)
                    (given.out / f"{example}-{language}-{size}.txt").write_text(shown, encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
