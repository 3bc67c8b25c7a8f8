"""Where a change of a fact goes: the setting in force, the variable behind it, or a new option beside it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from oomdoc.facts.model import Value
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Framework, Parameter, normal
from oomdoc.ingest.syntax.setting import Setting
from oomdoc.patch.draft import Draft
from oomdoc.patch.edits import Splice
from oomdoc.patch.insert import Container, containers, inserted, prefixed
from oomdoc.patch.names import kin, options
from oomdoc.patch.render import Raw, Unwritable, rendered, told
from oomdoc.patch.spell import (
    beside,
    command_only,
    fewer_devices,
    makes_section,
    means,
    silent_value,
    spelled,
    switches,
)
from oomdoc.patch.stand import Place, Stated, launch_of, occupied, stating

_VARIABLE = re.compile(r"\$?\{?(\w+)\}?\Z")
_TOGETHER = {"model.load_dtype", "train.precision", "env.visible_devices", "parallel.kind"}  # follow from one option
_SHARING = {"parallel.fsdp_sharding"}
_DEFAULT = re.compile(r"(\$\{\w+:?[-=])([^}]*)(\})\Z")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to make a change: edits of one draft, the option as it will read, and which settings may differ."""

    draft: int
    splices: tuple[Splice, ...]
    native: str
    fact: str
    value: Value
    keys: frozenset[str]  # keys of settings that may come or go
    line: int | None = None
    covers: tuple[str, ...] = ()  # facts that this one option also sets as wanted


def candidates(place: Place, fact: str, value: Value, changes: Mapping[str, Value]) -> Iterator[Candidate]:
    """Ways to make a fact a value, the most natural first; each is only a proposal until it was read again."""
    held = stating(place, fact)
    for one in held[:1]:
        yield from _edits(place, one, fact, value, changes)
    if held:
        yield from _switched(place, held[0], fact, value)
        return
    for one in stating(place, fact, silent=True):
        yield from _edits(place, one, fact, value, changes)  # `bf16: false` becomes true; no second one is written
    yield from _insertions(place, fact, value, changes)


def _edits(place: Place, one: Stated, fact: str, value: Value, changes: Mapping[str, Value]) -> Iterator[Candidate]:
    """The setting's own value changed: in the variable it comes from, in a default, or where it stands."""
    setting, draft = one.setting, place.drafts[one.draft]
    parameter = one.parameter
    _, parameters = place.vocabulary.meanings(setting)
    if value is None and setting.kind == "flag" and setting.key_span is not None:
        keys = frozenset({setting.key})
        yield Candidate(one.draft, (_without(draft, setting),), f"(no --{setting.key})", fact, None, keys, setting.line)
        return
    for written in _spellings(place, setting, parameter, value):
        covered = _covers(parameters, setting, written, fact, value, changes)
        if covered is None:
            continue
        base = Candidate(
            one.draft, (), "", fact, value, frozenset({setting.key}), setting.line, covered
        )  # fmt: skip
        if setting.value_span is None:
            yield from _bare_switch(draft, setting, written, base)
            continue
        for splice, key in _splices(draft, setting, written, fact_value=value):
            native = shown(setting.key, setting.kind, splice[2] if key is None else told(written, setting.kind))
            keys = base.keys | ({key} if key else set())
            yield replace(base, splices=(splice,), native=native, keys=keys)


def _spellings(place: Place, setting: Setting, parameter: Parameter, value: Value) -> Iterator[Value]:
    if parameter.reads == "length" and isinstance(value, int):
        fewer = fewer_devices(setting, value)
        yield from [fewer] if fewer else []
        return
    found = list(spelled(parameter, setting.key.rpartition(".")[2], value, place.framework))
    if setting.raw.startswith("torch.") and isinstance(setting.value, str):
        found.sort(key=lambda item: not str(item).startswith("torch."))
    elif isinstance(setting.value, str) and setting.value in {"bf16", "fp16", "fp32"}:
        found.sort(key=lambda item: len(str(item)))
    yield from found


