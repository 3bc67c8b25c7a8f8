"""What stands in the documents: the setting that states a fact, the launch, what is in the way of a new option."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from oomdoc.facts.fact import TRUST
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Framework, Parameter, normal
from oomdoc.ingest.launch import launched
from oomdoc.ingest.recognise import FrameworkMatch
from oomdoc.ingest.syntax.setting import Command, Setting
from oomdoc.ingest.translate import Vocabulary, how
from oomdoc.patch.draft import Draft

_LAUNCH = {"parallel.world_size"}


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

    @cached_property
    def keys(self) -> frozenset[str]:
        """The names of all settings."""
        return frozenset(normal(setting.key) for draft in self.drafts for setting in draft.parsed.settings)


@dataclass(frozen=True, slots=True)
class Stated:
    """A setting that states the fact, and what the framework's file says of the option."""

    draft: int
    setting: Setting
    parameter: Parameter


def stating(place: Place, fact: str, *, silent: bool = False) -> list[Stated]:
    """The explicit settings that state a fact, the one in force first; or those of its options that say nothing."""
    found: list[tuple[int, int, Stated]] = []
    for index, draft in enumerate(place.drafts):
        for order, setting in enumerate(draft.parsed.settings):
            if setting.kind in {"positional", "dump", "assignment"} or (setting.value_span is None and setting.raw):
                continue
            layer, parameters = place.vocabulary.meanings(setting)
            for parameter in parameters:
                if parameter.fact != fact or parameter.inactive:
                    continue
                if (convert(parameter, setting.value) is SILENT) != silent or (
                    silent and not _says_little(setting, layer)
                ):
                    continue
                found.append((TRUST[how(setting)], -order, Stated(index, setting, parameter)))
    if not found and fact in _LAUNCH and not silent:
        return _launching(place, fact)
    return [one for _, _, one in sorted(found, key=lambda entry: entry[:2])]


def _says_little(setting: Setting, layer: Framework | None) -> bool:
    """Whether a value only says that something is off, or left to the program; a library's `auto` asks the trainer."""
    text = str(setting.value).lower()
    own = layer is not None and layer.role != "component"
    return text in {"false", "none", "null", "no", ""} or (own and text == "auto")


def _launching(place: Place, fact: str) -> list[Stated]:
    """The launcher's option that says how many processes there are."""
    found = []
    for index, draft in enumerate(place.drafts):
        command = launch_of(draft, place.match)
        said = launched(command, place.vocabulary.main, None, {}).said_by if command else None
        if said is not None and isinstance(said.value, int):
            found.append(Stated(index, said, Parameter(fact=fact, names=(said.key,))))
    return found


def launch_of(draft: Draft, match: FrameworkMatch | None) -> Command | None:
    """The command of a document that starts the run: the one with the framework's sign, else the last with flags."""
    signs = {sign.line for sign in match.evidence if sign.file == draft.original.name} if match else set()
    for command in draft.parsed.commands:
        if command.line in signs:
            return command
    flagged = [command for command in draft.parsed.commands if command.flags]
    return flagged[-1] if flagged else None


def occupied(place: Place, name: str) -> Setting | None:
    """The setting that has an option's name but a value that is not to be replaced; no second one is written."""
    for draft in place.drafts:
        for setting in draft.parsed.settings:
            if setting.kind not in {"dump", "positional", "assignment"} and normal(setting.key) == normal(name):
                return setting
    return None
