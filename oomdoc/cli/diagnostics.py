"""Exit codes and stderr: the only writer of both. An error is one line; only `help:` suggests."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oomdoc.messages import Language

NAMED: Final = 0
NONE_NAMEABLE: Final = 1
USAGE: Final = 2
CONTRADICTED: Final = 3
INTERRUPTED: Final = 130


def expected_errors() -> tuple[type[Exception], ...]:
    """The errors that are about the input or the base, not about a defect of ours."""
    from oomdoc.facts.base import BaseError
    from oomdoc.ingest.errors import InputError
    from oomdoc.report.out import OutputError

    return (InputError, BaseError, OutputError)


def language_of(arguments: "list[str] | None") -> "Language":
    """The language to complain in, where the command line may not have been understood: --lang, else as anywhere."""
    from oomdoc.messages import preferred

    words = sys.argv[1:] if arguments is None else arguments
    asked = [after for word, after in zip(words, [*words[1:], ""], strict=True) if word == "--lang"]
    asked += [word.removeprefix("--lang=") for word in words if word.startswith("--lang=")]
    return preferred(asked[-1] if asked and asked[-1] in {"en", "zh"} else None)


def report(error: Exception, language: "Language" = "en") -> None:
    """One line for an error, in the language of the person where it knows it."""
    from oomdoc.messages import told

    say_error(told(error.args[0] if len(error.args) == 1 else error, language))


def say_error(line: str, help_line: str | None = None) -> None:
    """One line, and at most one suggestion."""
    from oomdoc.report.mask import visible  # file names are the person's, and may hold anything

    line = visible(" ".join(line.split()))
    _write(f"oomdoc: {line}\n" + (f"{visible(help_line)}\n" if help_line else ""))


def defect(error: Exception, language: "Language" = "en") -> None:
    """An error that we did not expect: what it was, and how to see more."""
    from oomdoc.messages import say

    what = f"{type(error).__name__}: {error}"
    say_error(say(language, "error.defect", what=what), say(language, "error.defect_help"))


def interrupted(language: "Language" = "en") -> None:
    """Ctrl-C: a line of its own, nothing else."""
    # Where Ctrl-C strikes inside a string being executed (a dataclass being made), CPython remembers it and ends by
    # the signal in spite of our status; the next execution forgets it (Python/pythonrun.c, run_eval_code_obj).
    exec("")  # noqa: S102
    from oomdoc.messages import say

    _write(f"oomdoc: {say(language, 'error.interrupted')}\n")


class ProgressLine:
    """A line on stderr that counts the bytes read; silent for the first second, and when stderr is no terminal."""

    def __init__(self, template: str) -> None:
        import time

        self._template = template
        self._clock = time.monotonic
        self._started = self._clock()
        self._last = 0.0
        self._shown = False
        self._on = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show how far the reading of one input has come."""
        from oomdoc.facts.units import size

        now = self._clock()
        if not self._on or now - self._started < 1.0 or now - self._last < 0.1:
            return
        self._last = now
        self._shown = True
        from oomdoc.report.mask import visible

        whole = size(total) if total else "?"
        shown = visible(os.path.basename(name))  # noqa: PTH119
        _write("\r\x1b[K" + self._template.format(name=shown, done=size(done), total=whole))

    def done(self) -> None:
        """Take the line away again."""
        if self._shown:
            _write("\r\x1b[K")


def _write(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # None where the shell closed it
        sys.stdout.flush()
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()
