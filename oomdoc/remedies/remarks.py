"""Why popular advice is in no plan of this run: it is so already, cannot be, saves too little, or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from oomdoc.facts.model import Scalar, Value
from oomdoc.facts.units import show
from oomdoc.messages import Language
from oomdoc.remedies.options import Limits, options_of, same
from oomdoc.remedies.remedy import Remedy, remedies
from oomdoc.remedies.weigh import Scale

if TYPE_CHECKING:
    from oomdoc.remedies.solver import Plan

Reason: TypeAlias = Literal["moot", "unmet", "too_little", "nothing"]
_LITTLE = 0.25  # of what is missing


class Remark(NamedTuple):
    """One piece of advice that is not followed. `saves` is what it would save alone, `missing` what is needed."""

    remedy: Remedy
    reason: Reason
    en: str
    zh: str
    saves: int | None = None
    missing: int | None = None

    def told(self, language: Language) -> str:
        """The reason in one language; empty where the figures say it."""
        return self.zh if language == "zh" else self.en


def remarks(scale: Scale, limits: Limits, plans: Sequence["Plan"], missing: int) -> tuple[Remark, ...]:
    """Remarks on popular remedies that no plan uses, and on folklore that the model finds to save nothing here."""
    used = {option.remedy.id for plan in plans for option in plan.options}
    found: list[Remark] = []
    for remedy in remedies().values():
        if remedy.saves_nothing:
            found.extend(_folklore(scale, remedy))
        elif remedy.popular and remedy.id not in used:
            found.extend(_unused(scale, limits, remedy, missing))
    return tuple(found)


def _folklore(scale: Scale, remedy: Remedy) -> Iterator[Remark]:
    changes = tried(remedy, scale.facts)
    before, after = scale.weigh({}), scale.weigh(changes) if changes else None
    if not changes or before is None or after is None or remedy.why is None or remedy.unmet(scale.facts):
        return
    saves = before.device - after.device
    if saves <= before.device // 200:
        yield Remark(remedy, "nothing", remedy.why.en, remedy.why.zh, max(0, saves))


def tried(remedy: Remedy, facts: Mapping[str, Value]) -> dict[str, Value]:
    """What people set when they follow folklore; empty where that fact is not known here."""
    found: dict[str, Value] = {}
    for name, how in remedy.tries.items():
        value = _stepped(how, facts.get(name))
        if value is None or facts.get(name) == value:
            return {}
        found[name] = value
    return found


def _stepped(how: Scalar, now: Value) -> Value:
    if how not in {"double", "halve"}:
        return how
    if not isinstance(now, int | float) or isinstance(now, bool) or not now:
        return None
    doubled = now * 2 if how == "double" else now / 2
    return int(doubled) if isinstance(now, int) else doubled


def _unused(scale: Scale, limits: Limits, remedy: Remedy, missing: int) -> Iterator[Remark]:
    facts = scale.facts
    names = list(remedy.levels) or list(remedy.sets)
    if remedy.moot and names and (
        (remedy.levels and facts.get(names[0]) == 1)
        or (not remedy.levels and all(same(facts, name, remedy.sets.get(name)) for name in names))
    ):  # fmt: skip
        places = {"value": show(names[0], facts.get(names[0], remedy.sets.get(names[0])))}
        yield Remark(remedy, "moot", remedy.moot.en.format(**places), remedy.moot.zh.format(**places))
        return
    need = remedy.unmet(facts)
    if need is not None:
        yield Remark(remedy, "unmet", need.en, need.zh)
        return
    options = [option for option in options_of(remedy, facts) if limits.allows(option, facts)]
    before = scale.weigh({})
    after = [weight for option in options if (weight := scale.weigh(option.changes)) is not None]
    if before is None or not after:
        return
    saves = before.device - min(weight.device for weight in after)
    if missing > 0 and saves < _LITTLE * missing:
        yield Remark(remedy, "too_little", "", "", max(0, saves), missing)
