"""Whether LoRA reaches the vision tower: by matching target names as PEFT does, or by the printed parameter count."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from oomdoc.facts import base

EVERYTHING = frozenset({"all", "all-linear", "all_linear", "default_all"})


@cache
def _towers() -> list[dict[str, Any]]:
    return list(base.section("frameworks").get("shared/towers.yaml", []))


def tower(model: str) -> dict[str, Any] | None:
    """The vision tower of a model name, or None where it is not known."""
    return next((entry for entry in _towers() if re.search(entry["models"], model, re.IGNORECASE)), None)


def reached_by_names(model: str, targets: Sequence[str]) -> bool | None:
    """Whether targets match a linear layer of the tower; None where the family or a pattern is not understood.

    PEFT (peft/tuners/tuners_utils.py, check_target_module_exists): a list matches whole names or their ends after a
    dot, a single string is a pattern for the whole name.
    """
    known = tower(model)
    if known is None or not targets:
        return None
    if any(target.lower() in EVERYTHING for target in targets):
        return True
    try:
        return any(_matches(module, target) for module in known["modules"] for target in targets)
    except re.error:
        return None


def _matches(module: str, target: str) -> bool:
    if any(mark in target for mark in "()|^*\\[$+?"):
        layers = (module, module.replace(".0.", ".10."))
        return any(
            re.fullmatch(target, f"{prefix}{name}") for name in layers for prefix in ("", "model.", "base_model.model.")
        )
    return module == target or module.endswith(f".{target}")


def reached_by_count(model: str, targets: Sequence[str], rank: int | None, trainable: int) -> bool | None:
    """Whether the number of trainable parameters is that of the language model alone or of both; None: neither fits."""
    known = tower(model)
    if known is None or len(targets) != 1 or targets[0] not in known.get("per_rank", {}):
        return None
    language, vision = known["per_rank"][targets[0]]
    ranks = [rank] if rank else range(1, 513)
    for candidate in ranks:
        if trainable == candidate * language:
            return False
        if trainable == candidate * (language + vision):
            return True
    return None
