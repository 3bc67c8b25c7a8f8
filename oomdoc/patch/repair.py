"""Mends options that did not arrive: a lost backslash, a misspelt name. Each mending is read again before it counts."""

from collections.abc import Sequence

from oomdoc.ingest.frameworks import normal
from oomdoc.ingest.issue import Issue
from oomdoc.ingest.settings import SettingsRead
from oomdoc.ingest.syntax.setting import Lost
from oomdoc.patch.draft import Draft, difference, mark, sound
from oomdoc.patch.edits import Splice


def repaired(drafts: Sequence[Draft], said: SettingsRead) -> list[Draft]:
    """The drafts with what can be mended safely mended; the others are unchanged."""
    found = []
    for draft in drafts:
        mended = draft
        for _ in range(8):
            lost = next((one for command in mended.parsed.commands for one in command.lost), None)
            after = _continued(mended, lost) if lost else None
            if after is None:
                break
            mended = after
        for issue in said.issues:
            if issue.kind == "misspelt" and issue.file == draft.original.name:
                mended = _renamed(mended, issue) or mended
        found.append(mended)
    return found


def _continued(draft: Draft, lost: Lost) -> Draft | None:
    """The backslash that was missing, or that a blank or an empty line made useless."""
    start, end = lost.break_span
    if lost.reason == "comment":
        return _with_notes_above(draft, lost)
    if draft.text[start:end].strip(" \t\r\n\\"):
        return None
    tail = "\r" if draft.text[start:end].endswith("\r") else ""
    while start and draft.text[start - 1] in " \t":
        start -= 1
    return _arriving(draft, lost, [(start, end, f" \\{tail}")])


def _with_notes_above(draft: Draft, lost: Lost) -> Draft | None:
    """Comments inside a command end it for the shell: they move above it, each on a line of its own."""
    start, end = lost.break_span
    lines = [line.strip(" \t\r") for line in draft.text[start:end].split("\n")]
    notes = [line for line in lines if line.startswith("#")]
    if not notes or any(line.strip("\\") for line in lines if line not in notes):
        return None
    command = max(
        (one for one in draft.parsed.commands if one.span[0] <= start), key=lambda one: one.span, default=None
    )
    if command is None:
        return None
    top = draft.text.rfind("\n", 0, command.span[0]) + 1
    indent = draft.text[top : command.span[0]]
    if indent.strip(" \t"):
        return None  # something else stands in front of the command on its line
    eol = "\r\n" if "\r\n" in draft.text else "\n"
    tail = "\r" if draft.text[start:end].endswith("\r") else ""
    while start and draft.text[start - 1] in " \t":
        start -= 1
    above = "".join(f"{indent}{note}{eol}" for note in notes)
    return _arriving(draft, lost, [(top, top, above), (start, end, f" \\{tail}")])


def _arriving(draft: Draft, lost: Lost, splices: list[Splice]) -> Draft | None:
    """The draft with edits by which exactly the lost options arrive."""
    after = draft.with_splices(splices)
    went, came = difference(draft.parsed, after.parsed)
    arrived = {(flag.kind, flag.key, repr(flag.value)) for flag in lost.flags}
    if went or not sound(draft.parsed, after.parsed):
        return None
    if {(kind, key, value) for kind, key, _, value in came} - arrived or not came:
        return None
    return after


def _renamed(draft: Draft, issue: Issue) -> Draft | None:
    """The option under the name that the framework reads."""
    for setting in draft.parsed.settings:
        if setting.key_span is None or normal(setting.key) != normal(issue.native) or not issue.suggestion:
            continue
        name = issue.suggestion.lstrip("-")
        name = name.replace("_", "-") if "-" in setting.key and "_" not in setting.key else name
        after = draft.with_splices([(*setting.key_span, name.rpartition(".")[2])])
        went, came = difference(draft.parsed, after.parsed)
        key = f"{setting.key.rpartition('.')[0]}.{name}" if "." in setting.key else name
        if (
            dict(went) != {mark(setting): 1}
            or [one[1] for one in came] != [key]
            or not sound(draft.parsed, after.parsed)
        ):
            continue
        return after
    return None
