"""Python that does not parse (Python 2, half a file, a notebook cell): keywords and assignments by scanning."""

import re

from oomdoc.ingest.syntax import repr_text
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Kind, Parsed, Setting, Text

CALL = lazy(r"(?P<name>[A-Za-z_][\w.]*)\(")
ASSIGN = lazy(r"(?m)^[ \t]*(?P<key>[A-Za-z_][\w.]*)[ \t]*=(?!=)[ \t]*(?P<value>[^\s#][^\r\n#]*?)[ \t]*(?:#.*)?\r?$")
ENVIRON = lazy(r"(?:os\.)?environ\[['\"](?P<key>\w+)['\"]\][ \t]*=[ \t]*(?P<value>'[^'\r\n]*'|\"[^\"\r\n]*\"|[^\s#;]+)")
OPTION = lazy(r"['\"]-{1,2}(?P<key>[A-Za-z][\w-]*)['\"]")
LIMIT = 20_000


def parse(text: str, file_name: str = "<text>") -> Parsed:
    """Keyword literals of calls, literal assignments, argparse defaults and os.environ, without a syntax tree."""
    source = Text.of(text, file_name)
    settings: list[Setting] = []
    for match in ENVIRON.finditer(text):
        raw = match["value"]
        value, note = repr_text.value(raw)
        line = source.line(match.start("key"))
        settings.append(
            Setting(match["key"], raw, value, file_name, line, match.span("key"), match.span("value"), "env", note=note)
        )
    for match in ASSIGN.finditer(text):
        value, note = repr_text.value(match["value"])
        if note is None and len(settings) < LIMIT:
            line = source.line(match.start("key"))
            last = match.end("key") - len(match["key"].rpartition(".")[2])
            span = (last, match.end("key"))
            settings.append(
                Setting(
                    match["key"], match["value"], value, file_name, line, span, match.span("value"), "python-assign"
                )
            )
    budget = 2 * len(text) + 10_000  # nested calls are scanned again inside their outer one
    for match in CALL.finditer(text):
        if budget < 0 or len(settings) > LIMIT:
            break
        found, end, _ = repr_text.pairs(text, match.end(), min(len(text), match.end() + 20_000))
        budget -= end - match.end()
        settings.extend(call_settings(source, match, found))
    settings.sort(key=lambda setting: setting.key_span or (0, 0))
    return Parsed("python", tuple(settings))


def call_settings(source: Text, match: re.Match[str], found: list[repr_text.Pair]) -> list[Setting]:
    """The keywords of one scanned call; `match` is that of CALL."""
    parts = match["name"].split(".")
    name = ".".join(parts[-2:]) if len(parts) > 1 and parts[-2][:1].isupper() else parts[-1]
    if name in {"add_argument", "option"}:
        return _option(source, match, found)
    settings = []
    for pair in found:
        raw = source.text[slice(*pair.value_span)]
        value, note = repr_text.value(raw)
        kind: Kind = "python-call"
        line = source.line(pair.key_span[0])
        key = f"{name}.{pair.key}"
        settings.append(Setting(key, raw, value, source.file, line, pair.key_span, pair.value_span, kind, note=note))
    return settings


def _option(source: Text, match: re.Match[str], found: list[repr_text.Pair]) -> list[Setting]:
    option = OPTION.search(source.text, match.end(), match.end() + 200)
    default = next((pair for pair in found if pair.key == "default"), None)
    if option is None or default is None:
        return []
    raw = source.text[slice(*default.value_span)]
    value, note = repr_text.value(raw)
    line = source.line(option.start("key"))
    return [
        Setting(
            option["key"],
            raw,
            value,
            source.file,
            line,
            option.span("key"),
            default.value_span,
            "argparse-default",
            "default",
            note=note,
        )
    ]
