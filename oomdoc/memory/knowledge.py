"""The model's constants, read once from `knowledge/memory/`, and the version ranges that pick among them."""

import re
from functools import cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.lazy import lazy

Version = tuple[int, ...]
_BOUND = lazy(r"(>=|<=|==|>|<)(\d+(?:\.\d+)*)")


@cache
def document(name: str) -> Any:
    """One document of `knowledge/memory/` by its stem."""
    return base.section("memory")[f"{name}.yaml"]


def constants() -> dict[str, Any]:
    """Sizes of the platform (context, workspaces, quantisation constants, fragmentation), each with its source."""
    found: dict[str, Any] = document("constants")
    return found


def version(text: str | None) -> Version | None:
    """The numbers of a version ("4.51.3.dev0" is (4, 51, 3)), or None where nothing is known."""
    numbers = re.match(r"\D{0,2}(\d+(?:\.\d+)*)", text or "")
    return tuple(int(part) for part in numbers[1].split(".")) if numbers else None


def holds(bounds: str, found: Version | None) -> bool:
    """Whether a version lies within bounds such as ">=4.45,<4.50"; an unknown version counts as the newest."""
    for sign, limit in _BOUND.findall(bounds):
        wanted = tuple(int(part) for part in limit.split("."))
        if found is None:
            if sign.startswith("<") or sign == "==":
                return False
            continue
        width = max(len(found), len(wanted))
        left, right = found + (0,) * (width - len(found)), wanted + (0,) * (width - len(wanted))
        if not {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right, "==": left == right}[
            sign
        ]:
            return False
    return True


@cache
def habits(framework: str | None, framework_version: Version | None) -> dict[str, Any]:
    """What a training program does beyond its settings: its own entry over the general one."""
    table = document("frameworks")
    found = dict(table["any"][0])
    for entry in table.get(framework or "", ()):
        if holds(entry.get("versions", ""), framework_version):
            return {**found, **entry}
    return found


@cache
def optimizer_entry(name: str) -> dict[str, Any]:
    """What an optimizer keeps, by its name; an unknown name is taken as AdamW and says so."""
    plain = name.lower().replace("-", "_")
    for entry in document("optimizers"):
        if re.search(entry["pattern"], plain):
            return {"state": 0, "fixed": 0.0, "foreach": 0, **entry}
    raise AssertionError("the last pattern matches everything")


def loss_recipe(name: str) -> dict[str, Any]:
    """Copies of the logits at the worst moment of the loss, by recipe."""
    found: dict[str, Any] = document("losses")["recipes"][name]
    return found
