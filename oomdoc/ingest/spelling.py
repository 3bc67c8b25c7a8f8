"""Options that did not arrive: lost behind a missing backslash, misspelt, of another framework or version, or idle.

A name that exists anywhere is never called misspelt: the lists of all versions are asked first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from oomdoc.facts.model import Value
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Both, Framework, Names, Parameter, framework, normal, raw_files
from oomdoc.ingest.issue import Issue
from oomdoc.ingest.recognise import FrameworkMatch
from oomdoc.ingest.syntax.setting import Parsed, Setting
from oomdoc.ingest.syntax.shell import UNEXPORTED
from oomdoc.ingest.translate import Vocabulary, model_words, native_name
from oomdoc.ingest.version_range import contains
from oomdoc.messages import Sentence, sentence

SHORTEST = 5  # names below it are near too much
LONG = 8  # from here on two slips are a slip; in shorter names one
_EXCLUSIVE = (("bf16", "fp16"), ("load_in_4bit", "load_in_8bit"))


def problems(parsed: Sequence[Parsed], match: FrameworkMatch | None) -> list[Issue]:
    """Everything that is wrong with the settings, in the order of the text; nothing is guessed without a framework."""
    entry = framework(match.id) if match else None
    found = [*_lost(parsed, match), *_kept_by_the_shell(parsed, match)]
    if entry is None or match is None:
        return found
    known = _known_names(entry)
    vocabulary = Vocabulary(match)
    model = model_words(vocabulary, parsed)
    for document in parsed:
        trusted = _own_settings(document, entry, known, match)
        found.extend(_contradictions(trusted))
        found.extend(_halves(trusted, entry))
        for setting in document.settings:
            if setting.kind == "env":
                found.extend(_environment(setting, entry, match, parsed))
                continue
            if setting.kind in {"positional", "dump", "argparse-default", "assignment"}:
                continue
            found.extend(_idle(setting, vocabulary, model))
        for setting in trusted:
            found.extend(_unknown(setting, entry, match, known))
    return list({(issue.kind, issue.native, issue.file, issue.line): issue for issue in found}.values())


def _lost(parsed: Iterable[Parsed], match: FrameworkMatch | None) -> Iterator[Issue]:
    lost_parts = [lost for document in parsed for command in document.commands for lost in command.lost]
    if not lost_parts:
        return
    vocabulary = Vocabulary(match)
    for lost in lost_parts:
        why = sentence(f"issue.{lost.reason.replace('-', '_')}")
        for flag in lost.flags:
            fact, stayed = _meaning(vocabulary, flag, match)
            yield _issue(
                flag,
                "lost",
                _with_stayed(sentence("issue.lost", option=native_name(flag), why=why), fact, stayed),
                fact=fact,
                stayed=None if stayed is SILENT else stayed,
            )


def _kept_by_the_shell(parsed: Iterable[Parsed], match: FrameworkMatch | None) -> Iterator[Issue]:
    """Environment variables on a line of their own without `export`: the program that follows does not get them."""
    kept = [
        setting
        for document in parsed
        for setting in document.settings
        if setting.kind == "assignment" and setting.note == UNEXPORTED and setting.key in _all_variables()
    ]
    vocabulary = Vocabulary(match) if kept else None
    for setting in kept:
        assert vocabulary is not None
        meant = replace(setting, kind="env", note=None)
        fact, stayed = _meaning(vocabulary, meant, match)
        yield _issue(
            setting,
            "lost",
            _with_stayed(sentence("issue.not_exported", name=setting.key), fact, stayed),
            suggestion=f"export {setting.key}",
            fact=fact,
            stayed=None if stayed is SILENT else stayed,
        )


def _meaning(vocabulary: Vocabulary, setting: Setting, match: FrameworkMatch | None) -> tuple[str | None, object]:
    """(fact, default) of an option that did not arrive; SILENT where the default is not known."""
    _, parameters = vocabulary.meanings(setting)
    for parameter in parameters:
        if parameter.fact and convert(parameter, setting.value) is not SILENT:
            known, value = parameter.default_at(match.number_of(parameter.of)) if match else (False, None)
            return parameter.fact, value if known else SILENT
    return next((parameter.fact for parameter in parameters if parameter.fact), None), SILENT  # its file is not here


def _with_stayed(what: Sentence, fact: str | None, value: object) -> Sentence:
    """What went wrong and, where the default is known, the value that is in force instead."""
    if not fact or value is SILENT:
        return what
    if value is None:
        return sentence("issue.stayed_unset", what=what, fact=fact)
    return sentence("issue.stayed", what=what, fact=fact, value=value)


@cache
def _all_names() -> Mapping[str, frozenset[str]]:
    """Option and environment names of every framework file, whatever the version."""
    return {name: frozenset(_collect(name)) for name in raw_files()}


@cache
def _all_variables() -> frozenset[str]:
    """The environment variables of every framework file."""
    found: set[str] = set()
    for document in raw_files().values():
        for group in document.get("known_env", []):  # type: ignore[attr-defined]
            found.update(group["names"].split())
        for parameter in document.get("parameters", []):  # type: ignore[attr-defined]
            found.update(parameter.get("env", ()))
    return frozenset(found)


def _collect(name: str) -> Iterator[str]:
    document = raw_files()[name]
    for key in ("known_names", "known_env"):
        for group in document.get(key, []):  # type: ignore[attr-defined]
            yield from (normal(word) for word in group["names"].split())
    for parameter in document.get("parameters", []):  # type: ignore[attr-defined]
        for word in (*parameter.get("names", ()), *parameter.get("env", ())):
            yield normal(word)


def _known_names(entry: Framework) -> frozenset[str]:
    known = {normal(word) for group in entry.known_names for word in group.names.split()}
    return frozenset(known | {normal(name) for parameter in entry.parameters for name in parameter.names})


def _own_settings(document: Parsed, entry: Framework, known: frozenset[str], match: FrameworkMatch) -> list[Setting]:
    """Settings this framework's own parser reads: flags of its program, keys of a file that is plainly its config."""
    if entry.open:
        return []
    signs = {(sign.file, sign.line) for sign in match.evidence}
    scopes = {
        f"{index}/{command.launcher[-1]}"
        for index, command in enumerate(document.commands)
        if command.launcher and (command.file, command.line) in signs
    }
    flags = [s for s in document.settings if s.kind in {"flag", "hydra"} and s.scope in scopes]
    keys = [
        s for s in document.settings if s.kind in {"yaml", "json", "toml"} and "." not in s.key and "[" not in s.key
    ]
    right = sum(normal(setting.key) in known for setting in keys)
    return flags + (keys if right >= 4 and right >= 0.7 * len(keys) else [])


