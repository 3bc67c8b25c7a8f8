"""Where a change of a fact goes: the setting in force, the variable behind it, or a new option beside it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from oomdoc.facts.fact import TRUST
from oomdoc.facts.model import Value
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Framework, Parameter, ancestors, framework, normal, raw_files
from oomdoc.ingest.launch import launched
from oomdoc.ingest.recognise import FrameworkMatch
from oomdoc.ingest.syntax.setting import Command, Setting
from oomdoc.ingest.translate import Vocabulary, how
from oomdoc.ingest.version_range import contains
from oomdoc.patch.draft import Draft, Splice
from oomdoc.patch.insert import Container, containers, inserted, prefixed
from oomdoc.patch.render import Unwritable, rendered, told
from oomdoc.patch.spell import command_only, fewer_devices, means, silent_value, spelled, switches

_VARIABLE = re.compile(r"\$?\{?(\w+)\}?\Z")
_TOGETHER = {"model.load_dtype", "train.precision", "env.visible_devices", "parallel.kind"}  # follow from one option
_LAUNCH = {"parallel.world_size"}
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


@dataclass(frozen=True)
class Place:
    """The drafts of a run and what its framework calls things."""

    drafts: Sequence[Draft]
    match: FrameworkMatch | None
    vocabulary: Vocabulary

    @property
    def framework(self) -> str | None:
        """The id of the framework's file."""
        return self.match.id if self.match else None


@dataclass(frozen=True, slots=True)
class Stated:
    """A setting that states the fact, and what the framework's file says of the option."""

    draft: int
    setting: Setting
    parameter: Parameter


def candidates(place: Place, fact: str, value: Value, changes: Mapping[str, Value]) -> Iterator[Candidate]:
    """Ways to make a fact a value, the most natural first; each is only a proposal until it was read again."""
    held = stating(place, fact)
    for one in held[:1]:
        yield from _edits(place, one, fact, value, changes)
    if held:
        yield from _switched(place, held[0], fact, value)
        return
    yield from _insertions(place, fact, value, changes)


def stating(place: Place, fact: str) -> list[Stated]:
    """The explicit settings that state a fact, the one in force first."""
    found: list[tuple[int, int, Stated]] = []
    for index, draft in enumerate(place.drafts):
        for order, setting in enumerate(draft.parsed.settings):
            if setting.kind in {"positional", "dump", "assignment"} or (setting.value_span is None and setting.raw):
                continue
            _, parameters = place.vocabulary.meanings(setting)
            for parameter in parameters:
                if parameter.fact != fact or parameter.inactive or convert(parameter, setting.value) is SILENT:
                    continue
                found.append((TRUST[how(setting)], -order, Stated(index, setting, parameter)))
    if not found and fact in _LAUNCH:
        return _launching(place, fact)
    return [one for _, _, one in sorted(found, key=lambda entry: entry[:2])]


def _launching(place: Place, fact: str) -> list[Stated]:
    """The launcher's option that says how many processes there are."""
    found = []
    for index, draft in enumerate(place.drafts):
        command = launch_of(draft, place.match)
        said = launched(command, place.vocabulary.main, None, {}).said_by if command else None
        if said is not None and isinstance(said.value, int):
            found.append(Stated(index, said, Parameter(fact=fact, names=(said.key,))))
    return found


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
    siblings = [item for item in draft.parsed.settings if item.kind == setting.kind]
    variable = _VARIABLE.match(setting.raw.strip("\"'"))
    if variable and setting.note and f"{variable[1]} from line" in setting.note:
        source = [s for s in draft.parsed.settings if s.key == variable[1] and s is not setting and s.value_span]
        if source and source[-1].value_span:
            try:
                text = rendered(written, source[-1].kind, siblings, source[-1])
                yield (*source[-1].value_span, text), variable[1]
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


def options(place: Place, fact: str, value: Value) -> Iterator[tuple[Framework, Parameter, str, Value, bool]]:
    """(layer, option, name, native value, is an environment variable) that could say a fact, nearest layer first."""
    for layer in place.vocabulary.layers:
        if layer.id == "generic":
            continue  # names that scripts share: whether this one reads them is not known
        if any(p.fact == fact and not p.names and not p.env for p in layer.parameters):
            return  # the program decides it itself
        for parameter in layer.parameters:
            own = layer is place.vocabulary.main and place.match is not None
            if (
                parameter.fact != fact
                or parameter.inactive
                or parameter.scope
                or parameter.reads in {"length", "member"}
            ):
                continue
            if own and place.match and not contains(parameter.versions, place.match.number):
                continue
            names = [(name, False) for name in _existing(layer, parameter, place)] + [(n, True) for n in parameter.env]
            for name, variable in names[:2]:
                for written in list(spelled(parameter, name, value, layer.id))[:2]:
                    yield layer, parameter, name, written, variable


