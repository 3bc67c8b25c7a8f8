"""What surrounds pasted text: rich's boxes, Markdown quotes, HTML, logs wrapped in JSON. Line numbers are kept."""

import json
import re
from typing import Final

from oomdoc.facts.lazy import lazy

_ENTITIES: Final = {
    "gt": ">",
    "lt": "<",
    "amp": "&",
    "quot": '"',
    "apos": "'",
    "nbsp": " ",
    "#39": "'",
    "#x27": "'",
    "#34": '"',
}
_ENTITY: Final = lazy(f"&({'|'.join(_ENTITIES)});")
_TAG: Final = lazy(
    r"</?(?:pre|code|p|div|span|details|summary|strong|em|td|th|tr|table|tbody|li|ul|ol|kbd|samp|blockquote|font)"
    r"(?:\s[^<>\n]{0,300})?/?>",
    re.IGNORECASE,
)
_BREAK: Final = lazy(r"<br\s*/?>", re.IGNORECASE)
_QUOTED: Final = lazy(r"^ {0,3}>(?: |$)(?!>> )")
_BOX_TOP: Final = lazy(r"^\s*[╭┌┏+][─━-]+\s?(.*?)\s?[─━-]*[╮┐┓+]?\s*$")
_BOX_BOTTOM: Final = lazy(r"^\s*[╰└┗+][─━-]+[╯┘┛+]?\s*$")
_BOX_ROW: Final = lazy(r"^\s*[│┃|] ?(.*?)\s*[│┃|]?\s*$")
_BOX_SIDES: Final = "│┃|"
# A box with crossings is a table (nvitop, rich tables) and is read as one.
_CROSSINGS: Final = ("┬", "┼", "├", "╪", "╤", "┴")
_LONGEST_BOX: Final = 1200
_JSON_STRING: Final = lazy(r'^\s*("(?:[^"\\]|\\.)*"),?\s*$')

Numbered = list[tuple[int, str]]


def unwrap(lines: Numbered) -> Numbered:
    """Lines (number, text) without what was put around them; one line may become several of the same number."""
    text = "\n".join(line for _, line in lines)
    if '"log":' in text[:4096] or '"nbformat"' in text:
        lines = _from_json(lines)
    if "<" in text and (_TAG.search(text) or _BREAK.search(text)):
        lines = _without_tags(lines)
    if "&" in text and _ENTITY.search(text):
        lines = [(number, _ENTITY.sub(_character, line) if "&" in line else line) for number, line in lines]
    if "> " in text:
        lines = _without_quotes(lines)
    if any(top in text for top in ("╭", "┌─", "┏━", "+-")):
        lines = _without_boxes(lines)
    return lines


def _character(match: re.Match[str]) -> str:
    return _ENTITIES[match[1]]


def _without_tags(lines: Numbered) -> Numbered:
    out: Numbered = []
    for number, line in lines:
        if "<" in line:
            line = _TAG.sub("", line)  # noqa: PLW2901 (the same line, cleaner)
            out.extend((number, part) for part in _BREAK.split(line))
        else:
            out.append((number, line))
    return out


def _without_quotes(lines: Numbered) -> Numbered:
    """Markdown quote signs, where at least two neighbouring lines carry one."""
    marked = [bool(_QUOTED.match(line)) for _, line in lines]
    out = []
    for index, (number, line) in enumerate(lines):
        before = index > 0 and marked[index - 1]
        after = index + 1 < len(lines) and marked[index + 1]
        out.append((number, _QUOTED.sub("", line) if marked[index] and (before or after) else line))
    return out


def _without_boxes(lines: Numbered) -> Numbered:
    out: Numbered = []
    index = 0
    while index < len(lines):
        number, line = lines[index]
        top = _BOX_TOP.match(line) if line.lstrip()[:1] in {"╭", "┌", "┏", "+"} else None
        end = _box_end(lines, index) if top and not any(sign in line for sign in _CROSSINGS) else index
        if top is None or end == index:
            out.append((number, line))
            index += 1
            continue
        out.append((number, top[1]))
        out.extend((at, _row(row)) for at, row in lines[index + 1 : end])
        index = end
    return out


def _box_end(lines: Numbered, start: int) -> int:
    """Index behind the last row of the box opened at `start`; `start` itself where it is no box or a table."""
    opener = lines[start][1]
    ascii_box = opener.lstrip().startswith("+")
    if ascii_box and "Traceback" not in opener:
        return start
    for index in range(start + 1, min(start + _LONGEST_BOX, len(lines))):
        line = lines[index][1].strip()
        if _BOX_BOTTOM.match(line):
            return index + 1
        if any(sign in line for sign in _CROSSINGS):
            return start
        if not line.startswith(tuple(_BOX_SIDES)):
            return index
    return min(start + _LONGEST_BOX, len(lines))


def _row(line: str) -> str:
    if _BOX_BOTTOM.match(line):
        return ""
    match = _BOX_ROW.match(line)
    return match[1] if match else line


def _from_json(lines: Numbered) -> Numbered:
    """Docker's json-file lines, and the string lines of a notebook file."""
    out: Numbered = []
    for number, line in lines:
        text: object = line
        if line.startswith("{") and '"log":' in line:
            try:
                text = json.loads(line)["log"]
            except (ValueError, KeyError, RecursionError, TypeError):
                text = line
        elif match := _JSON_STRING.match(line):
            try:
                text = json.loads(match[1])
            except ValueError:
                text = line
        pieces = str(text).rstrip("\n").split("\n")
        out.extend((number, piece) for piece in pieces)
    return out
