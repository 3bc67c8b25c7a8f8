"""Plans as HTML: one table of all, then the diff of each behind a heading that folds; nothing needs a script."""

from collections.abc import Iterator

from oomdoc.facts.units import size
from oomdoc.messages import Language, say
from oomdoc.report.blocks_plan import Change, PlanCard, PlansBlock
from oomdoc.report.plan import fits_sentence, pace_of

_COLUMNS = ("plan", "change", "promise", "peak", "fits", "cost")
_LINES = {"+": "come", "-": "gone", "@": "where"}


def plan_lines(block: PlansBlock, language: Language) -> Iterator[str]:
    """The section of a page."""
    from oomdoc.report.html import escape

    yield f"<h2>{escape(say(language, 'report.next'))}</h2>"
    yield "<p>" + "<br>".join(escape(sentence) for sentence in block.sentences) + "</p>"
    if block.hands and block.hands_first:
        yield from _list(say(language, "fix.by_hand_steps"), block.hands)
    if block.cards:
        yield from _table(block, language)
    for place, card in enumerate(block.cards):
        yield from _diffs(card, language, opened=place == 0)
    if block.hands and not block.hands_first:
        yield from _list(say(language, "fix.by_hand_steps"), block.hands)
    if block.advice:
        yield from _list(say(language, "fix.remarks"), block.advice)
    if any(card.diffs or card.commands for card in block.cards):
        yield f'<p class="small">{escape(say(language, "fix.how_to"))}</p>'


def _list(title: str, items: tuple[str, ...]) -> Iterator[str]:
    from oomdoc.report.html import escape

    yield f"<h3>{escape(title)}</h3><ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _table(block: PlansBlock, language: Language) -> Iterator[str]:
    from oomdoc.report.html import escape

    titles = [escape(say(language, f"fix.col_{name}")) for name in _COLUMNS]
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    yield f'<table class="plans"><thead><tr>{head}</tr></thead><tbody>'
    for card in block.cards:
        cells = zip(titles, _cells(card, language), strict=True)
        yield "<tr>" + "".join(f'<td data-label="{title}">{cell}</td>' for title, cell in cells) + "</tr>"
    yield "</tbody></table>"


def _cells(card: PlanCard, language: Language) -> Iterator[str]:
    from oomdoc.report.html import escape

    yield str(card.number)
    yield f"<strong>{escape(card.title)}</strong>" + "".join(_change(change, language) for change in card.changes)
    yield escape(say(language, f"remedy.{card.promise}"))
    peak = card.peak
    if peak is None:
        yield from ("—", "—")
    else:
        interval = say(language, "fix.interval", low=size(peak.low_bytes), high=size(peak.high_bytes))
        saves = say(language, "fix.saves", saved=size(peak.saves_bytes))
        aside = f'<span class="small">{escape(interval)}<br>{escape(saves)}</span>'
        yield f"<strong>{size(peak.device_bytes)}</strong><br>{aside}"
        yield f'<span class="fits-{peak.fits}">{escape(fits_sentence(peak, language))}</span>'
    pace = pace_of(peak, language) if peak is not None else ""
    yield "<br>".join(escape(told) for told in (*((pace,) if pace else ()), *card.cost, *card.remarks)) or "—"


def _change(change: Change, language: Language) -> str:
    from oomdoc.report.html import escape

    if change.why:
        return f"<br>{escape(say(language, 'fix.by_hand', native=change.native, why=change.why))}"
    place = f' <span class="small">{escape(change.place.rpartition("/")[2])}</span>' if change.place else ""
    return f"<br><code>{escape(change.native)}</code>{place}"


def _diffs(card: PlanCard, language: Language, *, opened: bool) -> Iterator[str]:
    from oomdoc.report.html import escape

    if not card.diffs and not card.commands:
        return
    title = escape(say(language, "fix.diff", number=card.number))
    yield f"<details{' open' if opened else ''}><summary>{title}</summary>"
    for diff in card.diffs:
        yield '<pre class="diff">' + "".join(_line(line) for line in diff.text.splitlines()) + "</pre>"
    if card.commands and not card.diffs:
        yield from (f"<pre>{escape(command)}</pre>" for command in card.commands)
    yield "</details>"


def _line(line: str) -> str:
    from oomdoc.report.html import escape

    kind = "file" if line.startswith(("--- ", "+++ ")) else _LINES.get(line[:1], "same")
    return f'<span class="{kind}">{escape(line) or " "}</span>'
