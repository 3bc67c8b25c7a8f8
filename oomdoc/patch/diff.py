"""Unified diffs of what a patch changes."""

import difflib


def unified(name: str, before: str, after: str, *, context: int = 2) -> str:
    """The diff of one file; line ends are shown as they are, a missing last one is said as diff says it."""
    lines = difflib.unified_diff(
        _lines(before), _lines(after), fromfile=f"a/{name.lstrip('/')}", tofile=f"b/{name.lstrip('/')}", n=context
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a line feed ends one."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
