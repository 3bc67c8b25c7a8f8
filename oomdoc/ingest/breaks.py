"""Counts line breaks of a large file in a process beside the scanner: counting costs as much as searching."""

import sys
from array import array
from pathlib import Path
from typing import Final

# Kept to the standard library's start-up: `-I -S` makes an interpreter in 10 ms.
_COUNTER: Final = """
import array, sys
out = array.array("L")
with open(sys.argv[1], "rb", buffering=0) as file:
    left, step = int(sys.argv[2]), int(sys.argv[3])
    while left > 0:
        size = min(step, left)
        data = file.read(size)
        while 0 < len(data) < size and (more := file.read(size - len(data))):
            data += more
        if not data:
            break
        out.append(data.count(b"\\n"))
        left -= len(data)
sys.stdout.buffer.write(out.tobytes())
"""


class Counter:
    """Line breaks of each `step` bytes of the first `size` bytes of a file."""

    def __init__(self, path: Path, size: int, step: int) -> None:
        self._path, self._size, self._step = path, size, step
        import subprocess  # imported here: costs 4 ms, and only logs of 128 MiB need it

        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own words, no shell)
                [sys.executable, "-I", "-S", "-c", _COUNTER, str(path), str(size), str(step)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self._process = None

    def result(self) -> list[int]:
        """The counts; taken here where the process failed or the file changed under it."""
        if self._process is not None:
            data, _ = self._process.communicate()
            counts = array("L")
            if not self._process.returncode and len(data) == -(-self._size // self._step) * counts.itemsize:
                counts.frombytes(data)
                return counts.tolist()
        with self._path.open("rb", buffering=0) as file:
            return [piece.count(b"\n") for piece in iter(lambda: file.read(self._step), b"")]

    def stop(self) -> None:
        """End the process if it still runs."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
