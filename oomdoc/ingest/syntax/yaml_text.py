"""YAML by its events: spans of every value, anchors, merges, half a file, duplicate keys; no tag is constructed."""

from dataclasses import field, replace
from typing import Any

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Parsed, Problem, Scalar, Setting, Text, scalar
from oomdoc.messages import said

LIMIT = 50_000
DEEPEST = 100  # levels; the scanner's time grows with their square
UNPRINTABLE = lazy("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
PROPERTIES = lazy(r"(?:[&!][^\s\[\]{},]*(?:\s+|\Z))+")
PLAIN_TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})


def parse(text: str, file_name: str = "<text>") -> Parsed:
    """Leaves as settings with dotted keys; what stands before a syntax error is kept and the error is named.

    A sequence of scalars is also one tuple setting under its own key. Values are those PyYAML's SafeLoader gives,
    except that `1e-4`, which it leaves as text, is a number. `${a.b}` is resolved as OmegaConf does.
    """
    clean = UNPRINTABLE.sub("\ufffd", text)
    if text[:1] == "\ufeff":
        clean = text[0] + clean[1:]
    reader, broken = _read(text, clean, file_name)
    if broken is not None and broken > 1:  # the scanner looks ahead: the lines before the error give their values alone
        end = reader.text.starts[min(broken, len(reader.text.starts)) - 1]
        before, again = _read(text, clean[:end], file_name)
        if again is None and len(before.settings) > len(reader.settings):
            before.problems = reader.problems
            reader = before
    if clean[1:] != text[1:]:
        reader.problem(1, said("syntax.yaml_characters"))
    settings = [item for place, item in enumerate(reader.settings) if place not in reader.dropped]
    if "${" in text:
        from oomdoc.ingest.syntax.interpolation import resolve

        settings = resolve(settings, reader.problems)
    return Parsed("yaml", tuple(settings), (), tuple(reader.problems))


def _read(text: str, clean: str, file_name: str) -> "tuple[_Reader, int | None]":
    """Read the events of `clean`; the line of the error that ended them, if one did."""
    import yaml  # imported here: 12 ms

    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    reader, broken = _Reader(Text.of(text, file_name), yaml.SafeLoader("")), None
    try:
        for event in yaml.parse(clean, Loader=loader):
            reader.take(event)
            if len(reader.settings) > LIMIT:
                reader.problem(1, said("syntax.many", limit=LIMIT))
                break
            if len(reader.stack) > DEEPEST:
                place = event.start_mark
                reader.problem(place.line + 1 if place else 1, said("syntax.yaml_deep", depth=DEEPEST))
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        broken = mark.line + 1 if mark else 1
        tab = clean.split("\n", broken)[broken - 1 : broken]
        why = "a tab indents it, and YAML allows only blanks" if tab and tab[0].lstrip(" ")[:1] == "\t" else None
        reader.problem(broken, said("syntax.yaml_from", why=why or error.problem or error.context))
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        reader.problem(1, said("syntax.not_yaml", why=error))
    reader.finish()
    return reader, broken


@dataclass(slots=True)
class _Frame:
    prefix: str
    mapping: bool
    begin: int
    first: int
    anchor: str | None = None
    key: str | None = None
    key_span: tuple[int, int] | None = None
    count: int = 0
    seen: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    merges: list[str] = field(default_factory=list)
    scalars: list[Scalar] | None = None
    key_depth: int = 0


