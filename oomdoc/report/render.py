"""One diagnosis in one of the formats; the formats are loaded when asked for."""

import shutil

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.messages import Language
from oomdoc.report import blocks
from oomdoc.report.compose import compose, facts_block

_WIDEST = 100


def render(
    diagnosis: Diagnosis,
    kind: str,
    language: Language,
    *,
    with_facts: bool = False,
    columns: int | None = None,
) -> str:
    """The diagnosis as text, json, markdown, github or html."""
    drawn: tuple[blocks.Block, ...] = compose(diagnosis, language)
    if kind == "json":
        from oomdoc.report.build import build_report

        report = build_report(diagnosis, language, drawn)
        return report.model_dump_json(by_alias=True, indent=1) + "\n"
    if with_facts:
        drawn = (*drawn, facts_block(diagnosis.case, language))
    if kind in ("markdown", "github"):
        from oomdoc.report import markdown

        return markdown.render(drawn, language, github=kind == "github")
    if kind == "html":
        from oomdoc.report import html

        return html.render(drawn, language)
    return _text(drawn, language, columns)


def _text(drawn: tuple[blocks.Block, ...], language: Language, columns: int | None) -> str:
    from oomdoc.report import out
    from oomdoc.report.text import TextReport, painted, unpainted

    room = columns or min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    paint = painted if out.wants_colour() else unpainted
    return TextReport(language, room, paint, ascii_only=not out.can_draw()).render(drawn)
