"""Bytes of a log to the cleaned lines of a Document; every line keeps the number it has in the file."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from oomdoc.facts.lazy import lazy
from oomdoc.ingest.controls import glued, neutral, overprinted
from oomdoc.ingest.document import Document, Line
from oomdoc.ingest.encoding import decode
from oomdoc.ingest.markup import unwrap
from oomdoc.ingest.prefix import Peeler, habits
from oomdoc.messages import said

# No message is longer; what lies between the interesting places of a longer line is left out.
LONGEST_LINE: Final = 50_000
_KEPT_OF_LONG: Final = 8_000
_MOST_PLACES: Final = 12
_PLACES: Final = lazy(r"out ?of ?memory|Traceback \(most|RESOURCE_EXHAUSTED|ALLOC_FAILED", re.IGNORECASE)
_REPEATED: Final = lazy(r" *\[repeated \d+x across cluster\].*$")
SKIPPED: Final = "[... {count} lines not read ...]"
_CUT: Final = "[...]"

Fragment = tuple[int, bytes]


def clean(data: bytes | str, file: str = "<text>") -> Document:
    """A document of everything in `data`; never raises."""
    if isinstance(data, str):
        return _document(_numbered(data, 1), file, "utf-8", (), data.count("\n") + bool(data), len(data), complete=True)
    decoded = decode(data)
    lines = decoded.text.count("\n") + (0 if decoded.text.endswith("\n") or not decoded.text else 1)
    notes = list(decoded.notes)
    if "\0" in decoded.text:
        notes.append(said("input.nul", count=decoded.text.count(chr(0))))
    return _document(_numbered(decoded.text, 1), file, decoded.encoding, notes, lines, len(data), complete=True)


def clean_fragments(
    fragments: Sequence[Fragment],
    file: str,
    encoding: str,
    total_lines: int,
    total_bytes: int,
    notes: Iterable[str] = (),
    *,
    codec: str | None = None,
) -> Document:
    """A document of the read places of a huge file: (number of the first line, whole lines as bytes), in order."""
    lines: list[tuple[int, str]] = []
    after = 1
    lost = 0
    for first, data in fragments:
        decoded = decode(data, codec or encoding)
        lost += len(decoded.notes)
        if first > after:
            lines.append((after, SKIPPED.format(count=first - after)))
        part = _numbered(decoded.text, first)
        lines.extend(part)
        after = part[-1][0] + 1 if part else first
    if after <= total_lines:
        lines.append((after, SKIPPED.format(count=total_lines - after + 1)))
    remarks = [*notes, *([said("input.replaced_some", encoding=encoding)] if lost else [])]
    return _document(lines, file, encoding, remarks, total_lines, total_bytes, complete=False)


def _numbered(text: str, first: int) -> list[tuple[int, str]]:
    """Physical lines with their numbers; overprinted lines become several of one number."""
    safe = neutral(text)
    lines = safe.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if "\r" not in safe and "%|" not in safe:
        return list(enumerate(lines, first))
    if "\n" not in safe and safe.count("\r") > 1 and "%|" not in safe:  # line ends of old Macs
        return list(enumerate(safe.split("\r"), first))
    out: list[tuple[int, str]] = []
    for number, line in enumerate(lines, first):
        parts = overprinted(line) if "\r" in line else glued(line)
        out.extend((number, part) for part in parts)
    return out


def _document(
    lines: list[tuple[int, str]],
    file: str,
    encoding: str,
    notes: Iterable[str],
    total_lines: int,
    total_bytes: int,
    *,
    complete: bool,
) -> Document:
    remarks = list(notes)
    if any(len(line) > LONGEST_LINE for _, line in lines):
        longest = max(len(line) for _, line in lines)
        remarks.append(said("input.long_lines", longest=longest))
        lines = [(number, part) for number, line in lines for part in _shortened(line)]
    unwrapped = unwrap(lines)
    peeler = habits(line for _, line in unwrapped)
    cleaned = tuple(line for number, text in unwrapped for line in _lines(number, text, peeler))
    return Document(file, cleaned, complete, encoding, total_lines, total_bytes, tuple(remarks))


def _lines(number: int, text: str, peeler: Peeler) -> list[Line]:
    if peeler.idle:
        return [Line(number, _safe(text))]
    out = []
    for part in peeler.split(text):
        prefix = peeler.peel(part)
        out.append(Line(number, _safe(part[prefix.length :]), prefix.rank, prefix.process, prefix.time))
    return out


def _safe(text: str) -> str:
    """Without trailing blanks; JSON and HTML can bring control characters back, and no line holds a line break."""
    if not text.isprintable() and text.strip("\t"):
        text = neutral(text).replace("\r", " ").replace("\n", " ")
    if "[repeated " in text:
        text = _REPEATED.sub("", text)
    return text.rstrip()


def _shortened(line: str) -> list[str]:
    """Start and end of an endless line and what looks like an error in it, cut at blanks so that no figure is cut."""
    if len(line) <= LONGEST_LINE:
        return [line]
    spans = [(0, _KEPT_OF_LONG)]
    for match in _PLACES.finditer(line):
        begin, end = match.start() - _KEPT_OF_LONG // 4, match.end() + _KEPT_OF_LONG // 2
        if begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], min(end, spans[-1][0] + LONGEST_LINE))
        elif len(spans) < _MOST_PLACES:
            spans.append((begin, end))
    tail = len(line) - _KEPT_OF_LONG
    if tail > spans[-1][1]:
        spans.append((tail, len(line)))
    return [_whole_words(line, begin, end) for begin, end in spans]


def _whole_words(line: str, begin: int, end: int) -> str:
    piece = line[begin:end]
    head = _CUT if begin > 0 else ""
    if begin > 0:
        piece = piece.partition(" ")[2] if " " in piece[:2000] else piece.lstrip("0123456789.,KMGTiBkb")
    if end < len(line):
        kept, blank, _ = piece.rpartition(" ")
        piece = (kept if blank and len(piece) - len(kept) < 2000 else piece.rstrip("0123456789.,KMGTiBkb")) + f" {_CUT}"
    return f"{head} {piece}" if head else piece
