"""Which framework a run belongs to, and which version of it, by weighing the signs of every framework file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from itertools import pairwise
from typing import Any

from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.facts.model import Value
from oomdoc.ingest.frameworks import ancestors, normal, raw_files
from oomdoc.ingest.syntax.setting import Command, Parsed, Setting
from oomdoc.ingest.version_range import Version, bounds, contains, joined, parse_version, representative

ENOUGH = 3.0  # one unmistakable sign, or several weaker ones
TEXT_LIMIT = (
    400_000  # characters of a log that are searched from each end; the start names programs, the end has tracebacks
)
# What stands between a package's name and its version: `vllm==0.6.3`, "transformers version: 4.41".
_NUMBER = lazy(r"(?:\.__version__)?`?[\"']?\s*(?:version)?\s*(?:==|[:=@-]|\s)\s*[\"'v]*(\d+\.\d+[\w.]*)")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sign that was seen."""

    sign: str
    weight: float
    line: int | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class FrameworkMatch:
    """A recognised framework. `version` is what was stated or, marked by `assumed`, what is taken for granted."""

    id: str
    name: str
    version: str
    assumed: bool
    score: float
    confidence: float
    versions: str = ""
    evidence: tuple[Evidence, ...] = ()
    components: tuple[str, ...] = ()
    versions_of: Mapping[str, str] = field(default_factory=dict)  # of the libraries it builds on

    @property
    def number(self) -> Version:
        """The version as numbers, for ranges."""
        return parse_version(self.version)

    def number_of(self, file: str | None) -> Version:
        """The version that the ranges of an inherited entry mean: that of the file it comes from."""
        return parse_version(self.versions_of.get(file, self.version)) if file else self.number

    @property
    def shown_version(self) -> str:
        """The version as it is told to people: `3.x (assumed)` where nobody stated it."""
        if not self.assumed:
            return self.version
        first = self.version.split(".")[0]
        return f"{first}.x (assumed)" if first != "0" else f"{'.'.join(self.version.split('.')[:2])}.x (assumed)"


@dataclass
class Material:
    """What recognition looks at, gathered once."""

    settings: list[Setting] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    text: str = ""

    @classmethod
    def of(cls, parsed: Iterable[Parsed], text: str = "") -> "Material":
        """Gather parsed documents and the text of logs and tracebacks."""
        made = cls(text=text if len(text) <= 2 * TEXT_LIMIT else text[:TEXT_LIMIT] + "\n" + text[-TEXT_LIMIT:])
        for document in parsed:
            made.settings.extend(document.settings)
            made.commands.extend(document.commands)
        made.files = {setting.file.lower() for setting in made.settings} | {c.file.lower() for c in made.commands}
        made._index()
        return made

    @cached_property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()

    def _index(self) -> None:
        self.keys: dict[str, Setting] = {}
        self.calls: dict[str, Setting] = {}
        self.env: dict[str, Setting] = {}
        for setting in self.settings:
            if setting.kind == "env":
                self.env.setdefault(setting.key, setting)
                continue
            key = normal(setting.key)
            self.keys.setdefault(key, setting)
            if "." in key:
                self.keys.setdefault(key.rsplit(".", 1)[1], setting)
                self.keys.setdefault(key.split(".", 1)[0], setting)
            for name in calls_of(setting):
                self.calls.setdefault(name, setting)
        self.launches: list[tuple[str, Command]] = [
            (" ".join([*command.launcher, *command.words, *(str(p.value) for p in command.positionals)]), command)
            for command in self.commands
        ]
        for command in self.commands:
            for name, setting in command.env.items():
                self.env.setdefault(name, setting)

    def find(self, sign: Mapping[str, Any]) -> tuple[bool, int | None, str | None]:
        """(seen, line, file) of a sign."""
        if wanted := sign.get("command"):
            for words, command in self.launches:
                if _has_words(words, wanted):
                    return True, command.line, command.file
            return False, None, None
        place: Setting | None = None
        if wanted := sign.get("key"):
            place = self.keys.get(normal(wanted))
        elif wanted := sign.get("env"):
            place = self.env.get(wanted)
        elif wanted := sign.get("call"):
            place = self.calls.get(wanted)
        elif wanted := sign.get("file"):
            return any(wanted.lower() in name for name in self.files), None, None
        elif wanted := sign.get("text"):
            return wanted in self.text, None, None
        return (True, place.line, place.file) if place else (False, None, None)


