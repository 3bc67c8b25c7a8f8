"""The one door from settings to facts: configuration files, commands and what stands in a pasted text or log."""

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from typing import Final

from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.ingest.effective import effective
from oomdoc.ingest.frameworks import framework
from oomdoc.ingest.issue import Issue, issue_facts
from oomdoc.ingest.recognise import FrameworkMatch, Material, recognise
from oomdoc.ingest.spelling import problems
from oomdoc.ingest.syntax.setting import Command, Parsed
from oomdoc.ingest.translate import Reading, read


@dataclass(frozen=True)
class SettingsRead:
    """What the settings say: facts (explicit, defaults, derived), what went wrong, and the framework."""

    facts: tuple[Fact, ...] = ()
    issues: tuple[Issue, ...] = ()
    match: FrameworkMatch | None = None
    readings: tuple[Reading, ...] = ()
    commands: tuple[Command, ...] = field(default=())
    notes: tuple[str, ...] = ()

    def noted(self, notes: Iterable[str]) -> "SettingsRead":
        """The same with what could not be read, one sentence a file."""
        return replace(self, notes=tuple(notes))


def ingest_settings(parsed: Sequence[Parsed], text: str = "", known: Iterable[Fact] = ()) -> SettingsRead:
    """Facts of parsed documents; `text` is the log they came with, `known` the facts read elsewhere from it."""
    stated = list(known)
    values: dict[str, Value] = {fact.name: fact.value for fact in reversed(stated)}
    material = Material.of(parsed, text)
    match = recognise(material, values)
    readings = read(parsed, match)
    facts = _failed_first(_whole([row.fact for row in readings if row.fact]), material.commands, stated)
    entry = framework(match.id) if match else None
    added, idle = effective([*stated, *facts], material.commands, entry, match)
    issues = [*problems(parsed, match), *idle]
    told = [*_framework_facts(match), *facts, *added]
    told.extend(issue_facts([issue for issue in issues if _counts(issue)]))
    return SettingsRead(tuple(told), tuple(issues), match, tuple(readings), tuple(material.commands))


# Facts that several options of one file make together, the value that holds where each says a part first.
_WHOLE: Final[dict[str, tuple[Value, ...]]] = {
    "parallel.offload": ("all", "optimizer", "none"),  # offload_param beside offload_optimizer
    "train.method": ("dora", "lora"),  # use_dora beside peft_type
}


def _whole(facts: list[Fact]) -> list[Fact]:
    """The facts with those first in their file that say the whole."""
    places: dict[tuple[str, str | None, How], list[int]] = {}
    for place, fact in enumerate(facts):
        if fact.value in _WHOLE.get(fact.name, ()):
            places.setdefault((fact.name, fact.source.file, fact.source.how), []).append(place)
    sorted_facts = list(facts)
    for (name, _, _), group in places.items():
        ordered = sorted((facts[place] for place in group), key=lambda fact: _WHOLE[name].index(fact.value))
        for place, fact in zip(group, ordered, strict=True):
            sorted_facts[place] = fact
    return sorted_facts


def _failed_first(facts: list[Fact], commands: Sequence[Command], stated: Sequence[Fact]) -> list[Fact]:
    """Of several commands of one program in a text, what the one before the message of the crash says comes first.

    People paste the command that works and then the one that does not.
    """
    lines = [
        (fact.source.file, fact.source.line) for fact in stated if fact.name.startswith("oom.") and fact.source.line
    ]
    if len(commands) < 2 or not lines:
        return facts
    file, crash = max(lines, key=lambda place: place[1] or 0)
    near = [one for one in commands if one.file == file and one.line <= (crash or 0)]
    if not near:
        return facts
    other = [one for one in commands if one.file == file and one is not near[-1] and one.words == near[-1].words]

    def elsewhere(fact: Fact) -> bool:
        span = fact.source.span
        return span is not None and any(one.span[0] <= span[0] < one.span[1] for one in other)

    return sorted(facts, key=lambda fact: fact.source.file == file and elsewhere(fact))


def _counts(issue: Issue) -> bool:
    """Whether an issue means that a setting did not arrive, rather than that it does less than it looks like."""
    return issue.kind in {"misspelt", "misplaced", "removed", "lost", "contradictory"}


def _framework_facts(match: FrameworkMatch | None) -> list[Fact]:
    if match is None or framework(match.id).role == "component":
        return []
    first = match.evidence[0]
    source = Source(
        how=How.DERIVED,
        file=first.file,
        line=first.line,
        quote=first.sign,
        note=", ".join(e.sign for e in match.evidence),
    )
    facts = [Fact(name="framework.name", value=match.name, source=source)]
    how = Source(how=How.ASSUMED if match.assumed else How.LOG, note=match.versions or None)
    facts.append(
        Fact(name="framework.version", value=match.shown_version if match.assumed else match.version, source=how)
    )
    return facts
