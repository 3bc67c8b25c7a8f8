"""What a dry run or probe proved about a diagnosis."""

from typing import ClassVar

from oomdoc.report.blocks import VerificationBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose

_GLYPHS = {"confirmed": "✓", "contradicted": "✗"}


class VerificationView(BlockView):
    """Each verdict in words behind its glyph, then its figures."""

    KIND: ClassVar[str] = "prediction"
    block: VerificationBlock

    def lines(self, columns: int) -> list[Line]:
        """The title, then every check."""
        drawn = list(prose(self.block.title, columns, "", "", "key"))
        for check in self.block.checks:
            drawn += prose(f"{_GLYPHS.get(check.outcome, '?')} {check.subject}: {check.said}", columns, "  ")
            for sentence in check.sentences:
                drawn += prose(sentence, columns, "    • ", "dim")
        return drawn
