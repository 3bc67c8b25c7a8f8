"""Settings from files by name, with the files they point to (a DeepSpeed JSON, the YAML of the command)."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from oomdoc.facts.fact import Fact, How
from oomdoc.ingest.encoding import decode
from oomdoc.ingest.errors import InputError
from oomdoc.ingest.settings import SettingsRead, ingest_settings
from oomdoc.ingest.syntax.detect import parse
from oomdoc.ingest.syntax.mixed import find_settings_in_text
from oomdoc.ingest.syntax.setting import Parsed

LARGEST = 16 << 20  # bytes; a larger file is no configuration
_CONFIGS = (".yaml", ".yml", ".json", ".toml")
_MIXED = (".md", ".txt", ".log")


def read_setting_files(files: Sequence[str], logs: Sequence[str] = ()) -> SettingsRead:
    """The settings of files and of the logs of the same run; raises InputError with one clear line."""
    parsed = [_parsed(name, _text(name)) for name in files]
    beside = companions(parsed, [Path(name).parent for name in files])
    parsed.extend(_parsed(name, text) for name, text in beside)
    printed = {name: _text(name) for name in logs}
    parsed.extend(find_settings_in_text(text, name) for name, text in printed.items())
    return ingest_settings(parsed, "\n".join(printed.values()), log_facts(logs))


def log_facts(logs: Sequence[str]) -> list[Fact]:
    """What else the logs state: versions, printed batch sizes, GPUs; defaults and guesses left out."""
    if not logs:
        return []
    from oomdoc.ingest.read import read_inputs

    weak = {How.DEFAULT, How.ASSUMED, How.DERIVED, How.CATALOG}
    return [fact for fact in read_inputs(list(logs)).facts if fact.source.how not in weak]


def companions(parsed: Iterable[Parsed], folders: Sequence[Path]) -> list[tuple[str, str]]:
    """(name, text) of configuration files that commands and configurations name and that lie beside them.

    Looked up from the folders given, never elsewhere; what cannot be read is left out.
    """
    documents = list(parsed)
    known = {setting.file for document in documents for setting in document.settings}
    found: dict[str, str] = {}
    for document in documents:
        words = [setting.value for setting in document.settings]
        words += [word.value for command in document.commands for word in command.positionals]
        for word in words:
            if isinstance(word, str) and word.endswith(_CONFIGS) and word not in found:
                text = next((text for folder in folders if (text := _beside(folder / word, known)) is not None), None)
                if text is not None:
                    found[word] = text
    return list(found.items())


def _beside(path: Path, known: set[str]) -> str | None:
    try:
        if str(path) in known or not path.is_file() or path.stat().st_size > LARGEST:
            return None
        return decode(path.read_bytes()).text
    except (OSError, ValueError):
        return None


def _parsed(name: str, text: str) -> Parsed:
    return find_settings_in_text(text, name) if name.endswith(_MIXED) else parse(text, name)


def _text(name: str) -> str:
    """The decoded file; its blanks at line ends stay, for a backslash followed by one is a defect to report."""
    path = Path(name)
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise InputError(f"{name}: larger than {LARGEST >> 20} MiB, so it is no configuration")
        return decode(path.read_bytes()).text
    except OSError as error:
        raise InputError(f"{name}: {(error.strerror or str(error)).lower()}") from None
