"""What a terminal would have acted on: colour codes, overprinting, backspaces, invisible characters. None survives."""

from typing import Final

from oomdoc.facts.lazy import lazy

# CSI, OSC (hyperlinks, titles), other escapes, with ESC or the one-character C1 forms; never across a line break.
_ESCAPES: Final = lazy(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
# Colour codes whose ESC was lost by copying, or written out; only trusted where a reset stands in the text as well.
_PRINTED: Final = lazy(
    r"(?:\\x1b|\\033|\\e|\\u001b|\^\[|␛|\x1b)?\[(?:\d{1,3}(?:;\d{1,3}){0,4})?m|(?:\\x1b|\\033|\\u001b|\^\[)\[\d*K"
)
_RESETS: Final = ("[0m", "[m")

_DROPPED: Final = (
    *range(0x09),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    0xAD,
    0x061C,
    0x180E,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
)
_BLANKED: Final = (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0xA0, 0x2028, 0x2029, 0x202F, 0x3000)
_TABLE: Final[dict[int, str | None]] = {
    **dict.fromkeys(_DROPPED),
    **dict.fromkeys(_BLANKED, " "),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_KEEPING_RETURNS: Final = {code: to for code, to in _TABLE.items() if code != 0x0D}
# The same for ASCII, where bytes are twenty times as fast.
_ASCII_DROPPED: Final = bytes(code for code, to in _KEEPING_RETURNS.items() if code < 0x80 and to is None)
_ASCII_BLANKS: Final = bytes(32 if _KEEPING_RETURNS.get(code) == " " else code for code in range(256))

# Every repetition has a bound: a hostile line must not cost more than its length.
_BAR: Final = lazy(
    r"\d{1,3}%\|[^|\n]{0,300}\||\d{1,9}/\d{1,9} \[\d|\d(?:\.\d{1,6})?\s?(?:it/s|s/it|[kMG]i?B/s)"
    r"|\d{1,3}%\s{0,3}[#█=>.-]{3}|^\s*\d{1,3}\.?\d{0,3}\s?%"
)
_BAR_END: Final = lazy(r"\d{1,3}%\|[^|\n]{0,300}\|[^\[\]\n]{0,80}\[[^\]\n]{0,200}\](?=\S)")


def neutral(text: str) -> str:
    """Text of any origin without escape sequences and without characters that a terminal or a browser acts on.

    Line breaks and tabs stay; carriage returns stay for `overprinted`.
    """
    if "\r\n" in text:
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n")
    if "\x1b" in text or "\x9b" in text or "\x9d" in text or "\x90" in text:
        text = _ESCAPES.sub("", text)
    if any(reset in text for reset in _RESETS):
        text = _PRINTED.sub("", text)
    if "\b" in text:
        text = "\n".join(map(_rubbed_out, text.split("\n")))
    if text.isascii():
        return text.encode().translate(_ASCII_BLANKS, _ASCII_DROPPED).decode()
    return "\n".join(line if line.isprintable() else line.translate(_KEEPING_RETURNS) for line in text.split("\n"))


def harmless(text: str) -> str:
    """One line for quoting: `neutral`, and no line break or carriage return either."""
    return neutral(text).replace("\r", " ").replace("\n", " ")


def overprinted(line: str) -> list[str]:
    """What remains of one physical line with carriage returns: progress bars in their last state, all else kept.

    A terminal would lose an error printed over a bar; here only bars give way, and only to a later bar.
    """
    kept: list[str] = []
    bar_at: int | None = None
    for piece in line.split("\r"):
        if not piece.strip():
            continue
        for part in _behind_bar(piece):
            if _BAR.search(part):
                if bar_at is not None:
                    kept[bar_at] = ""
                bar_at = len(kept)
            elif kept and part.startswith(kept[-1]):
                kept[-1] = ""
            kept.append(part)
    return [part for part in kept if part] or [""]


def glued(line: str) -> list[str]:
    """A line on which something was printed right after a progress bar, taken apart."""
    return _behind_bar(line) if "%|" in line else [line]


def _behind_bar(piece: str) -> list[str]:
    parts, done = [], 0
    for match in _BAR_END.finditer(piece):
        parts.append(piece[done : match.end()])
        done = match.end()
    return [*parts, piece[done:]] if done < len(piece) else parts or [piece]


def _rubbed_out(line: str) -> str:
    if "\b" not in line:
        return line
    kept: list[str] = []
    for char in line:
        if char != "\b":
            kept.append(char)
        elif kept and kept[-1] != "\r":
            kept.pop()
    return "".join(kept)
