"""Conversation blocks as plain lines, for line mode, screen readers and scripts; the report draws its own blocks."""

from collections.abc import Iterator, Sequence

from oomdoc.facts.units import size
from oomdoc.messages import Language, say
from oomdoc.report import blocks_chat as chat
from oomdoc.report.layout import clip, pack, shares, wrap
from oomdoc.report.mask import mask
from oomdoc.report.text import Paint, TextReport, unpainted

_GLYPHS = "█▓▒░▚▞▤▥"
_ASCII = "#=+-*%@o"
_REST = "·"
_SAID_LINES = 6
_TONES = {"good": "good", "warn": "warn", "sorry": "warn"}


class ChatText:
    """Draws blocks of a conversation in a number of columns. `spoken` leaves bars out and says them in words."""

    def __init__(
        self,
        language: Language,
        columns: int = 80,
        paint: Paint = unpainted,
        *,
        ascii_only: bool = False,
        spoken: bool = False,
    ) -> None:
        self.language: Language = language
        self.columns = columns
        self.paint = paint
        self.ascii_only = ascii_only
        self.spoken = spoken
        self._report = TextReport(language, columns, paint, ascii_only)

    def speak(self, language: Language) -> None:
        """Another language from here on."""
        self.language = language
        self._report = TextReport(language, self.columns, self.paint, self.ascii_only)

    def render(self, drawn: Sequence[chat.Block]) -> str:
        """All blocks, an empty line between, a newline at the end."""
        parts = []
        for block in drawn:
            lines = list(self._lines(block))
            parts.append("\n".join(lines) if lines else self._report.render([block]).rstrip("\n"))  # type: ignore[list-item]
        return "\n\n".join(part for part in parts if part) + "\n" if parts else ""

    def _lines(self, block: chat.Block) -> Iterator[str]:
        if isinstance(block, chat.SaidBlock):
            yield from self._said(block)
        elif isinstance(block, chat.SayBlock):
            for sentence in block.sentences:
                for line in wrap(mask(sentence), self.columns):
                    yield self.paint(line, _TONES[block.tone]) if block.tone in _TONES else line
        elif isinstance(block, chat.TakenBlock):
            yield self.paint(block.title, "head")
            for row in block.rows:
                yield clip(mask(f"  {row.name} = {row.value}"), self.columns)
        elif isinstance(block, chat.CompareBlock):
            yield from self._compare(block)
        elif isinstance(block, chat.PlansBlock):
            yield from self._plans(block)
        elif isinstance(block, chat.DiffBlock):
            for line in block.text.splitlines():
                style = {"+": "good", "-": "bad", "@": "head"}.get(line[:1])
                yield self.paint(mask(line), style) if style else mask(line)
        elif isinstance(block, chat.TermBlock):
            yield self.paint(block.title, "head")
            yield from wrap(mask(block.text), self.columns, "  ")
            yield from (f"  --> {source}" for source in block.sources)
        elif isinstance(block, chat.OfferBlock):
            yield from wrap(block.title, self.columns)
            yield from (f"  > {utterance}" for utterance in block.utterances)
        elif isinstance(block, chat.SumBlock):
            yield from self._sum(block)
        elif isinstance(block, chat.HistoryBlock):
            yield self.paint(block.title, "head")
            yield from (clip(mask(f"  {said}  [{what}]"), self.columns) for said, what in block.rows)

    def _said(self, block: chat.SaidBlock) -> Iterator[str]:
        rows = block.text.split("\n")
        for number, row in enumerate(rows[:_SAID_LINES]):
            yield self.paint(clip(mask(f"  {row}" if number else f"> {row}"), self.columns), "head")
        if block.lines > _SAID_LINES or block.chars > len(block.text):
            yield f"  ... {say(self.language, 'tui.pasted', lines=block.lines, size=size(block.chars))}"

    def _compare(self, block: chat.CompareBlock) -> Iterator[str]:
        yield self.paint(block.title, "head")
        kinds = list(dict.fromkeys(segment.kind for row in block.rows for segment in row.segments))
        glyphs = dict(zip(kinds, (_ASCII if self.ascii_only else _GLYPHS) * 4, strict=False))
        labels: dict[str, str] = {}
        for row in block.rows:
            sizes = f"{size(row.device_bytes)} ({size(row.low_bytes)} - {size(row.high_bytes)})"
            yield clip(f"  {row.label}: {sizes}", self.columns)
            if self.spoken:
                yield from pack([f"{part.label} {size(part.bytes)}" for part in row.segments], self.columns, "    ")
                continue
            room = max(min(self.columns - 6, 72), 8)
            length = max(round(room * min(row.device_bytes / max(block.scale_bytes, 1), 1)), 1)
            parts = sum(part.bytes for part in row.segments)
            cells = shares([part.bytes for part in row.segments], parts, length)
            bar = "".join(glyphs[part.kind] * count for part, count in zip(row.segments, cells, strict=True))
            yield "  [" + bar.ljust(room, "." if self.ascii_only else _REST) + "]"
            labels.update({part.kind: part.label for part in row.segments})
        yield from pack([f"{glyphs[kind]} {label}" for kind, label in labels.items()], self.columns, "  ")
        if block.sentence:
            yield from wrap(mask(block.sentence), self.columns, "  ")
        for sentence in block.assumed:
            yield from wrap(f"{say(self.language, 'how.assumed')}: {sentence}", self.columns, "  - ", "    ")

    def _plans(self, block: chat.PlansBlock) -> Iterator[str]:
        yield self.paint(block.title, "head")
        for row in block.rows:
            yield from wrap(
                f"{row.title} ({say(self.language, f'remedy.{row.promise}')})", self.columns, f"  {row.number}. "
            )
            yield from wrap(", ".join(row.changes), self.columns, "     ")
            spare = f", +{size(row.spare_bytes)}" if row.spare_bytes and row.spare_bytes > 0 else ""
            mark = {True: "✓", False: "✗", None: "?"}[row.fits]
            mark = {"✓": "ok", "✗": "no", "?": "?"}[mark] if self.ascii_only or self.spoken else mark
            yield f"     {mark} {size(row.peak_bytes)}{spare}"
            if row.cost:
                yield from wrap(say(self.language, "remedy.cost", cost=row.cost), self.columns, "     ")

    def _sum(self, block: chat.SumBlock) -> Iterator[str]:
        yield self.paint(block.title, "head")
        for row in block.rows:
            yield from wrap(mask(row.sentence), self.columns, f"  {row.weight:+5.1f}  ", " " * 9)
            if row.place and (row.place.line is not None or row.place.quote):
                where = f"{row.place.file or ''}:{row.place.line}" if row.place.line is not None else ""
                quote = " ".join((row.place.quote or "").split())
                yield clip(mask(f"         {where} | {quote}"), self.columns)
        yield f"  {block.total:+5.1f}  = {100 * block.probability:.0f} %"
