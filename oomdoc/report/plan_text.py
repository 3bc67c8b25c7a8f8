"""Plans as terminal text: what changes, in the person's own options, what it costs, and the diff of one of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from oomdoc.messages import Language, say
from oomdoc.report.blocks_plan import PlanCard, PlansBlock
from oomdoc.report.layout import wrap
from oomdoc.report.mask import mask
from oomdoc.report.plan import colon, numbered, peak_sentence

if TYPE_CHECKING:
    from oomdoc.report.text import Paint


def plans_text(block: PlansBlock, language: Language, *, columns: int, shown: int = 1) -> str:
    """Everything `oomdoc fix` prints without --apply; `shown` is the plan whose diff is printed."""
    lines = list(_standing(block, language, columns))
    for card in block.cards:
        lines += ["", *_card(card, language, columns)]
    if block.hands and not block.hands_first:
        lines += _hands(block, language, columns)
    lines += [block.nothing] if block.nothing else []
    if block.advice:
        lines += ["", say(language, "fix.remarks")]
        lines += [line for told in block.advice for line in wrap(mask(told), columns, "  - ", "    ")]
    chosen = numbered(block.cards, shown)
    if chosen is not None:
        lines += ["", *_diff(chosen, language, columns)]
    return "\n".join(lines) + "\n"


def plan_lines(block: PlansBlock, language: Language, columns: int, paint: "Paint") -> Iterator[str]:
    """The plans within a report: no diff, and where to see it."""
    yield paint(say(language, "report.next"), "head")
    yield from _standing(block, language, columns)
    for card in block.cards:
        yield ""
        yield from _card(card, language, columns)
    if block.hands and not block.hands_first:
        yield from _hands(block, language, columns)
    if block.nothing:
        yield block.nothing
    if any(card.diffs or card.commands for card in block.cards):
        yield ""
        for line in wrap(say(language, "fix.how_to"), columns):
            yield paint(line, "dim")


def _standing(block: PlansBlock, language: Language, columns: int) -> Iterator[str]:
    for sentence in block.sentences:
        yield from wrap(mask(sentence), columns)
    if block.hands and block.hands_first:
        yield from _hands(block, language, columns)


def _hands(block: PlansBlock, language: Language, columns: int) -> Iterator[str]:
    yield ""
    yield say(language, "fix.by_hand_steps")
    for told in block.hands:
        yield from wrap(mask(told), columns, "  - ", "    ")


def _card(card: PlanCard, language: Language, columns: int) -> Iterator[str]:
    promise = say(language, f"remedy.{card.promise}")
    aside = say(language, "mark.aside", text=promise)
    head = f"{say(language, 'fix.plan', number=card.number)}{colon(language)}{card.title}{aside}"
    yield from wrap(mask(head), columns, "", "  ")
    for change in card.changes:
        text = f"{change.native}   {change.place}" if change.place else change.native
        if change.why:
            text = say(language, "fix.by_hand", native=change.native, why=change.why)
        yield from wrap(mask(text), columns, "  + ", "    ")
    told = [peak_sentence(card.peak, language)] if card.peak is not None else []
    told += [say(language, "fix.unsure")] if card.peak is not None and card.peak.fits == "close" else []
    told += card.remarks
    told += [say(language, "fix.cost", text=cost) for cost in card.cost]
    for sentence in told:
        yield from wrap(mask(sentence), columns, "  ", "    ")


def _diff(card: PlanCard, language: Language, columns: int) -> Iterator[str]:
    yield say(language, "fix.diff", number=card.number)
    if not card.diffs and not card.commands:
        yield f"  {say(language, 'fix.no_edit')}"
    for diff in card.diffs:
        yield from mask(diff.text).splitlines()
    if card.commands:
        yield ""
        yield say(language, "fix.command")
        for command in card.commands:
            yield from mask(command).splitlines()
    if card.diffs:
        yield ""
        yield from wrap(say(language, "fix.to_apply"), columns)
