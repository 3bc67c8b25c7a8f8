"""Rows for widgets that draw line by line."""

from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from oomdoc.tui.ink import Line, content


def strip_of(widget: Widget, line: Line, columns: int, *, ascii_only: bool = False, needle: str = "") -> Strip:
    """One line as a strip of exactly `columns` cells, in the widget's own style."""
    drawn = Visual.to_strips(
        widget, content([line], ascii_only, needle), columns, 1, widget.visual_style, apply_selection=False, pad=True
    )
    return drawn[0].crop_extend(0, columns, widget.rich_style) if drawn else Strip.blank(columns, widget.rich_style)
