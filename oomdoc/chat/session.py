"""The dialogue over a case that grows: utterance in, typed blocks and requests out. It draws and runs nothing."""

from pathlib import Path

from oomdoc.chat.folder import Found, look_around
from oomdoc.chat.journal import Journal
from oomdoc.chat.reply import Effect, Outcome, Reply
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.question import Question
from oomdoc.facts.case import Case
from oomdoc.messages import Language
from oomdoc.report.blocks_chat import Block


class Dialogue:
    """One conversation. Every method returns at once but `open` without a case, which reads the folder's inputs:
    pass `case` (read elsewhere, with progress) where that may take long. `found` is filled without reading."""

    def __init__(
        self,
        case: Case | None = None,
        *,
        language: Language = "en",
        journal: Journal | None = None,
        folder: Path | None = None,
    ) -> None:
        self.language: Language = language
        self.journal = journal
        self.folder = folder
        self.found: Found = look_around(folder) if folder is not None else Found()

    def open(self) -> tuple[Block, ...]:
        """The greeting: what was found and taken, the verdict, the leading cause, the first question."""
        raise NotImplementedError

    def say(self, utterance: str) -> Reply:
        """One turn; pure apart from the journal, which holds the utterance before this returns."""
        raise NotImplementedError

    def take(self, case: Case, name: str = "") -> Reply:
        """Add what the caller has read (the `read` effect, a dropped file, a watched log) to the case."""
        raise NotImplementedError

    def set_fact(self, name: str, value: object) -> Reply:
        """A fact edited in the case panel; value None: known to be unset."""
        raise NotImplementedError

    def done(self, effect: Effect, outcome: Outcome) -> Reply:
        """Tell how a requested effect ended."""
        raise NotImplementedError

    @property
    def case(self) -> Case:
        """Everything known, derived facts included."""
        raise NotImplementedError

    @property
    def diagnosis(self) -> Diagnosis:
        """The judgement of the case as it is now."""
        raise NotImplementedError

    @property
    def plans(self) -> tuple[object, ...]:
        """The plans shown last, in their numbering."""
        raise NotImplementedError

    @property
    def question(self) -> Question | None:
        """The question that waits for an answer."""
        raise NotImplementedError
