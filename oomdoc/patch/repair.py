"""Mends options that did not arrive: a lost backslash, a misspelt name, a variable that was not exported.

Each mending is read again before it counts.
"""

from collections.abc import Iterable, Sequence

from oomdoc.facts.fact import TRUST, Fact
from oomdoc.facts.model import Value
from oomdoc.ingest.frameworks import normal
from oomdoc.ingest.issue import Issue
from oomdoc.ingest.settings import SettingsRead, ingest_settings
from oomdoc.ingest.syntax.setting import Lost
from oomdoc.ingest.syntax.shell import UNEXPORTED
from oomdoc.ingest.translate import native_name
from oomdoc.patch.draft import Draft, difference, mark, sound
from oomdoc.patch.edits import Mended, Splice

_ABOUT_FACTS = ("train.", "image.", "eval.", "lora.", "quant.", "parallel.", "model.", "hardware.", "env.")


def repaired(drafts: Sequence[Draft], said: SettingsRead) -> tuple[list[Draft], list[Mended]]:
    """The drafts with what can be mended safely mended, the others unchanged; and what was mended."""
    found: list[Draft] = []
    told: list[Mended] = []
    for draft in drafts:
        mended = draft
        for _ in range(8):
            lost = next((one for command in mended.parsed.commands for one in command.lost), None)
            after = _continued(mended, lost) if lost else None
            if lost is None or after is None:
                break
            mended = after
            told += [Mended(f"{native_name(flag)} {flag.raw}".rstrip(), flag.file, flag.line) for flag in lost.flags]
        for issue in said.issues:
            if issue.file != draft.original.name:
                continue
            if issue.kind == "misspelt" and (after := _renamed(mended, issue)):
                mended = after
                told.append(Mended(f"{issue.native} -> {issue.suggestion}", draft.original.name, issue.line))
            elif issue.suggestion == f"export {issue.native}" and _kept(mended, issue):
                mended = _exported(mended, issue) or mended
                if not _kept(mended, issue):
                    told.append(Mended(f"{issue.suggestion}={issue.written}", draft.original.name, issue.line))
            elif issue.suggestion == f"export {issue.native}" and mended is not draft:  # one of an exported statement
                told.append(Mended(f"{issue.suggestion}={issue.written}", draft.original.name, issue.line))
        found.append(mended)
    return found, told


def meant(drafts: Sequence[Draft], said: SettingsRead, log: str, known: Iterable[Fact]) -> dict[str, Value]:
    """The facts that mended drafts state otherwise than `said`, what was read before: what the options were to do."""
    after = _in_force(ingest_settings([draft.parsed for draft in drafts], log, list(known)).facts)
    before = _in_force(said.facts)
    return {
        name: value
        for name, value in after.items()
        if name.startswith(_ABOUT_FACTS) and (name not in before or before[name] != value)
    }


def _in_force(facts: Iterable[Fact]) -> dict[str, Value]:
    best: dict[str, Fact] = {}
    for fact in facts:
        if fact.name not in best or TRUST[fact.source.how] < TRUST[best[fact.name].source.how]:
            best[fact.name] = fact
    return {name: fact.value for name, fact in best.items()}


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


def _kept(draft: Draft, issue: Issue) -> list[int]:
    """Where the shell keeps the variable of an issue to itself."""
    return [
        setting.key_span[0]
        for setting in draft.parsed.settings
        if setting.key == issue.native and setting.note == UNEXPORTED and setting.key_span is not None
    ]


def _exported(draft: Draft, issue: Issue) -> Draft | None:
    """The assignment with `export` in front of it; the others of its statement go with it."""
    places = _kept(draft, issue)
    if len(places) != 1:
        return None
    (place,) = places
    after = draft.with_splices([(place, place, "export ")])
    went, came = difference(draft.parsed, after.parsed)
    values = {(key, value) for kind, key, _, value in went if kind == "assignment"}
    if len(values) != len(went) or {(key, value) for kind, key, _, value in came if kind == "env"} != values:
        return None
    return after if sound(draft.parsed, after.parsed) else None
