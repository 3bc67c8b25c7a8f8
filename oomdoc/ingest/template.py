"""Message templates as loaded from `knowledge/messages/`: what a message is, never what to do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from oomdoc.facts import base
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.ingest.pattern import key, required

Kind: TypeAlias = Literal["oom", "lookalike", "warning", "wrapper", "report", "told"]
MemoryKind: TypeAlias = Literal["gpu", "host", "shm", "none"]


@dataclass(frozen=True, slots=True)
class Template:
    """One message some program prints.

    `memory` is the memory that was short ("none": not a lack of memory); `fatal`: it ends the process that prints it.
    `since`/`until` are versions of `ecosystem`. `means` says what a figure stands for where names alone mislead
    (`tried_to_allocate: segment`, `cached: exclusive`). `sets` are canonical facts that the message itself proves.
    """

    id: str
    ecosystem: str
    kind: Kind
    memory: MemoryKind
    device: str | None = None
    fatal: bool = True
    since: str | None = None
    until: str | None = None
    exception: str | None = None
    units: str | None = None
    means: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, Value] = field(default_factory=dict)
    vague: bool = False  # leaves open which memory: a clearer statement beside it decides
    notes_en: str = ""
    notes_zh: str = ""


class Entry:
    """A template with its patterns as the matcher wants them; `raw` is the YAML mapping, `rank` its place.

    A `weak` one (a fallback, or spoken words) counts only where no other template matches.
    """

    __slots__ = ("patterns", "rank", "raw", "template", "variants", "weak")

    def __init__(self, raw: dict[str, Any], rank: int, patterns: tuple["Needs", ...] = ()) -> None:
        self.raw = raw
        self.rank = rank
        self.patterns = patterns
        self.variants: list[Entry] = []
        self.weak = 2 * (raw["kind"] == "told") + bool(raw.get("fallback"))
        self.template = Template(**{name: raw[name] for name in _FIELDS if name in raw})


@dataclass(frozen=True, slots=True)
class Needs:
    """One pattern and what a text must hold for it: `words` and `keys` in its gist; then `anchor` is searched for."""

    pattern: str
    anchor: str
    keys: tuple[bytes, ...]
    words: frozenset[bytes]


_FIELDS: Final = tuple(Template.__annotations__)


def raw_entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """(file, entry) of every template as written, filled in from its file's `defaults` and from what it varies."""
    done: dict[str, dict[str, Any]] = {}
    for file, document in base.section("messages").items():
        defaults = document.get("defaults", {})
        for written in document.get("templates", ()):
            done[written["id"]] = raw = {**defaults, **done.get(written.get("variant_of"), {}), **written}
            yield file, raw


@cache
def entries() -> tuple[Entry, ...]:
    """Every template that has a pattern of its own, in the order of files, its variants attached."""
    by_id: dict[str, Entry] = {}
    for place, (_, raw) in enumerate(raw_entries()):
        if parent := raw.get("variant_of"):
            by_id[parent].variants.append(Entry(raw, place))
        else:
            by_id[raw["id"]] = Entry(raw, place, tuple(_needs(raw)))
    return tuple(by_id.values())


def anchors() -> tuple[str, ...]:
    """A few lower-case literals of which every template's text holds at least one; for prefilters and scanners."""
    return tuple(base.section("messages")["_anchors.yaml"]["anchors"])


def _needs(raw: dict[str, Any]) -> Iterator[Needs]:
    """Where a pattern starts with alternatives, the file's `anchor` names what to search for, or several such."""
    named = _listed(raw.get("anchor", ()))
    for pattern in _listed(raw["pattern"]):
        literals, words = required(pattern)
        own = [anchor for anchor in named if anchor in pattern.lower()] or ([] if literals else named)
        for anchor in own or literals[:1]:
            yield Needs(pattern, anchor, tuple(map(key, (anchor, *literals))), words)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
