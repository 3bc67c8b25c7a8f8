"""The Textual app that draws the blocks of the dialogue."""
