"""A rule: one cause, what must hold, the signs for and against with their weights, and its texts."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from oomdoc.engine.conditions import Condition, compile_clause
from oomdoc.facts import base
from oomdoc.facts.lazy import dataclass, lazy

_SIGN_KEYS = frozenset({"weight", "en", "zh", "decisive"})
_PLACE = lazy(r"\{([a-z_.]+)\}")


@dataclass(frozen=True, slots=True)
class Sign:
    """A weight of evidence in log-odds that counts when its condition holds; `decisive` may confirm the cause."""

    condition: Condition
    weight: float
    text: Mapping[str, str]
    decisive: bool = False
    facts: tuple[str, ...] = ()  # named in the clause or the sentence, for quoting


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file, compiled; `path` is relative to rules/."""

    id: str
    cause: str
    family: str
    path: str
    when: Condition
    prior: float
    signs: tuple[Sign, ...]
    title: Mapping[str, str]
    explain: Mapping[str, str]
    looks_like: Mapping[str, str]
    remedies: tuple[str, ...]
    references: tuple[str, ...]
    witness: str | None
    status: str

    @property
    def facts(self) -> tuple[str, ...]:
        """Every fact its conditions read."""
        return tuple(dict.fromkeys([*self.when.facts, *(f for sign in self.signs for f in sign.condition.facts)]))


def places(text: str) -> tuple[str, ...]:
    """The {placeholders} of a sentence."""
    return tuple(_PLACE.findall(text))


def compile_rule(path: str, raw: Mapping[str, Any]) -> Rule:
    """A parsed rule file as a Rule; raises ConditionError or KeyError, which `rules check` turns into a line."""
    return Rule(
        id=raw["id"],
        cause=raw.get("cause", raw["id"]),
        family=path.split("/", maxsplit=1)[0],
        path=path.removesuffix(".yaml"),
        when=compile_clause(raw["when"]),
        prior=float(raw.get("prior", 0.0)),
        signs=tuple(_compile_sign(sign) for sign in raw.get("signs", ())),
        title=raw["title"],
        explain=raw["explain"],
        looks_like=raw.get("looks_like", {}),
        remedies=tuple(raw.get("remedies", ())),
        references=tuple(raw.get("references", ())),
        witness=raw.get("witness"),
        status=raw.get("status", "experimental"),
    )


def _compile_sign(raw: Mapping[str, Any]) -> Sign:
    clause = {key: value for key, value in raw.items() if key not in _SIGN_KEYS}
    condition = compile_clause(clause)
    named = tuple(_facts_named(clause)) + tuple(p for p in places(raw["en"]) if p != "value")
    return Sign(
        condition=condition,
        weight=float(raw["weight"]),
        text={"en": raw["en"], "zh": raw["zh"]},
        decisive=bool(raw.get("decisive", False)),
        facts=tuple(dict.fromkeys(named)),
    )


def _facts_named(clause: Mapping[str, Any]) -> list[str]:
    if "fact" in clause:
        return [clause["fact"]]
    inner = clause.get("all") or clause.get("any") or [clause["not"]]
    return [fact for part in inner for fact in _facts_named(part)]


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule of the base, by path."""
    return tuple(compile_rule(path, raw) for path, raw in base.section("rules").items())
