"""Settings in a pasted report or a log where everything is mixed: fences, commands, YAML, JSON, code, printed dumps.

Finds the regions and hands them to their readers. Prose must not become settings: every region needs a known shape.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.repr_text import Pair
from oomdoc.ingest.syntax.setting import Parsed, Setting, Span, Text, merge, shift

FENCE = lazy(r"(?m)^(?P<indent>[ \t]*(?:>[ \t]*)?)(?P<mark>`{3,}|~{3,})(?P<language>[\w+-]*)[^\n`]*$")
YAML_KEY = lazy(r"(?m)^[ \t]*(?P<key>[a-z_][\w.]*):(?:[ \t]+(?P<value>[^\n]*\S))?[ \t\r]*$")
YAML_MORE = lazy(r"[ \t]*(?:#.*|-[ \t]+\S.*|[\]\[{}].*|[\w.\"'/-]+:(?:[ \t].*)?)?\r?\Z")
YAML_FIRST = lazy(r"(?m)^[ \t]*[a-z][a-z\d]*_[\w.]*:(?:[ \t]|$)")
ITEM_KEY = lazy(r"(?m)^[ \t]*[-*][ \t]+(?P<key>[a-z]\w*_\w+):[ \t]+(?P<value>\S[^\n]*?)[ \t\r]*$")
SENTENCE = lazy(r"[A-Za-z,]+ [A-Za-z,]+ [A-Za-z,]+ [A-Za-z,]+")
JSON_START = lazy(r"\{\s*\"[\w.$-]+\"\s*:")
RECORD = lazy(r"(?m)^\{\"[^\n]*\}[ \t\r]*$")
METRIC = lazy(r"(?:^|[_/.])(?:loss|acc|accuracy|runtime|elapsed|grad_norm|perplexity|samples_per_second)\Z")
CODE_CALLS = ("from_pretrained(", "Arguments(", "Config(", "Trainer(", "LLM(", "SamplingParams(", "DataLoader(")
CODE_CALL = lazy(
    r"(?P<name>(?:[A-Za-z_]\w*\.)*(?:from_pretrained|\w*(?:Arguments|Config|Trainer)|LLM|SamplingParams|DataLoader))\("
)
PROMPT_LINE = lazy(r"(?m)^(?:\$ |\S+@\S+[:~ ].*[$#] |\([\w.-]+\) .*[$#] |!|%)")


def find_settings_in_text(text: str, file_name: str = "<text>") -> Parsed:
    """Every setting of a mixed text with true lines and spans; costs a few milliseconds where there is none."""
    if "```" not in text and "~~~" not in text:
        return _plain(text, file_name)
    parts: list[tuple[int, Parsed]] = []
    source = Text.of(text, file_name)
    blanked = text
    for language, (start, end) in fences(text):
        content = text[start:end]
        parsed = shift(_fenced(content, file_name, language), start, source.line(start) - 1)
        parts.append((start, parsed))
        blanked = blanked[:start] + re.sub(r"[^\n]", " ", content) + blanked[end:]
    parts.append((0, _plain(blanked, file_name)))
    return _ordered(parts)


def _ordered(parts: list[tuple[int, Parsed]]) -> Parsed:
    merged = merge("text", [part for _, part in sorted(parts, key=lambda part: part[0])])
    settings = sorted(merged.settings, key=lambda item: (item.key_span or item.value_span or (0, 0))[0])
    problems = sorted(set(merged.problems), key=lambda problem: problem.line)
    return Parsed("text", tuple(settings), merged.commands, tuple(problems))


def fences(text: str) -> Iterator[tuple[str, Span]]:
    """Fenced blocks of Markdown as (language, span of the content); one that never closes runs to the end."""
    opened: re.Match[str] | None = None
    for match in FENCE.finditer(text):
        if opened is None:
            opened = match
        elif (
            match["mark"][0] == opened["mark"][0]
            and len(match["mark"]) >= len(opened["mark"])
            and not match["language"]
        ):
            yield opened["language"].lower(), (min(opened.end() + 1, match.start()), match.start())
            opened = None
    if opened is not None and opened.end() + 1 <= len(text):
        yield opened["language"].lower(), (opened.end() + 1, len(text))


def _fenced(content: str, file_name: str, language: str) -> Parsed:
    from oomdoc.ingest.syntax import detect

    syntax = detect.LANGUAGES.get(language)
    if syntax == "shell":
        return _shell(content, file_name)
    if syntax is None:
        syntax = detect.guess(content[:20_000])
        if syntax == "python":
            return _unnamed_python(content, file_name)
        if syntax not in {"json", "kubernetes", "dockerfile", "toml"}:
            return _plain(content, file_name)
    if syntax == "python" and ("Traceback (most recent" in content or '  File "' in content):
        return _plain(content, file_name)
    if syntax == "jsonl":
        return Parsed("text")
    parsed = detect.parse(content, file_name, syntax)
    if syntax == "python":  # a snippet need not parse, and that is nobody's fault
        parsed = replace(parsed, problems=())
    if syntax in {"json", "yaml", "toml", "python"} and not parsed.settings and parsed.problems:
        return _plain(content, file_name)
    return parsed


def _unnamed_python(content: str, file_name: str) -> Parsed:
    """A block that says no language and reads like Python: read whole where that finds more, commands first."""
    found = _plain(content, file_name)
    if found.commands or "Traceback (most recent" in content or '  File "' in content:
        return found
    from oomdoc.ingest.syntax import detect

    whole = detect.parse(content, file_name, "python")
    return replace(whole, problems=()) if len(whole.settings) > len(found.settings) else found


def _shell(content: str, file_name: str) -> Parsed:
    """A block that says it is shell: read whole where it is a script, searched where it is a terminal session."""
    found = _plain(content, file_name)
    if PROMPT_LINE.search(content) or not found.commands:
        return found
    from oomdoc.ingest.syntax import shell

    whole = shell.parse(content, file_name, pasted=True)
    if len(whole.problems) or len(whole.commands) > 2 * len(found.commands):
        return found
    return whole


def _plain(text: str, file_name: str) -> Parsed:
    """A stretch without fences."""
    parts: list[tuple[int, Parsed]] = []
    taken: list[Span] = []

    def free(span: Span) -> bool:
        return not any(span[0] < end and start < span[1] for start, end in taken)

    from oomdoc.ingest.syntax import commands, dumps

    found = commands.parse(text, file_name)
    if found.commands or found.settings:
        parts.append((0, found))
        taken.extend(command.span for command in found.commands)
        taken.extend(lost.span for command in found.commands for lost in command.lost)
    for dump in dumps.find_dumps(text, file_name):
        if free(dump.span):
            taken.append(dump.span)
            parts.append((dump.span[0], Parsed("text", dump.settings)))
    readers: tuple[Callable[[str, str], Iterator[tuple[Span, Parsed]]], ...] = (_json, _code, _yaml)
    for reader in readers:
        for span, parsed in reader(text, file_name):
            if free(span):
                taken.append(span)
                parts.append((span[0], parsed))
    return _ordered(parts) if parts else Parsed("text")


def _json(text: str, file_name: str) -> Iterator[tuple[Span, Parsed]]:
    """JSON objects that begin a line and have several keys; records of metrics are left out."""
    if "{" not in text or len(RECORD.findall(text)) > 3:  # JSON Lines: records of data, no configuration
        return
    source: Text | None = None
    position = 0
    for match in JSON_START.finditer(text):
        line_start = text.rfind("\n", 0, match.start()) + 1
        if match.start() < position or text[line_start : match.start()].strip():
            continue
        from oomdoc.ingest.syntax import json_text

        source = source or Text.of(text, file_name)
        parsed, end = json_text.parse_at(source, match.start())
        position = max(end, match.end())
        keys = {item.key for item in parsed.settings}
        line_end = text.find("\n", match.start())
        single = end <= (line_end if line_end >= 0 else len(text))
        if len(keys) < 2 or (single and any(METRIC.search(key) for key in keys)):
            continue
        yield (match.start(), position), parsed


def _calls(text: str) -> Iterator[re.Match[str]]:
    """Matches of CODE_CALL, looked for only in lines that hold one of its names: over a whole log it takes 20 ms."""
    lines = set()
    for call in CODE_CALLS:
        place = text.find(call)
        while place >= 0:
            begin, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
            end = len(text) if end < 0 else end
            lines.add((begin, end))
            place = text.find(call, end)
    for begin, end in sorted(lines):
        yield from CODE_CALL.finditer(text, begin, end)


def _code(text: str, file_name: str) -> Iterator[tuple[Span, Parsed]]:
    """Configuring calls and os.environ in code that stands unfenced between prose; never in tracebacks."""
    from oomdoc.ingest.syntax import python_broken, repr_text

    environment = "environ[" in text
    if not environment and not any(call in text for call in CODE_CALLS):
        return
    source = Text.of(text, file_name)
    if environment:
        for match in python_broken.ENVIRON.finditer(text):
            if not _in_traceback(text, match.start()):
                parsed = python_broken.parse(text[match.start() : match.end()], file_name)
                moved = shift(parsed, match.start(), source.line(match.start()) - 1)
                yield match.span(), Parsed("text", tuple(item for item in moved.settings if item.kind == "env"))
    position = 0
    budget = 2 * len(text) + 20_000  # nested calls are scanned again inside their outer one
    for match in _calls(text):
        if match.start() < position or budget < 0 or _in_traceback(text, match.start()):
            continue
        pairs, end, closed = repr_text.pairs(text, match.end(), min(len(text), match.end() + 20_000))
        budget -= end - match.end()
        position = match.end()
        if closed and pairs:
            yield (match.start(), end + 1), Parsed("text", tuple(_call(source, match, pairs)))


def _call(source: Text, match: re.Match[str], pairs: list[Pair]) -> list[Setting]:
    from oomdoc.ingest.syntax import python_broken

    return python_broken.call_settings(source, match, pairs)


def _in_traceback(text: str, place: int) -> bool:
    """Whether the line is the source line under `File "...", line N`."""
    line_start = text.rfind("\n", 0, place) + 1
    previous = text.rfind("\n", 0, max(line_start - 1, 0)) + 1
    return 'File "' in text[previous:line_start] and ", line " in text[previous:line_start]


def _yaml(text: str, file_name: str) -> Iterator[tuple[Span, Parsed]]:
    """Blocks of `key: value` lines with names such as programs have, at least two together."""
    position = 0
    source: Text | None = None
    for match in YAML_FIRST.finditer(text) if ": " in text or ":\n" in text else ():
        if match.start() < position:
            continue
        start, end = _block(text, match.start(), position)
        position = end
        if not _configuration(text[start:end]):
            continue
        from oomdoc.ingest.syntax import yaml_text

        source = source or Text.of(text, file_name)
        parsed = yaml_text.parse(text[start:end], file_name)
        moved = shift(parsed, start, source.line(start) - 1)
        yield (start, end), Parsed("text", moved.settings, (), moved.problems)


def _block(text: str, place: int, floor: int) -> Span:
    """Lines around one key line that can belong to one YAML document."""
    start = end = place
    while start > floor:
        previous = text.rfind("\n", floor, start - 1) + 1 or floor
        if not YAML_KEY.match(text[previous : start - 1]):
            break
        start = previous
    blank = 0
    kept = end
    while end < len(text):
        following = text.find("\n", end)
        following = len(text) if following < 0 else following
        line = text[end:following]
        if not YAML_MORE.match(line):
            break
        blank = blank + 1 if not line.strip() else 0
        if blank > 2:
            break
        end = following + 1
        if line.strip() and not line.lstrip().startswith("#"):
            kept = min(end, len(text))
    return start, max(kept, place + 1)


def _configuration(block: str) -> bool:
    """Whether `key: value` lines are a configuration and no log: names differ, values are no sentences, no metrics."""
    rows = list(YAML_KEY.finditer(block))
    if len(rows) < 2:
        return False
    keys = [row["key"] for row in rows]
    valued = [row for row in rows if row["value"]]
    sentences = sum(SENTENCE.search(row["value"].partition(" #")[0]) is not None for row in valued)
    metrics = sum(METRIC.search(row["key"]) is not None and "." in (row["value"] or "") for row in rows)
    nested = any("_" in key for key in keys)
    return nested and len(set(keys)) * 2 > len(keys) and sentences * 5 <= len(rows) and not metrics and bool(valued)
