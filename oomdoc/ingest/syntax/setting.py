"""What every syntax reader returns: settings with exact character spans, commands, and what will be lost."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy

A_NAME = "a name"  # the note of `torch.bfloat16` and `args.model`, which are kept as written
AN_EXPRESSION = "an expression"  # the note of a value that only running the code would tell
Scalar: TypeAlias = str | int | float | bool | None
Span: TypeAlias = tuple[int, int]
Kind: TypeAlias = Literal[
    "flag",
    "assignment",
    "env",
    "yaml",
    "json",
    "toml",
    "python-call",
    "python-assign",
    "argparse-default",
    "dump",
    "positional",
    "hydra",
]
Origin: TypeAlias = Literal["explicit", "default"]
Reason: TypeAlias = Literal["missing-backslash", "backslash-blank", "comment", "blank-line"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One key with its value as written and as parsed; `text[slice(*value_span)] == raw` holds for every span.

    `key` has no leading dashes and is a dotted path in nested documents; `key_span` covers its last part as written.
    `scope` is `<command>/<program>` for flags, else the function, class, section or document the setting stands in.
    """

    key: str
    raw: str
    value: "Scalar | tuple[Scalar, ...]"
    file: str
    line: int
    key_span: Span | None
    value_span: Span | None
    kind: Kind
    origin: Origin = "explicit"
    scope: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Text that looks like part of a command but that the shell will not pass to it, and where it broke off.

    `span` covers the lost text, `break_span` the characters at the end of the line above that must become a backslash.
    """

    text: str
    flags: tuple[Setting, ...]
    line: int
    span: Span
    break_span: Span
    reason: Reason


@dataclass(frozen=True, slots=True)
class Command:
    """One launch: `words` names what runs (`("swift", "sft")`), `launcher` the chain of programs from outside in.

    `flags` holds those of every program of the chain; their `scope` tells which program receives them.
    """

    words: tuple[str, ...]
    env: dict[str, Setting]
    flags: tuple[Setting, ...]
    positionals: tuple[Setting, ...]
    launcher: tuple[str, ...]
    file: str
    line: int
    span: Span
    lost: tuple[Lost, ...] = ()
    note: str | None = None

    def flags_of(self, program: str) -> tuple[Setting, ...]:
        """The flags that one program of the chain receives."""
        return tuple(flag for flag in self.flags if flag.scope is not None and flag.scope.partition("/")[2] == program)

    @property
    def own_flags(self) -> tuple[Setting, ...]:
        """The flags of the innermost program: the training script, not its launchers."""
        return self.flags_of(self.launcher[-1]) if self.launcher else self.flags


@dataclass(frozen=True, slots=True)
class Problem:
    """Why part of a document could not be read, or is not what it seems; `line` counts from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """All settings of a document (those of its commands included), its commands, and what was wrong with it."""

    syntax: str
    settings: tuple[Setting, ...] = ()
    commands: tuple[Command, ...] = ()
    problems: tuple[Problem, ...] = ()


class Text:
    """The decoded text of one file and the line of each offset; only a line feed ends a line."""

    __slots__ = ("file", "starts", "text")

    def __init__(self, text: str, file: str, starts: list[int]) -> None:
        self.text = text
        self.file = file
        self.starts = starts

    @classmethod
    def of(cls, text: str, file: str) -> "Text":
        """Index the line starts."""
        starts = [0]
        position = text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = text.find("\n", position + 1)
        return cls(text, file, starts)

    def reading(self, text: str) -> "Text":
        """The same lines over a text of the same length and line breaks."""
        return Text(text, self.file, self.starts)

    def line(self, offset: int) -> int:
        """Line number, from 1, of a character offset."""
        return bisect_right(self.starts, offset)

    def line_span(self, line: int) -> Span:
        """Offsets of a line without its line ending."""
        start = self.starts[line - 1]
        end = self.starts[line] - 1 if line < len(self.starts) else len(self.text)
        return start, end - (end > start and self.text[end - 1] == "\r")


