"""What a person types for a fact, as the vocabulary's value; anything doubtful is refused."""

import re
from typing import Final

from oomdoc.chat.voice import words
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import term

_NUMBER: Final = re.compile(r"(-?\d+(?:[.,]\d+)*)\s*([a-zA-Z%]*)\Z")
_BYTES: Final = {"": 1, "b": 1, "bytes": 1} | {
    name: 1 << (10 * power) for power, letter in enumerate("kmgt", 1) for name in (letter, f"{letter}b", f"{letter}ib")
}
_COUNTS: Final = {"": 1, "k": 1024, "m": 1_000_000, "b": 1_000_000_000}


class NotReadable(ValueError):  # noqa: N818 (said to the person)
    """A value that cannot be taken; `key` names the sentence."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def value_of(name: str, text: str) -> Value:
    """The value of a fact; raises NotReadable for an unknown name, a wrong type or an ambiguous number."""
    declared = term(name)
    if declared is None:
        raise NotReadable("no_such_fact")
    said = text.strip()
    if said.lower() in words("unset"):
        return None
    if declared.type == "bool":
        if said.lower() in (*words("on"), *words("off")):
            return said.lower() in words("on")
        raise NotReadable("not_a_value")
    if declared.type == "list":
        return tuple(part.strip() for part in said.split(",") if part.strip())
    if declared.type == "str":
        if declared.choices and said not in declared.choices:
            raise NotReadable("not_a_value")
        return said
    number = _number(said, _BYTES if declared.unit == "bytes" else _COUNTS)
    if declared.type == "int":
        if not number.is_integer():
            raise NotReadable("not_a_value")
        return int(number)
    return number


def _number(said: str, units: dict[str, int]) -> float:
    found = _NUMBER.match(said)
    if found is None or found[2].lower() not in units:
        raise NotReadable("not_a_value")
    digits = found[1]
    if "," in digits:
        if not re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", digits):
            raise NotReadable("not_a_value")
        digits = digits.replace(",", "")
    if digits.count(".") > 1:
        raise NotReadable("not_a_value")
    return float(round(float(digits) * units[found[2].lower()])) if found[2] else float(digits)
