"""Plans and their edits as terminal text and as JSON: what changes, in the person's own options, and what it costs."""

from collections.abc import Iterator, Sequence
from typing import Any

from oomdoc.facts.units import show, size
from oomdoc.messages import Language, say
from oomdoc.patch.way_out import Offer, WayOut
from oomdoc.remedies.advise import Step
from oomdoc.remedies.lengths import Lengths
from oomdoc.remedies.remedy import PROMISES, Remedy
from oomdoc.remedies.solver import Plan, Solution
from oomdoc.report.layout import wrap
from oomdoc.report.mask import mask

_ADVICE = 6


def plans_text(
    way: WayOut,
    language: Language,
    *,
    columns: int,
    shown: int = 1,
    wishes: bool = False,
    lengths: Lengths | None = None,
) -> str:
    """Everything `oomdoc fix` prints without --apply; `shown` is the plan whose diff is printed."""
    return "\n".join(_lines(way, language, columns, shown, wishes, lengths)) + "\n"


def _lines(
    way: WayOut, language: Language, columns: int, shown: int, wishes: bool, lengths: Lengths | None
) -> Iterator[str]:
    solution = way.advice.solution
    if solution is not None:
        yield from _head(way, solution, language, columns, wishes)
    elif way.advice.blind and (way.offers or way.advice.steps):
        yield from wrap(say(language, f"fix.no_numbers_{way.advice.blind}"), columns)
    hands = [step for step in way.advice.steps if not step.changes]
    first = bool(way.advice.steps) and not way.advice.steps[0].changes  # the cause's own remedy is none to be written
    if hands and first:
        yield from _hands(hands, language, columns)
    for offer in way.offers:
        yield ""
        yield from _offer(offer, way, language, columns)
        limit = offer.changes.get("train.max_length")
        if lengths is not None and isinstance(limit, int):
            share = f"{100 * lengths.share_over(limit):.1f}"
            yield from wrap(say(language, "fix.cut", share=share, limit=limit), columns, "  ", "    ")
    if hands and not first and (solution is None or not solution.plans):
        yield from _hands(hands, language, columns)
    if not way.offers and not hands and solution is None:
        yield say(language, "fix.nothing_to_do")
    if solution is not None and solution.remarks:
        yield ""
        yield from _remarks(solution, language, columns)
    for chosen in way.offers:
        if chosen.number == shown:
            yield ""
            yield from _diff(chosen, language, columns)


def _hands(hands: Sequence[Step], language: Language, columns: int) -> Iterator[str]:
    """What the person does themselves."""
    yield ""
    yield say(language, "fix.by_hand_steps")
    for step in hands[:4]:
        told = step.remedy.how.told(language) if step.remedy.how else ""
        colon = "：" if language == "zh" else ": "
        text = step.remedy.title.told(language) + (f"{colon}{told}" if told else "")
        yield from wrap(text, columns, "  - ", "    ")


def _head(way: WayOut, solution: Solution, language: Language, columns: int, wishes: bool) -> Iterator[str]:
    before = solution.before
    assert before is not None
    yield from wrap(
        say(
            language, "fix.before", device=size(before.device), low=size(before.low), high=size(before.high),
            capacity=size(solution.capacity), room=size(solution.room),
        ),
        columns,
    )  # fmt: skip
    if solution.raised:
        yield from wrap(say(language, "fix.raised"), columns)
    if way.advice.solved:
        facts = ", ".join(f"{name} = {show(name, value)}" for name, value in way.advice.solved.items())
        yield from wrap(say(language, "fix.solved", facts=facts), columns)
    if not solution.plans:
        yield from wrap(say(language, "fix.none_fits_as_asked" if wishes else "fix.none_fits"), columns)
        if solution.leanest is not None:
            changes = ", ".join(changed(solution.leanest))
            device = size(solution.leanest.weight.device)
            yield from wrap(say(language, "fix.leanest", changes=changes, device=device), columns)
        if solution.lean_cards:
            cards = ", ".join(card.name for card in solution.lean_cards)
            yield from wrap(say(language, "fix.lean_cards", cards=cards), columns)
    if solution.cards and solution.before and solution.before.device > solution.room:
        yield from wrap(say(language, "fix.cards", cards=", ".join(card.name for card in solution.cards)), columns)


def changed(plan: Plan) -> list[str]:
    """The changes of a plan as name = value."""
    return [f"{name} = {show(name, value)}" for name, value in plan.changes.items()]


def titles(offer: Offer, language: Language) -> list[str]:
    """What a plan does, a remedy a phrase."""
    named: list[Remedy] = [option.remedy for option in offer.plan.options] if offer.plan else []
    named = named or [step.remedy for step in offer.steps]
    return [remedy.called(language) for remedy in named] or [say(language, "fix.repairs")]


def _offer(offer: Offer, way: WayOut, language: Language, columns: int) -> Iterator[str]:
    colon, joint = ("：", "；") if language == "zh" else (": ", "; ")
    promise = say(language, f"remedy.{promise_of(offer)}")
    head = f"{say(language, 'fix.plan', number=offer.number)}{colon}{joint.join(titles(offer, language))} ({promise})"
    yield from wrap(head, columns, "", "  ")
    placed = set()
    for made in offer.edits.made:
        if made.native not in placed:
            placed.add(made.native)
            yield from wrap(mask(f"{made.native}   {made.file}:{made.line}"), columns, "  + ", "    ")
    for hand in offer.edits.by_hand:
        native = hand.native or f"{hand.fact} = {show(hand.fact, hand.value)}"
        yield from wrap(
            mask(say(language, "fix.by_hand", native=native, why=hand.why(language))), columns, "  + ", "    "
        )
    if offer.plan is not None and way.advice.solution is not None:
        yield from _figures(offer.plan, way.advice.solution, language, columns)
    if way.single == offer.number:
        yield f"  {say(language, 'fix.single')}"
    for remedy in _remedies(offer):
        if remedy.cost:
            yield from wrap(say(language, "fix.cost", text=remedy.cost.told(language)), columns, "  ", "    ")
        if remedy.learning_rate:
            text = say(language, "fix.learning_rate", text=remedy.learning_rate.told(language))
            yield from wrap(text, columns, "  ", "    ")


