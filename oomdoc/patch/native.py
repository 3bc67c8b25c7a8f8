"""A change of canonical facts in a framework's own words, for advice: no file is read, nothing is written."""

from collections.abc import Callable, Mapping
from typing import Final

from oomdoc.facts.case import Case
from oomdoc.facts.fact import How
from oomdoc.facts.model import Value
from oomdoc.ingest.frameworks import Framework, Parameter, framework, normal, raw_files
from oomdoc.ingest.version_range import contains, parse_version
from oomdoc.patch.render import told
from oomdoc.patch.spell import beside, spelled

# Told by the environment or the launch, whatever the program.
ALWAYS: Final = frozenset({"env.expandable_segments", "parallel.kind", "parallel.world_size"})


def native_words(case: Case, sets: Mapping[str, Value]) -> str | None:
    """The options of the case's framework that make these changes, as a person writes them; None where it has none.

    Flags where the run was started by a command, `name: value` where by a configuration file.
    """
    entry = _entry(case)
    if entry is None or not sets:
        return None
    flags = any(fact.source.how is How.COMMAND and (fact.source.native or "").startswith("--") for fact in case.facts)
    words = [_one(entry, case, name, value, flags, sure=True) for name, value in sets.items()]
    return ("  ".join if flags else ", ".join)(word for word in words if word) if all(words) else None


def speakable(case: Case) -> Callable[[str, Value], bool]:
    """Whether the case's framework can be told a value; of an unknown one everything is taken to be possible."""
    entry = _entry(case)
    cache: dict[tuple[str, Value], bool] = {}

    def possible(fact: str, value: Value) -> bool:
        key = (fact, value)
        if key not in cache:
            cache[key] = entry is None or fact in ALWAYS or case.fact(fact) is not None or _one(
                entry, case, fact, value, flags=True
            ) is not None  # fmt: skip
        return cache[key]

    return possible


def _entry(case: Case) -> Framework | None:
    name = case.value("framework.name")
    for identifier, raw in raw_files().items():
        if name == raw.get("family", identifier):
            return framework(identifier)
    return None


def _one(entry: Framework, case: Case, name: str, value: Value, flags: bool, *, sure: bool = False) -> str | None:
    """An option with its value; `sure` leaves out those that only some of the framework's programs take."""
    stated = case.fact(name)
    written_as = normal((stated.source.native or "").rpartition(".")[2]) if stated else ""
    found = [one for one in entry.parameters if one.fact == name and not one.inactive and not _is_component(one)]
    for parameter in sorted(found, key=lambda one: written_as not in one.names):
        if written_as not in parameter.names and not _holds(parameter, case):
            continue
        for variable in parameter.env:
            for written in spelled(parameter, variable, value, entry.id):
                return f"{variable}={told(written, 'env')}"
        for option in parameter.names:
            if sure and option != written_as and beside(parameter.of or entry.id, option) is not None:
                continue
            for written in spelled(parameter, option, value, entry.id):
                shown = told(written, "flag" if flags else "yaml")
                return f"--{option} {shown}" if flags else f"{option}: {shown}"
    return None


def _holds(parameter: Parameter, case: Case) -> bool:
    """Whether the option exists at the run's version; an unknown version takes options without bounds only."""
    if not parameter.versions:
        return True
    version = case.value("framework.version")
    return isinstance(version, str) and contains(parameter.versions, parse_version(version))


def _is_component(parameter: Parameter) -> bool:
    """An option of a library's own class (BitsAndBytesConfig), which the framework's command does not take."""
    return parameter.of is not None and framework(parameter.of).role == "component"
