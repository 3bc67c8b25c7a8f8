"""Figures as text: binary sizes, counts and ratios, the same everywhere. Inside the program bytes are integers."""

from oomdoc.facts.fact import Fact
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import term

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
_MUCH = 10_000


def size(count: float) -> str:
    """Bytes as people read them: 25757220864 -> "23.99 GiB"."""
    sign, count = ("-", -count) if count < 0 else ("", count)
    for unit, name in ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{sign}{count / unit:.2f} {name}"
    return f"{sign}{count:.0f} bytes"


def show(name: str, value: Value) -> str:
    """A fact's value as text, by its unit in the vocabulary; None is an em dash."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    declared = term(name)
    unit = declared.unit if declared else None
    if isinstance(value, int | float):
        return _show_number(value, unit)
    return str(value)


def show_fact(fact: Fact) -> str:
    """The value of a fact as text."""
    return show(fact.name, fact.value)


def _show_number(value: float, unit: str | None) -> str:
    if unit == "bytes":
        return size(value)
    if unit == "percent":
        return f"{100 * value:.0f} %"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{int(value):,}" if abs(value) >= _MUCH else str(int(value))