def _covers(
    parameters: Sequence[Parameter],
    setting: Setting,
    written: Value,
    fact: str,
    wanted: Value,
    changes: Mapping[str, Value],
) -> tuple[str, ...] | None:
    """The other wanted facts that this value sets as well; None where it would set one to what nobody wants."""
    covered = []
    for parameter in parameters:
        if parameter.fact is None or parameter.fact == fact or parameter.inactive:
            continue
        now, then = convert(parameter, setting.value), convert(parameter, written)
        if parameter.fact in changes:
            if then is SILENT or then != changes[parameter.fact]:
                return None
            covered.append(parameter.fact)
        elif then is not SILENT and now is not SILENT and then not in (now, wanted) and parameter.fact not in _TOGETHER:
            return None  # what merely repeats the wanted value under another name is meant too
    return tuple(covered)


def _splices(
    draft: Draft, setting: Setting, written: Value, *, fact_value: Value
) -> Iterator[tuple[Splice, str | None]]:
    """(edit, key of the variable that changes with it) for a value that stands somewhere."""
    del fact_value
    assert setting.value_span is not None
    start, end = setting.value_span
    if setting.raw.strip("\"'")[:1] in {"{", "["} and not isinstance(written, tuple):
        return  # a document of its own stands there
    siblings = [item for item in draft.parsed.settings if item.kind == setting.kind]
    variable = _VARIABLE.match(setting.raw.strip("\"'"))
    if variable and setting.note and f"{variable[1]} from line" in setting.note:
        source = [s for s in draft.parsed.settings if s.key == variable[1] and s is not setting and s.value_span]
        if source and source[-1].value_span:
            try:
                text = rendered(written, source[-1].kind, siblings, source[-1])
                whole = source[-1].value_span
                inner = _DEFAULT.search(source[-1].raw)
                if inner and "default of" in (source[-1].note or ""):
                    yield (whole[0] + inner.start(2), whole[0] + inner.end(2), _text(written)), variable[1]
                yield (*whole, text), variable[1]
            except Unwritable:
                pass
        setting = replace(setting, raw="")
    elif (default := _DEFAULT.search(setting.raw)) and setting.note and "default of" in setting.note:
        text = _text(written)
        yield (start + default.start(2), start + default.end(2), text), None
        return
    if setting.raw.startswith("torch.") and isinstance(written, str) and written.startswith("torch."):
        yield (start, end, written), None
        return
    try:
        yield (start, end, rendered(written, setting.kind, siblings, setting)), None
    except Unwritable:
        return


def _bare_switch(draft: Draft, setting: Setting, written: Value, base: Candidate) -> Iterator[Candidate]:
    """`--flag` without a value, taken away."""
    if written is not False or setting.key_span is None or setting.kind != "flag":
        return
    yield replace(base, splices=(_without(draft, setting),), native=f"(no --{setting.key})")


def _without(draft: Draft, setting: Setting) -> Splice:
    """A flag taken away with its value and the line break before it."""
    assert setting.key_span is not None
    head = draft.text[: setting.key_span[0]].rstrip("-")
    start = len(re.sub(r"(?:[ \t]|\\\r?\n)+\Z", "", head))
    return start, (setting.value_span or setting.key_span)[1], ""


def _switched(place: Place, one: Stated, fact: str, value: Value) -> Iterator[Candidate]:
    """One option off and its counterpart on: `fp16: false`, `bf16: true`."""
    parameter, draft = one.parameter, place.drafts[one.draft]
    if one.setting.value_span is None or (quiet := silent_value(parameter)) is None:
        return
    siblings = [item for item in draft.parsed.settings if item.kind == one.setting.kind]
    try:
        off = (*one.setting.value_span, rendered(quiet, one.setting.kind, siblings, one.setting))
    except Unwritable:
        return
    base = Candidate(one.draft, (off,), "", fact, value, frozenset({one.setting.key}), one.setting.line)
    for setting in draft.parsed.settings:
        _, parameters = place.vocabulary.meanings(setting)
        for other in parameters:
            if (
                other.fact != fact
                or setting is one.setting
                or setting.value_span is None
                or setting.kind != one.setting.kind
            ):
                continue
            for written in spelled(other, setting.key, value, place.framework):
                for splice, key in _splices(draft, setting, written, fact_value=value):
                    if key is None:
                        native = shown(setting.key, setting.kind, splice[2])
                        keys = base.keys | {setting.key}
                        yield replace(base, splices=(off, splice), native=native, keys=keys)
    for candidate in _insertions(place, fact, value, {}):
        if candidate.draft == one.draft and _apart(off, candidate.splices):
            yield replace(candidate, splices=(off, *candidate.splices), keys=candidate.keys | base.keys)


