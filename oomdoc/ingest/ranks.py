"""How many GPUs a log shows at work: the ranks and devices that its lines name, where none is missing in between."""

from oomdoc.facts.fact import Fact, How
from oomdoc.facts.lazy import lazy
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated

_LOOKED_AT = 200_000  # characters; every rank has spoken by then
_DEVICE = lazy(r"\bcuda:(\d{1,3})\b")
_RANK = lazy(r"(?im)^(?!.*(?:local_rank|exitcode)).*?\brank ?[:=] ?(\d{1,3})\b")


def read(document: Document) -> list[Fact]:
    """`hardware.gpu_count` as derived: 0 to n-1 were named, n at least 2."""
    text = document.text[:_LOOKED_AT]
    for needle, pattern in (("cuda:", _DEVICE), ("rank", _RANK)):
        if needle not in text:
            continue
        first: dict[int, int] = {}
        for match in pattern.finditer(text):
            first.setdefault(int(match[1]), match.start())
        if len(first) > 1 and max(first) == len(first) - 1:
            return [stated(document, "hardware.gpu_count", len(first), first[len(first) - 1], How.DERIVED)]
    return []
