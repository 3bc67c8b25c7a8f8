"""From inputs to a case: the whole ingest of logs. What is read out of a document is one list, `EXTRACTORS`."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import BinaryIO, Final

from oomdoc.facts.case import Case, Input, Series
from oomdoc.facts.fact import Fact
from oomdoc.facts.lazy import dataclass
from oomdoc.ingest import events, finish, hearsay, kinds, loaded, prose, ranks, series, tables, versions
from oomdoc.ingest.document import Document
from oomdoc.ingest.encoding import SAMPLE, detect
from oomdoc.ingest.errors import InputError
from oomdoc.ingest.progress import progress as run_progress
from oomdoc.ingest.scan import CHUNK, scan, scan_file
from oomdoc.ingest.sources import Origin, open_origin, origins, plain
from oomdoc.ingest.text import clean, clean_fragments
from oomdoc.messages import joined, reason, said, told

Progress = Callable[[str, int, int], None]  # name of the input, bytes read, bytes in all (0: unknown)
Extractor = Callable[[Document], list[Fact]]

# What else a document states. Prose and settings join here; each sees whole documents and never raises.
EXTRACTORS: Final[list[Extractor]] = [
    versions.read,
    tables.read,
    run_progress,
    prose.read,
    kinds.read,
    loaded.read,
    ranks.read,
    finish.read,
]

# Up to here a log is read whole; beyond, only its interesting places.
WHOLE: Final = 8 << 20
# From here on a second process is worth its start.
_COUNTED_ASIDE: Final = 128 << 20
_SILENT_SECONDS: Final = 1.0
# Characters of a line quoted before a setting's value; half of it behind.
_QUOTED: Final = 60


@dataclass(frozen=True)
class Read:
    """One input as a cleaned document, and its entry in the case."""

    document: Document
    entry: Input
    rank: int | None = None


def read_inputs(paths: Sequence[str], *, configs: Sequence[str] = (), progress: Progress | None = None) -> Case:
    """The case of files, folders of rank logs and standard input ("-"); raises InputError with one clear line."""
    origin_list = [origin for path in paths for origin in origins(path)]
    alone = len(origin_list) == 1
    read: list[Read] = []
    refused: list[InputError] = []
    for origin in origin_list:
        try:
            read.append(_read(origin, progress))
        except InputError as error:
            if alone or str(origin.path) in paths or origin.path is None:
                raise
            refused.append(error)
    if not read and refused:
        raise refused[0]
    noted = [
        Input(name=text.split(": ", maxsplit=1)[0], kind="skipped", note=str(text), note_zh=told(text, "zh"))
        for text in (error.args[0] for error in refused)
    ]
    return case_of(read, noted, configs)


def read_text(text: str | bytes, *, configs: Sequence[str] = (), name: str = "<text>") -> Case:
    """The case of a text; any text gives one, and nothing raises but a config that cannot be read."""
    document = clean(text, name)
    read = [Read(document, _entry(document, "log"))]
    return case_of(read, configs=configs)


def case_of(read: Sequence[Read], skipped: Iterable[Input] = (), configs: Sequence[str] = ()) -> Case:
    """Facts, events and series of documents that belong to one run, and of the settings in them and in `configs`."""
    seen = [one for item in read for one in _ranked(events.sightings(item.document), item.rank)]
    if hearsay.needed(seen):
        seen += [one for item in read for one in hearsay.sightings(item.document)]
    if not any(one.event.fatal for one in seen):
        seen += [one for item in read for one in events.other_failures(item.document)]
    found = events.ordered(seen)
    facts = events.facts_of(found)
    memory: list[Series] = []
    for item in read:
        for extract in EXTRACTORS:
            facts.extend(extract(item.document))
        memory.extend(
            one.model_copy(update={"rank": item.rank}) if one.rank is None and item.rank is not None else one
            for one in series.read(item.document)
        )
    facts.extend(series.facts(memory))
    said, given = _settings(read, configs, facts)
    return Case(
        facts=tuple(_distinct([*facts, *said])),
        events=tuple(one.event for one in found),
        series=tuple(memory),
        inputs=(*(item.entry for item in read), *given, *skipped),
    )


def _ranked(found: Iterable[events.Sighting], rank: int | None) -> list[events.Sighting]:
    """A file that belongs to one rank gives it to the lines that name none."""
    if rank is None:
        return list(found)
    return [one if one.event.rank is not None else events.ranked(one, rank) for one in found]


def _distinct(facts: Iterable[Fact]) -> Iterable[Fact]:
    """Each statement once, where it stands first; ranks that say the same are one statement."""
    seen = set()
    for fact in facts:
        key = (fact.name, repr(fact.value), fact.source.how)
        if key not in seen:
            seen.add(key)
            yield fact


def _settings(read: Sequence[Read], configs: Sequence[str], known: Sequence[Fact]) -> tuple[list[Fact], list[Input]]:
    """What commands and configurations say, in the documents and in files of their own."""
    from oomdoc.ingest.setting_files import open_setting_files  # imported here: costs 20 ms; short reports have none
    from oomdoc.ingest.settings import ingest_settings
    from oomdoc.ingest.syntax.mixed import find_settings_in_text

    files = open_setting_files(configs)
    parsed = [file.parsed for file in files]
    texts = {item.document.file: item.document.text for item in read}
    texts.update((file.entry.name, file.text) for file in files)
    parsed.extend(find_settings_in_text(item.document.text, item.document.file) for item in read)
    text = "\n".join(item.document.text for item in read)
    found = ingest_settings(parsed, text, known).facts
    lines = {item.document.file: item.document for item in read if item.document.lines}
    return [_physical(_quoted(fact, texts), lines) for fact in found], [file.entry for file in files]


def _quoted(fact: Fact, texts: Mapping[str, str]) -> Fact:
    """A setting with the stretch of its line that says so; dumps put a hundred settings into one line."""
    text = texts.get(fact.source.file or "")
    if text is None or fact.source.span is None or fact.source.quote:
        return fact
    begin, end = fact.source.span
    low, high = text.rfind("\n", 0, begin) + 1, text.find("\n", begin)
    high = len(text) if high < 0 else high
    left, right = max(low, begin - _QUOTED), min(high, end + _QUOTED // 2)
    if left > low:
        left = max(text.find(" ", left, begin) + 1, left)
    if right < high:
        right = max(text.rfind(" ", end, right), end)
    quote = ("… " if left > low else "") + text[left:right].strip() + (" …" if right < high else "")
    return fact.model_copy(update={"source": fact.source.model_copy(update={"quote": quote})})


def _physical(fact: Fact, documents: Mapping[str, Document]) -> Fact:
    """A fact whose line counts cleaned lines, with the line of the file."""
    document = documents.get(fact.source.file or "")
    at = fact.source.line
    if document is None or at is None or not 0 < at <= len(document.lines):
        return fact
    return fact.model_copy(update={"source": fact.source.model_copy(update={"line": document.lines[at - 1].number})})


def _entry(document: Document, kind: str, *more: str) -> Input:
    note = joined([*document.notes, *more])
    return Input(
        name=document.file,
        kind=kind,
        bytes=document.total_bytes,
        lines=document.total_lines,
        encoding=document.encoding,
        note=str(note) or None,
        note_zh=note.zh or None,
    )


def _read(origin: Origin, progress: Progress | None) -> Read:
    stream = open_origin(origin)
    try:
        document = _document(origin, stream, progress)
        grown = origin.path is not None and origin.size and origin.path.stat().st_size != origin.size
    except FileNotFoundError:
        raise InputError.of(origin.name, "vanished") from None
    except (OSError, EOFError, ValueError) as error:
        raise InputError.because(origin.name, reason(error)) from None
    finally:
        if origin.path is not None:
            stream.close()
    if not document.total_bytes or not document.text.strip():
        raise InputError.of(origin.name, "empty")
    note = (said("input.growing"),) if grown else ()
    return Read(document, _entry(document, "log", *note), origin.rank)


def _document(origin: Origin, stream: BinaryIO, progress: Progress | None) -> Document:
    shown = _Shown(origin, progress)
    start = bytearray()
    while len(start) <= WHOLE and (piece := stream.read(CHUNK)):
        start += piece
        shown(len(start))
    if len(start) <= WHOLE:
        return clean(bytes(start), origin.name)
    encoding = detect(bytes(start[:SAMPLE]))
    if (
        origin.path is not None
        and origin.size >= _COUNTED_ASIDE
        and not encoding.startswith("utf-16")
        and plain(origin)
    ):
        whole = scan_file(origin.path, origin.size, encoding, shown)
    else:
        whole = scan(stream, bytes(start), shown)
    return clean_fragments(
        whole.fragments,
        origin.name,
        whole.encoding,
        whole.total_lines,
        whole.total_bytes,
        whole.notes,
        codec=whole.codec,
    )


class _Shown:
    """Tells how far reading is, once it takes longer than people wait in silence."""

    def __init__(self, origin: Origin, progress: Progress | None) -> None:
        self._origin, self._progress = origin, progress
        self._next = time.monotonic() + _SILENT_SECONDS

    def __call__(self, done: int) -> None:
        if self._progress and (now := time.monotonic()) >= self._next:
            self._next = now + 0.1
            self._progress(self._origin.name, done, self._origin.size)
