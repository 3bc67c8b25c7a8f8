"""Mends options that did not arrive: a lost backslash, a misspelt name. Each mending is read again before it counts."""

from collections.abc import Sequence

from oomdoc.ingest.frameworks import normal
from oomdoc.ingest.issue import Issue
from oomdoc.ingest.settings import SettingsRead
from oomdoc.ingest.syntax.setting import Lost
from oomdoc.patch.draft import Draft, difference, mark, sound


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
    if draft.text[start:end].strip(" \t\r\n\\") or lost.reason == "comment":
        return None  # a comment stands there, and stays
    tail = "\r" if draft.text[start:end].endswith("\r") else ""
    while start and draft.text[start - 1] in " \t":
        start -= 1
    after = draft.with_splices([(start, end, f" \\{tail}")])
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
