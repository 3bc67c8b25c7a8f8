"""Blocks as Markdown; the GitHub flavour folds the details, for a comment under an issue."""

from collections.abc import Iterator, Sequence

from oomdoc.facts.lazy import lazy
from oomdoc.facts.units import size
from oomdoc.messages import Language, say
from oomdoc.report import blocks
from oomdoc.report.blocks_plan import PlansBlock
from oomdoc.report.mask import mask

_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|~!&"} | {"@": "@\u200b"})
_LIST_MARK = lazy(r"^(\d*)([-+=.)])(?=\s|$|[-=])")
_TICKS = lazy("`+")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, line breaks folded; a name behind an @ is nobody's notification."""
    text = " ".join(mask(text).split()).translate(_SPECIAL)
    return _LIST_MARK.sub(r"\1\\\2", text)


def code(text: str) -> str:
    """An inline code span that its own back quotes cannot end."""
    text = " ".join(mask(text).split())
    fence = "`" * (max(map(len, _TICKS.findall(text)), default=0) + 1)
    blank = " " if "`" in text else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def render(drawn: Sequence[blocks.Block], language: Language, github: bool = False) -> str:
    """The report as Markdown, a newline at its end."""
    lines: list[str] = []
    lead = True
    for block in drawn:
        if lines and lines[-1]:
            lines.append("")
        if isinstance(block, blocks.CauseBlock):
            lines += _cause(block, language, lead=lead, github=github)
            lead = False
        elif isinstance(block, PlansBlock):
            from oomdoc.report.plan_markdown import plan_lines

            lines += plan_lines(block, language, github=github)
        else:
            lines += _block(block, language)
    return "\n".join(lines).rstrip() + "\n"


def _block(block: blocks.Block, language: Language) -> Iterator[str]:
    if isinstance(block, blocks.VerdictBlock):
        yield f"## {escape(block.headline)}"
        yield ""
        if block.sentence:
            yield escape(block.sentence)
        if block.place and block.place.quote:
            yield ""
            yield f">{_quote(block.place)}"
    elif isinstance(block, blocks.BarBlock):
        total = say(language, "mark.aside", text=size(block.total_bytes))
        yield f"**{escape(block.title)}{total}**"
        yield ""
        yield "| | |"
        yield "| --- | ---: |"
        yield from (f"| {escape(segment.label)} | {size(segment.bytes)} |" for segment in block.segments)
        if block.requested_bytes is not None:
            yield f"| **{say(language, 'bar.requested')}** | **{size(block.requested_bytes)}** |"
    elif isinstance(block, blocks.StepsBlock):
        yield f"### {say(language, 'report.next')}"
        yield ""
        for place, step in enumerate(block.steps, 1):
            promise = f" *({say(language, f'remedy.{step.promise}')})*" if step.promise else ""
            written = f" — {code(step.native)}" if step.native else f" — {escape(step.how)}" if step.how else ""
            between = say(language, "mark.semicolon")
            cost = between + say(language, "remedy.cost", cost=escape(step.cost)) if step.cost else ""
            yield f"{place}. **{escape(step.title)}**{promise}{written}{cost}"
    elif isinstance(block, blocks.PredictionBlock):
        yield escape(block.sentence)
        yield from (f"- {escape(say(language, 'memory.assumed', sentence=sentence))}" for sentence in block.assumed)
    elif isinstance(block, blocks.VerificationBlock):
        yield f"### {block.title}"
        yield ""
        colon = say(language, "mark.colon")
        for check in block.checks:
            yield f"- {escape(check.subject)}{colon}**{escape(check.said)}**"
            yield from (f"  - {escape(sentence)}" for sentence in check.sentences)
    elif isinstance(block, blocks.QuestionBlock):
        yield f"**{say(language, 'report.question')}** {escape(block.ask)} {escape(block.why)}"
    elif isinstance(block, blocks.UntoldBlock | blocks.NotesBlock):
        if isinstance(block, blocks.UntoldBlock):
            yield f"**{say(language, 'report.untold')}**"
            yield ""
        yield from (f"- {escape(sentence)}" for sentence in block.sentences)
    elif isinstance(block, blocks.FactsBlock):
        yield f"**{say(language, 'report.facts')}**"
        yield ""
        yield "| | | |"
        yield "| --- | --- | --- |"
        yield from (f"| {code(row.name)} | {escape(row.value)} | {escape(row.how)} |" for row in block.rows)


def _cause(block: blocks.CauseBlock, language: Language, lead: bool, github: bool) -> Iterator[str]:
    standing = say(
        language,
        "report.standing_with",
        standing=say(language, f"standing.{block.standing}"),
        percent=round(100 * block.probability),
    )
    label = say(language, "report.cause" if lead else "report.also")
    colon, aside = say(language, "mark.colon"), say(language, "mark.aside", text=standing)
    yield f"{'###' if lead else '####'} {label}{colon}{escape(block.title)}{aside}"
    yield ""
    for reason in block.reasons if lead else block.reasons[:1]:
        yield f"- {escape(reason.sentence)}{_quote(reason.place)}"
    if not lead:
        return
    for reason in block.against:
        yield f"- *{say(language, 'report.against')}*{colon}{escape(reason.sentence)}"
    yield ""
    if github:
        yield f"<details><summary>{say(language, 'explain.mechanism')}</summary>"
        yield ""
    yield escape(block.explain)
    if github:
        yield ""
        yield "</details>"


def _quote(place: blocks.Place | None) -> str:
    """Place and quoted line behind a sentence, a blank before each."""
    if place is None:
        return ""
    where = " " + code(f"{place.file or ''}:{place.line}") if place.line is not None else ""
    return where + (f" {code(place.quote)}" if place.quote else "")
