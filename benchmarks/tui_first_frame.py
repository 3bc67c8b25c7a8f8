"""How soon the room draws, and how soon a key shows while a large log is read: the real program in a pseudo-terminal.

Prints one JSON object: medians over the runs, in seconds. Run it from a checkout: python benchmarks/tui_first_frame.py
"""

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DRAWN = b"aste a log"  # the prompt; its first letter is under the cursor


class Room:
    """The program with a terminal of its own; `seen` is everything it has written."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 100, rows: int = 30) -> None:
        self.started = time.perf_counter()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            environment = {**os.environ, "TERM": "xterm-256color", "OOMDOC_LANG": "en", "PYTHONPATH": str(ROOT)}
            environment["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / "oomdoc-benchmark")
            os.execve(sys.executable, [sys.executable, "-m", "oomdoc", "tui", *arguments], environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.seen = b""

    def wait_for(self, text: bytes, seconds: float) -> float | None:
        """Seconds since the start at which `text` was on the screen, or None."""
        mark = len(self.seen)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.pump(0.02)
            if text in self.seen[max(mark - len(text), 0) :]:
                return time.perf_counter() - self.started
        return None

    def pump(self, seconds: float) -> None:
        """Read what it writes."""
        if select.select([self.terminal], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.terminal, 1 << 16)
            except OSError:
                return

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.terminal, text.encode())

    def close(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def first_frames(runs: int) -> list[float]:
    found = []
    for _ in range(runs):
        room = Room(ROOT / "examples" / "minimind")
        at = room.wait_for(DRAWN, 10)
        room.close()
        if at is not None:
            found.append(at)
    return found


def imports(runs: int) -> list[float]:
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import textual.app"], check=True, cwd=ROOT)
        found.append(time.perf_counter() - start)
    return found


def keys_while_reading(size: int, presses: int) -> tuple[list[float], bool]:
    """Seconds from each key to its echo while a log of `size` bytes is read; and whether it was still being read."""
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "train.log"
        line = b"{'loss': 1.7342, 'grad_norm': 18.21, 'learning_rate': 6.17e-08, 'epoch': 0.01, 'memory(GiB)': 71.2}\n"
        with log.open("wb") as out:
            piece = line * 10_000
            for _ in range(size // len(piece)):
                out.write(piece)
            out.write((ROOT / "examples" / "minimind" / "train.log").read_bytes())
        room = Room(Path(name), str(log))
        room.wait_for(DRAWN, 10)
        waits = []
        for number in range(presses):
            word = "qzxv"[number % 4]
            start, mark = time.perf_counter(), len(room.seen)
            room.type(word)
            while word.encode() not in room.seen[mark:] and time.perf_counter() - start < 5:
                room.pump(0.002)
            waits.append(time.perf_counter() - start)
            room.pump(0.03)
        reading = b"out of GPU memory" not in room.seen
        room.close()
    return waits, reading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--log-bytes", type=int, default=1 << 30)
    parser.add_argument("--presses", type=int, default=40)
    given = parser.parse_args()
    frames, base = first_frames(given.runs), imports(given.runs)
    waits, reading = keys_while_reading(given.log_bytes, given.presses)
    ranked = sorted(waits)
    print(
        json.dumps(
            {
                "first_frame_s": round(statistics.median(frames), 3),
                "import_textual_app_s": round(statistics.median(base), 3),
                "ratio": round(statistics.median(frames) / statistics.median(base), 2),
                "key_median_ms": round(1000 * statistics.median(waits), 1),
                "key_p95_ms": round(1000 * ranked[int(0.95 * (len(ranked) - 1))], 1),
                "key_worst_ms": round(1000 * ranked[-1], 1),
                "still_reading_at_the_end": reading,
                "log_bytes": given.log_bytes,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
