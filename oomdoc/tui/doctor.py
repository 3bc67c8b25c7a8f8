"""The dialogue as the app's workers call it: one thread at a time, turns in, turns out; never a widget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oomdoc.messages import Language, say
from oomdoc.tui.news import Turn

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue
    from oomdoc.facts.model import Value

Progress = Callable[[str, int, int], None]


@dataclass
class Doctor:
    """Holds the dialogue; made before the first frame, so it imports nothing until `open`."""

    language: Language
    folder: Path
    files: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    resume: bool = False
    python: str | None = None
    logs: bool = True  # whether the folder's newest log is taken; not where the log comes through a pipe
    journalled: bool = True
    dialogue: "Dialogue | None" = field(default=None, repr=False)
    journal: Any = field(default=None, repr=False)

    def open(self, progress: Progress | None = None) -> Turn:
        """Look around, read what is there, and greet; or take the last conversation up again."""
        from oomdoc.chat.start import start
        from oomdoc.tui.blocks.said import Told

        begun = start(
            self.language, self.folder, files=self.files, configs=self.configs, journal=self._journal(),
            logs=self.logs, progress=progress,
        )  # fmt: skip
        self.dialogue = begun.dialogue
        notes = [Told(line, "warn") for line in begun.refused]
        if (journal := begun.dialogue.journal) is not None and journal.note:
            notes.append(Told(say(self.language, "session.not_on_disk", reason=journal.note), "warn"))
        resumed = journal is not None and journal.resumed
        return Turn((*notes, *begun.blocks), begun.dialogue.case, begun.took, to_end=resumed)

    def _begin(self) -> "Dialogue":
        from oomdoc.chat.session import Dialogue
        from oomdoc.facts.case import Case as Nothing

        made = Dialogue(Nothing(), language=self.language, journal=self._journal(), folder=self.folder)
        self.dialogue = made
        return made

    @property
    def talk(self) -> "Dialogue":
        """The dialogue; an empty one where reading was stopped before there was one."""
        return self.dialogue or self._begin()

    def say(self, text: str) -> Turn:
        """One utterance."""
        return self._turn(self.talk.say(text))

    def set_fact(self, name: str, value: "Value") -> Turn:
        """A fact edited in the panel."""
        return self._turn(self.talk.set_fact(name, value))

    def take(self, paths: Sequence[str], progress: Progress | None = None, since: int = 0) -> Turn:
        """Read files and add them to the case; of one that was followed only what came from byte `since` on."""
        from oomdoc.chat.start import split_paths
        from oomdoc.ingest.errors import InputError
        from oomdoc.messages import said

        if not paths:
            raise InputError(said("input.name_file"))
        logs, settings = split_paths(paths)
        if since:
            from oomdoc.chat.new_part import read_since

            return self._turn(self.talk.take(read_since(logs[0], since), paths[0]))
        return self._turn(self.talk.take(self.read(logs, settings, progress), ", ".join(paths)))

    def done(self, effect: Any, outcome: Any) -> Turn:
        """How a request of the dialogue ended."""
        return self._turn(self.talk.done(effect, outcome))

    @staticmethod
    def read(logs: Sequence[str], settings: Sequence[str], progress: Progress | None) -> Any:
        """The case of files."""
        from oomdoc.chat.aside import read_beside

        return read_beside(logs, settings, progress)

    def _turn(self, reply: Any) -> Turn:
        return Turn(tuple(reply.blocks), self.talk.case, effects=tuple(reply.effects))

    def _journal(self) -> Any:
        if self.journalled and self.journal is None:
            from oomdoc.chat.journal import Journal

            self.journal = Journal(folder=self.folder, language=self.language)
            if self.resume:
                self.journal.resume()
        return self.journal
