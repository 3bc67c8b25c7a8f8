"""JSON with comments, trailing commas and single quotes forgiven: a scanner that keeps spans and never recurses."""

import json
import math
import re
from dataclasses import field

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Parsed, Problem, Setting, Text, scalar
from oomdoc.messages import said

LIMIT = 200_000  # settings kept; a configuration has hundreds, a data set of 50 MB has millions
DEPTH = 200
NUMBER = lazy(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
SPECIALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "NaN": math.nan}
SPECIALS |= {"Infinity": math.inf, "-Infinity": -math.inf}
TOKEN = lazy(
    r"""(?P<blank>[ \t\r\n,\ufeff]+|//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<open>[{\[]) | (?P<close>[}\]]) | (?P<colon>:)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[^\s,:{}\[\]"']+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class _Frame:
    prefix: str
    array: bool
    start: int
    count: int = 0
    key: str | None = None
    key_span: tuple[int, int] | None = None
    scalars: list[object] | None = None
    first: int = 0
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)


def parse(text: str, file_name: str = "<text>") -> Parsed:
    """Leaves of the first JSON value as settings with dotted keys; arrays of scalars are also one tuple setting.

    What was read before an error is kept and the error is named with its line. JSON Lines are refused.
    """
    return _Scanner(Text.of(text, file_name)).run(0)


def parse_at(text: Text, start: int) -> tuple[Parsed, int]:
    """The JSON value, or printed Python dict, that begins at an offset, and the offset where it ends."""
    scanner = _Scanner(text, single=True)
    return scanner.run(start), scanner.end


class _Scanner:
    def __init__(self, text: Text, *, single: bool = False) -> None:
        self.text = text
        self.single = single
        self.end = 0
        self.settings: list[Setting] = []
        self.problems: list[Problem] = []
        self.stack: list[_Frame] = []
        self.full = False

    def run(self, start: int) -> Parsed:
        source, position, size = self.text.text, start, len(self.text.text)
        done = False
        while position < size and not self.full:
            match = TOKEN.match(source, position)
            if match is None:
                self.problem(position, said("syntax.json_string"))
                break
            kind, start, position = match.lastgroup, position, match.end()
            if kind == "blank":
                continue
            if done:
                self.problem(start, said("syntax.json_lines" if kind == "open" else "syntax.json_after"))
                break
            if not self.token(kind or "", start, position):
                break
            done = not self.stack
            self.end = position
            if done and self.single:
                break
        if self.stack and not self.full and not self.problems:
            self.problem(size, said("syntax.json_early", count=len(self.stack)))
        return Parsed("json", tuple(self.settings), (), tuple(self.problems))

    def token(self, kind: str, start: int, end: int) -> bool:
        """Take one token; False ends the reading."""
        top = self.stack[-1] if self.stack else None
        if kind == "open":
            if len(self.stack) >= DEPTH:
                self.problem(start, said("syntax.deeper", depth=DEPTH))
                return False
            array = self.text.text[start] == "["
            self.stack.append(_Frame(self.path(top), array, start, scalars=[] if array else None))
            if top is not None:
                top.scalars = None
            return True
        if kind == "close":
            return self.close(start, end)
        if kind == "colon":
            if top is None or top.array or top.key is None:
                self.problem(start, said("syntax.json_colon"))
                return top is not None
            return True
        if top is None:
            if kind == "string" or NUMBER.fullmatch(self.text.text[start:end]):
                return True
            self.problem(start, said("syntax.json_none"))
            return False
        if not top.array and top.key is None:
            return self.key(top, kind, start, end)
        self.leaf(top, kind, start, end)
        return True

    def key(self, top: _Frame, kind: str, start: int, end: int) -> bool:
        written = self.text.text[start:end]
        following = self.text.text[end : end + 64].lstrip()
        if following and not following.startswith(":") and not following.startswith(("/", "#")):
            self.problem(start, said("syntax.json_key", written=written[:40]))
            return False
        name = self.string(written) if kind == "string" else written
        top.key = name
        top.key_span = (start + 1, end - 1) if kind == "string" else (start, end)
        if name in top.seen:
            line, first = top.seen[name]
            self.problem(start, said("syntax.json_twice", name=repr(name), line=line))
            self.drop(f"{top.prefix}.{name}" if top.prefix else name, first)
        top.seen[name] = (self.text.line(start), len(self.settings))
        return True

    def drop(self, path: str, first: int) -> None:
        below = f"{path}."
        kept = [item for item in self.settings[first:] if item.key != path and not item.key.startswith(below)]
        self.settings[first:] = kept

    def leaf(self, top: _Frame, kind: str, start: int, end: int) -> None:
        written = self.text.text[start:end]
        value = self.string(written) if kind == "string" else SPECIALS.get(written, scalar(written))
        if kind == "word" and written not in SPECIALS and not NUMBER.fullmatch(written):
            self.problem(start, said("syntax.json_value", written=repr(written[:40])))
        if top.scalars is not None:
            top.scalars.append(value)
        path = self.path(top)
        span = top.key_span if not top.array else None
        self.add(path, written, value, start, (start, end), span)
        self.next(top)

    def close(self, start: int, end: int) -> bool:
        if not self.stack:
            self.problem(start, said("syntax.json_closing"))
            return False
        frame = self.stack.pop()
        if (self.text.text[start] == "]") != frame.array:
            self.problem(start, said("syntax.json_other", line=self.text.line(frame.start)))
            return False
        parent = self.stack[-1] if self.stack else None
        if parent is None:
            return True
        empty = frame.array and frame.count == 0
        if (frame.array and frame.scalars and frame.count == len(frame.scalars)) or empty:
            written = self.text.text[frame.start : end]
            values = tuple(
                item for item in frame.scalars or [] if isinstance(item, (str, int, float, bool, type(None)))
            )
            self.add(frame.prefix, written, values, frame.start, (frame.start, end), parent.key_span)
        self.next(parent)
        return True

    def next(self, top: _Frame) -> None:
        top.count += 1
        top.key = top.key_span = None

    def path(self, top: _Frame | None) -> str:
        if top is None:
            return ""
        last = str(top.count) if top.array else top.key or ""
        return f"{top.prefix}.{last}" if top.prefix else last

    def add(
        self, path: str, raw: str, value: object, start: int, span: tuple[int, int], key: tuple[int, int] | None
    ) -> None:
        if len(self.settings) >= LIMIT:
            self.full = True
            self.problem(start, said("syntax.data", limit=LIMIT))
            return
        line = self.text.line(key[0] if key else start)
        self.settings.append(Setting(path, raw, value, self.text.file, line, key, span, "json"))  # type: ignore[arg-type]

    def string(self, written: str) -> str:
        inner = written[1:-1]
        if "\\" not in inner:
            return inner
        try:
            return str(json.loads(f'"{inner}"' if written[0] == '"' else written, strict=False))
        except ValueError:
            return inner

    def problem(self, offset: int, message: str) -> None:
        if len(self.problems) < 50:
            self.problems.append(Problem(self.text.line(offset), message))
