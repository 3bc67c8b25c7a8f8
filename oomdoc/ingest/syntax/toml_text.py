"""TOML: places by our own scanner, values by tomllib, one value at a time, so that half a file gives its half."""

import re
import tomllib
from collections.abc import Iterator

from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.repr_text import skip_string
from oomdoc.ingest.syntax.setting import Parsed, Problem, Scalar, Setting, Span, Text, scalar
from oomdoc.messages import said

KEY_PART = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\\r\n]|\\.)*\"|'[^'\r\n]*')"
KEY = lazy(rf"[ \t]*(?P<key>{KEY_PART}(?:[ \t]*\.[ \t]*{KEY_PART})*)[ \t]*=[ \t]*")
TABLE = lazy(rf"[ \t]*(?P<open>\[\[?)[ \t]*(?P<key>{KEY_PART}(?:[ \t]*\.[ \t]*{KEY_PART})*)[ \t]*\]\]?")
PART = lazy(KEY_PART)
PLACE = lazy(r"\"\"\"|'''|[\"'\[\]{}#,\n]")
LIMIT = 50_000
DEPTH = 20


def parse(text: str, file_name: str = "<text>") -> Parsed:
    """Leaves as settings with dotted keys (`[[x]]` counts: `x.0`); arrays of scalars are tuples."""
    reader = _Reader(Text.of(text, file_name))
    reader.run()
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(reader.text.starts)
        reader.problems.append(Problem(line, said("syntax.not_toml", why=error)))
    return Parsed("toml", tuple(reader.settings), (), tuple(reader.problems))


class _Reader:
    def __init__(self, text: Text) -> None:
        self.text = text
        self.settings: list[Setting] = []
        self.problems: list[Problem] = []
        self.arrays: dict[str, int] = {}

    def run(self) -> None:
        source, position, prefix = self.text.text, 0, ""
        while position < len(source) and len(self.settings) < LIMIT:
            end = source.find("\n", position)
            end = len(source) if end < 0 else end
            if table := TABLE.match(source, position, end):
                prefix = ".".join(parts(table["key"]))
                if table["open"] == "[[":
                    count = self.arrays.get(prefix, -1) + 1
                    self.arrays[prefix] = count
                    prefix = f"{prefix}.{count}"
            elif key := KEY.match(source, position, end):
                stop = value_end(source, key.end(), "\n#")
                self.value(prefix, key, key.end(), stop, 0)
                end = max(end, source.find("\n", stop) if source.find("\n", stop) >= 0 else len(source))
            position = end + 1

    def value(self, prefix: str, key: re.Match[str], start: int, stop: int, depth: int) -> None:
        """Take one `key = value`; an inline table becomes its entries."""
        source = self.text.text
        stop = start + len(source[start:stop].rstrip())
        path = ".".join(([prefix] if prefix else []) + parts(key["key"]))
        if stop <= start:
            return
        if source[start] == "{" and depth < DEPTH:
            for begin, end in entries(source, start + 1, stop - (source[stop - 1] == "}")):
                if inner := KEY.match(source, begin, end):
                    self.value(path, inner, inner.end(), end, depth + 1)
            return
        raw = source[start:stop]
        parsed, note = read(raw)
        if raw[0] == "[" and note is not None and depth < DEPTH:
            self.elements(path, start, stop, depth)
        last = list(PART.finditer(key["key"]))[-1]
        quoted = last[0][0] in "\"'"
        begin = key.start("key") + last.start() + quoted
        span = (begin, key.start("key") + last.end() - quoted)
        line = self.text.line(begin)
        self.settings.append(Setting(path, raw, parsed, self.text.file, line, span, (start, stop), "toml", note=note))

    def elements(self, path: str, start: int, stop: int, depth: int) -> None:
        """Inline tables inside an array."""
        source = self.text.text
        for place, (begin, end) in enumerate(entries(source, start + 1, stop - (source[stop - 1] == "]"))):
            first = begin + len(source[begin:end]) - len(source[begin:end].lstrip())
            last = begin + len(source[begin:end].rstrip())
            if first < last and source[first] == "{":
                for inner_begin, inner_end in entries(source, first + 1, last - (source[last - 1] == "}")):
                    if inner := KEY.match(source, inner_begin, inner_end):
                        self.value(f"{path}.{place}", inner, inner.end(), inner_end, depth + 1)


def parts(key: str) -> list[str]:
    """The names of a dotted key without their quotes."""
    return [part.strip("\"'") for part in PART.findall(key)]


def value_end(text: str, start: int, stops: str, limit: int | None = None) -> int:
    """Where a value that begins at `start` ends: at one of `stops` outside quotes and brackets."""
    depth, position = 0, start
    limit = len(text) if limit is None else limit
    while (match := PLACE.search(text, position, limit)) is not None:
        mark = match[0]
        position = match.end()
        if mark in {'"', "'", '"""', "'''"}:
            position = skip_string(text, match.start(), limit)
            line = text.find("\n", match.start(), limit)
            if len(mark) == 1 and 0 <= line < position:
                position = line  # a string that its line does not close
        elif mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        elif depth <= 0 and mark in stops:
            return match.start()
        elif mark == "#":
            line = text.find("\n", position, limit)
            position = limit if line < 0 else line
    return limit


def entries(text: str, start: int, stop: int) -> Iterator[Span]:
    """The parts between commas."""
    while start < stop:
        end = value_end(text, start, ",", stop)
        yield start, end
        start = end + 1


def read(raw: str) -> "tuple[Scalar | tuple[Scalar, ...], str | None]":
    """One value by tomllib; text where it is none or nested deeper than an array of scalars."""
    try:
        parsed = tomllib.loads(f"x = {raw}")["x"]
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, KeyError):
        return scalar(raw), "not a TOML value"
    if isinstance(parsed, list):
        if all(isinstance(item, (str, int, float, bool)) for item in parsed):
            return tuple(parsed), None
        return raw, "nested"
    return (parsed, None) if isinstance(parsed, (str, int, float, bool)) else (raw, None)
