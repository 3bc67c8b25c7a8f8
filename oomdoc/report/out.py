"""The only writer of stdout. A closed pipe ends the program quietly; what a terminal cannot encode is replaced."""

import os
import sys
from contextlib import suppress

_PLAIN = str.maketrans({"…": "...", "—": "-", "–": "-", "×": "x", "→": "->", "“": '"', "”": '"', "’": "'", "·": "."})


class OutputError(Exception):
    """Standard output cannot be written; the message stands alone: `standard output: no space left on device`."""


def write(text: str, encoding: str | None = None) -> None:
    """Write and flush, in the terminal's encoding unless another is given (JSON and HTML are always UTF-8).

    On a closed pipe the rest is dropped and the descriptor silenced for the interpreter's exit; any other failure
    raises OutputError.
    """
    if sys.stdout is None:  # the shell's `>&-`
        raise OutputError("standard output: closed")
    try:
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:  # a test's in-memory stream
            sys.stdout.write(text)
        else:
            buffer.write(_encoded(text, encoding or sys.stdout.encoding or "utf-8"))
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    except OSError as error:
        _silence()
        raise OutputError(f"standard output: {(error.strerror or str(error)).lower()}") from None


def _encoded(text: str, encoding: str) -> bytes:
    if not encoding.lower().replace("-", "").startswith("utf"):
        text = text.translate(_PLAIN)
    return text.encode(encoding, errors="replace")


def _silence() -> None:
    """What is still buffered goes nowhere, so that the interpreter's own flush at exit cannot fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_terminal() -> bool:
    """Whether a person reads stdout directly."""
    return sys.stdout is not None and sys.stdout.isatty()


def wants_colour() -> bool:
    """Colour only on a terminal, and never against NO_COLOR (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_draw() -> bool:
    """Whether block glyphs can be encoded."""
    return _encoding().lower().replace("-", "").startswith("utf")


def can_write(sample: str) -> bool:
    """Whether stdout's encoding has every character of a sample."""
    try:
        sample.encode(_encoding())
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "ascii"
