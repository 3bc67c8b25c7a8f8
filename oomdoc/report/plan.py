"""The way out as one block, the same for every format: plans in the person's own options, with peaks and costs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from oomdoc.facts.units import show, size
from oomdoc.messages import Language, say
from oomdoc.patch.way_out import Offer, WayOut
from oomdoc.remedies.advise import Step, repeats
from oomdoc.remedies.remedy import PROMISES, Remedy
from oomdoc.remedies.solver import Plan, Solution
from oomdoc.report.blocks_plan import Change, Diff, Peak, PlanCard, PlansBlock

if TYPE_CHECKING:
    from oomdoc.remedies.lengths import Lengths

_ADVICE = 6
_HANDS = 4


def plans_block(
    way: WayOut, language: Language, *, wishes: bool = False, lengths: "Lengths | None" = None
) -> PlansBlock:
    """What `oomdoc fix` shows; `wishes` says that the person ruled something out."""
    solution = way.advice.solution
    hands = [step for step in way.advice.steps if not step.changes]
    first = bool(way.advice.steps) and not way.advice.steps[0].changes  # the cause's own remedy is none to be written
    shown = hands if first or solution is None or not (solution.plans or way.single) else []
    return PlansBlock(
        sentences=tuple(_sentences(way, language, wishes)),
        cards=tuple(_card(offer, way, language, lengths) for offer in way.offers),
        hands=tuple(_by_hand(step, language) for step in shown[:_HANDS]),
        hands_first=first,
        advice=tuple(_advice(solution, language)) if solution is not None else (),
        nothing=say(language, "fix.nothing_to_do") if not way.offers and not hands and solution is None else "",
    )


def _by_hand(step: Step, language: Language) -> str:
    """What the person does themselves."""
    told = step.remedy.how.told(language) if step.remedy.how else ""
    return step.remedy.title.told(language) + (f"{colon(language)}{told}" if told else "")


def colon(language: Language) -> str:
    """Between a title and what it says."""
    return say(language, "mark.colon")


def _sentences(way: WayOut, language: Language, wishes: bool) -> Iterator[str]:
    solution = way.advice.solution
    if solution is None:
        if way.advice.blind and (way.offers or way.advice.steps):
            yield say(language, f"fix.no_numbers_{way.advice.blind}")
        return
    before = solution.before
    assert before is not None
    yield say(
        language, "fix.before", device=size(before.device), low=size(before.low), high=size(before.high),
        capacity=size(solution.capacity), room=size(solution.room),
    )  # fmt: skip
    if solution.raised:
        yield say(language, "fix.raised")
    if way.advice.solved:
        facts = ", ".join(f"{name} = {show(name, value)}" for name, value in way.advice.solved.items())
        yield say(language, "fix.solved", facts=facts)
    for each in solution.assumed:
        yield say(language, "memory.assumed", sentence=each.told(language))
    if not solution.plans and way.single is None:
        yield say(language, "fix.none_fits_as_asked" if wishes else "fix.none_fits")
        if solution.leanest is not None:
            changes = ", ".join(changed(solution.leanest))
            yield say(language, "fix.leanest", changes=changes, device=size(solution.leanest.weight.device))
        if solution.lean_cards:
            yield say(language, "fix.lean_cards", cards=", ".join(card.name for card in solution.lean_cards))
    if solution.cards and before.device > solution.room:
        yield say(language, "fix.cards", cards=", ".join(card.name for card in solution.cards))


def changed(plan: Plan) -> list[str]:
    """The changes of a plan as name = value."""
    return [f"{name} = {show(name, value)}" for name, value in plan.changes.items()]


def title_of(offer: Offer, language: Language) -> str:
    """What a plan does, a remedy a phrase."""
    named = [remedy.called(language) for remedy in remedies_of(offer)]
    return say(language, "mark.semicolon").join(named or [say(language, "fix.repairs")])


def remedies_of(offer: Offer) -> list[Remedy]:
    """The remedies of a plan; none where it repairs what did not arrive."""
    found = [option.remedy for option in offer.plan.options] if offer.plan else []
    return found + [step.remedy for step in offer.steps]


def promise_of(offer: Offer) -> str:
    """The weakest promise among a plan's remedies."""
    ranks = [PROMISES.index(remedy.promise) for remedy in remedies_of(offer)]
    return PROMISES[max(ranks, default=0)]


