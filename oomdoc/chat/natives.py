"""Options by the names of the person's own framework: "attn_impl flash_attn", "--hd_num 9", "freezeV true".

A name that means different things in different frameworks, or a value the framework file cannot convert, says nothing.
"""

import re
from functools import cache
from typing import Any, Final

from oomdoc.facts.model import Value

_OPTION: Final = re.compile(
    r"(?<![A-Za-z0-9_./-])(?:--)?([A-Za-z][A-Za-z0-9]*(?:[_.-][A-Za-z0-9]+)+|freezeV)(?![A-Za-z0-9_/])", re.ASCII
)
_VALUE: Final = re.compile(
    r"[\s:：=\"']*(?:(?:is|was|to|set to|of|改成|改为|设为|设成|降到|调到|换成|是|为|到|用)[\s\"']*){0,2}"
    r"([A-Za-z0-9][\w.*]*(?:-\w[\w.*]*)*)(?![\w.]|\s?(?:or|或者?|还是|[/~、,，])\s?\d|\s?(?:-+>|=>|→|to|改成?|降到|换成|变成|到)\s?\d)",
    re.ASCII,
)


@cache
def _index() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Every option name, in lower case with underscores: (framework, raw parameter) of all files that know it."""
    from oomdoc.ingest.frameworks import normal, raw_files

    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for framework, document in raw_files().items():
        parameters: Any = document.get("parameters", ())
        for parameter in parameters:
            if parameter.get("fact"):
                for name in (*parameter.get("names", ()), *parameter.get("env", ())):
                    found.setdefault(normal(name).lower(), []).append((framework, parameter))
    return found


def facts_of(name: str) -> list[str]:
    """The canonical facts that an option name can mean."""
    entries = _index().get(name.lstrip("-").replace("-", "_").lower(), [])
    return list(dict.fromkeys(str(parameter["fact"]) for _, parameter in entries))


def names_in(written: str) -> list[tuple[str, int, int]]:
    """(name, start, end) of every known option name in a text."""
    return [(match[1], *match.span()) for match in _OPTION.finditer(written) if facts_of(match[1])]


def settings(written: str) -> list[tuple[str, Value, int, int]]:
    """(fact, value, start, end) of options with values; only where all frameworks agree on the fact and the value."""
    found = []
    for name, start, end in names_in(written):
        said = _VALUE.match(written, end)
        if said is None or len(facts_of(name)) != 1:
            continue
        values = {repr(value): value for value in _values(name, said[1])}
        if len(values) == 1:
            found.append((facts_of(name)[0], next(iter(values.values())), start, said.end()))
    return found


def _values(name: str, text: str) -> list[Value]:
    from oomdoc.ingest.convert import SILENT, convert
    from oomdoc.ingest.frameworks import Parameter

    values: list[Value] = []
    for _, raw in _index()[name.replace("-", "_").lower()]:
        value = convert(Parameter.model_validate(raw), text)
        if value is not SILENT and value not in values:
            values.append(value)  # type: ignore[arg-type]
    return values
