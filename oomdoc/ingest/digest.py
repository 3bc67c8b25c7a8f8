"""The first lines of each kind of a log: what stands in banners and reports is found there, at a tenth of the price.

Lines are of one kind where they differ in digits and bars alone; steps and progress are thereby left out.
"""

from typing import Final

from oomdoc.ingest.document import Document

_MOST_ALIKE: Final = 3
_COMPARED: Final = 48
_DIGITS: Final = str.maketrans("", "", "0123456789.█▏▎▍▌▋▊▉#= ")
# Shorter texts are read whole.
_SMALL: Final = 20_000

_last: tuple[Document, Document] | None = None


def digest(document: Document) -> Document:
    """A document of the first three lines of each kind, with their own numbers."""
    global _last  # noqa: PLW0603 (every reader asks for the digest of the same document in turn)
    if len(document.text) < _SMALL:
        return document
    if _last is not None and _last[0] is document:
        return _last[1]
    seen: dict[str, int] = {}
    kept = []
    for line in document.lines:
        kind = line.text[:_COMPARED].translate(_DIGITS)
        count = seen.get(kind, 0)
        if count < _MOST_ALIKE:
            seen[kind] = count + 1
            kept.append(line)
    short = Document(document.file, tuple(kept), document.complete, document.encoding)
    _last = (document, short)
    return short
