"""Message templates as loaded from `knowledge/messages/`: what a message is, never what to do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from oomdoc.facts import base
from oomdoc.facts.model import Value
from oomdoc.ingest.pattern import required

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
    notes_en: str = ""
    notes_zh: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A template with its patterns as the matcher wants them; `raw` is the YAML mapping."""

    template: Template
    patterns: tuple[tuple[str, tuple[str, ...]], ...]
    raw: dict[str, Any]
    variants: tuple["Entry", ...] = ()
    rank: int = 0


_FIELDS: Final = tuple(Template.__dataclass_fields__)


def raw_entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """(file, entry) of every template as written, the file's `defaults` filled in, in the order of files."""
    for file, document in base.section("messages").items():
        defaults = document.get("defaults", {})
        for raw in document.get("templates", ()):
            yield file, {**defaults, **raw}


@cache
def entries() -> dict[str, Entry]:
    """Every template that has a pattern of its own, by id, its variants attached."""
    variants: dict[str, list[Entry]] = {}
    own: list[dict[str, Any]] = []
    parents: dict[str, dict[str, Any]] = {}
    for _, raw in raw_entries():
        parents[raw["id"]] = raw
        if parent := raw.get("variant_of"):
            merged = {**parents[parent], **raw}
            variants.setdefault(parent, []).append(Entry(_template(merged), (), raw))
        else:
            own.append(raw)
    return {raw["id"]: _entry(raw, tuple(variants.get(raw["id"], ())), place) for place, raw in enumerate(own)}


def anchors() -> tuple[str, ...]:
    """A few lower-case literals of which every template's text holds at least one; for prefilters and scanners."""
    return tuple(base.section("messages")["_anchors.yaml"]["anchors"])


def _entry(raw: dict[str, Any], variants: tuple[Entry, ...], rank: int) -> Entry:
    """The literals of a pattern, or where it starts with alternatives, each `anchor` the file names."""
    patterns = []
    named = _listed(raw.get("anchor", ()))
    for pattern in _listed(raw["pattern"]):
        fixed = required(pattern)
        own = [anchor for anchor in named if anchor in pattern.lower()] or ([] if fixed else named)
        patterns += [(pattern, (anchor, *fixed)) for anchor in own] or [(pattern, fixed)]
    return Entry(_template(raw), tuple(patterns), raw, variants, rank)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _template(raw: dict[str, Any]) -> Template:
    return Template(**{name: raw[name] for name in _FIELDS if name in raw})
