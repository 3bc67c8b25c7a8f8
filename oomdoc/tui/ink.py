"""Lines of text with roles instead of colours; blocks are drawn as these, and only `content` knows Textual."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from textual.content import Content

from oomdoc.report.blocks import Place
from oomdoc.report.layout import clip, width, wrap
from oomdoc.report.mask import mask

Span: TypeAlias = tuple[str, str]
Line: TypeAlias = tuple[Span, ...]

# Roles are themed, never raw colours; every one of them also differs in weight or stands beside a word.
ROLES: Final = {
    "": "",
    "dim": "$text-muted",
    "bold": "bold",
    "head": "bold $accent",
    "bad": "bold $text-error",
    "good": "bold $text-success",
    "warn": "bold $text-warning",
    "key": "bold $accent",
    "quote": "$text-muted",
    "bar-allocated": "$error",
    "bar-slack": "$warning",
    "bar-others": "$secondary",
    "bar-outside": "$primary",
    "bar-free": "$text-disabled",
    "found": "reverse",
}

_PICTURES: Final = {code: chr(0x2400 + code) for code in range(32) if code not in {9, 10}} | {9: "    ", 127: "␡"}
_HIDDEN: Final = dict.fromkeys(
    (*range(0x80, 0xA0), *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
)
_VISIBLE: Final = {**_PICTURES, **dict.fromkeys(_HIDDEN, "\ufffd")}


def pictured(text: str) -> str:
    """The text with everything a terminal would act on turned into a picture of it."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def visible(text: str) -> str:
    """The pictured text, masked as in every report."""
    return mask(pictured(text))


def one_line(text: str) -> str:
    """The visible text on one line."""
    return " ".join(visible(text.replace("\r", "\n")).split())


def prose(text: str, columns: int, first: str = "", role: str = "", first_role: str | None = None) -> Iterator[Line]:
    """A paragraph wrapped to the columns; `first` leads its first line and indents the rest."""
    lead = width(first)
    for number, line in enumerate(wrap(visible(text), max(columns, lead + 8), first)):
        if number == 0 and first_role is not None:
            yield ((line[: len(first)], first_role), (line[len(first) :], role))
        else:
            yield ((line, role),)


def quoted(place: Place, columns: int, indent: str = "") -> Iterator[Line]:
    """Where something stands, and the line itself."""
    where = f"{place.file or ''}:{place.line}" if place.line is not None else (place.file or "")
    if where:
        yield ((f"{indent}--> ", "dim"), (clip(one_line(where), max(columns - len(indent) - 4, 4)), "key"))
    if place.quote:
        yield ((f"{indent}  │ ", "dim"), (clip(one_line(place.quote), max(columns - len(indent) - 4, 4)), "quote"))


def folded(lines: Iterable[Line], columns: int) -> Iterator[Line]:
    """The lines with those that are too wide broken: figures and names are never cut off, whatever the terminal."""
    for line in lines:
        if sum(width(text) for text, _ in line) <= columns:
            yield line
            continue
        kept: list[Span] = []
        used, indent = 0, ""
        for text, role in _trimmed(line):
            piece = ""
            for char in text:
                if used + width(char) > columns:
                    yield (*kept, (piece, role))
                    kept, piece, indent = [], "", "  "
                    used = len(indent)
                    kept.append((indent, ""))
                    if char == " ":
                        continue
                piece += char
                used += width(char)
            kept.append((piece, role))
        if any(text.strip() for text, _ in kept):
            yield tuple(kept)


def _trimmed(line: Line) -> list[Span]:
    """The line without blanks at its end."""
    spans = list(line)
    while spans and not spans[-1][0].rstrip():
        spans.pop()
    return [*spans[:-1], (spans[-1][0].rstrip(), spans[-1][1])] if spans else []


def plain(lines: Iterable[Line]) -> str:
    """The lines without roles."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def content(lines: Sequence[Line], ascii_only: bool = False, needle: str = "") -> Content:
    """The lines as Textual content; `needle` is shown reversed wherever it stands."""
    parts: list[str | tuple[str, str]] = []
    for number, line in enumerate(lines):
        if number:
            parts.append("\n")
        for text, role in line:
            shown = to_ascii(text) if ascii_only else text
            parts.append((shown, ROLES[role]) if role else shown)
    drawn = Content.assemble(*parts)
    if needle:
        lowered, start = drawn.plain.lower(), 0
        while (at := lowered.find(needle.lower(), start)) >= 0:
            start = at + len(needle)
            drawn = drawn.stylize(ROLES["found"], at, start)
    return drawn


_ASCII: Final = str.maketrans(
    {
        "█": "#", "▓": "=", "▒": "+", "░": "-", "·": ".", "│": "|", "─": "-", "•": "*", "…": "~", "▸": ">", "▾": "v",
        "●": "*", "○": "o", "✓": "+", "✗": "x", "→": ">", "—": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "×": "x",
        "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "❯": ">",
    }
)  # fmt: skip


def to_ascii(text: str) -> str:
    """Glyphs as their ASCII stand-ins; other characters stay, the terminal's encoding decides about them."""
    return text.translate(_ASCII)
