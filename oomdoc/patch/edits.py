"""The edits of a plan as values: what was placed where, what is left to the person, and the texts before and after."""

from typing import TYPE_CHECKING, TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.messages import Language, say

if TYPE_CHECKING:
    from oomdoc.patch.document import Original

Splice: TypeAlias = tuple[int, int, str]  # start, end, new text


@dataclass(frozen=True, slots=True)
class Made:
    """One change that was placed: the option as it now reads, and where."""

    fact: str
    value: Value
    native: str
    file: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Mended:
    """An option that did not arrive, as it now reads, and where."""

    native: str
    file: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """A change that cannot be placed safely: what to write (None: the framework has no such option) and why."""

    fact: str
    value: Value
    native: str | None
    key: str  # a sentence of the section [patch]
    places: tuple[tuple[str, str], ...] = ()

    def why(self, language: Language) -> str:
        """The reason in one language."""
        return say(language, f"patch.{self.key}", **dict(self.places))


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One document before and after; `splices` are (start, end, new text) in the original text."""

    original: "Original"
    text: str
    splices: tuple[Splice, ...]

    @property
    def diff(self) -> str:
        """The unified diff."""
        from oomdoc.patch.diff import unified  # difflib costs 3 ms, and few plans are shown as one

        return unified(self.original.name, self.original.text, self.text)


@dataclass(frozen=True, slots=True)
class EditPlan:
    """What is written where, and what remains for the person. `commands` are new command lines of commands in logs;
    `mended` the options that did not arrive and now do."""

    files: tuple[FileEdit, ...] = ()
    made: tuple[Made, ...] = ()
    by_hand: tuple[ByHand, ...] = ()
    commands: tuple[str, ...] = ()
    mended: tuple["Mended", ...] = ()

    @property
    def diff(self) -> str:
        """The diffs of all files."""
        return "".join(edit.diff for edit in self.files)
