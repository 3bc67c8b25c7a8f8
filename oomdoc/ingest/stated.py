"""Makes a fact of something a text says, with the line it stands on as its quote."""

from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.model import Value
from oomdoc.ingest.document import Document

_QUOTE_LENGTH = 200


def stated(
    document: Document, name: str, value: Value, offset: int, how: How = How.LOG, *, native: str | None = None
) -> Fact:
    """A fact read at an offset of `document.text`."""
    line = document.at(offset)
    quote = line.text.strip()[:_QUOTE_LENGTH]
    source = Source(how=how, file=document.file, line=line.number, quote=quote, native=native)
    return Fact(name=name, value=value, source=source, rank=line.rank)
