"""The lint of framework files: `oomdoc frameworks check`. Each complaint names the file and says what to do."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from oomdoc.facts import base
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import Term, term
from oomdoc.ingest.frameworks import Framework, Parameter, Sign, normal
from oomdoc.ingest.version_range import RangeError, bounds

_KINDS = ("command", "key", "env", "call", "text", "file")
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "list": (tuple, list),
}


def check_all() -> list[str]:
    """Every complaint about every file, in the order of the files; an empty list is a clean base."""
    documents = {name: raw for name, raw in base.section("frameworks").items() if not name.startswith("shared/")}
    ids = {str(raw.get("id")) for raw in documents.values() if isinstance(raw, dict)}
    return [f"{name}: {complaint}" for name, raw in sorted(documents.items()) for complaint in check(name, raw, ids)]


def check(name: str, raw: Any, ids: set[str]) -> Iterator[str]:
    """The complaints about one parsed file; `ids` are the files that may be extended."""
    try:
        entry = Framework.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors():
            yield f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
        return
    if name != f"{entry.id}.yaml":
        yield f"the id {entry.id!r} must be the file's name"
    for parent in entry.extends:
        if parent not in ids:
            yield f"extends {parent!r}, which does not exist"
    if not entry.sources:
        yield "sources: say where it was read"
    if entry.role in {"trainer", "engine"} and not entry.recognise:
        yield "recognise: at least one sign"
    for place, sign in enumerate(entry.recognise):
        yield from (f"recognise.{place}: {complaint}" for complaint in _sign(sign))
    for place, parameter in enumerate(entry.parameters):
        label = next(iter((*parameter.names, *parameter.env)), parameter.fact or "?")
        yield from (f"parameters.{place} ({label}): {complaint}" for complaint in _parameter(parameter))
    yield from _named_facts(entry)
    for group in (*entry.known_names, *entry.known_env):
        yield from _range(group.versions)
    if entry.recognise and not base.section_path("frameworks").joinpath(f"{entry.id}.test.yaml").is_file():
        yield f"no {entry.id}.test.yaml beside it"


def _named_facts(entry: Framework) -> Iterator[str]:
    """Complaints about the facts that `positional` and `presets` name."""
    for fact in entry.positional:
        if fact not in {"config", "-"} and term(fact) is None:
            yield f"positional: {fact} is not in the vocabulary (knowledge/facts/)"
    for preset in entry.presets:
        yield from _range(preset.versions)
        for fact, value in (*preset.when.items(), *preset.sets.items()):
            declared = term(fact)
            if declared is None:
                yield f"presets: {fact} is not in the vocabulary (knowledge/facts/)"
            else:
                yield from _value(declared, value)


def _sign(sign: Sign) -> Iterator[str]:
    given = [kind for kind in _KINDS if getattr(sign, kind)]
    if len(given) != 1:
        yield f"exactly one of {', '.join(_KINDS)}, not {len(given)}"
    if sign.weight <= 0:
        yield "a sign speaks for a framework: its weight is above 0"
    yield from _range(sign.versions)


def _parameter(parameter: Parameter) -> Iterator[str]:
    yield from _range(parameter.versions)
    for name in parameter.names:
        if name != normal(name):
            yield f"write {normal(name)!r}: names have underscores and no dashes"
    known, value = ("default" in parameter.model_fields_set), parameter.default
    if parameter.fact is None:
        if not parameter.inactive:
            yield "no fact and no `inactive`: it says nothing"
        return
    declared = term(parameter.fact)
    if declared is None:
        yield f"{parameter.fact} is not in the vocabulary (knowledge/facts/)"
        return
    if not (parameter.names or parameter.env or known or parameter.defaults or parameter.formula):
        yield "neither a name nor a default"
    values = [*parameter.values.values(), *([value] if known else []), *(entry.value for entry in parameter.defaults)]
    for canonical in values:
        yield from _value(declared, canonical)
    for entry in parameter.defaults:
        yield from _range(entry.versions)
    if (parameter.reads == "member") != (parameter.member is not None):
        yield "`member` goes with `reads: member`"


def _value(declared: Term, value: Value) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, _TYPES[declared.type]) or (isinstance(value, bool) and declared.type != "bool"):
        yield f"{value!r} is not a value of {declared.name} ({declared.type})"
    elif declared.choices and value not in declared.choices:
        yield f"{value!r} is not one of {', '.join(declared.choices)}"


def _range(versions: str) -> Iterator[str]:
    try:
        bounds(versions)
    except RangeError as error:
        yield str(error)
