"""From changes of canonical facts to edits that were read again: exactly the intended settings differ, or none."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from oomdoc.facts.fact import TRUST, Fact
from oomdoc.facts.model import Value
from oomdoc.ingest.launch import launched
from oomdoc.ingest.settings import SettingsRead, ingest_settings
from oomdoc.ingest.translate import Vocabulary
from oomdoc.patch.document import Original
from oomdoc.patch.draft import Draft, difference, sound
from oomdoc.patch.edits import ByHand, EditPlan, FileEdit, Made, Mended, Splice
from oomdoc.patch.native import ALWAYS
from oomdoc.patch.place import Candidate, candidates, hint, only_some, standing
from oomdoc.patch.rewrite import rewritten
from oomdoc.patch.spell import means
from oomdoc.patch.stand import Place, launch_of, stating

_SHOWN = 40
_DEEPSPEED: dict[tuple[str, Value], str] = {
    ("parallel.offload", "optimizer"): '"zero_optimization": {"offload_optimizer": {"device": "cpu"}}',
    ("parallel.offload", "all"): '"zero_optimization": {"offload_optimizer": {"device": "cpu"}, '
    '"offload_param": {"device": "cpu"}}',
    ("parallel.zero_stage", 2): '"zero_optimization": {"stage": 2}',
    ("parallel.zero_stage", 3): '"zero_optimization": {"stage": 3}',
}


@dataclass(frozen=True)
class Desk:
    """The person's documents, read once for every plan that is tried on them."""

    drafts: tuple[Draft, ...]
    said: SettingsRead
    vocabulary: Vocabulary
    log: str = ""
    known: tuple[Fact, ...] = ()

    @classmethod
    def of(cls, documents: Sequence[Original], log: str = "", known: Iterable[Fact] = ()) -> "Desk":
        """`documents` are files, or commands found in a log (`path` None); `log` and `known` help to recognise the
        framework and its version."""
        drafts = tuple(Draft.of(document, "shell" if document.path is None else None) for document in documents)
        known = tuple(known)
        said = ingest_settings([draft.parsed for draft in drafts], log, known)
        return cls(drafts, said, Vocabulary(said.match), log, tuple(known))

    def repairs(self) -> dict[str, Value]:
        """What the options that did not arrive were to set, as far as they can be mended."""
        from oomdoc.patch.repair import meant, repaired

        if not self.said.issues or self.said.match is None:
            return {}
        drafts, mended = repaired(self.drafts, self.said)
        return meant(drafts, self.said, self.log, self.known) if mended else {}


def plan_edits(
    changes: Mapping[str, Value],
    documents: Sequence[Original] | Desk,
    *,
    log: str = "",
    known: Iterable[Fact] = (),
    repair: bool = True,
) -> EditPlan:
    """The edits that make every fact in `changes` its value in the person's documents (see `Desk.of`).

    `repair` also mends lost backslashes and misspelt names. Never raises for what a text holds.
    """
    desk = documents if isinstance(documents, Desk) else Desk.of(documents, log, known)
    drafts, said, vocabulary = list(desk.drafts), desk.said, desk.vocabulary
    mended: list[Mended] = []
    if repair and said.match is not None:
        from oomdoc.patch.repair import repaired

        drafts, mended = repaired(drafts, said)
    made: list[Made] = []
    by_hand: list[ByHand] = []
    wanted = dict(rewritten(changes, Place(drafts, said.match, vocabulary)))
    pending = dict(wanted)
    for fact, value in wanted.items():
        if fact not in pending:
            continue
        place = Place(drafts, said.match, vocabulary)
        held = stating(place, fact)
        if (value is None and not held) or (held and means(held[0].parameter, held[0].setting.value, value)):
            pending.pop(fact)  # so already
            continue
        done = _placed(place, fact, value, pending)
        if done is None:
            if not _holds(said, fact, value):
                by_hand.append(_hand(place, fact, value))
            pending.pop(fact)
            continue
        candidate, draft = done
        drafts = [draft if index == candidate.draft else old for index, old in enumerate(drafts)]
        made.extend(
            Made(name, pending.pop(name), candidate.native, draft.original.name, candidate.line)
            for name in (fact, *candidate.covers)
        )
    edits = tuple(
        FileEdit(draft.original, draft.text, draft.splices)
        for draft in drafts
        if draft.splices and draft.original.path is not None
    )
    return EditPlan(edits, tuple(made), tuple(by_hand), tuple(_commands(drafts, said, edits)), tuple(mended))


def _placed(place: Place, fact: str, value: Value, changes: Mapping[str, Value]) -> tuple[Candidate, Draft] | None:
    """The first way of making a change that holds when the document is read again."""
    for tried, candidate in enumerate(candidates(place, fact, value, changes)):
        if tried >= 24:
            return None
        before = place.drafts[candidate.draft]
        after = before.with_splices(candidate.splices)
        if accepted(place, candidate, before, after):
            return candidate, after
    return None