def _unknown(setting: Setting, entry: Framework, match: FrameworkMatch, known: frozenset[str]) -> Iterator[Issue]:
    name = normal(setting.key)
    if name in known:
        yield from _other_version(setting, name, entry, match)
        return
    near = _nearest(name, _at_version(entry.known_names, match) | {n for n in known if len(n) >= SHORTEST})
    if near:
        yield _misspelt(setting, near, entry, match)
        return
    homes = [file for file, names in _all_names().items() if name in names and raw_files()[file].get("role") != "base"]
    if homes:
        title = str(raw_files()[homes[0]]["title"])
        yield _issue(
            setting,
            "misplaced",
            sentence("issue.misplaced", option=native_name(setting), other=title, framework=entry.name),
            fact=_named(framework(homes[0]), name),
        )


def _at_version(groups: Sequence[Names], match: FrameworkMatch) -> set[str]:
    return {
        normal(word)
        for group in groups
        if contains(group.versions, match.number_of(group.of))
        for word in group.names.split()
    }


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name a slip or two away; names that differ in a digit are options of their own (`fp8`, `fp16`)."""
    if len(name) < SHORTEST:
        return None
    from rapidfuzz import process  # imported here: only an unknown name needs it
    from rapidfuzz.distance import OSA

    letters = _letters(name)
    near = [word for word in names if _letters(word) != letters and abs(len(word) - len(name)) <= 2]
    slips = 2 if len(name) >= LONG else 1
    best = process.extractOne(name, sorted(near), scorer=OSA.distance, score_cutoff=slips)
    return str(best[0]) if best else None


def _letters(name: str) -> str:
    return "".join(letter for letter in name if not letter.isdigit()) if any(map(str.isdigit, name)) else f"={name}"


def _misspelt(setting: Setting, near: str, entry: Framework, match: FrameworkMatch) -> Issue:
    shown = f"--{near}" if setting.kind == "flag" else near
    fact, value, known = _default_of(near, entry, match)
    what = sentence("issue.misspelt", option=native_name(setting), framework=entry.name, meant=shown)
    return _issue(
        setting,
        "misspelt",
        _with_stayed(what, fact, value if known else SILENT),
        suggestion=shown,
        fact=fact,
        stayed=value,
    )


def _default_of(name: str, entry: Framework, match: FrameworkMatch) -> tuple[str | None, Value, bool]:
    for parameter in entry.parameters:
        words = {normal(word) for word in (*parameter.names, *parameter.env)}
        if name in words and parameter.fact and contains(parameter.versions, match.number_of(parameter.of)):
            known, value = parameter.default_at(match.number_of(parameter.of))
            return parameter.fact, value, known
    return None, None, False


def _named(entry: Framework, name: str) -> str | None:
    """The fact that an option of a framework sets at any version."""
    named = (parameter for parameter in entry.parameters if name in map(normal, parameter.names))
    return next((parameter.fact for parameter in named if parameter.fact), None)


def _other_version(setting: Setting, name: str, entry: Framework, match: FrameworkMatch) -> Iterator[Issue]:
    """An option that exists, but not in the version that was stated."""
    groups = [group for group in entry.known_names if name in map(normal, group.names.split())]
    inherited = any(group.of for group in groups)
    if match.assumed or not groups or inherited or any(contains(group.versions, match.number) for group in groups):
        return
    instead = entry.renamed.get(name)
    places = {"option": native_name(setting), "framework": entry.name, "version": match.version}
    yield _issue(
        setting,
        "removed",
        sentence("issue.renamed", **places, instead=instead) if instead else sentence("issue.removed", **places),
        suggestion=instead,
        fact=_named(entry, name) or (_named(entry, normal(instead)) if instead else None),
    )


def _environment(
    setting: Setting, entry: Framework, match: FrameworkMatch, parsed: Sequence[Parsed]
) -> Iterator[Issue]:
    name = setting.key
    if not name.isupper() or len(name) < SHORTEST or name in _all_variables():
        return
    if any(f"${name}" in s.raw or f"${{{name}" in s.raw for document in parsed for s in document.settings):
        return  # the script hands it on itself
    own = {word for group in entry.known_env for word in group.names.split()}
    own |= {word for parameter in entry.parameters for word in parameter.env}
    if near := _nearest(name, own):
        yield _misspelt(setting, near, entry, match)


def _idle(setting: Setting, vocabulary: Vocabulary, model: str) -> Iterator[Issue]:
    layer, parameters = vocabulary.meanings(setting)
    if layer is not vocabulary.main:
        return
    for parameter in parameters:
        said = parameter.inactive or (parameter.bounds_nothing if _sees_images(parameter, model) else None)
        if said:
            kind = "inactive" if parameter.inactive else "bounds_nothing"
            yield _issue(setting, kind, said, fact=parameter.fact)
            return


def _sees_images(parameter: Parameter, model: str) -> bool:
    return parameter.bounds_models is None or re.search(parameter.bounds_models, model, re.IGNORECASE) is not None


def _contradictions(settings: Sequence[Setting]) -> Iterator[Issue]:
    on = {normal(setting.key): setting for setting in settings if setting.value is True}
    for first, second in _EXCLUSIVE:
        if first in on and second in on:
            yield _issue(
                on[second],
                "contradictory",
                sentence("issue.contradictory", first=first, second=second),
            )


def _halves(settings: Sequence[Setting], entry: Framework) -> Iterator[Issue]:
    """Options that do nothing without another one, e.g. a quantisation method without its bit width."""
    given = {normal(setting.key): setting for setting in settings}
    for condition, others in entry.needs.items():
        name, _, value = condition.partition("=")
        if name in given and value in {"", str(given[name].value)} and not given.keys() & set(others):
            yield _issue(
                given[name],
                "inactive",
                sentence("issue.half", option=native_name(given[name]), other=others[0]),
                suggestion=others[0],
            )


def _issue(setting: Setting, kind: str, what: Sentence | Both, **rest: object) -> Issue:
    return Issue.model_validate(
        {
            "kind": kind,
            "sentence": what,
            "native": native_name(setting),
            "written": setting.raw,
            "file": setting.file,
            "line": setting.line,
            "span": setting.key_span,
            **rest,
        }
    )
