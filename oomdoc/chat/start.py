"""How a conversation begins: what was named or lies in the folder is read, or the last conversation is taken up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oomdoc.chat.folder import is_setting, look_around
from oomdoc.messages import Language, say

if TYPE_CHECKING:
    from oomdoc.chat.journal import Journal
    from oomdoc.chat.session import Dialogue


@dataclass(frozen=True, slots=True)
class Start:
    """A conversation with what is shown first; `refused` are files that could not be read, one line each."""

    dialogue: "Dialogue"
    blocks: tuple[Any, ...]
    refused: tuple[str, ...] = ()
    took: tuple[str, ...] = ()


def start(
    language: Language,
    folder: Path,
    *,
    files: Sequence[str] = (),
    configs: Sequence[str] = (),
    journal: "Journal | None" = None,
    logs: bool = True,
    progress: Any = None,
) -> Start:
    """Read and greet. A resumed conversation reads nothing but the files that are named, which join its case.

    `logs` False leaves the folder's own logs alone, for a log that comes through a pipe.
    """
    from oomdoc.chat.aside import read_beside
    from oomdoc.chat.session import Dialogue
    from oomdoc.facts.case import Case
    from oomdoc.ingest.errors import InputError

    resumed = journal is not None and journal.resumed
    names, settings = list(files), list(configs)
    if not resumed and not settings:
        beside, found = _beside(names, folder, logs)
        names, settings = names or found, beside
    refused: tuple[str, ...] = ()
    case: Case | None = None
    try:
        if names or settings:
            case = read_beside(names, settings, progress)
    except InputError as error:
        refused = (str(error),)
    if not resumed:
        dialogue = Dialogue(case or Case(), language=language, journal=journal, folder=folder)
        return Start(dialogue, (*_earlier(journal, language), *dialogue.open()), refused, (*names, *settings))
    dialogue = Dialogue(language=language, journal=journal, folder=folder)
    blocks = dialogue.open()
    if case is not None:
        blocks = (*blocks, *dialogue.take(case, ", ".join([*names, *settings])).blocks)
    return Start(dialogue, blocks, refused, (*names, *settings))


def _beside(names: list[str], folder: Path, logs: bool) -> tuple[list[str], list[str]]:
    """The settings beside a named log, else of the folder; and the folder's newest logs, where they are wanted."""
    home = Path(names[0]).parent if names else folder
    found = look_around(home)
    beside = [path for path in (*found.configs, *found.scripts) if not names or path.parent == home]
    return [_shown(path) for path in beside], [_shown(path) for path in found.logs] if logs and not names else []


def _earlier(journal: "Journal | None", language: Language) -> tuple[Any, ...]:
    """That there is a conversation to continue, or that it is open elsewhere."""
    from oomdoc.report.blocks_chat import SayBlock

    if journal is None:
        return ()
    if journal.open_elsewhere:
        return (SayBlock((say(language, "session.open_elsewhere"),), "warn"),)
    earlier = journal.earlier()
    if earlier is None:
        return ()
    return (SayBlock((say(language, "session.earlier", count=earlier.turns, when=_when(earlier.at)),)),)


def _when(at: float) -> str:
    from datetime import datetime

    then = datetime.fromtimestamp(at)  # noqa: DTZ006 (the person's own clock)
    return then.strftime("%Y-%m-%d %H:%M")


def split_paths(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Logs and settings among named files."""
    homes = [str(Path(path).expanduser()) for path in paths]
    return [path for path in homes if not is_setting(path)], [path for path in homes if is_setting(path)]


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
