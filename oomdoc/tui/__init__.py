"""The doctor's room: a Textual app that draws the dialogue's blocks. It decides nothing about memory itself."""
