"""How long the person's samples are, so that a length limit can be said to cut some of them. Estimated, and said so.

A token is taken as four characters of ASCII or 0.7 of any other character, which is within about a fifth for
English and Chinese text with vocabularies of 100,000 and more; image tokens are not counted.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_MOST = 200_000  # samples
_LIMIT = 1 << 30


class Lengths(NamedTuple):
    """Estimated tokens of each sample, the shortest first."""

    tokens: tuple[int, ...]

    def share_over(self, limit: int) -> float:
        """The share of samples longer than a limit, in [0, 1]."""
        over = sum(1 for count in self.tokens if count > limit)
        return over / len(self.tokens) if self.tokens else 0.0

    def quantile(self, share: float) -> int:
        """The length that `share` of the samples do not pass."""
        return self.tokens[min(len(self.tokens) - 1, int(share * len(self.tokens)))] if self.tokens else 0


def read_lengths(path: str) -> Lengths:
    """Estimated lengths of a JSON Lines or JSON array file of samples. Raises OSError or ValueError, one line each."""
    file = Path(path)
    if file.stat().st_size > _LIMIT:
        raise ValueError(f"{path}: larger than 1 GiB; give a part of it")
    samples = list(_samples(file))
    if not samples:
        raise ValueError(f"{path}: no samples in JSON or JSON Lines")
    return Lengths(tuple(sorted(estimate(sample) for sample in samples)))


def estimate(sample: Any) -> int:
    """Tokens of all text of one sample."""
    ascii_count = other = 0
    for text in _texts(sample):
        plain = sum(map(str.isascii, text))
        ascii_count, other = ascii_count + plain, other + len(text) - plain
    return round(ascii_count / 4 + other * 0.7)


def _samples(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        start = lines.read(64).lstrip()
        lines.seek(0)
        if start.startswith("["):
            whole: Sequence[Any] = json.load(lines)
            yield from whole[:_MOST]
            return
        for number, line in enumerate(lines):
            if number >= _MOST:
                return
            if line.strip():
                yield json.loads(line)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
