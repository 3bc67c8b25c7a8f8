"""Widgets for the blocks of the dialogue, one a file; `view_of` finds the widget of a block."""
