"""What the history knows of a case, for those who have no place to say what is wrong with it: the conversation."""

from contextlib import suppress

from oomdoc.engine.attempt import Attempt
from oomdoc.facts.case import Case
from oomdoc.history.place import may_know


def known_attempts(case: Case, *, asked: bool = False) -> tuple[Attempt, ...]:
    """The changes that were tried before a case's log was written; none where the history cannot be used. `asked` takes
    a paste for the log of a new run."""
    if not case.inputs or not may_know():
        return ()
    with suppress(ImportError):  # a Python without SQLite
        from oomdoc.history.recall import recall
        from oomdoc.history.store import HistoryError

        with suppress(HistoryError):
            configs = [read.name for read in case.inputs if read.kind == "config"]
            return recall(case, configs, asked=asked).attempts
    return ()
