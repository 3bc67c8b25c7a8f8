"""A document while it is edited: edits are spans of the original, and the text is read again after each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from oomdoc.ingest.syntax.detect import detect, parse
from oomdoc.ingest.syntax.setting import Parsed, Setting
from oomdoc.patch.document import Original
from oomdoc.patch.edits import Splice

Mark: TypeAlias = tuple[str, str, str | None, str]  # kind, key, scope, value: what a setting is without its place


@dataclass(frozen=True, slots=True)
class Draft:
    """`splices` are edits of the original, in order and apart from one another; `text` is the result, `parsed` read."""

    original: Original
    text: str
    syntax: str
    parsed: Parsed
    splices: tuple[Splice, ...] = ()

    @classmethod
    def of(cls, original: Original, syntax: str | None = None) -> "Draft":
        """The document unchanged."""
        kind = syntax or detect(original.text, original.name)
        return cls(original, original.text, kind, parse(original.text, original.name, kind))

    def with_splices(self, edits: Iterable[Splice]) -> "Draft":
        """The document with edits given in offsets of the current text; they must not overlap."""
        splices, text = list(self.splices), self.text
        for start, end, new in sorted(edits, reverse=True):
            splices = _composed(splices, text, (start, end, new))
            text = text[:start] + new + text[end:]
        kept = tuple(one for one in splices if self.original.text[one[0] : one[1]] != one[2])
        return replace(self, text=text, splices=kept, parsed=parse(text, self.original.name, self.syntax))


def _composed(splices: list[Splice], text: str, edit: Splice) -> list[Splice]:
    """Splices of the original with one more edit, given in offsets of the text they make; touching ones are joined."""
    start, end, new = edit
    shift = shift_end = 0
    before: list[Splice] = []
    touched: list[tuple[int, Splice]] = []
    after: list[Splice] = []
    for one in splices:
        place = one[0] + shift_end
        grown = len(one[2]) - (one[1] - one[0])
        if place + len(one[2]) < start:
            before.append(one)
            shift += grown
            shift_end += grown
        elif place > end:
            after.append(one)
        else:
            touched.append((place, one))
            shift_end += grown
    if not touched:
        return [*before, (start - shift, end - shift, new), *after]
    first, last = touched[0], touched[-1]
    left, right = min(start, first[0]), max(end, last[0] + len(last[1][2]))
    whole = text[left:start] + new + text[end:right]
    return [*before, (min(start - shift, first[1][0]), max(end - shift_end, last[1][1]), whole), *after]


def mark(setting: Setting) -> Mark:
    """A setting without its place and the way it is written."""
    return setting.kind, setting.key, setting.scope, repr(setting.value)


def difference(before: Parsed, after: Parsed) -> tuple[Counter[Mark], Counter[Mark]]:
    """(settings that went, settings that came) between two readings of a document."""
    old, new = Counter(map(mark, before.settings)), Counter(map(mark, after.settings))
    return old - new, new - old


def sound(before: Parsed, after: Parsed) -> bool:
    """Whether the second reading has the same commands, and no problem or loss that the first had not."""
    words = [(command.words, command.launcher) for command in before.commands]
    if words != [(command.words, command.launcher) for command in after.commands]:
        return False
    lost = sum(len(command.lost) for command in after.commands)
    return lost <= sum(len(command.lost) for command in before.commands) and len(after.problems) <= len(before.problems)