def _existing(layer: Framework, parameter: Parameter, place: Place) -> list[str]:
    """The names of an option, those that exist at the version first."""
    if place.match is None or layer is not place.vocabulary.main:
        return list(parameter.names)
    number = place.match.number
    at_version = {
        normal(word) for group in layer.known_names if contains(group.versions, number) for word in group.names.split()
    }
    own = _own_names(layer.id)
    foreign = _component_names(layer.id) - own if layer.open else frozenset[str]()
    names = [name for name in parameter.names if normal(name) in own or normal(name) in at_version - foreign]
    return sorted(names, key=lambda name: normal(name) not in at_version)


@lru_cache(maxsize=64)
def _component_names(layer: str) -> frozenset[str]:
    """Options that come only from libraries a program uses: arguments of their calls, not of the program."""
    above = ancestors(layer)
    library = {name for name in above if raw_files()[name].get("role") == "component"}
    words = {word for name in library for word in _own_names(name)}
    return frozenset(words - {word for name in above - library for word in _own_names(name)})


@lru_cache(maxsize=64)
def _own_names(layer: str) -> frozenset[str]:
    """The options that a framework's own file describes; inherited ones may not exist in its scripts."""
    listed = raw_files()[layer].get("parameters", [])
    assert isinstance(listed, list)
    return frozenset(normal(name) for entry in listed for name in entry.get("names", ()))


def _insertions(place: Place, fact: str, value: Value, changes: Mapping[str, Value]) -> Iterator[Candidate]:
    """A new option in the document that holds the framework's settings."""
    for layer, _, name, written, variable in options(place, fact, value):
        probe = Setting(name, "", None, "", 0, None, None, "env" if variable else "yaml")
        _, parameters = place.vocabulary.meanings(probe)
        covered = _covers_new(parameters or [], written, fact, changes)
        if covered is None:
            continue
        if variable:
            yield from _variables(place, name, written, fact, value)
            continue
        for index, container, near, last in _homes(place, layer, name, fact):
            try:
                splice = inserted(place.drafts[index], container, last, written, near, switch=switches(place.framework))
            except Unwritable:
                continue
            native = shown(last, container.kind, told(written, container.kind))
            keys = frozenset({last, name, last.replace("_", "-"), f"{container.parent.rpartition('|')[2]}.{last}"})
            yield Candidate(index, (splice,), native, fact, value, keys, near.line, covered)


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


def launch_of(draft: Draft, match: FrameworkMatch | None) -> Command | None:
    """The command of a document that starts the run: the one with the framework's sign, else the last with flags."""
    signs = {sign.line for sign in match.evidence if sign.file == draft.original.name} if match else set()
    for command in draft.parsed.commands:
        if command.line in signs:
            return command
    flagged = [command for command in draft.parsed.commands if command.flags]
    return flagged[-1] if flagged else None


def _homes(place: Place, layer: Framework, name: str, fact: str) -> Iterator[tuple[int, Container, Setting, str]]:
    """(draft, container, setting to stand beside, last part of the name), the likeliest first."""
    ranked: list[tuple[tuple[int, int, int], int, Container, Setting, str]] = []
    family = fact.partition(".")[0]
    parent, _, last = name.rpartition(".")
    kin = _kin(layer.extends, last)
    for index, draft in enumerate(place.drafts):
        for container in containers(draft):
            path = container.parent.rpartition("|")[2]
            nested = container.kind in {"yaml", "json", "toml"}
            if container.kind == "hydra" or (parent and not nested):
                if container.kind != "hydra":
                    continue
            elif parent and normal(path) != normal(parent) and not normal(path).endswith(normal(f".{parent}")):
                continue
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
            akin = sum(normal(setting.key.rpartition(".")[2]) in kin for setting in container.settings)
            score = (4 * len(same) + 4 * akin + len(known), -index, -near.line)
            ranked.append((score, index, container, near, name if container.kind == "hydra" else last))
    for _, index, container, near, written in sorted(ranked, key=lambda entry: entry[0], reverse=True)[:2]:
        yield index, container, near, written


@lru_cache(maxsize=256)
def _kin(parents: tuple[str, ...], name: str) -> frozenset[str]:
    """Option names of the extended framework that an option comes from: where those stand, it belongs too."""
    for parent in parents:
        words = {normal(word) for parameter in framework(parent).parameters for word in parameter.names}
        words |= {normal(word) for group in framework(parent).known_names for word in group.names.split()}
        if normal(name) in words:
            return frozenset(words)
    return frozenset()


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
    for _, _, name, written, variable in options(place, fact, value):
        kind = "env" if variable else "flag" if any(d.syntax == "shell" for d in place.drafts) else "yaml"
        return shown(name, kind, _text(written))
    return None
