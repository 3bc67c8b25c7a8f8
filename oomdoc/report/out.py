"""The only writer of stdout. A closed pipe ends the program quietly; what a terminal cannot encode is replaced."""

import os
import sys
from contextlib import suppress


def write(text: str) -> None:
    """Write and flush; on a closed pipe the rest is dropped and the descriptor silenced for the interpreter's exit."""
    data = text.encode(sys.stdout.encoding or "utf-8", errors="replace")
    try:
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:  # a test's in-memory stream
            sys.stdout.write(text)
        else:
            buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_terminal() -> bool:
    """Whether a person reads stdout directly."""
    return sys.stdout.isatty()


def wants_colour() -> bool:
    """Colour only on a terminal, and never against NO_COLOR (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_draw() -> bool:
    """Whether block glyphs can be encoded."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
