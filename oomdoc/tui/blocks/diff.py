"""A change as a unified diff: signs before colours, long lines wrapped, nothing of it interpreted."""

from typing import ClassVar

from oomdoc.report.blocks import Place
from oomdoc.report.blocks_chat import DiffBlock
from oomdoc.report.layout import clip
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, one_line, visible

_CLOSED = 40
_ROLES = {"+": "good", "-": "bad", "@": "key"}


class DiffView(BlockView):
    """File name and hunks."""

    KIND: ClassVar[str] = "diff"
    block: DiffBlock

    def lines(self, columns: int) -> list[Line]:
        """The diff; a long one is opened to be seen whole."""
        rows = [row for row in self.block.text.splitlines() if not row.startswith(("--- ", "+++ "))]
        shown = rows if self.is_open else rows[:_CLOSED]
        drawn: list[Line] = [((clip(one_line(self.block.file), columns), "head"),)]
        for row in shown:
            role = _ROLES.get(row[:1], "")
            drawn.append(((clip(visible(row), columns - 2) if not self.is_open else visible(row), role),))
        if len(rows) > len(shown):
            drawn.append(((f"… {self.say('tui.more', count=len(rows) - len(shown))}", "dim"),))
        return drawn

    @property
    def expandable(self) -> bool:
        """Long lines and long changes."""
        return True

    def places(self) -> tuple[Place, ...]:
        """The changed file."""
        return (Place(self.block.file, 1),)

    def copy_text(self) -> str:
        """The diff as it is, ready for `git apply`."""
        return self.block.text if self.block.text.endswith("\n") else self.block.text + "\n"
