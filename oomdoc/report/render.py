"""One diagnosis in one of the formats; the formats are loaded when asked for."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.messages import Language
from oomdoc.report import blocks
from oomdoc.report.compose import compose, facts_block
from oomdoc.report.proposal import propose

if TYPE_CHECKING:
    from oomdoc.probe.verify import Verification

_WIDEST = 100
_NARROWEST = 24


def render(
    diagnosis: Diagnosis,
    kind: str,
    language: Language,
    *,
    with_facts: bool = False,
    columns: int | None = None,
    verified: "Verification | None" = None,
) -> str:
    """The diagnosis as text, json, markdown, github or html."""
    if kind == "json":
        from oomdoc.report.build import build_report

        return build_report(diagnosis, language, verified).model_dump_json(by_alias=True, indent=1) + "\n"
    drawn: tuple[blocks.Block, ...] = compose(diagnosis, language, verified, propose(diagnosis))
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

    room = columns or min(_terminal_columns(), _WIDEST)
    paint = painted if out.wants_colour() else unpainted
    return TextReport(language, room, paint, ascii_only=not out.can_draw()).render(drawn)


def _terminal_columns() -> int:
    """COLUMNS, else the terminal's width, else 80; as shutil.get_terminal_size, whose import costs 3 ms."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return max(int(wanted), _NARROWEST)
    with suppress(AttributeError, ValueError, OSError):
        return max(os.get_terminal_size(sys.__stdout__.fileno()).columns, _NARROWEST)  # type: ignore[union-attr]
    return 80