def calls_of(setting: Setting) -> list[str]:
    """Names of the calls or printed objects a setting stands in: `SFTConfig.bf16` -> SFTConfig."""
    names = setting.key.split(".")[:-1] if setting.kind == "python-call" else []
    if setting.scope and "/" not in setting.scope:
        names += [setting.scope, *re.split(r"[^\w]+", setting.scope)]
    return [*names, *(".".join(pair) for pair in pairwise(names))]


def _has_words(line: str, wanted: str) -> bool:
    start = line.find(wanted)
    while start >= 0:
        before = line[start - 1] if start else " "
        after = line[start + len(wanted)] if start + len(wanted) < len(line) else " "
        if before in " /\\" and after in " :@":  # a program, or the image of a container with its tag
            return True
        start = line.find(wanted, start + 1)
    return False


def recognise(material: Material, known: Mapping[str, Value] | None = None) -> FrameworkMatch | None:
    """The framework the material speaks of, or None. `known` holds facts read elsewhere (env.* versions)."""
    found: dict[str, tuple[float, list[Evidence], str]] = {}
    for name, document in raw_files().items():
        score, evidence, versions = _weigh(material, document)
        if score >= ENOUGH:
            found[name] = (score, evidence, versions)
    mains = {name for name in found if raw_files()[name].get("role", "trainer") in {"trainer", "engine"}}
    components = tuple(sorted(found.keys() - mains))
    for name in tuple(mains):
        mains -= ancestors(name)
    if not mains and not components:
        return None
    mains = mains or set(components)
    best = max(sorted(mains), key=lambda name: found[name][0])
    score, evidence, versions = found[best]
    others = max((found[name][0] for name in mains if name != best), default=0.0)
    document = raw_files()[best]
    version, assumed = _version(material, document, versions, known or {})
    return FrameworkMatch(
        id=best,
        name=str(document.get("family") or best),
        version=version,
        assumed=assumed,
        versions=versions,
        score=score,
        confidence=round(score / (score + others + 1.0), 3),
        evidence=tuple(evidence),
        components=tuple(name for name in components if name != best),
        versions_of={
            name: _version(material, raw_files()[name], "", known or {})[0] for name in sorted(ancestors(best))
        },
    )


def _weigh(material: Material, document: Mapping[str, Any]) -> tuple[float, list[Evidence], str]:
    score, evidence, versions = 0.0, [], ""
    for sign in document.get("recognise", ()):
        seen, line, file = material.find(sign)
        if not seen:
            continue
        weight = float(sign.get("weight", 3.0))
        score += weight
        label = next(str(sign[kind]) for kind in ("command", "key", "env", "call", "text", "file") if kind in sign)
        evidence.append(Evidence(sign=label, weight=weight, line=line, file=file))
        hint = sign.get("versions", "")
        if hint and representative(joined(versions, hint), parse_version(str(document["assume"]))) is not None:
            versions = joined(versions, hint)
    return score, evidence, versions


def _numbered(lower: str, package: str) -> Iterator[str]:
    """The versions that stand behind a package's name; a search for the name alone passes over a log much faster."""
    place = lower.find(package)
    while place >= 0:
        if not place or not (lower[place - 1].isalnum() or lower[place - 1] in "_./-"):
            seen = _NUMBER.match(lower, place + len(package))
            if seen:
                yield seen[1]
        place = lower.find(package, place + 1)


def _version(
    material: Material, document: Mapping[str, Any], versions: str, known: Mapping[str, Value]
) -> tuple[str, bool]:
    stated = known.get(str(document.get("version_fact")))
    if isinstance(stated, str):
        return stated, False
    firm = _firm(document, material)
    for package in document.get("packages", ()):
        for version in _numbered(material.lower, package):
            if contains(firm, parse_version(version)):
                return version.rstrip("."), False
    assumed = str(document["assume"])
    fitting = representative(versions, parse_version(assumed)) if bounds(versions) else None
    return (".".join(map(str, fitting)) if fitting else assumed), True


def _firm(document: Mapping[str, Any], material: Material) -> str:
    """The range that tracebacks and file names leave; an option may be of another version by mistake, these not."""
    versions = ""
    for sign in document.get("recognise", ()):
        if sign.get("versions") and ("text" in sign or "file" in sign) and material.find(sign)[0]:
            versions = joined(versions, sign["versions"])
    return versions