def accepted(place: Place, candidate: Candidate, before: Draft, after: Draft) -> bool:
    """Whether only settings of the intended keys differ, nothing broke, and the fact now has its value."""
    if not sound(before.parsed, after.parsed):
        return False
    went, came = difference(before.parsed, after.parsed)
    keys = candidate.keys | _around(before, candidate.splices)
    if not (went or came) or not _only(went, keys) or not _only(came, keys):
        return False
    drafts = [after if index == candidate.draft else draft for index, draft in enumerate(place.drafts)]
    now = _values(drafts, place)
    wanted = {candidate.fact: candidate.value, **{name: now.get(name) for name in candidate.covers}}
    if candidate.native.startswith("(no "):
        return now.get(candidate.fact, candidate.value) == candidate.value
    if any(name not in now or now[name] != value for name, value in wanted.items()):
        return False
    old = {name: value for name, value in _values(place.drafts, place).items() if name != "parallel.world_size"}
    touched = {fact for mark in (*went, *came) for fact in _facts_of(place, drafts, mark[1])}
    free = touched | set(wanted)
    return all(now.get(name) == value for name, value in old.items() if name not in free)


def _around(draft: Draft, splices: Sequence[Splice]) -> set[str]:
    """The variables whose literal an edit lies in: `ARGS=(--x 1)` is a setting too."""
    return {
        setting.key
        for setting in draft.parsed.settings
        if setting.kind in {"assignment", "env"} and setting.value_span
        for start, end, _ in splices
        if setting.value_span[0] < start and end < setting.value_span[1]
    }


def _only(marks: Counter[tuple[str, str, str | None, str]], keys: frozenset[str]) -> bool:
    """Every changed setting is one of the keys, or an element of one."""
    for _, key, _, _ in marks:
        if key not in keys and not any(key.startswith(f"{name}.") or key.endswith(f".{name}") for name in keys):
            return False
    return True


def _facts_of(place: Place, drafts: Sequence[Draft], key: str) -> set[str]:
    """The facts that settings of a key may state."""
    found = set()
    for draft in drafts:
        for setting in draft.parsed.settings:
            if setting.key == key:
                _, parameters = place.vocabulary.meanings(setting)
                found |= {parameter.fact for parameter in parameters if parameter.fact}
    return found


def _values(drafts: Sequence[Draft], place: Place) -> dict[str, Value]:
    """What the documents' explicit settings say, the one in force."""
    from oomdoc.ingest.translate import read

    best: dict[str, Fact] = {}
    for row in read([draft.parsed for draft in drafts], place.match):
        fact = row.fact
        if fact is None or (fact.source.status == "default" and row.file is None):
            continue
        held = best.get(fact.name)
        if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
            best[fact.name] = fact
    values = {name: fact.value for name, fact in best.items()}
    for draft in drafts:
        command = launch_of(draft, place.match)
        start = launched(command, place.vocabulary.main, None, {}) if command else None
        if start is not None and start.processes and start.said_by is not None:
            values["parallel.world_size"] = start.processes
    return values


def _holds(said: SettingsRead, fact: str, value: Value) -> bool:
    """Whether the documents say it already."""
    facts = sorted((one for one in said.facts if one.name == fact), key=lambda one: TRUST[one.source.how])
    return bool(facts) and facts[0].value == value and isinstance(facts[0].value, bool) == isinstance(value, bool)


def _hand(place: Place, fact: str, value: Value) -> ByHand:
    native = hint(place, fact, value)
    title = place.vocabulary.main.title if place.vocabulary.main else ""
    if not place.drafts:
        return ByHand(fact, value, native, "no_document")
    held = stating(place, fact)
    if held:
        setting = held[0].setting
        if held[0].parameter.reads.startswith("zero-") and str(setting.value).endswith(".json"):
            return ByHand(fact, value, _DEEPSPEED.get((fact, value)), "in_json", (("file", str(setting.value)),))
        return ByHand(fact, value, native, "shared", (("file", setting.file), ("line", str(setting.line))))
    if native is None:
        return ByHand(fact, value, None, "no_option" if title else "unknown_program", (("framework", title),))
    if (there := standing(place, fact, value)) is not None:
        if str(there.value).endswith(".json") and (fact, value) in _DEEPSPEED:
            return ByHand(fact, value, _DEEPSPEED[fact, value], "in_json", (("file", str(there.value)),))
        written = there.raw if len(there.raw) <= _SHOWN else f"{there.raw[:_SHOWN]}…"
        return ByHand(
            fact, value, native, "occupied", (("file", there.file), ("line", str(there.line)), ("written", written))
        )
    if only_some(place, fact, value):
        return ByHand(fact, value, native, "some_programs", (("framework", title or "?"),))
    return ByHand(fact, value, native, "no_place", (("framework", title or "?"),))


def _commands(drafts: Sequence[Draft], said: SettingsRead, edits: Sequence[FileEdit]) -> Iterable[str]:
    """The new command line where the settings came from a command and no file of the person was changed for it."""
    changed = {edit.original.name for edit in edits}
    for draft in drafts:
        if not draft.splices:
            continue
        command = launch_of(draft, said.match)
        if draft.original.path is None:
            yield draft.text.strip()
        elif command is not None and draft.original.name in changed and draft.syntax == "shell":
            text = draft.text[slice(*command.span)].strip()
            if text not in draft.original.text:
                yield text


def sayable(desk: Desk) -> Callable[[str, Value], bool]:
    """Whether the recognised program can be told a value; of an unknown program everything is taken to be possible."""
    said = desk.said
    place = Place(desk.drafts, said.match, desk.vocabulary)
    cache: dict[tuple[str, Value], bool] = {}

    def possible(fact: str, value: Value) -> bool:
        key = (fact, value)
        if key not in cache:
            cache[key] = (
                said.match is None
                or place.vocabulary.main is None
                or fact in ALWAYS
                or hint(place, fact, value) is not None
                or bool(stating(place, fact))
            )
        return cache[key]

    return possible
