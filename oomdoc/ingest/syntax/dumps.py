"""What a program printed about its own settings: Namespace(...), Arguments(...), config dicts, tables, dotted lists.

These beat what the command asked for. Everything is robust against a log that was cut.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax import json_text, repr_text
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Scalar, Setting, Span, Text, names, scalar

CALLS = ("Namespace(", "Arguments(", "Args(", "Config(", "Params(", "Options(", "Wrapper(", "Settings(", "Parameters(")
CALL_NAME = lazy(r"[A-Za-z_][\w.]*(?:\.<locals>\.\w+)?\Z")
ASSIGNED = lazy(r"^\s+[\w.]+=\Z|[\w\])][ \t]+=[ \t]*\Z|\b(?:def|class|import|return|raise)[ \t]+\Z|[\w)\]][ \t]*\(\Z")
DICT_NAME = lazy(
    r"(?i)(?P<name>[\w.\-]*(?:args|arguments?|config(?:uration)?|params|parameters|options|settings|hparams|json|opts?|kwargs|配置|参数))"
    r"[\"'`]?\s*(?:is|are)?\s*[:=：]{0,2}\s*(?P<type>[A-Z]\w*\s*)?\Z"
)
DOTS = lazy(r"(?m)^(?P<head>[^\n]*?)(?P<key>[A-Za-z_][\w.-]*)[ ]\.{4,}[ ](?P<value>[^\n]*?)[ \t\r]*$")
TABLE = lazy(
    r"(?m)^[ \t]*[|│┃║][ \t]*(?P<key>`?[A-Za-z_][\w./-]*`?)"
    r"[ \t]*[|│┃║][ \t]*(?P<value>[^|│┃║\n]*?)[ \t]*[|│┃║][ \t\r]*$"
)
PREFIXED = lazy(r"(?m)^(?P<head>[a-z_][\w]*): (?P<key>[a-z_][\w.]*)[ ]+= (?P<value>\S[^\n]*?)[ \t\r]*$")
SAID = lazy(r"(?m)^[^\n]{0,80}?\bSetting (?:args\.)?(?P<key>[a-z]+_\w+): (?P<value>\S[^\n]*?)[ \t\r]*$")
LISTED = lazy(r"[:：](?=[ ]*[\w.]+=)")
LIST_PAIR = lazy(
    r"[ ]*(?P<key>[A-Za-z_][\w.]*)=(?P<value>\[[^\]\n]*\]|'[^'\n]*'|\"[^\"\n]*\"|\{[^}\n]*\}|[^,\n]*)(?:,|$)",
    re.MULTILINE,
)
BRACKET = lazy(
    r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_][\w.]*\(|[()]"
    r"|, ?(?:dtype|device|requires_grad|shape)=[\w.':]+"
)
RAY = lazy(r"(?m)^\([\w.:-]+ (?:pid|ip)=[^)\n]*\)")
METRICS = names("loss train_loss eval_loss grad_norm epoch acc accuracy step global_step eval_runtime train_runtime")
HEADINGS = names("parameter parameters key name option setting field argument arguments value module layer type metric")
CUT = 200_000


@dataclass(frozen=True, slots=True)
class Dump:
    """One printed configuration: `name` is the class or the word before it, `complete` whether it closes."""

    name: str
    settings: tuple[Setting, ...]
    line: int
    span: Span
    complete: bool = True


def find_dumps(text: str, file_name: str = "<text>") -> list[Dump]:
    """Every printed configuration of a log, in order and without overlap. Keys are bare names or dotted paths."""
    clean = RAY.sub(lambda match: " " * len(match[0]), text) if " pid=" in text or " ip=" in text else text
    readers: tuple[Callable[[Text], Iterator[Dump]], ...] = (_calls, _dicts, _dotted, _tables, _prefixed, _lists, _said)
    source: Text | None = None
    found: list[Dump] = []
    for reader, needles in zip(readers, NEEDLES, strict=True):
        if any(needle in clean for needle in needles):
            source = source or Text.of(clean, file_name)
            found.extend(reader(source))
    found.sort(key=lambda dump: dump.span)
    kept: list[Dump] = []
    for dump in found:
        if not kept or dump.span[0] >= kept[-1].span[1]:
            kept.append(dump)
    return [_original(dump, text) if clean is not text else dump for dump in kept]


NEEDLES = (CALLS, ("{",), (" ....",), ("|", "│", "┃"), (" = ",), ("=",), ("Setting ",))


def _original(dump: Dump, text: str) -> Dump:
    settings = tuple(
        replace(item, raw=text[slice(*item.value_span)]) if item.value_span else item for item in dump.settings
    )
    return replace(dump, settings=settings)


def _dump(
    text: Text, key: str, raw: str, value: "Scalar | tuple[Scalar, ...]", key_span: Span | None, span: Span, scope: str
) -> Setting:
    line = text.line(key_span[0] if key_span else span[0])
    return Setting(key, raw, value, text.file, line, key_span, span, "dump", scope=scope)


def _calls(text: Text) -> Iterator[Dump]:
    source, position = text.text, 0
    places = sorted({place + len(needle) for needle in CALLS for place in _find_all(source, needle)})
    budget = 2 * len(source) + CUT  # nested calls would be scanned again inside their outer one
    for place in places:
        if place < position or budget < 0:
            continue
        start = place - 1
        while start > 0 and (source[start - 1].isalnum() or source[start - 1] in "_.<>"):
            start -= 1
        name = source[start : place - 1]
        head = source[source.rfind("\n", 0, start) + 1 : start]
        if not CALL_NAME.match(name):
            continue
        limit = _printed_end(source, place)
        pairs, end, closed = repr_text.pairs(source, place, limit)
        budget -= end - place
        if not closed and pairs:
            end = pairs[-1].value_span[1]
        if not pairs or (not name.endswith("Namespace") and _is_code(source, head, pairs, place, limit)):
            continue
        settings = []
        for pair in pairs:
            raw = source[slice(*pair.value_span)]
            value, _ = repr_text.value(raw)
            settings.append(_dump(text, pair.key, raw, value, pair.key_span, pair.value_span, name))
            for path, inner, known, key_span, span in repr_text.nested(source, pair.value_span):
                settings.append(_dump(text, f"{pair.key}.{path}", inner, known, key_span, span, name))
        position = end
        yield Dump(name, tuple(settings), text.line(start), (start, end + closed), closed)


def _printed_end(source: str, place: int) -> int:
    """How far a printed call can reach: one line, or lines that end in a comma, as `TrainingArguments(` prints."""
    limit = min(len(source), place + CUT)
    position = place
    while (line := source.find("\n", position, limit)) >= 0:
        if not source[position:line].rstrip().endswith((",", "(", "[", "{")) and source[position:line].strip():
            following = source[line + 1 : line + 80].lstrip()
            return line if not following.startswith((")", "]", "}")) else min(limit, line + 80)
        position = line + 1
    return limit


def _is_code(source: str, head: str, pairs: list[repr_text.Pair], place: int, limit: int) -> bool:
    """Whether a call is written by a person rather than printed: assigned, positional, names where values would be."""
    if len(pairs) < 3 or ASSIGNED.search(head) or head.lstrip().startswith(("#", "def ", "class ", ">>>")):
        return True
    parts = [source[slice(*span)] for span in repr_text.pieces(source, place, limit)[0]]
    if len([part for part in parts if part.strip()]) > len(pairs) + 1:
        return True
    named = sum(repr_text.value(source[slice(*pair.value_span)])[1] in {"a name", "an expression"} for pair in pairs)
    spaced = sum(source[pair.key_span[1] : pair.value_span[0]] != "=" for pair in pairs)
    return named * 3 > len(pairs) or spaced > 0


def _said(text: Text) -> Iterator[Dump]:
    """`Setting args.lazy_tokenize: True`: what a program decides after it read its arguments."""
    for match in SAID.finditer(text.text):
        raw = match["value"]
        value, _ = repr_text.value(raw)
        one = _dump(text, match["key"], raw, value, match.span("key"), match.span("value"), "Setting")
        yield Dump("Setting", (one,), text.line(match.start("key")), (match.start("key"), match.end("value")))


def _find_all(text: str, needle: str) -> Iterator[int]:
    place = text.find(needle)
    while place >= 0:
        yield place
        place = text.find(needle, place + len(needle))


def _dicts(text: Text) -> Iterator[Dump]:
    source, position = text.text, 0
    for place in _find_all(source, "{"):
        if place < position:
            continue
        following = source[place + 1 : place + 400].lstrip()[:1]
        if following not in {'"', "'"} and not (following.isalpha() and source[place - 1 : place] == " "):
            continue
        before = source[max(source.rfind("\n", 0, place) + 1, place - 80) : place]
        named = DICT_NAME.search(before)
        rust = before.rstrip().endswith("Args")
        if named is None and not (following in {'"', "'"} and not before.strip() and _is_long(source, place)):
            continue
        if following.isalpha() and not rust:
            continue
        parsed, end = json_text.parse_at(text.reading(plain_brackets(source, place)), place)
        top = {item.key.partition(".")[0] for item in parsed.settings}
        if len(parsed.settings) < 2 or top & METRICS:
            continue
        name = (named["type"] or named["name"]).strip() if named else "dict"
        settings = tuple(
            replace(item, kind="dump", scope=name, raw=source[slice(*item.value_span)])
            for item in parsed.settings
            if item.value_span
        )
        position = max(end, place + 1)
        yield Dump(name, settings, text.line(place), (place, position), not parsed.problems)


def _is_long(source: str, place: int) -> bool:
    """A dict of its own that goes on over lines, as pprint prints it; JSON files belong to the JSON reader."""
    line_end = source.find("\n", place)
    return source[place + 1 : place + 2] == "'" and line_end >= 0 and "}" not in source[place:line_end]


def plain_brackets(source: str, place: int) -> str:
    """The text with tuples as arrays and `array(...)`, `Some(...)` without their name, in the same length."""
    end = min(len(source), place + 50_000)
    if "(" not in source[place:end]:
        return source
    closing: list[str] = []

    def swap(match: re.Match[str]) -> str:
        written = match[0]
        if written[0] in "\"'":
            return written
        if written == ")":
            return closing.pop() if closing else " "
        if written.endswith("("):
            closing.append(" " if len(written) > 1 else "]")
            return " " * len(written) if len(written) > 1 else "["
        return " " * len(written) if closing and closing[-1] == " " else written

    return source[:place] + BRACKET.sub(swap, source[place:end]) + source[end:]


def _dotted(text: Text) -> Iterator[Dump]:
    """`zero_optimization_stage ...... 2`, as DeepSpeed and Megatron print."""
    rows = list(DOTS.finditer(text.text))
    if len(rows) < 2:
        return
    settings = []
    for row in rows:
        if row["value"]:
            value, _ = repr_text.value(row["value"])
            settings.append(_dump(text, row["key"], row["value"], value, row.span("key"), row.span("value"), "printed"))
            settings.extend(_nested(text, row))
    first = rows[0]
    yield Dump("printed", tuple(settings), text.line(first.start("key")), (first.start("key"), rows[-1].end()))


def _nested(text: Text, row: re.Match[str]) -> Iterator[Setting]:
    """`stage=2 overlap_comm=True` or a dict as the value of a printed line."""
    start, _ = row.span("value")
    if row["value"].startswith("{"):
        for path, raw, value, key_span, span in repr_text.nested(text.text, row.span("value")):
            yield _dump(text, f"{row['key']}.{path}", raw, value, key_span, span, "printed")
    elif row["value"].count("=") >= 2:
        for pair in re.finditer(r"(?P<key>[A-Za-z_]\w*)=(?P<value>[^\s=,]+)(?=[\s,]|$)", row["value"]):
            spans = [(start + pair.start(name), start + pair.end(name)) for name in ("key", "value")]
            key = f"{row['key']}.{pair['key']}"
            yield _dump(text, key, pair["value"], repr_text.value(pair["value"])[0], spans[0], spans[1], "printed")


def _runs(text: Text, rows: Iterator[re.Match[str]], gap: int) -> Iterator[list[re.Match[str]]]:
    """Rows that follow one another with at most `gap` lines between."""
    run: list[re.Match[str]] = []
    last = -1
    for row in rows:
        line = text.line(row.start())
        if run and line - last > gap:
            yield run
            run = []
        run.append(row)
        last = line
    if run:
        yield run


def _tables(text: Text) -> Iterator[Dump]:
    for run in _runs(text, TABLE.finditer(text.text), 2):
        rows = [row for row in run if row["value"] and row["key"].lower().strip("`") not in HEADINGS]
        if len(rows) < 2 or not any("_" in row["key"] for row in rows):
            continue
        settings = []
        for row in rows:
            quoted = row["key"].startswith("`")
            key_span = (row.start("key") + quoted, row.end("key") - row["key"].endswith("`"))
            value_span = row.span("value")
            if row["value"].startswith("`") and row["value"].endswith("`") and len(row["value"]) > 2:
                value_span = (value_span[0] + 1, value_span[1] - 1)
            raw = text.text[slice(*value_span)]
            key = row["key"].strip("`")
            settings.append(_dump(text, key, raw, repr_text.value(raw)[0], key_span, value_span, "table"))
        yield Dump("table", tuple(settings), text.line(rows[0].start()), (run[0].start(), run[-1].end()))


def _prefixed(text: Text) -> Iterator[Dump]:
    """`loader: n_ctx = 4096` lines under one prefix."""
    for run in _runs(text, PREFIXED.finditer(text.text), 1):
        by_head: dict[str, list[re.Match[str]]] = {}
        for row in run:
            by_head.setdefault(row["head"], []).append(row)
        for head, rows in by_head.items():
            if len(rows) >= 2:
                settings = tuple(
                    _dump(
                        text, row["key"], row["value"], scalar(row["value"]), row.span("key"), row.span("value"), head
                    )
                    for row in rows
                )
                yield Dump(head, settings, text.line(rows[0].start()), (rows[0].start(), rows[-1].end()))


def _lists(text: Text) -> Iterator[Dump]:
    """`trainer: task=detect, mode=train, batch=16, ...` on one line, at least five of them and no metrics."""
    position = 0
    for match in LISTED.finditer(text.text):
        if match.start() < position:
            continue
        rows = []
        place = match.end()
        while (row := LIST_PAIR.match(text.text, place)) is not None:
            rows.append(row)
            place = row.end()
            if text.text[place - 1 : place] != ",":
                break
        if len(rows) < 5 or METRICS & {row["key"] for row in rows}:
            continue
        line_start = text.text.rfind("\n", 0, match.start()) + 1
        name = text.text[line_start : match.start()].strip().rpartition(" ")[2] or "printed"
        settings = tuple(
            _dump(
                text,
                row["key"],
                row["value"],
                repr_text.value(row["value"])[0],
                row.span("key"),
                row.span("value"),
                name,
            )
            for row in rows
        )
        position = place
        yield Dump(name, settings, text.line(match.start()), (match.end(), place))