def names(text: str) -> frozenset[str]:
    """A set of words written as one text."""
    return frozenset(text.split())


INTEGER = lazy(r"[+-]?\d{1,30}\Z")
FLOAT = lazy(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?\Z")
WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}


def scalar(word: str) -> Scalar:
    """The value a launch command's word stands for: `4` -> 4, `1e-4` -> 0.0001, `True` -> True, `none` -> None."""
    if len(word) <= 64:
        if INTEGER.match(word) and word.isascii():
            return int(word)
        if FLOAT.match(word) and word.isascii():
            return float(word)
        if (lower := word.lower()) in WORDS:
            return WORDS[lower]
    return word


def shift(
    parsed: Parsed,
    offset: int,
    lines: int,
    *,
    file: str | None = None,
    scope: str | None = None,
    source: str | None = None,
) -> Parsed:
    """The result of reading a piece of a larger text, moved to its place there.

    `source` is that larger text where the piece was altered (same length) before it was read.
    """
    mover = _Mover(offset, lines, file, scope, source=source)
    return Parsed(
        parsed.syntax,
        tuple(mover.setting(setting) for setting in parsed.settings),
        tuple(mover.command(command) for command in parsed.commands),
        tuple(Problem(problem.line + lines, problem.message) for problem in parsed.problems),
    )


def merge(syntax: str, parts: Iterable[Parsed]) -> Parsed:
    """Several results in one; commands keep their order and are numbered anew."""
    settings: list[Setting] = []
    commands: list[Command] = []
    problems: list[Problem] = []
    for part in parts:
        mover = _Mover(0, 0, None, None, len(commands))
        settings.extend(mover.setting(setting) for setting in part.settings)
        commands.extend(mover.command(command) for command in part.commands)
        problems.extend(part.problems)
    return Parsed(syntax, tuple(settings), tuple(commands), tuple(problems))


class _Mover:
    def __init__(
        self,
        offset: int,
        lines: int,
        file: str | None,
        scope: str | None,
        commands: int = 0,
        source: str | None = None,
    ) -> None:
        self.source = source
        self.offset = offset
        self.lines = lines
        self.file = file
        self.scope = scope
        self.commands = commands

    def span(self, span: Span | None) -> Span | None:
        return None if span is None else (span[0] + self.offset, span[1] + self.offset)

    def setting(self, setting: Setting) -> Setting:
        scope = setting.scope
        if self.commands and scope is not None and setting.kind in {"flag", "env", "positional", "hydra"}:
            index, slash, program = scope.partition("/")
            if slash and index.isdigit():
                scope = f"{int(index) + self.commands}/{program}"
        span = self.span(setting.value_span)
        return replace(
            setting,
            raw=setting.raw if self.source is None or span is None else self.source[slice(*span)],
            file=self.file or setting.file,
            line=setting.line + self.lines,
            key_span=self.span(setting.key_span),
            value_span=span,
            scope=scope or self.scope,
        )

    def lost(self, lost: Lost) -> Lost:
        start, end = lost.span[0] + self.offset, lost.span[1] + self.offset
        return replace(
            lost,
            text=lost.text if self.source is None else self.source[start:end],
            flags=tuple(self.setting(flag) for flag in lost.flags),
            line=lost.line + self.lines,
            span=(start, end),
            break_span=(lost.break_span[0] + self.offset, lost.break_span[1] + self.offset),
        )

    def command(self, command: Command) -> Command:
        return replace(
            command,
            env={name: self.setting(setting) for name, setting in command.env.items()},
            flags=tuple(self.setting(flag) for flag in command.flags),
            positionals=tuple(self.setting(word) for word in command.positionals),
            file=self.file or command.file,
            line=command.line + self.lines,
            span=(command.span[0] + self.offset, command.span[1] + self.offset),
            lost=tuple(self.lost(lost) for lost in command.lost),
        )
