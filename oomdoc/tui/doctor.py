"""The dialogue as the app's workers call it: one thread at a time, turns in, turns out; never a widget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oomdoc.messages import Language
from oomdoc.tui.news import Turn

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue
    from oomdoc.facts.case import Case
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

    def open(self, progress: Progress | None = None) -> Turn:
        """Look around, read what is there, and greet.."""
        from oomdoc.chat.folder import look_around
        from oomdoc.ingest.errors import InputError
        from oomdoc.tui.blocks.said import Told

        logs, settings = list(self.files), list(self.configs)
        if not settings:
            # A named log brings the settings that lie beside it; without one the folder's newest is taken.
            home = Path(logs[0]).parent if logs else self.folder
            found = look_around(home)
            beside = [path for path in (*found.configs, *found.scripts) if not logs or path.parent == home]
            settings = [self._shown(path) for path in beside]
            if self.logs and not logs:
                logs = [self._shown(path) for path in found.logs]
        refused: tuple[Any, ...] = ()
        case = None
        try:
            case = self.read(logs, settings, progress) if logs or settings else None
        except InputError as error:
            refused = (Told(str(error), "warn"),)
        dialogue = self._begin(case)
        return Turn((*refused, *dialogue.open()), dialogue.case, (*logs, *settings))

    def _begin(self, case: "Case | None") -> "Dialogue":
        from oomdoc.chat.session import Dialogue
        from oomdoc.facts.case import Case as Nothing

        journal = self._journal()
        made = Dialogue(case or Nothing(), language=self.language, journal=journal, folder=self.folder)
        self.dialogue = made
        return made

    @property
    def talk(self) -> "Dialogue":
        """The dialogue; an empty one where reading was stopped before there was one."""
        return self.dialogue or self._begin(None)

    def say(self, text: str) -> Turn:
        """One utterance."""
        return self._turn(self.talk.say(text))

    def set_fact(self, name: str, value: "Value") -> Turn:
        """A fact edited in the panel."""
        return self._turn(self.talk.set_fact(name, value))

    def take(self, paths: Sequence[str], progress: Progress | None = None) -> Turn:
        """Read files and add them to the case."""
        from oomdoc.ingest.errors import InputError

        logs = [path for path in paths if not _is_setting(path)]
        settings = [path for path in paths if _is_setting(path)]
        if not paths:
            raise InputError("name a file")
        return self._turn(self.talk.take(self.read(logs, settings, progress), ", ".join(paths)))

    def done(self, effect: Any, outcome: Any) -> Turn:
        """How a request of the dialogue ended."""
        return self._turn(self.talk.done(effect, outcome))

    @staticmethod
    def read(logs: Sequence[str], settings: Sequence[str], progress: Progress | None) -> Any:
        """The case of files."""
        from oomdoc.ingest.read import read_inputs

        return read_inputs(logs, configs=settings, progress=progress)

    def _turn(self, reply: Any) -> Turn:
        return Turn(tuple(reply.blocks), self.talk.case, effects=tuple(reply.effects))

    def _journal(self) -> Any:
        if not self.journalled:
            return None
        from oomdoc.chat.journal import Journal

        journal = Journal(folder=self.folder, language=self.language)
        if self.resume:
            journal.resume()
        return journal

    def _shown(self, path: Path) -> str:
        try:
            return str(path.relative_to(Path.cwd()))
        except ValueError:
            return str(path)


def _is_setting(path: str) -> bool:
    return Path(path).suffix.lower() in {".yaml", ".yml", ".toml", ".json", ".sh", ".py", ".slurm", ".sbatch"}
