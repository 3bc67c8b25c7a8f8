"""Work that takes a while: what is done, how far it is, how to stop it. It turns into its result or goes away."""

from dataclasses import dataclass
from typing import ClassVar

from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose

_BAR = 24


@dataclass(frozen=True, slots=True)
class Progress:
    """`share` from 0 to 1, None where it cannot be told; `seconds` since the start."""

    what: str
    share: float | None = None
    seconds: int = 0
    can_stop: bool = True


class ProgressView(BlockView):
    """A bar or a moving dot."""

    KIND: ClassVar[str] = "progress"
    block: Progress

    def show(self, progress: Progress) -> None:
        """Draw a later moment."""
        self.block = progress
        self.redraw()

    def lines(self, columns: int) -> list[Line]:
        """What, the bar, seconds, the key that stops it."""
        block = self.block
        drawn = list(prose(block.what, columns, "● ", "", "warn"))
        told = f"{block.seconds} s"
        if block.can_stop:
            told += f"   {self.say('tui.stop_key')}"
        if block.share is None:
            drawn.append(((f"  {told}", "dim"),))
        else:
            done = round(min(max(block.share, 0.0), 1.0) * _BAR)
            bar = f"  [{'█' * done}{'·' * (_BAR - done)}] {round(100 * block.share)} %  "
            drawn.append(((bar, ""), (told, "dim")))
        return drawn
