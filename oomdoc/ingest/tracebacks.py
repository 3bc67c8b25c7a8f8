"""Finds tracebacks of any style in cleaned lines: Python, rich, IPython, pytest, C++; whole or cut at either end.

What a frame means for the run is `phases`' work.
"""

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Literal, TypeAlias

from oomdoc.facts.case import Frame
from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.ingest.document import Document, Line

Chained: TypeAlias = Literal["cause", "context"] | None

_HEADER = "Traceback (most recent call last)"
_CAUSE = "The above exception was the direct cause of"
_CONTEXT = "During handling of the above exception"
# A frame, its code line and its markers take at most four lines; a person's "[...]" may stand between.
_GAP = 8

_LEFT = lazy(r"^[>`│┃|\s]*")
_PYTHON = lazy(r"""File ["'“]([^"'”\n]{1,400})["'”], line (\d+)(?:,? in (\S.*?))?\s*$""")
_INLINE = lazy(r"""File ["'“`]?([^"'”`,\n]{1,300}?\.pyx?|<[^>\n]{1,80}>)["'”`]?,? line (\d+)(?:,? in ([\w<>.]+))?""")
_IPYTHON = lazy(
    r"^(?:File )?(<ipython-input[^>]*>|\S[^\n:]*\.pyx?|~/\S+|[A-Za-z]:\\\S+\.py)(?::(\d+))?,? in ([\w<>.]+)\("
)
_CELL = lazy(r"^(?:(?:Cell |Input )?In ?\[(\d+)\],? (?:line (\d+)|in )|<ipython-input-(\d+)-\w*> in )")
_ARROW = lazy(r"^-+>\s*(\d+)\s?(.*)$")
_RICH = lazy(r"^(\S.*?\.pyx?|<[^>]+>):(\d+) in ([\w<>]+)\s*$")
_RICH_PATH_START = lazy(r"^(?:/|[A-Za-z]:\\)\S+$")
_RICH_CODE = lazy(r"^❱\s*(\d+)\s*│?\s?(.*)$")
_PYTEST = lazy(r"^(\S+\.pyx?):(\d+): in ([\w<>]+)\s*$")
_CPP = lazy(r"^frame #(\d+): (.+?)(?: \+ 0x[0-9a-f]+)?(?: \(0x[0-9a-f]+ in ([^)]*)\))?\s*$")
_EXCEPTION = lazy(
    r"^((?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Exhausted|OutOfMemory)|XlaRuntimeError))"
    r"(?:: ?(.*))?$"
)
_ANY_EXCEPTION = lazy(r"^([A-Za-z_][\w.]{2,80})(?:: (.*))?$")
_MARKERS = lazy(r"^[\s^~\-.\[\]]*$")


@dataclass(frozen=True)
class Traceback:
    """One stack of frames, outermost first, and the exception that ended it.

    `start_line` and `end_line` are physical line numbers; `complete` says that neither end was cut off; `chained` is
    how it follows from the traceback before it.
    """

    frames: tuple[Frame, ...]
    exception: str | None
    message: str
    start_line: int
    end_line: int
    chained: Chained = None
    complete: bool = False


@dataclass
class _Open:
    """A traceback that is still being read."""

    start: int
    header: bool
    chained: Chained = None
    frames: list[Frame] = field(default_factory=list)
    last: int = 0
    last_index: int = 0
    wants_code: bool = False
    cpp: bool = False

    def close(self, exception: str | None, message: str, end: int) -> Traceback:
        frames = tuple(reversed(self.frames)) if self.cpp else tuple(self.frames)
        whole = bool(frames) and (self.cpp or (self.header and exception is not None))
        return Traceback(frames, exception, message, self.start, end, self.chained, whole)


def find(document: Document) -> list[Traceback]:
    """Every traceback of a document in order of its lines; each process of an interleaved log is read by itself."""
    text = document.text
    if not any(sign in text for sign in ("File ", _HEADER, ".py", "Error", "frame #", "Exception", "In [", "In[")):
        return []
    found = [traceback for stream in document.streams for traceback in _read(stream.lines)]
    return sorted(found, key=lambda traceback: (traceback.start_line, traceback.end_line))


