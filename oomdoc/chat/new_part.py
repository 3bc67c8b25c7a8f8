"""What a run has added to a log since it was followed: its own failure, not the one that stands above it."""

from pathlib import Path
from typing import Final

from oomdoc.facts.case import Case, Series
from oomdoc.facts.fact import Fact
from oomdoc.ingest.encoding import SAMPLE, detect
from oomdoc.ingest.read import read_inputs, read_text

_MOST: Final = 64 << 20  # bytes read as text; a longer part is read with the whole file, in its own way
_PIECE: Final = 1 << 20


def read_since(path: str, since: int) -> Case:
    """The case of a log from a byte on; lines keep the numbers they have in the file. Raises InputError."""
    if since <= 0:
        return read_inputs([path])
    try:
        with Path(path).open("rb") as log:
            if detect(log.read(SAMPLE)).startswith(("utf-16", "utf-32")):
                return read_inputs([path])
            log.seek(0)
            lines, left = 0, since
            while left and (piece := log.read(min(_PIECE, left))):
                lines, left = lines + piece.count(b"\n"), left - len(piece)
            data = log.read(_MOST + 1)
    except OSError:
        return read_inputs([path])  # says why in its own words
    if left or not data.strip() or len(data) > _MOST:
        return read_inputs([path])
    return _moved(read_text(data, name=path), lines)


def _moved(case: Case, by: int) -> Case:
    """The case with every line further down in its file."""
    return case.model_copy(
        update={
            "events": tuple(one.model_copy(update={"line": one.line + by}) for one in case.events),
            "facts": tuple(_fact(one, by) for one in case.facts),
            "series": tuple(_series(one, by) for one in case.series),
        }
    )


def _fact(fact: Fact, by: int) -> Fact:
    if fact.source.line is None:
        return fact
    return fact.model_copy(update={"source": fact.source.model_copy(update={"line": fact.source.line + by})})


def _series(one: Series, by: int) -> Series:
    return one.model_copy(update={"points": tuple((step, value, line + by) for step, value, line in one.points)})
