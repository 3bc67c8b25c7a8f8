"""The only writer of user files: a plan becomes span edits, applied atomically, undone on request."""