def _read(lines: tuple[Line, ...]) -> Iterator[Traceback]:
    current: _Open | None = None
    chained: Chained = None
    for index, line in enumerate(lines):
        text = line.text
        if not text:
            continue
        if _HEADER in text:
            if current and current.frames:
                yield current.close(None, "", current.last)
            current = _Open(line.number, header=True, chained=chained, last_index=index)
            chained = None
            continue
        if _CAUSE in text or _CONTEXT in text:
            if current and current.frames:
                yield current.close(None, "", current.last)
                current = None
            chained = "cause" if _CAUSE in text else "context"
            continue
        frame = _frame(lines, index) if _may_be_frame(text) else None
        if frame:
            is_cpp = frame.file.endswith(".so") or text.lstrip().startswith("frame #")
            if current and current.frames and (index - current.last_index > _GAP * 4 or current.cpp != is_cpp):
                yield current.close(None, "", current.last)
                current = None
            if current is None:
                current = _Open(line.number, header=False, chained=chained, cpp=is_cpp)
                chained = None
            current.cpp = is_cpp
            current.frames.append(frame)
            current.last, current.last_index, current.wants_code = line.number, index, not is_cpp and frame.code is None
            continue
        ended = _exception(text, current, index)
        if ended:
            opened = current or _Open(line.number, header=False, chained=chained)
            chained = None
            yield opened.close(*ended, line.number)
            current = None
            continue
        if current is None:
            continue
        if current.frames and index - current.last_index > _GAP:
            yield current.close(None, "", current.last)
            current = None
        elif current.frames:
            _take_code(current, text, line.number)
    if current and current.frames:
        yield current.close(None, "", current.last)


def _may_be_frame(text: str) -> bool:
    return (
        ".py" in text
        or ("File " in text and "line " in text)
        or "frame #" in text
        or "In [" in text
        or "In[" in text
        or "<ipython" in text
    )


def _frame(lines: tuple[Line, ...], index: int) -> Frame | None:
    """The frame that a line opens, if it does."""
    text = lines[index].text
    if "File " in text and (match := _PYTHON.search(text) or _INLINE.search(text)):
        function = (match[3] or "<module>").strip().rstrip("`'\"")
        return Frame(file=match[1], line=int(match[2]), function=function)
    boxed = text.lstrip().startswith(("│", "┃", "|"))
    inner = _LEFT.sub("", text).rstrip(" │┃|`")
    if match := _CPP.match(inner):
        return Frame(file=match[3] or "<native>", line=None, function=match[2])
    if match := _CELL.match(inner):
        number = int(match[2]) if match[2] else None
        return Frame(file=f"<cell {match[1] or match[3]}>", line=number, function="<module>")
    if match := _PYTEST.match(inner):
        return Frame(file=match[1], line=int(match[2]), function=match[3])
    if match := _RICH.match(inner):
        path = match[1]
        before = _LEFT.sub("", lines[index - 1].text).rstrip(" │┃|") if boxed and index else ""
        if before and not path.startswith(("/", "<")) and _RICH_PATH_START.match(before):
            path = before + path
        return Frame(file=path, line=int(match[2]), function=match[3])
    if match := _IPYTHON.match(inner):
        return Frame(file=match[1], line=int(match[2]) if match[2] else None, function=match[3].rpartition(".")[2])
    return None


def _exception(text: str, current: _Open | None, index: int) -> tuple[str, str] | None:
    """The exception line that ends a traceback, or that stands alone."""
    bare = text.lstrip("> `│┃|")
    if not bare or (bare[0].islower() and "." not in bare[:40] and current is None):
        return None
    if match := _EXCEPTION.match(bare):
        if match[2] is None and current is None:
            return None
        return match[1], (match[2] or "").strip(" `│")
    if current and current.header and current.frames and text[:1] not in (" ", "\t") and not current.wants_code:
        match = _ANY_EXCEPTION.match(bare)
        if match and match[2] is not None and index - current.last_index <= 3:
            return match[1], match[2]
    return None


def _take_code(current: _Open, text: str, number: int) -> None:
    """The source line under a frame; arrows mark it in IPython and rich."""
    inner = _LEFT.sub("", text).rstrip(" │┃`")
    frame = current.frames[-1]
    arrow = _ARROW.match(inner) or _RICH_CODE.match(inner)
    if arrow:
        code = arrow[2].replace("│", "").strip()
        current.frames[-1] = frame.model_copy(update={"code": code, "line": frame.line or int(arrow[1])})
        current.wants_code, current.last = False, number
    elif current.wants_code and not _MARKERS.match(text) and not text.lstrip().startswith(("│", "┃")):
        if not re.match(r"^\s*\d+\s", text):  # IPython prints numbered lines around the marked one
            current.frames[-1] = frame.model_copy(update={"code": inner.strip()})
            current.wants_code = False
        current.last = number
    elif _MARKERS.match(text):
        current.last = number
