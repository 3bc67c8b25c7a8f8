"""Bytes to text: which encoding a log is in. Nothing is refused; what cannot be decoded is replaced and counted."""

import codecs
from typing import Final

from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.messages import said

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The start of a file tells its encoding; a whole gigabyte need not be looked at.
SAMPLE: Final = 1 << 18
_HIGH: Final = lazy(rb"[\x80-\xff]+")
# Random pairs of high bytes are wrong UTF-8 in a third of the places or more; damaged UTF-8 in far fewer.
_BROKEN_SHARE: Final = 0.15


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the name of its encoding and what was lost, in words."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


def detect(data: bytes) -> str:
    """The Python codec of a log by its first bytes; "latin-1" where nothing else fits."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    sample = data[:SAMPLE]
    if wide := _wide(sample):
        return wide
    if sample.isascii():
        return "utf-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return _narrow(sample)
    return "utf-8"


def decode(data: bytes, encoding: str | None = None) -> Decoded:
    """Decode with an encoding, or the detected one; byte order marks are dropped, bad bytes become U+FFFD."""
    name = encoding or detect(data)
    for mark, codec in _MARKS:
        if codec == name and data.startswith(mark):
            data = data[len(mark) :]
            break
    if name == "utf-8" and data.isascii():
        return Decoded(data.decode("ascii"), name)
    before = data.count("\ufffd".encode()) if name == "utf-8" else 0
    text = data.decode("cp1252" if name == "latin-1" else name, errors="replace")
    lost = text.count("\ufffd") - before
    return Decoded(text, name, (said("input.replaced", count=lost, encoding=name),) if lost > 0 else ())


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: ASCII text leaves a NUL in every second place and none in the others."""
    pairs = len(sample) // 2
    if pairs < 2 or b"\0" not in sample:
        return None
    even, odd = sample[: 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if odd > pairs * 0.2 and even < odd * 0.05:
        return "utf-16-le"
    if even > pairs * 0.2 and odd < even * 0.05:
        return "utf-16-be"
    return None


def _narrow(sample: bytes) -> str:
    """GBK, broken UTF-8 or Latin-1. Chinese bytes come in pairs; accented letters stand alone among ASCII."""
    runs = _HIGH.findall(sample)
    high = sum(map(len, runs))
    broken = sample.decode("utf-8", errors="replace").count("\ufffd")
    if broken <= high * _BROKEN_SHARE:
        return "utf-8"
    paired = sum(len(run) for run in runs if len(run) % 2 == 0)
    if paired >= high * 0.6:
        text = sample.decode("gb18030", errors="replace")
        if text.count("\ufffd") <= max(1, len(runs) // 50):
            return "gb18030"
    return "utf-8" if high < 4 and len(sample) > 4096 else "latin-1"
