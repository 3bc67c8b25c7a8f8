"""Plans as Markdown: one table of all, then the diff of each; GitHub's flavour folds the diffs of all but the first."""

from collections.abc import Iterator

from oomdoc.facts.units import size
from oomdoc.messages import Language, say
from oomdoc.report.blocks_plan import Change, PlanCard, PlansBlock
from oomdoc.report.mask import mask, visible
from oomdoc.report.plan import fits_sentence, pace_of

_COLUMNS = ("plan", "change", "promise", "peak", "fits", "cost")


def plan_lines(block: PlansBlock, language: Language, *, github: bool = False) -> Iterator[str]:
    """The section of a report."""
    from oomdoc.report.markdown import escape

    yield f"### {say(language, 'report.next')}"
    yield ""
    yield from (f"{escape(sentence)}  " for sentence in block.sentences[:-1])
    yield from (escape(sentence) for sentence in block.sentences[-1:])
    yield ""
    if block.hands and block.hands_first:
        yield from _list(say(language, "fix.by_hand_steps"), block.hands)
    if block.cards:
        yield from _table(block, language)
    for place, card in enumerate(block.cards):
        yield from _diffs(card, language, folded=github and place > 0)
    if block.hands and not block.hands_first:
        yield from _list(say(language, "fix.by_hand_steps"), block.hands)
    if block.advice:
        yield from _list(say(language, "fix.remarks"), block.advice)
    if any(card.diffs or card.commands for card in block.cards):
        yield escape(say(language, "fix.how_to"))


def _list(title: str, items: tuple[str, ...]) -> Iterator[str]:
    from oomdoc.report.markdown import escape

    yield f"**{title}**"
    yield ""
    yield from (f"- {escape(item)}" for item in items)
    yield ""


def _table(block: PlansBlock, language: Language) -> Iterator[str]:
    yield "| " + " | ".join(say(language, f"fix.col_{name}") for name in _COLUMNS) + " |"
    yield "| ---: | --- | --- | ---: | --- | --- |"
    for card in block.cards:
        yield "| " + " | ".join(_cells(card, language)) + " |"
    yield ""


def _cells(card: PlanCard, language: Language) -> Iterator[str]:
    from oomdoc.report.markdown import escape

    yield str(card.number)
    changes = "".join(f"<br>{_change(change, language)}" for change in card.changes)
    yield f"**{escape(card.title)}**{changes}"
    yield say(language, f"remedy.{card.promise}")
    peak = card.peak
    if peak is None:
        yield from ("—", "—")
    else:
        interval = say(language, "fix.interval", low=size(peak.low_bytes), high=size(peak.high_bytes))
        yield f"**{size(peak.device_bytes)}**<br>{interval}"
        yield fits_sentence(peak, language)
    pace = pace_of(peak, language) if peak is not None else ""
    yield "<br>".join(escape(told) for told in (*((pace,) if pace else ()), *card.cost, *card.remarks)) or "—"


def _change(change: Change, language: Language) -> str:
    from oomdoc.report.markdown import code, escape

    # A bar ends a cell of GitHub's tables even within a code span, unless it is escaped.
    native = code(change.native).replace("|", "\\|")
    if not change.why:
        return native
    before, _, after = say(language, "fix.by_hand", native="\n", why=change.why).partition("\n")
    return f"{escape(before)} {native} {escape(after)}"


def _diffs(card: PlanCard, language: Language, *, folded: bool) -> Iterator[str]:
    if not card.diffs and not card.commands:
        return
    title = say(language, "fix.diff", number=card.number)
    if folded:
        yield from (f"<details><summary>{title}</summary>", "")
    else:
        yield from (f"**{title}**", "")
    for diff in card.diffs:
        yield from _fenced(diff.text, "diff")
    if card.commands and not card.diffs:
        for command in card.commands:
            yield from _fenced(command, "sh")
    if folded:
        yield from ("</details>", "")


def _fenced(text: str, kind: str) -> Iterator[str]:
    """A code block that no line of the text can end."""
    lines = [mask(visible(line)) for line in text.rstrip("\n").split("\n")]
    fence = "`" * max(3, 1 + max((len(line) - len(line.lstrip("`")) for line in map(str.lstrip, lines)), default=0))
    yield f"{fence}{kind}"
    yield from lines
    yield from (fence, "")
