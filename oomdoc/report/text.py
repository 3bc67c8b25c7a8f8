"""Blocks as terminal text: what a tired person reads first, quoted lines with their numbers, a bar, what to do."""

from collections.abc import Callable, Iterator, Sequence

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.units import size
from oomdoc.messages import Language, say
from oomdoc.report import blocks
from oomdoc.report.blocks_plan import PlansBlock
from oomdoc.report.layout import clip, pack, shares, wrap
from oomdoc.report.mask import mask

_GLYPHS = {"allocated": "█", "slack": "▓", "others": "▒", "outside": "░", "free": "·"}
_ASCII = {"allocated": "#", "slack": "=", "others": "+", "outside": "-", "free": "."}
_REASONS = 3

Paint = Callable[[str, str], str]


def unpainted(text: str, _style: str) -> str:
    """A painter without colour."""
    return text


def painted(text: str, style: str) -> str:
    """A painter with ANSI styles."""
    codes = {"bold": "1", "dim": "2", "bad": "1;31", "good": "1;32", "warn": "1;33", "head": "1;36"}
    return f"\x1b[{codes[style]}m{text}\x1b[0m"


@dataclass(frozen=True)
class TextReport:
    """Draws blocks in a number of columns; `paint` adds colour, `ascii_only` keeps to ASCII glyphs for bars."""

    language: Language
    columns: int = 80
    paint: Paint = unpainted
    ascii_only: bool = False

    def render(self, drawn: Sequence[blocks.Block]) -> str:
        """The whole report, a newline at its end."""
        lines: list[str] = []
        first_cause = True
        quoted = next((block.place for block in drawn if isinstance(block, blocks.VerdictBlock)), None)
        for block in drawn:
            if lines:
                lines.append("")
            if isinstance(block, blocks.CauseBlock):
                if not first_cause and lines and not lines[-1]:
                    lines.pop()
                lines += self._cause(block, lead=first_cause, quoted=quoted)
                first_cause = False
            else:
                lines += self._block(block)
        return "\n".join(lines) + "\n"

    def _block(self, block: blocks.Block) -> Iterator[str]:
        if isinstance(block, blocks.VerdictBlock):
            yield from self._verdict(block)
        elif isinstance(block, blocks.BarBlock):
            yield from self._bar(block)
        elif isinstance(block, blocks.StepsBlock):
            yield from self._steps(block)
        elif isinstance(block, PlansBlock):
            from oomdoc.report.plan_text import plan_lines

            yield from plan_lines(block, self.language, self.columns, self.paint)
        elif isinstance(block, blocks.UntoldBlock):
            yield from self._bullets("report.untold", block.sentences)
        elif isinstance(block, blocks.PredictionBlock):
            yield from wrap(mask(block.sentence), self.columns)
            for sentence in block.assumed:
                yield from wrap(mask(say(self.language, "memory.assumed", sentence=sentence)), self.columns, "  - ")
        elif isinstance(block, blocks.VerificationBlock):
            yield from self._verification(block)
        elif isinstance(block, blocks.QuestionBlock):
            yield self.paint(say(self.language, "report.question"), "head")
            yield from wrap(mask(block.ask), self.columns, "  ? ")
            yield from wrap(mask(block.why), self.columns, "    ")
        elif isinstance(block, blocks.NotesBlock):
            for sentence in block.sentences:
                yield from wrap(mask(sentence), self.columns, say(self.language, "report.note"), "  ")
        elif isinstance(block, blocks.FactsBlock):
            yield from self._facts(block)

    def _verdict(self, block: blocks.VerdictBlock) -> Iterator[str]:
        style = {"oom": "bad", "not_oom": "good"}.get(block.outcome, "warn")
        for line in wrap(mask(block.headline), self.columns, "", "  "):
            yield self.paint(line, style)
        if block.sentence:
            yield from wrap(mask(block.sentence), self.columns)
        if block.place:
            yield from self._quote(block.place, "")

    def _quote(self, place: blocks.Place, indent: str) -> Iterator[str]:
        where = f"{place.file or ''}:{place.line}" if place.line is not None else (place.file or "")
        if where:
            yield self.paint(clip(mask(f"{indent}--> {where}"), self.columns), "dim")
        if place.quote:
            yield self.paint(clip(mask(f"{indent}  | {' '.join(place.quote.split())}"), self.columns), "dim")

    def _bar(self, block: blocks.BarBlock) -> Iterator[str]:
        glyphs = _ASCII if self.ascii_only else _GLYPHS
        room = self.columns - 2
        cells = shares([segment.bytes for segment in block.segments], block.total_bytes, room)
        yield from self._heading(block.title + self._aside(size(block.total_bytes)))
        yield "[" + "".join(glyphs[s.kind] * n for s, n in zip(block.segments, cells, strict=True)).ljust(room) + "]"
        entries = [f"{glyphs[s.kind]} {mask(s.label)} {size(s.bytes)}" for s in block.segments]
        if block.requested_bytes is not None:
            entries.append(f"> {say(self.language, 'bar.requested')} {size(block.requested_bytes)}")
        yield from pack(entries, self.columns, " ")

    def _cause(self, block: blocks.CauseBlock, lead: bool, quoted: blocks.Place | None) -> Iterator[str]:
        shown = {(quoted.file, quoted.line)} if quoted else set()  # a line already quoted needs no second time
        standing = say(
            self.language,
            "report.standing_with",
            standing=say(self.language, f"standing.{block.standing}"),
            percent=round(100 * block.probability),
        )
        label = say(self.language, "report.cause" if lead else "report.also")
        colon = say(self.language, "mark.colon")
        head = f"{label}{colon}{mask(block.title)} [{block.cause}]{self._aside(standing)}"
        for line in wrap(head, self.columns, "", "  "):
            yield self.paint(line, "bold") if lead else line
        if not lead:
            for reason in block.reasons[:1]:
                yield from wrap(mask(reason.sentence), self.columns, "    ")
            return
        for place, reason in enumerate(block.reasons[:_REASONS], 1):
            yield from wrap(mask(reason.sentence), self.columns, f"  {place}. ")
            if reason.place and (reason.place.file, reason.place.line) not in shown:
                shown.add((reason.place.file, reason.place.line))
                yield from self._quote(reason.place, "     ")
        for reason in block.against[:2]:
            yield from wrap(
                f"{say(self.language, 'report.against')}{colon}{mask(reason.sentence)}", self.columns, "  - ", "    "
            )
        yield from wrap(mask(block.explain), self.columns, "  ")
        if block.looks_like:
            yield from wrap(
                f"{say(self.language, 'report.looks_like')}{colon}{mask(block.looks_like)}", self.columns, "  "
            )
        for line in wrap(say(self.language, "report.details", cause=block.cause), self.columns, "  "):
            yield self.paint(line, "dim")

    def _steps(self, block: blocks.StepsBlock) -> Iterator[str]:
        yield self.paint(say(self.language, "report.next"), "head")
        for place, step in enumerate(block.steps, 1):
            promise = self._aside(say(self.language, f"remedy.{step.promise}")) if step.promise else ""
            yield from wrap(mask(step.title) + promise, self.columns, f"  {place}. ")
            if step.native:
                yield f"       {' '.join(mask(step.native).split())}"
            elif step.how:
                yield from wrap(mask(step.how), self.columns, "     ")
            if step.cost:
                yield from wrap(say(self.language, "remedy.cost", cost=mask(step.cost)), self.columns, "     ")

    def _verification(self, block: blocks.VerificationBlock) -> Iterator[str]:
        yield from self._heading(block.title)
        colon = say(self.language, "mark.colon")
        style = {"confirmed": "good", "contradicted": "bad"}
        for check in block.checks:
            for line in wrap(mask(f"{check.subject}{colon}{check.said}"), self.columns, "  "):
                yield self.paint(line, style.get(check.outcome, "warn"))
            for sentence in check.sentences:
                yield from wrap(mask(sentence), self.columns, "    - ")

    def _heading(self, text: str) -> Iterator[str]:
        return (self.paint(line, "head") for line in wrap(mask(text), self.columns))

    def _aside(self, text: str) -> str:
        """A remark behind a text; the full-width bracket brings its own blank."""
        return say(self.language, "mark.aside", text=text)

    def _bullets(self, title: str, sentences: Sequence[str]) -> Iterator[str]:
        yield self.paint(say(self.language, title), "head")
        for sentence in sentences:
            yield from wrap(mask(sentence), self.columns, "  - ")

    def _facts(self, block: blocks.FactsBlock) -> Iterator[str]:
        yield self.paint(say(self.language, "report.facts"), "head")
        wide = max((len(row.name) for row in block.rows), default=0)
        for row in block.rows:
            file = (row.place.file or "").rsplit("/", 1)[-1] if row.place else ""
            where = f" {file}:{row.place.line}" if row.place and row.place.line else ""
            text = f"  {row.name:{wide}}  {' '.join(row.value.split())}"
            yield clip(mask(text + self._aside(row.how + where)), self.columns)
