"""A new option where a person would write it: after the last flag, beside a related key, among a call's keywords."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from oomdoc.facts.model import Value
from oomdoc.ingest.syntax.setting import Command, Setting
from oomdoc.patch.draft import Draft
from oomdoc.patch.edits import Splice
from oomdoc.patch.render import Unwritable, rendered

_GAP = re.compile(r"(?:[ \t]|[\\^`]?[ \t]*\r?\n)+\Z")
_LINES = {"yaml", "toml"}


@dataclass(frozen=True, slots=True)
class Container:
    """Settings that stand together: the flags of one program, the keys of one mapping, the keywords of one call."""

    kind: str
    parent: str  # the scope of flags, else the dotted path of the mapping or call
    settings: tuple[Setting, ...]


def containers(draft: Draft) -> list[Container]:
    """The places of a document that can take one more option, in the order of the text."""
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in draft.parsed.settings:
        if setting.origin != "explicit" or setting.key_span is None:
            continue
        if setting.kind in {"flag", "hydra"} and setting.scope:
            groups.setdefault((setting.kind, setting.scope), []).append(setting)
        elif setting.kind in {"yaml", "json", "toml", "python-call"}:
            parent = setting.key.rpartition(".")[0]
            place = f"{setting.scope or ''}|{parent}" if setting.kind == "python-call" else parent
            groups.setdefault((setting.kind, place), []).append(setting)
    return [Container(kind, parent, tuple(settings)) for (kind, parent), settings in groups.items()]


def inserted(draft: Draft, place: Container, name: str, value: Value, near: Setting, *, switch: str) -> Splice:
    """The edit that adds an option beside `near`. Raises Unwritable where the syntax cannot hold it."""
    if place.kind in {"flag", "hydra"}:
        return _flag(draft.text, place, name, value, switch)
    if place.kind == "python-call":
        text = f"{name}={rendered(value, place.kind)},"
        start = _key_start(near)
        return start, start, text + (_before(draft.text, start) or " ")
    if place.kind == "json" or not _own_line(draft.text, near):
        return _entry(draft.text, place, name, value, near)
    return _line(draft.text, place, name, value, near)


def prefixed(draft: Draft, command: Command, name: str, value: Value) -> Splice:
    """The edit that sets an environment variable for a command: beside its exports, else in front of it."""
    text = f"{name}={rendered(value, 'env')}"
    exports = [
        setting
        for setting in draft.parsed.settings
        if setting.kind == "env" and setting.scope is None and setting.key_span and setting.value_span
        and setting.key_span[0] < command.span[0]
        and draft.text[: setting.key_span[0]].endswith("export ")
    ]  # fmt: skip
    if exports and (last := exports[-1]).value_span and last.key_span:
        line_start = draft.text.rfind("\n", 0, last.key_span[0]) + 1
        indent = draft.text[line_start : last.key_span[0]]
        end = _line_end(draft.text, last.value_span[1])
        eol = _eol(draft.text)
        if indent.strip() == "export":
            return end, end, f"{eol}{indent}{text}"
    start = command.span[0]
    if draft.text[start : start + 5] == "sudo ":
        raise Unwritable
    return start, start, f"{text} "


def _flag(text: str, place: Container, name: str, value: Value, switch: str) -> Splice:
    flags = sorted(place.settings, key=_end)
    last = flags[-1]
    gap = _gap(text, flags)
    written = _in_case(name, flags)
    if place.kind == "hydra":
        return _end(last), _end(last), f"{gap}{written}={rendered(value, 'hydra', flags)}"
    assert last.key_span is not None
    dashes = text[: last.key_span[0]][-2:]
    dashes = dashes if dashes == "--" else "--"
    if isinstance(value, bool) and switch != "value" and not _takes_booleans(flags):
        if switch == "by-hand" or not value:
            raise Unwritable
        return _end(last), _end(last), f"{gap}{dashes}{written}"
    joint = next((text[f.key_span[1] : f.value_span[0]] for f in reversed(flags) if f.key_span and f.value_span), " ")
    joint = joint if joint in {" ", "="} else " "
    return _end(last), _end(last), f"{gap}{dashes}{written}{joint}{rendered(value, 'flag', flags)}"


def _takes_booleans(flags: Sequence[Setting]) -> bool:
    return any(isinstance(flag.value, bool) and flag.value_span for flag in flags)


def _gap(text: str, flags: Sequence[Setting]) -> str:
    """What separates the last flag from the one before it: the person's own line break and indentation."""
    last = flags[-1]
    assert last.key_span is not None
    start = last.key_span[0] - len(text[: last.key_span[0]]) + len(text[: last.key_span[0]].rstrip("-"))
    match = _GAP.search(text, max(0, start - 400), start)
    return match[0] if match else " "


def _in_case(name: str, flags: Sequence[Setting]) -> str:
    """With dashes inside where all the other flags have them."""
    keys = [flag.key for flag in flags]
    dashed = any("-" in key for key in keys) and not any("_" in key for key in keys)
    return name.replace("_", "-") if dashed else name


def _line(text: str, place: Container, name: str, value: Value, near: Setting) -> Splice:
    """A line of its own below the related key."""
    assert near.key_span is not None
    assert near.value_span is not None
    start = _key_start(near)
    quote = _key_quote(text, near)
    line_start = text.rfind("\n", 0, start - len(quote)) + 1
    indent = re.sub(r"[^\s]", " ", text[line_start : start - len(quote)])
    joint = ": " if place.kind == "yaml" else " = "
    between = text[near.key_span[1] + len(quote) : near.value_span[0]]
    joint = between if between.strip() in {":", "="} and "\n" not in between and len(between) <= 3 else joint
    new = f"{indent}{quote}{name}{quote}{joint}{rendered(value, place.kind, place.settings)}"
    end = near.value_span[1]
    if text[end - 1 : end] == "\n":
        return end, end, f"{new}{_eol(text)}"
    end = _line_end(text, end)
    return end, end, f"{_eol(text)}{new}"


def _entry(text: str, place: Container, name: str, value: Value, near: Setting) -> Splice:
    """An entry before the related one, so that a comment behind that stays with it."""
    assert near.key_span is not None
    assert near.value_span is not None
    quote = _key_quote(text, near) or ('"' if place.kind == "json" else "")
    start = near.key_span[0] - len(_key_quote(text, near))
    joint = text[near.key_span[1] + len(_key_quote(text, near)) : near.value_span[0]]
    joint = joint if joint.strip() in {":", "="} and "\n" not in joint else ": "
    new = f"{quote}{name}{quote}{joint}{rendered(value, place.kind, place.settings)},"
    return start, start, new + (_before(text, start) or " ")


def _own_line(text: str, near: Setting) -> bool:
    start = _key_start(near) - len(_key_quote(text, near))
    return text[text.rfind("\n", 0, start) + 1 : start].strip(" \t-\ufeff") == ""


def _before(text: str, start: int) -> str:
    """The white space in front of a place, with its line break."""
    return text[len(text[:start].rstrip()) : start]


def _key_start(setting: Setting) -> int:
    assert setting.key_span is not None
    return setting.key_span[0]


def _key_quote(text: str, setting: Setting) -> str:
    before = text[_key_start(setting) - 1 : _key_start(setting)]
    return before if before in {'"', "'"} else ""


def _end(setting: Setting) -> int:
    spans = [span for span in (setting.key_span, setting.value_span) if span]
    return max(span[1] for span in spans)


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    return end - (text[end - 1 : end] == "\r" and end > offset)


def _eol(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
