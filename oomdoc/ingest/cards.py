"""From a card's name to its memory, where every card of that name has the same: "V100" alone may be 16 or 32 GiB."""

import re
from functools import cache

from oomdoc.facts import base
from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import lazy
from oomdoc.facts.units import GIB

_MAKERS = lazy(r"nvidia|geforce|tesla|quadro|amd|radeon|intel|\bgpu\b|\bgraphics\b|[^a-z0-9]+", re.IGNORECASE)
_SIZE = lazy(r"\d+\s?g(?:i?b)?\b.*|\bsxm\d?.*|\bpcie?.*|\bnvl\b.*|\bhbm.*", re.IGNORECASE)
_PRINTED = lazy(r"(?<![\d.])(\d{1,3})\s?GB\b", re.IGNORECASE)
_SERIES = lazy(r"^(?:rtx|gtx|rx)")


def card_facts(case: Case) -> list[Fact]:
    """`hardware.gpu_total_bytes` of the named card where nobody stated it and the name leaves one size."""
    named = case.fact("hardware.gpu_name")
    if named is None or not isinstance(named.value, str):
        return []
    integrated = re.search(base.section("gpus")["gpus.yaml"]["integrated"], named.value) is not None
    source = Source(how=How.CATALOG, derived_from=("hardware.gpu_name",), note=named.value)
    facts = [Fact(name="hardware.integrated", value=integrated, source=source)]
    stated = ("oom.gpu_total_bytes", "hardware.gpu_total_bytes")
    return facts if any(case.fact(name) for name in stated) else [*facts, *_size_on_the_box(named.value)]


def _size_on_the_box(name: str) -> list[Fact]:
    sizes = _sizes().get(_plain(name)) or _sizes().get(_SERIES.sub("", _plain(name)))
    printed = _PRINTED.search(name)
    if printed and (not sizes or int(printed[1]) in sizes):
        sizes = frozenset({int(printed[1])})  # "A100-SXM4-40GB": the name tells which of them it is
    if not sizes or len(sizes) > 1:
        return []
    source = Source(how=How.CATALOG, derived_from=("hardware.gpu_name",), note=f"{name}: size on the box")
    return [Fact(name="hardware.gpu_total_bytes", value=next(iter(sizes)) * GIB, source=source)]


def _plain(name: str) -> str:
    return _MAKERS.sub("", _SIZE.sub("", name)).lower()


@cache
def _sizes() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for name, card in base.section("gpus")["gpus.yaml"]["cards"].items():
        for written in (name, *card.get("aliases", ())):
            plain = _plain(written)
            for key in {plain, _SERIES.sub("", plain)} if "memory_gib" in card else ():
                found.setdefault(key, set()).add(int(card["memory_gib"]))
    return {key: frozenset(sizes) for key, sizes in found.items()}
