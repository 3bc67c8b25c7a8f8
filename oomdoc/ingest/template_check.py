"""The lint of `knowledge/messages/`, for `oomdoc rules check` and the tests; never part of a diagnosis."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from oomdoc.facts.model import Model, Value
from oomdoc.facts.vocabulary import term
from oomdoc.ingest import pattern as language
from oomdoc.ingest.messages import find_messages
from oomdoc.ingest.pattern import Node, PatternError, compile_pattern, parse
from oomdoc.ingest.template import Kind, MemoryKind, anchors, entries, raw_entries

_SIZES: Final = frozenset({"size", "bytes", "kib", "mib", "gib"})
# figures that arithmetic uses up, and those of the process rather than of the memory
_INTERNAL: Final = frozenset({"cached_bytes", "other_allocations_bytes", "processes", "dtype", "signal_number"})


class Example(Model):
    """A text and the exact figures it must be read to."""

    text: str
    figures: dict[str, int | float | str]


class MessageFile(Model):
    """One entry of a file, its defaults filled in; unknown keys are refused."""

    id: str
    ecosystem: str
    kind: Kind
    memory: MemoryKind
    device: str | None = None
    fatal: bool = True
    since: str | None = None
    until: str | None = None
    exception: str | None = None
    units: Literal["binary", "bytes", "KiB", "tokens", "elements", "none"]
    rounding: Literal["nearest", "floor"] = "nearest"
    pattern: str | tuple[str, ...] = ()
    anchor: str | tuple[str, ...] = ()
    variant_of: str | None = None
    tells: tuple[str, ...] = ()
    when: dict[str, tuple[int | str, ...]] = Field(default_factory=dict)
    unless: tuple[str, ...] = ()
    fallback: bool = False
    vague: bool = False
    once: bool = False
    means: dict[
        str,
        Literal["segment", "request", "tensor", "reserved", "exclusive", "inclusive", "recommended_working_set"],
    ] = Field(default_factory=dict)
    sets: dict[str, Value] = Field(default_factory=dict)
    notes_en: str
    notes_zh: str
    examples: tuple[Example, ...]


def check() -> list[str]:
    """Every fault of the templates, one line each, `file: id: what is wrong`; an empty list is a clean base."""
    faults: list[str] = []
    seen: set[str] = set()
    for file, raw in raw_entries():
        faults += [f"messages/{file}: {raw.get('id')}: {fault}" for fault in _faults(raw, seen)]
        seen.add(str(raw.get("id")))
    for entry in entries():
        for needs in entry.patterns:
            if not any(anchor in needs.anchor for anchor in anchors()):
                faults.append(f"messages/_anchors.yaml: {entry.template.id}: no anchor is part of {needs.anchor!r}")
    return faults


def _faults(raw: dict[str, Any], seen: set[str]) -> Iterator[str]:
    try:
        entry = MessageFile(**raw)
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return
    if entry.id in seen:
        yield "the id stands twice"
    if not entry.examples:
        yield "has no example"
    if not (entry.notes_en and entry.notes_zh):
        yield "has no note in one of the languages"
    yield from (f"sets {name}, which is no known fact" for name in entry.sets if term(name) is None)
    if entry.variant_of is not None:
        if entry.variant_of not in seen:
            yield f"is a variant of {entry.variant_of}, which does not stand above it"
        if not entry.tells and not entry.when:
            yield "is a variant that nothing tells apart"
    elif not entry.pattern:
        yield "has no pattern"
    patterns = [entry.pattern] if isinstance(entry.pattern, str) else entry.pattern
    for pattern in patterns:
        yield from _pattern_faults(pattern)
    for example in entry.examples:
        yield from _example_faults(entry.id, example)


def _pattern_faults(pattern: str) -> Iterator[str]:
    try:
        nodes = parse(pattern)
        compile_pattern(pattern)
    except (PatternError, ValueError) as error:
        yield f"pattern {pattern!r}: {error}"
        return
    for field in _fields(nodes):
        name = f"{field.name}_bytes" if field.type in _SIZES else field.name
        if name not in _INTERNAL and term(name if "." in name else f"oom.{name}") is None:
            yield f"figure {name} is no known fact"


def _fields(nodes: tuple[Node, ...]) -> Iterator[language.Field]:
    for node in nodes:
        if isinstance(node, language.Field) and node.name != "_":
            yield node
        for branch in getattr(node, "branches", ()):
            yield from _fields(branch)


def _example_faults(name: str, example: Example) -> Iterator[str]:
    found = [message for message in find_messages(example.text) if message.template.id == name]
    if len(found) != 1:
        others = [message.template.id for message in find_messages(example.text)]
        yield f"its example is read as {others}: {example.text[:60]!r}"
    elif found[0].figures != example.figures:
        yield f"its example gives {found[0].figures}, not {example.figures}"