def _card(offer: Offer, way: WayOut, language: Language, lengths: "Lengths | None") -> PlanCard:
    solution = way.advice.solution
    peak = _peak(offer.plan, solution) if offer.plan is not None and solution is not None else None
    remarks = []
    if repeats((remedy.id for remedy in remedies_of(offer)), way.advice.spent):
        remarks.append(say(language, "aftermath.plan_tried"))
    if way.single == offer.number:
        remarks.append(say(language, "fix.single"))
    remarks += [
        say(language, "fix.learning_rate", text=remedy.learning_rate.told(language))
        for remedy in remedies_of(offer)
        if remedy.learning_rate
    ]
    limit = offer.changes.get("train.max_length")
    if lengths is not None and isinstance(limit, int):
        share = f"{100 * lengths.share_over(limit):.1f}"
        remarks.append(say(language, "fix.cut", share=share, limit=limit))
    return PlanCard(
        number=offer.number,
        title=title_of(offer, language),
        promise=promise_of(offer),
        changes=tuple(_changes(offer, language)),
        peak=peak,
        remarks=tuple(remarks),
        cost=tuple(remedy.cost.told(language) for remedy in remedies_of(offer) if remedy.cost),
        diffs=tuple(Diff(edit.original.name, edit.diff) for edit in offer.edits.files),
        commands=offer.edits.commands,
    )


def _changes(offer: Offer, language: Language) -> Iterator[Change]:
    yield from (Change(word) for word in offer.words)
    for mended in offer.edits.mended:
        yield Change(mended.native, f"{mended.file}:{mended.line}" if mended.line else "")
    placed: dict[str, str] = {}
    for made in offer.edits.made:
        placed.setdefault(made.native, f"{made.file}:{made.line}")
    yield from (Change(native, place) for native, place in placed.items())
    for hand in offer.edits.by_hand:
        yield Change(hand.native or f"{hand.fact} = {show(hand.fact, hand.value)}", why=hand.why(language))


def _peak(plan: Plan, solution: Solution) -> Peak:
    weight = plan.weight
    fits = weight.device <= solution.capacity
    return Peak(
        weight.device, weight.low, weight.high, solution.capacity, plan.saved,
        "no" if not fits else "close" if weight.high > solution.capacity else "yes", plan.slower,
    )  # fmt: skip


def peak_sentence(peak: Peak, language: Language) -> str:
    """The peak with its interval, what is to spare, what it saves, and the pace where it changes."""
    spare = peak.capacity_bytes - peak.device_bytes
    text = say(
        language, "fix.peak_over" if spare < 0 else "fix.peak", device=size(peak.device_bytes),
        low=size(peak.low_bytes), high=size(peak.high_bytes), spare=size(spare), over=size(-spare),
        saved=size(peak.saves_bytes),
    )  # fmt: skip
    pace = pace_of(peak, language)
    return text + (say(language, "mark.semicolon") + pace if pace else "")


def pace_of(peak: Peak, language: Language) -> str:
    """How much slower or faster a step gets; empty below 2 %."""
    percent = round(abs(peak.slower - 1) * 100)
    if percent < 2:
        return ""
    return say(language, "fix.slower" if peak.slower > 1 else "fix.faster", percent=percent)


def _advice(solution: Solution, language: Language) -> Iterator[str]:
    order = {"moot": 0, "too_little": 1, "nothing": 2, "unmet": 3}
    for remark in sorted(solution.remarks, key=lambda one: order[one.reason])[:_ADVICE]:
        why = remark.told(language)
        if remark.reason == "too_little" and not remark.saves:
            why = say(language, "fix.nothing_here")
        elif remark.reason == "too_little":
            why = say(language, "fix.too_little", saves=size(remark.saves or 0), missing=size(remark.missing or 0))
        elif remark.reason == "nothing":
            why = say(language, "fix.nothing_saved", why=why)
        yield f"{remark.remedy.title.told(language)}{colon(language)}{why}"


def numbered(cards: Sequence[PlanCard], number: int) -> PlanCard | None:
    """The plan of a number."""
    return next((card for card in cards if card.number == number), None)


def fits_sentence(peak: Peak, language: Language) -> str:
    """Whether the card holds it, in a few words for a table."""
    return say(language, f"fix.fits_{peak.fits}", spare=size(peak.capacity_bytes - peak.device_bytes))