def _apart(first: Splice, others: Sequence[Splice]) -> bool:
    return all(other[0] >= first[1] or other[1] <= first[0] for other in others)


def _insertions(place: Place, fact: str, value: Value, changes: Mapping[str, Value]) -> Iterator[Candidate]:
    """A new option in the document that holds the framework's settings."""
    for layer, parameter, name, written, variable in options(place.vocabulary, place.match, fact, value, place.keys):
        probe = Setting(name, "", None, "", 0, None, None, "env" if variable else "yaml")
        _, parameters = place.vocabulary.meanings(probe)
        covered = _covers_new(parameters or [], written, fact, changes)
        if covered is None or ("." not in name and _is_nested(place, parameter)):
            continue
        if variable:
            yield from _variables(place, name, written, fact, value)
            continue
        if occupied(place, name) is not None:
            continue
        for index, container, near, last in _homes(place, layer, name, fact):
            try:
                splice = inserted(place.drafts[index], container, last, written, near, switch=switches(place.framework))
            except Unwritable:
                continue
            native = shown(last, container.kind, told(written, container.kind))
            keys = frozenset({last, name, last.replace("_", "-"), f"{container.parent.rpartition('|')[2]}.{last}"})
            yield Candidate(index, (splice,), native, fact, value, keys, near.line, covered)
        if makes_section(layer.id, name):
            yield from _sections(place, name, written, fact, value)


def _sections(place: Place, name: str, written: Value, fact: str, value: Value) -> Iterator[Candidate]:
    """A section with the option as its only entry, in a JSON file that has the section around it but not this one."""
    around, _, last = name.rpartition(".")
    outer, _, section = around.rpartition(".")
    for index, draft in enumerate(place.drafts):
        for container in containers(draft):
            taken = any(f"{setting.key}.".startswith(f"{around}.") for setting in draft.parsed.settings)
            if container.kind != "json" or container.parent != outer or taken:
                continue
            near = container.settings[-1]
            entry = Raw(f"{{{rendered(last, 'json')}: {rendered(written, 'json')}}}")
            splice = inserted(draft, container, section, entry, near, switch="value")
            native = f'"{section}": {entry}'
            yield Candidate(index, (splice,), native, fact, value, frozenset({name}), near.line)


def _is_nested(place: Place, parameter: Parameter) -> bool:
    """Whether an option has a section of its own in the files at hand, outside of which its bare name means nothing."""
    nested = any(draft.syntax in {"yaml", "json", "toml"} for draft in place.drafts)
    return nested and any("." in name for name in parameter.names)


def _covers_new(
    parameters: Sequence[Parameter], written: Value, fact: str, changes: Mapping[str, Value]
) -> tuple[str, ...] | None:
    covered = []
    for parameter in parameters:
        if parameter.fact and parameter.fact in changes and parameter.fact != fact:
            if not means(parameter, written, changes[parameter.fact]):
                return None
            covered.append(parameter.fact)
        elif parameter.reads == "zero-offload" and convert(parameter, written) not in (SILENT, "none"):
            return None
        elif parameter.fact in _SHARING and parameter.fact != fact and convert(parameter, written) is not SILENT:
            return None  # another way of sharing than the one that is meant
    return tuple(covered)


def _variables(place: Place, name: str, written: Value, fact: str, value: Value) -> Iterator[Candidate]:
    for index, draft in enumerate(place.drafts):
        command = launch_of(draft, place.match)
        if command is None or draft.syntax not in {"shell", "text"}:
            continue
        try:
            splice = prefixed(draft, command, name, written)
        except Unwritable:
            continue
        native = f"{name}={_text(written)}"
        yield Candidate(index, (splice,), native, fact, value, frozenset({name}), command.line)


