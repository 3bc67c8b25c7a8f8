"""What `diagnose` and `fix` do with the history: look into it, keep in it. It never makes either of them fail."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from oomdoc.cli import diagnostics
from oomdoc.history.place import may_know, wanted
from oomdoc.messages import Language, said, say

if TYPE_CHECKING:
    from oomdoc.engine.attempt import Attempt
    from oomdoc.engine.diagnosis import Diagnosis
    from oomdoc.facts.case import Case
    from oomdoc.history.store import HistoryError
    from oomdoc.patch.way_out import Offer

Tried = Callable[["Case"], Sequence["Attempt"]]
_AUTO = "auto"


class Remembered:
    """The history of one command; what is wrong with it is said once, on stderr, in one line."""

    def __init__(self, configs: Sequence[str], language: Language, *, off: bool = False) -> None:
        self._configs = configs
        self._language: Language = language
        self._off = off or not wanted()
        self._said = False

    def tried(self, previous: str | None) -> Tried | None:
        """What tells the attempts of a case: a report, the history, or nothing. Raises InputError for a report."""
        if previous == _AUTO and self._off:
            raise click.UsageError(said("usage.no_history"))
        if previous is not None and previous != _AUTO:
            from oomdoc.history.previous import read_previous

            raw = read_previous(previous)
            return lambda case: self._since(raw, case, previous)
        if previous is None and (self._off or not may_know()):
            return None
        return lambda case: self._recalled(case, asked=previous is not None)

    def keep(self, diagnosis: "Diagnosis") -> None:
        """Keep a diagnosis; silent where the state folder cannot be written, for then nothing was kept before."""
        if self._off:
            return
        self._guarded(lambda: _record().keep(diagnosis, self._configs), "unwritable")

    def keep_fix(self, diagnosis: "Diagnosis", offer: "Offer", journal: str) -> None:
        """Keep that a plan was written; `journal` is the id that undo takes."""
        if self._off:
            return
        self._guarded(lambda: _record().keep_offer(diagnosis, self._configs, offer, journal))

    def _since(self, raw: Any, case: "Case", name: str) -> Sequence["Attempt"]:
        from oomdoc.history.previous import tried_since

        found = tried_since(raw, case, name)
        if found.note:
            self._note(found.note, dict(found.places))
        return found.attempts

    def _recalled(self, case: "Case", *, asked: bool) -> Sequence["Attempt"]:
        found: list[Attempt] = []

        def look() -> None:
            from oomdoc.history.recall import recall

            recalled = recall(case, self._configs, asked=asked)
            found.extend(recalled.attempts)
            if recalled.note:
                self._note(recalled.note, dict(recalled.places))

        self._guarded(look)
        return found

    def _note(self, key: str, places: dict[str, str]) -> None:
        diagnostics.say_error(say(self._language, f"history.{key}", **places))

    def _guarded(self, act: Callable[[], object], *silent: str) -> None:
        try:
            from oomdoc.history.store import HistoryError
        except ImportError:  # a Python without SQLite
            return
        try:
            act()
        except HistoryError as error:
            self._warn(error, silent)

    def _warn(self, error: "HistoryError", silent: Sequence[str]) -> None:
        if not self._said and error.key not in silent:
            diagnostics.say_error(error.told(self._language))
            self._said = True


def _record() -> Any:
    from oomdoc.history import record

    return record
