"""Blocks as one self-contained HTML page: no script, no font, nothing fetched; every text escaped."""

from collections.abc import Iterator, Sequence
from html import escape as html_escape

from oomdoc.facts.units import size
from oomdoc.messages import Language, say
from oomdoc.report import blocks
from oomdoc.report.blocks_plan import PlansBlock
from oomdoc.report.mask import mask

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2430;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-bottom:.3rem}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:#f3f5f8;padding:.5rem .7rem;overflow:auto;border-left:3px solid #9aa7b8}
.bar{display:flex;height:1.6rem;border:1px solid #4a5568}.bar span{display:block}
.allocated{background:#b23a48}.slack{background:#e09f3e}.others{background:#6a4c93}.outside{background:#5c7c99}
.free{background:#e8ecf1}.key{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem;border:1px solid #4a5568}
.legend span.item{margin-right:1rem;white-space:nowrap}.against{color:#8a1c2c}.small{color:#55606f;font-size:.9rem}
table.plans{border-collapse:collapse;width:100%;font-size:.9rem}summary{cursor:pointer;margin:.4rem 0}
table.plans th,table.plans td{border:1px solid #c3ccd8;padding:.35rem .55rem;text-align:left;vertical-align:top}
table.plans td:nth-child(3),table.plans td:nth-child(4),table.plans th{white-space:nowrap}
table.plans td:nth-child(n+5){min-width:7.5rem}.plans code{overflow-wrap:anywhere}.diff span{display:block}
@media(max-width:48rem){table.plans thead{display:none}table.plans,.plans tbody,.plans tr{display:block}
.plans tr{margin:.8rem 0}table.plans td{display:block;white-space:normal}
table.plans td::before{content:attr(data-label) "  ";color:#55606f}}
.come{color:#116329;background:#e6f6ea}.gone{color:#8a1c2c;background:#fdebee}
.where,.file{color:#55606f}.fits-yes{color:#116329;font-weight:600}.fits-close{color:#7a5200;font-weight:600}
.fits-no{color:#8a1c2c;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#e3e8ef;background:#12161c}pre{background:#1c232d}.free{background:#2a323d}
.small,.where,.file{color:#9aa7b8}.against,.fits-no{color:#ff8fa0}table.plans th,table.plans td{border-color:#3a4553}
.come{color:#7ee2a0;background:#12301d}.gone{color:#ff9aa8;background:#3a161c}.fits-yes{color:#7ee2a0}.fits-close{color:#f2c46d}}
"""


def escape(text: str) -> str:
    """Text for HTML, masked, control characters made visible."""
    return html_escape(mask(text), quote=True)


def render(drawn: Sequence[blocks.Block], language: Language) -> str:
    """The whole page."""
    body: list[str] = []
    lead = True
    title = "oomdoc"
    for block in drawn:
        if isinstance(block, blocks.VerdictBlock):
            title = block.headline
        if isinstance(block, blocks.CauseBlock):
            body += _cause(block, language, lead)
            lead = False
        elif isinstance(block, PlansBlock):
            from oomdoc.report.plan_html import plan_lines

            body += plan_lines(block, language)
        else:
            body += _block(block, language)
    code = {"en": "en", "zh": "zh-Hans"}[language]
    return (
        f'<!doctype html>\n<html lang="{code}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _block(block: blocks.Block, language: Language) -> Iterator[str]:
    if isinstance(block, blocks.VerdictBlock):
        yield f"<h1>{escape(block.headline)}</h1>"
        if block.sentence:
            yield f"<p>{escape(block.sentence)}</p>"
        if block.place:
            yield from _quote(block.place)
    elif isinstance(block, blocks.BarBlock):
        yield from _bar(block, language)
    elif isinstance(block, blocks.StepsBlock):
        yield f"<h2>{escape(say(language, 'report.next'))}</h2><ol>"
        for step in block.steps:
            promise = f" <em>({escape(say(language, f'remedy.{step.promise}'))})</em>" if step.promise else ""
            written = f"<pre>{escape(step.native)}</pre>" if step.native else f"<br>{escape(step.how or '')}"
            cost = f'<br><span class="small">{escape(say(language, "remedy.cost", cost=step.cost))}</span>'
            yield f"<li><strong>{escape(step.title)}</strong>{promise}{written}{cost if step.cost else ''}</li>"
        yield "</ol>"
    elif isinstance(block, blocks.PredictionBlock):
        yield f"<p>{escape(block.sentence)}</p>"
        said = (escape(say(language, "memory.assumed", sentence=sentence)) for sentence in block.assumed)
        yield '<ul class="small">' + "".join(f"<li>{sentence}</li>" for sentence in said) + "</ul>"
    elif isinstance(block, blocks.VerificationBlock):
        yield f"<h2>{escape(block.title)}</h2><ul>"
        colon = say(language, "mark.colon")
        for check in block.checks:
            told = "".join(f"<li>{escape(sentence)}</li>" for sentence in check.sentences)
            yield f"<li>{escape(check.subject)}{colon}<strong>{escape(check.said)}</strong><ul>{told}</ul></li>"
        yield "</ul>"
    elif isinstance(block, blocks.QuestionBlock):
        yield f"<h2>{escape(say(language, 'report.question'))}</h2><p>{escape(block.ask)} {escape(block.why)}</p>"
    elif isinstance(block, blocks.UntoldBlock | blocks.NotesBlock):
        if isinstance(block, blocks.UntoldBlock):
            yield f"<h2>{escape(say(language, 'report.untold'))}</h2>"
        yield '<ul class="small">' + "".join(f"<li>{escape(s)}</li>" for s in block.sentences) + "</ul>"
    elif isinstance(block, blocks.FactsBlock):
        yield f"<h2>{escape(say(language, 'report.facts'))}</h2><table>"
        for row in block.rows:
            cells = (f"<code>{escape(row.name)}</code>", escape(row.value), escape(row.how))
            yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        yield "</table>"


def _bar(block: blocks.BarBlock, language: Language) -> Iterator[str]:
    yield f"<h2>{escape(block.title)} ({size(block.total_bytes)})</h2>"
    legend = ", ".join(f"{segment.label} {size(segment.bytes)}" for segment in block.segments)
    yield f'<div class="bar" role="img" aria-label="{escape(legend)}">'
    for segment in block.segments:
        yield f'<span class="{segment.kind}" style="width:{100 * segment.bytes / block.total_bytes:.2f}%"></span>'
    yield '</div><p class="legend">'
    for segment in block.segments:
        key = f'<span class="key {segment.kind}"></span>'
        yield f'<span class="item">{key}{escape(segment.label)} {size(segment.bytes)}</span>'
    if block.requested_bytes is not None:
        yield f'<span class="item">{escape(say(language, "bar.requested"))} {size(block.requested_bytes)}</span>'
    yield "</p>"


def _cause(block: blocks.CauseBlock, language: Language, lead: bool) -> Iterator[str]:
    standing = say(
        language,
        "report.standing_with",
        standing=say(language, f"standing.{block.standing}"),
        percent=round(100 * block.probability),
    )
    label = say(language, "report.cause" if lead else "report.also")
    colon, aside = say(language, "mark.colon"), say(language, "mark.aside", text=standing)
    yield f'<h2>{escape(label)}{colon}{escape(block.title)}<span class="small">{escape(aside)}</span></h2><ul>'
    for reason in block.reasons if lead else block.reasons[:1]:
        yield f"<li>{escape(reason.sentence)}"
        if lead and reason.place:
            yield from _quote(reason.place)
        yield "</li>"
    if lead:
        for reason in block.against:
            against = escape(say(language, "report.against"))
            yield f'<li class="against">{against}{colon}{escape(reason.sentence)}</li>'
    yield "</ul>"
    if lead:
        yield f"<p>{escape(block.explain)}</p>"


def _quote(place: blocks.Place) -> Iterator[str]:
    where = f"{place.file or ''}:{place.line}" if place.line is not None else place.file or ""
    if where:
        yield f'<div class="small">{escape(where)}</div>'
    if place.quote:
        yield f"<pre>{escape(place.quote)}</pre>"