def _remedies(offer: Offer) -> list[Remedy]:
    found = [option.remedy for option in offer.plan.options] if offer.plan else []
    return found + [step.remedy for step in offer.steps]


def promise_of(offer: Offer) -> str:
    """The weakest promise among a plan's remedies."""
    ranks = [PROMISES.index(remedy.promise) for remedy in _remedies(offer)]
    return PROMISES[max(ranks, default=0)]


def _figures(plan: Plan, solution: Solution, language: Language, columns: int) -> Iterator[str]:
    weight = plan.weight
    text = say(
        language, "fix.peak", device=size(weight.device), low=size(weight.low), high=size(weight.high),
        spare=size(solution.capacity - weight.device), saved=size(plan.saved),
    )  # fmt: skip
    percent = round(abs(plan.slower - 1) * 100)
    if percent >= 2:
        pace = say(language, "fix.slower" if plan.slower > 1 else "fix.faster", percent=percent)
        text += ("；" if language == "zh" else "; ") + pace
    yield from wrap(text, columns, "  ", "    ")
    if weight.high > solution.capacity:
        yield from wrap(say(language, "fix.unsure"), columns, "  ", "    ")


def _remarks(solution: Solution, language: Language, columns: int) -> Iterator[str]:
    yield say(language, "fix.remarks")
    order = {"moot": 0, "too_little": 1, "nothing": 2, "unmet": 3}
    for remark in sorted(solution.remarks, key=lambda one: order[one.reason])[:_ADVICE]:
        why = remark.told(language)
        if remark.reason == "too_little" and not remark.saves:
            why = say(language, "fix.nothing_here")
        elif remark.reason == "too_little":
            why = say(language, "fix.too_little", saves=size(remark.saves or 0), missing=size(remark.missing or 0))
        elif remark.reason == "nothing":
            why = say(language, "fix.nothing_saved", why=why)
        colon = "：" if language == "zh" else ": "
        yield from wrap(f"{remark.remedy.title.told(language)}{colon}{why}", columns, "  - ", "    ")


def _diff(offer: Offer, language: Language, columns: int) -> Iterator[str]:
    yield say(language, "fix.diff", number=offer.number)
    if not offer.edits.files and not offer.edits.commands:
        yield f"  {say(language, 'fix.no_edit')}"
    yield from mask(offer.edits.diff).splitlines()
    if offer.edits.commands:
        yield ""
        yield say(language, "fix.command")
        for command in offer.edits.commands:
            yield from mask(command).splitlines()
    if offer.edits.files:
        yield ""
        yield from wrap(say(language, "fix.to_apply"), columns)


def plans_json(way: WayOut, language: Language) -> dict[str, Any]:
    """The same as plain JSON values, schema `oomdoc.fix/1`."""
    solution = way.advice.solution
    before = solution.before if solution else None
    return {
        "schema": "oomdoc.fix/1",
        "language": language,
        "blind": way.advice.blind,
        "capacity_bytes": solution.capacity if solution else None,
        "before": _weight(before),
        "raised": bool(solution and solution.raised),
        "assumed": dict(way.advice.solved or {}),
        "plans": [offer_json(offer, way, language) for offer in way.offers],
        "by_hand": [
            {"id": step.remedy.id, "cause": step.cause, "title": step.remedy.title.told(language),
             "how": step.remedy.how.told(language) if step.remedy.how else None}
            for step in way.advice.steps if not step.changes
        ],
        "remarks": [
            {"id": remark.remedy.id, "reason": remark.reason, "why": remark.told(language),
             "saves_bytes": remark.saves, "missing_bytes": remark.missing}
            for remark in (solution.remarks if solution else ())
        ],
        "cards": [card.name for card in (solution.cards if solution else ())],
        "lean_cards": [card.name for card in (solution.lean_cards if solution else ())],
    }  # fmt: skip


def offer_json(offer: Offer, way: WayOut, language: Language) -> dict[str, Any]:
    """One plan as plain JSON values."""
    plan, solution = offer.plan, way.advice.solution
    return {
        "number": offer.number,
        "remedies": [remedy.id for remedy in _remedies(offer)],
        "title": "; ".join(titles(offer, language)),
        "promise": promise_of(offer),
        "sets": {name: list(value) if isinstance(value, tuple) else value for name, value in offer.changes.items()},
        "after": _weight(plan.weight if plan else None),
        "saves_bytes": plan.saved if plan else None,
        "slower": round(plan.slower, 3) if plan else None,
        "fits": plan.weight.device <= solution.capacity if plan and solution else None,
        "least_single": way.single == offer.number,
        "made": [{"fact": made.fact, "native": made.native, "file": made.file, "line": made.line}
                 for made in offer.edits.made],
        "by_hand": [{"fact": hand.fact, "native": hand.native, "why": hand.why(language)}
                    for hand in offer.edits.by_hand],
        "diff": mask(offer.edits.diff),
        "commands": [mask(command) for command in offer.edits.commands],
    }  # fmt: skip


def _weight(weight: Any) -> dict[str, int] | None:
    if weight is None:
        return None
    return {"device_bytes": weight.device, "low_bytes": weight.low, "high_bytes": weight.high}
