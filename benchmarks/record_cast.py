"""A short recording of the room for the README: the real program in a pseudo-terminal, as asciicast v2.

Run it from a checkout: python benchmarks/record_cast.py docs/oomdoc.cast  (play it with asciinema play)
"""

import argparse
import codecs
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from tui_first_frame import DRAWN, ROOT, Room

COLUMNS, ROWS = 100, 30
SCRIPT = ("why?", "/plans", "show me the diff", "apply", "undo")
KEY_SECONDS = 0.06
READ_SECONDS = 2.5


def recorded(example: str) -> list[tuple[float, str]]:
    """(seconds, what was written) of one session on a copy of an example."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / example
        shutil.copytree(ROOT / "examples" / example, folder)
        os.environ["OOMDOC_THEME"] = "dark"
        room = Room(folder, columns=COLUMNS, rows=ROWS)
        events: list[tuple[float, str]] = []
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

        def watch(seconds: float) -> None:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                before = len(room.seen)
                room.pump(0.02)
                if len(room.seen) > before:
                    events.append((time.perf_counter() - room.started, decode(room.seen[before:])))

        while DRAWN not in room.seen:
            watch(0.05)
        watch(READ_SECONDS)
        for line in SCRIPT:
            for letter in line:
                room.type(letter)
                watch(KEY_SECONDS)
            room.type("\r")
            watch(READ_SECONDS)
        room.close()
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path)
    parser.add_argument("--example", default="minimind")
    given = parser.parse_args()
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "oomdoc", "env": {"TERM": "xterm-256color"}}
    lines = [json.dumps(head)]
    lines += [json.dumps([round(at, 3), "o", text], ensure_ascii=False) for at, text in recorded(given.example)]
    given.cast.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{given.cast}: {len(lines) - 1} events")


if __name__ == "__main__":
    main()
