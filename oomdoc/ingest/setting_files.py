"""Settings from files by name, with the files they point to (a DeepSpeed JSON, the YAML of the command)."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from oomdoc.facts.case import Input
from oomdoc.facts.fact import Fact, How
from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.encoding import decode
from oomdoc.ingest.errors import InputError, named
from oomdoc.ingest.settings import SettingsRead, ingest_settings
from oomdoc.ingest.sources import open_origin, origins
from oomdoc.ingest.syntax.detect import parse
from oomdoc.ingest.syntax.mixed import find_settings_in_text
from oomdoc.ingest.syntax.setting import Parsed
from oomdoc.messages import Said, joined, reason, said

LARGEST = 16 << 20  # bytes; a larger file is no configuration
COMPANION = 256 << 10  # bytes; a larger file that a command names is a data set
_CONFIGS = (".yaml", ".yml", ".json", ".toml")
_SCRIPTS = (".py", ".sh")  # what a command runs, where it lies beside
_MIXED = (".md", ".txt", ".log")
_SHOWN = 4  # troubles of one file that are told


@dataclass(frozen=True, slots=True)
class SettingFile:
    """One configuration or script: its text as it stands on the disk, what was read, its entry in the case."""

    text: str
    parsed: Parsed
    entry: Input


def read_setting_files(files: Sequence[str], logs: Sequence[str] = ()) -> SettingsRead:
    """The settings of files and of the logs of the same run; raises InputError with one clear line."""
    read = open_setting_files(files)
    parsed = [file.parsed for file in read]
    printed = {name: _decoded(name)[0] for name in logs}
    parsed.extend(find_settings_in_text(text, name) for name, text in printed.items())
    notes = [
        named(file.entry.name, Said(file.entry.note, file.entry.note_zh or file.entry.note))
        for file in read
        if file.entry.note
    ]
    return ingest_settings(parsed, "\n".join(printed.values()), log_facts(logs)).noted(notes)


def open_setting_files(names: Sequence[str]) -> list[SettingFile]:
    """The files, and behind them those that their commands name and that lie beside them; raises InputError."""
    read = [_file(name, *_decoded(name)) for name in names]
    beside = companions([file.parsed for file in read], [Path(name).parent for name in names])
    return [*read, *(_file(name, text, len(text), "utf-8", ()) for name, text in beside)]


def _file(name: str, text: str, size: int, encoding: str, lost: tuple[str, ...]) -> SettingFile:
    parsed = find_settings_in_text(text, name) if name.endswith(_MIXED) else parse(text, name)
    shown = parsed.problems[:_SHOWN]
    notes = [*lost, *(said("input.at_line", line=one.line, why=one.message) for one in shown)]
    if len(parsed.problems) > _SHOWN:
        notes.append(said("input.more", count=len(parsed.problems) - _SHOWN))
    note = joined(notes)
    entry = Input(
        name=name,
        kind="config",
        bytes=size,
        lines=text.count("\n") + 1,
        encoding=encoding,
        note=str(note) or None,
        note_zh=note.zh or None,
    )
    return SettingFile(text, parsed, entry)


def _decoded(name: str) -> tuple[str, int, str, tuple[str, ...]]:
    """(text, bytes, encoding, losses). Blanks at line ends stay: a backslash followed by one is a defect to report."""
    origin = origins(name)[0]
    stream = open_origin(origin)
    try:
        data = bytearray()
        while len(data) <= LARGEST and (piece := stream.read(1 << 20)):
            data += piece
    except (OSError, EOFError, ValueError) as error:
        raise InputError.because(name, reason(error)) from None
    finally:
        if origin.path is not None:
            stream.close()
    if len(data) > LARGEST:
        raise InputError.of(name, "too_large", size=LARGEST >> 20)
    decoded = decode(bytes(data))
    if not decoded.text.strip():
        raise InputError.of(name, "empty")
    return decoded.text, len(data), decoded.encoding, decoded.notes


def log_facts(logs: Sequence[str]) -> list[Fact]:
    """What else the logs state: versions, printed batch sizes, GPUs; defaults and guesses left out."""
    if not logs:
        return []
    from oomdoc.ingest.read import read_inputs

    weak = {How.DEFAULT, How.ASSUMED, How.DERIVED, How.CATALOG}
    return [fact for fact in read_inputs(list(logs)).facts if fact.source.how not in weak]


def companions(parsed: Iterable[Parsed], folders: Sequence[Path]) -> list[tuple[str, str]]:
    """(name, text) of configuration files that commands and configurations name and that exist.

    Relative names are looked up from the folders given; data sets and what cannot be read are left out.
    """
    documents = list(parsed)
    known = {Path(file).resolve() for file in {one.file for document in documents for one in document.settings}}
    found: dict[str, str] = {}
    for document in documents:
        words = [setting.value for setting in document.settings]
        words += [word.value for command in document.commands for word in command.positionals]
        named = [word for word in words if isinstance(word, str) and word.endswith(_CONFIGS)]
        named += [word for command in document.commands for word in command.words if word.endswith(_SCRIPTS)]
        for word in dict.fromkeys(named):
            for folder in dict.fromkeys(folders):
                path = folder / word
                if (text := _beside(path)) is not None and path.resolve() not in known:
                    known.add(path.resolve())
                    found[str(path)] = text
                    break
    return list(found.items())


def _beside(path: Path) -> str | None:
    try:
        if not path.is_file() or not 0 < path.stat().st_size <= COMPANION:
            return None
        text = decode(path.read_bytes()).text
    except (OSError, ValueError):
        return None
    return None if text.lstrip().startswith("[") and path.suffix == ".json" else text  # a list holds records of data
