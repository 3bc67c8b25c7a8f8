"""The terminal the app draws in: the keyboard behind a pipe, what it can encode, and why there may be none."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Final

_PIECE: Final = 1 << 16


def in_browser() -> bool:
    """Whether a driver other than the terminal draws: textual-serve names it in the environment."""
    return bool(os.environ.get("TEXTUAL_DRIVER"))


def missing() -> str | None:
    """Why no app can be drawn here, as a key of messages/; None where it can."""
    if in_browser():
        return None
    if not sys.stdout.isatty():
        return "tui.no_stdout"
    if os.environ.get("TERM", "") in {"", "dumb"}:
        return "tui.dumb"
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        try:
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        except OSError:
            return "tui.no_tty"
    return None


def draws_unicode() -> bool:
    """Whether the terminal's encoding has block glyphs and Chinese."""
    return in_browser() or (sys.stderr.encoding or "").lower().replace("-", "").startswith("utf")


def soften() -> None:
    """What cannot be encoded becomes "?": never an error in the middle of a frame."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


@contextmanager
def keyboard() -> Iterator[int | None]:
    """Standard input and error are the terminal while this lasts; yields the pipe that was standard input, or None."""
    piped: int | None = None
    saved: list[tuple[int, int]] = []
    try:
        for number, is_terminal in ((0, sys.stdin.isatty()), (2, sys.stderr.isatty())):
            if is_terminal or in_browser():
                continue
            kept = os.dup(number)
            saved.append((number, kept))
            if number == 0:
                piped = kept
            tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            os.dup2(tty, number)
            os.close(tty)
        yield piped
    finally:
        for number, kept in saved:
            os.dup2(kept, number)
            with suppress(OSError):
                os.close(kept)


class Spool:
    """Copies a pipe to a file that can be read, searched and followed; the file goes away with it."""

    def __init__(self, pipe: int) -> None:
        handle, name = tempfile.mkstemp(prefix="oomdoc-stdin-", suffix=".log")
        self.path = Path(name)
        self.ended = False
        self._handle, self._pipe = handle, pipe
        self._thread = Thread(target=self._copy, name="oomdoc-spool", daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        with suppress(OSError):
            while data := os.read(self._pipe, _PIECE):
                os.write(self._handle, data)
        self.ended = True

    def pass_on(self) -> None:
        """Write the rest to standard output until the writer ends: a reader that goes away would kill the run."""
        self._handle = sys.__stdout__.fileno() if sys.__stdout__ else self._handle
        self._thread.join()

    def remove(self) -> None:
        """Delete the copy."""
        with suppress(OSError):
            self.path.unlink()