class _Reader:
    def __init__(self, text: Text, loader: Any) -> None:
        self.text = text
        self.loader = loader
        self.settings: list[Setting] = []
        self.problems: list[Problem] = []
        self.dropped: set[int] = set()
        self.anchors: dict[str, tuple[str, list[Setting]]] = {}
        self.stack: list[_Frame] = []
        self.document = 0

    def problem(self, line: int, message: str) -> None:
        if len(self.problems) < 50:
            self.problems.append(Problem(line, message))

    def take(self, event: Any) -> None:
        """Take one event of the parser."""
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self.document += 1
            self.anchors.clear()
        elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
            self.open(event, kind == "MappingStartEvent")
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self.close(event.end_mark.index)
        elif kind == "ScalarEvent":
            self.leaf(event)
        elif kind == "AliasEvent":
            self.alias(event)

    def top(self) -> _Frame | None:
        return self.stack[-1] if self.stack else None

    def path(self) -> str:
        top = self.top()
        if top is None:
            return ""
        last = (top.key or "") if top.mapping else str(top.count)
        return f"{top.prefix}.{last}" if top.prefix else last

    def open(self, event: Any, mapping: bool) -> None:
        top = self.top()
        if top is not None and top.mapping and top.key is None:
            top.key, top.key_span = "?", None  # a complex key: its parts are read as if they were values
            top.key_depth = 1
        if top is not None:
            top.scalars = None
        if event.tag and event.tag.startswith("tag:yaml.org,2002:python"):
            self.problem(event.start_mark.line + 1, said("syntax.yaml_tag", tag=_tag(event.tag)))
        begin = event.start_mark.index
        frame = _Frame(self.path(), mapping, begin, len(self.settings), event.anchor)
        if not mapping:
            frame.scalars = []
        self.stack.append(frame)

    def close(self, end: int) -> None:
        frame = self.stack.pop()
        self.merge(frame)
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.prefix, self.settings[frame.first :])
        parent = self.top()
        if frame.scalars is not None and parent is not None and len(frame.scalars) == frame.count:
            begin = frame.begin + self.properties(frame.begin, end)
            end = begin + len(self.text.text[begin:end].rstrip())
            raw = self.text.text[begin:end]
            self.add(frame.prefix, raw, tuple(frame.scalars), (begin, end), parent.key_span, None)
        if parent is not None:
            self.next(parent, frame.first)

    def properties(self, begin: int, end: int) -> int:
        match = PROPERTIES.match(self.text.text, begin, end)
        return match.end() - begin if match else 0

    def leaf(self, event: Any) -> None:
        top = self.top()
        begin, end = int(event.start_mark.index), int(event.end_mark.index)
        if event.anchor or event.tag:
            begin += self.properties(begin, end)
        if event.tag and event.tag.startswith("tag:yaml.org,2002:python"):
            self.problem(event.start_mark.line + 1, said("syntax.yaml_tag", tag=_tag(event.tag)))
        if top is not None and top.mapping and top.key is None:
            self.key(top, event, begin, end)
            return
        value, note = self.value(event)
        if top is None:
            return
        first = len(self.settings)
        if top.scalars is not None:
            top.scalars.append(value)
        raw = self.text.text[begin:end]
        self.add(self.path(), raw, value, (begin, end), top.key_span if top.mapping else None, note)
        if event.anchor:
            self.anchors[event.anchor] = (self.path(), self.settings[first:])
        self.next(top, first)

    def key(self, top: _Frame, event: Any, begin: int, end: int) -> None:
        name = str(event.value)
        top.key = name
        quoted = event.style in {'"', "'"} and end - begin >= 2
        top.key_span = (begin + 1, end - 1) if quoted else (begin, end)
        if name in top.seen and name != "<<":
            line, first, last = top.seen[name]
            self.dropped.update(range(first, last))
            self.problem(event.start_mark.line + 1, said("syntax.json_twice", name=repr(name), line=line))

    def next(self, top: _Frame, first: int) -> None:
        if top.mapping and top.key_depth:
            top.key_depth = 0  # that was the complex key itself; its value comes next
            return
        if top.mapping and top.key is not None:
            line = self.text.line(top.key_span[0]) if top.key_span else 0
            top.seen[top.key] = (line, first, len(self.settings))
        top.count += 1
        top.key = top.key_span = None

    def value(self, event: Any) -> tuple[Scalar, str | None]:
        import yaml

        text = str(event.value)
        tag = event.tag
        if tag is None and event.implicit[0]:
            tag = self.loader.resolve(yaml.ScalarNode, text, (True, False))
        kind = (tag or "").rpartition(":")[2]
        node = yaml.ScalarNode(tag, text)
        try:
            if kind == "null":
                return None, None
            if kind in {"int", "float", "bool"}:
                known: Scalar = getattr(self.loader, f"construct_yaml_{kind}")(node)
                return known, None
        except (ValueError, KeyError, OverflowError, yaml.YAMLError):
            return text, f"not a readable {kind}"
        if not event.style and event.tag is None and isinstance(number := scalar(text), float) and kind == "str":
            return number, "PyYAML leaves this as text (no dot in the mantissa)"
        note = f"tag {_tag(event.tag)} not constructed" if event.tag and tag not in PLAIN_TAGS else None
        return text, note

    def alias(self, event: Any) -> None:
        top = self.top()
        name = str(event.anchor)
        if top is None:
            return
        if top.mapping and top.key is None:
            top.key, top.key_span = f"*{name}", None
            return
        if name not in self.anchors:
            self.problem(event.start_mark.line + 1, said("syntax.yaml_alias", name=name))
        elif top.key == "<<" or (not top.mapping and top.prefix.rpartition(".")[2] == "<<"):
            top.merges.append(name)
            top.scalars = None
        else:
            self.copy(name, self.path(), top)
        self.next(top, len(self.settings))

    def copy(self, name: str, path: str, top: _Frame) -> None:
        prefix, settings = self.anchors[name]
        if len(self.settings) + len(settings) > LIMIT:
            self.problem(1, said("syntax.yaml_grow", limit=LIMIT, name=name))
            return
        if top.scalars is not None and len(settings) == 1 and settings[0].key == prefix:
            value = settings[0].value
            if not isinstance(value, tuple):
                top.scalars.append(value)
        for item in settings:
            note = f"from the anchor &{name} at line {item.line}"
            self.settings.append(replace(item, key=path + item.key[len(prefix) :], note=note))

    def merge(self, frame: _Frame) -> None:
        """`<<: *base`: keys of the anchors that the mapping itself does not have."""
        parent = self.top()
        if frame.merges and not frame.mapping and parent is not None:
            parent.merges.extend(frame.merges)
            return
        have = set(frame.seen)
        for name in frame.merges:
            prefix, settings = self.anchors[name]
            added = set()
            for item in settings:
                rest = item.key[len(prefix) :].lstrip(".")
                first = rest.partition(".")[0]
                if first in have or len(self.settings) > LIMIT:
                    continue
                added.add(first)
                path = f"{frame.prefix}.{rest}" if frame.prefix else rest
                self.settings.append(replace(item, key=path, note=f"merged from &{name} at line {item.line}"))
            have |= added

    def add(
        self,
        path: str,
        raw: str,
        value: "Scalar | tuple[Scalar, ...]",
        span: tuple[int, int],
        key_span: tuple[int, int] | None,
        note: str | None,
    ) -> None:
        line = self.text.line(key_span[0] if key_span else span[0])
        scope = f"document {self.document}" if self.document > 1 else None
        self.settings.append(
            Setting(path, raw, value, self.text.file, line, key_span, span, "yaml", scope=scope, note=note)
        )

    def finish(self) -> None:
        """Merge what stood open at an error, so that half a file gives its half."""
        while self.stack:
            frame = self.stack.pop()
            self.merge(frame)


def _tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