def _homes(place: Place, layer: Framework, name: str, fact: str) -> Iterator[tuple[int, Container, Setting, str]]:
    """(draft, container, setting to stand beside, last part of the name), the likeliest first."""
    ranked: list[tuple[tuple[int, int, int], int, Container, Setting, str]] = []
    family = fact.partition(".")[0]
    parent, _, last = name.rpartition(".")
    related = kin(layer.extends, last)
    for index, draft in enumerate(place.drafts):
        for container in containers(draft):
            path = container.parent.rpartition("|")[2]
            nested = container.kind in {"yaml", "json", "toml"}
            whole = container.kind == "hydra" or (
                container.kind == "flag" and any("." in setting.key for setting in container.settings)
            )
            if whole or (parent and not nested):
                if not whole:
                    continue
            elif parent and normal(path) != normal(parent) and not normal(path).endswith(normal(f".{parent}")):
                continue
            if not _belongs(draft, container, layer, name):
                continue
            if container.kind == "python-call" and any(s.key.rpartition(".")[2] == last for s in container.settings):
                continue  # a keyword is given once
            if container.kind == "flag" and not _own(draft, container, place):
                continue
            if container.kind == "python-call" and command_only(last) and not path.endswith("from_pretrained"):
                continue  # a class of arguments refuses a keyword that is not its own
            known = [(s, _facts(place, s, layer)) for s in container.settings]
            known = [(setting, facts) for setting, facts in known if facts]
            if not known:
                continue
            same = [setting for setting, facts in known if any(f.startswith(f"{family}.") for f in facts)]
            near = (same or [setting for setting, _ in known])[-1]
            akin = sum(normal(setting.key.rpartition(".")[2]) in related for setting in container.settings)
            score = (4 * len(same) + 4 * akin + len(known), -index, -near.line)
            ranked.append((score, index, container, near, name if whole else last))
    for _, index, container, near, written in sorted(ranked, key=lambda entry: entry[0], reverse=True)[:2]:
        yield index, container, near, written


def _belongs(draft: Draft, container: Container, layer: Framework, name: str) -> bool:
    """Whether what only some programs, classes or versions take is taken here: something beside it shows that."""
    shown = beside(layer.id, name)
    if shown is None:
        return True
    words = {normal(setting.key.rpartition(".")[2]) for setting in container.settings}
    words |= {normal(setting.key) for setting in container.settings}
    words |= {normal(part) for part in container.parent.rpartition("|")[2].split(".")}
    words |= {
        normal(re.split(r"[/.]cli[/.]|/", word)[-1]) for command in draft.parsed.commands for word in command.words
    }
    return not words.isdisjoint(shown)


def _own(draft: Draft, container: Container, place: Place) -> bool:
    """Whether flags go to the training program itself and not to its launcher."""
    command = launch_of(draft, place.match)
    return command is not None and bool(command.own_flags) and command.own_flags[-1].scope == container.parent


def _facts(place: Place, setting: Setting, layer: Framework) -> list[str]:
    found, parameters = place.vocabulary.meanings(setting)
    if found is not layer:
        return []
    return [parameter.fact or "" for parameter in parameters]


def shown(key: str, kind: str, text: str) -> str:
    """An option with its value, as people write it there."""
    if kind == "flag":
        return f"--{key} {text}".rstrip()
    if kind in {"env", "hydra", "python-call", "python-assign", "toml", "assignment"}:
        return f"{key.rpartition('.')[2] if kind == 'python-call' else key}={text}"
    return f"{key}: {text}"


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def hint(place: Place, fact: str, value: Value) -> str | None:
    """How the framework would be told, for a change that is made by hand; None where it has no such option."""
    for _, _, name, written, variable in options(place.vocabulary, place.match, fact, value, place.keys):
        kind = "env" if variable else "flag" if any(d.syntax == "shell" for d in place.drafts) else "yaml"
        return shown(name, kind, _text(written))
    return None


def standing(place: Place, fact: str, value: Value) -> Setting | None:
    """What stands in the way of a new option; None where nothing does."""
    names = [
        name
        for _, _, name, _, variable in options(place.vocabulary, place.match, fact, value, place.keys)
        if not variable
    ]
    return next((found for name in names if (found := occupied(place, name)) is not None), None)


def only_some(place: Place, fact: str, value: Value) -> bool:
    """Whether the option exists in some programs of the framework only, so that it was not newly written."""
    return any(
        beside(layer.id, name) is not None
        for layer, _, name, _, variable in options(place.vocabulary, place.match, fact, value, place.keys)
        if not variable
    )
