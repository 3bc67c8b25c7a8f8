"""Line continuation as people paste it: carets, backticks, trailing blanks, backslashes eaten by a web page.

Every change keeps the length of the text, so that offsets into the result are offsets into the original.
"""

import re

from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Reason, Span

NOT_ASCII = lazy(r"[^\t\n\r\x20-\x7e]")
WINDOWS_END = lazy(r"(?m)[ \t](?P<mark>[\^`])[ \t]*(?=\r?$)")
BLANK_AFTER = lazy(r"(?m)\\(?P<blanks>[ \t]+)(?=\r?$)")
CONTINUED = lazy(r"(?m)\\\r?$")
FLAG_LINE = lazy(r"[ \t]*--?[A-Za-z]")
BROKEN_DASH = lazy(r"(?<=\s)[—–―](?=[A-Za-z])")


def mask(text: str) -> str:
    """The text with every character a shell grammar need not tell apart as one ASCII letter: offsets become bytes."""
    masked = text.replace("\\\r\n", " \\\n").replace("\r\n", " \n")
    masked = masked.replace("\u00a0", " ").replace("\u3000", " ")
    return NOT_ASCII.sub("x", masked).replace("\r", " ")


def windows(text: str) -> str:
    """Carets and backticks at line ends (cmd.exe, PowerShell) as backslashes, where the next line goes on."""
    if "^" not in text and "`" not in text:
        return text

    def swap(match: re.Match[str]) -> str:
        follows = text[match.end() : match.end() + 200].lstrip("\r\n")
        if match["mark"] == "`" and not FLAG_LINE.match(follows):
            return match[0]
        blanks = match.end() - match.start("mark") - 1
        return match[0][0] + " " * blanks + "\\"

    return WINDOWS_END.sub(swap, text)


def pasted(text: str) -> tuple[str, str | None]:
    """Repair what pasting breaks everywhere in a command; a break on *some* lines is left, it is the person's own.

    Returns the text and a note: all backslashes gone (web pages eat them), or every one followed by blanks.
    """
    blanks = len(BLANK_AFTER.findall(text))
    if blanks >= 2 and not CONTINUED.search(text):
        return BLANK_AFTER.sub(
            lambda match: match["blanks"] + "\\", text
        ), "blanks after every backslash, taken as pasted"
    lines = text.split("\n")
    flags = [number for number, line in enumerate(lines) if number and FLAG_LINE.match(line)]
    if not flags or CONTINUED.search(text) or blanks:
        return text, None
    joined = list(lines[0])
    for number, line in enumerate(lines[1:], 1):
        bare = FLAG_LINE.match(line) and not lines[number - 1].rstrip().endswith(("\\", "&", ";")) and lines[number - 1]
        joined.append(" " if bare else "\n")
        joined.append(line)
    return "".join(joined), "the lines have no backslashes; read as one command"


def broken_by(text: str, end: int, start: int) -> tuple[Reason, Span]:
    """Why a command that ended at `end` does not go on at `start`, and the characters a backslash must replace."""
    line_start = text.rfind("\n", 0, end) + 1
    gap = text[end:start]
    previous = max(text.rfind("\n", 0, start), 0)
    tail_start = text.rfind("\n", 0, previous) + 1
    tail = text[tail_start:previous]
    stripped = len(tail.rstrip())
    place = (max(tail_start + stripped, min(end, previous)), previous)
    if "#" in gap:
        return "comment", (end, previous)
    if BLANK_AFTER.search(text[line_start:start]):
        match = BLANK_AFTER.search(text, line_start, start)
        return "backslash-blank", (match.start(), match.end()) if match else place
    if (
        re.search(r"\n[ \t\r]*\n", gap)
        or "\n" in gap.strip(" \t\r").removeprefix("\\").strip("\n")
        or gap.count("\n") > 1
    ):
        return "blank-line", (end, previous)
    return "missing-backslash", place
