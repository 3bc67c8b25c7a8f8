"""Plans for the conversation: what the remedies' solver offers, kept to the person's wishes, and their diffs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oomdoc.chat.predictions import PredictionError, profile_of
from oomdoc.chat.voice import setting, short, tell
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.findings import values_of
from oomdoc.facts.case import Case
from oomdoc.facts.lazy import lazy
from oomdoc.facts.model import Value
from oomdoc.messages import Language, say
from oomdoc.remedies.advise import advise, capacity_of, model_of
from oomdoc.remedies.options import Limits
from oomdoc.remedies.remedy import PROMISES
from oomdoc.remedies.solver import Plan as Solved
from oomdoc.remedies.solver import Solution, solve
from oomdoc.report.blocks_chat import Block, DiffBlock, PlanRow, SayBlock

if TYPE_CHECKING:
    from oomdoc.patch.document import Original

_MOST = 5
_CONTINUED = lazy(r"\s*\\\n\s*")


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan: the canonical facts it sets, its remedies, its predicted memory on the card.

    `mended` are options that did not arrive and that every plan repairs, as they will read; `writes` is what of `sets`
    is written beside them, `told` how that will read in the person's files.
    """

    number: int
    title: str
    sets: Mapping[str, Value]
    remedies: tuple[str, ...]
    promise: str
    cost: str
    device_bytes: int
    high_bytes: int
    capacity_bytes: int | None
    writes: Mapping[str, Value] = field(default_factory=dict)
    mended: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """True where the upper bound fits, False where not even the best guess does, None between or unknown."""
        if not self.capacity_bytes:
            return None
        if self.high_bytes <= self.capacity_bytes:
            return True
        return False if self.device_bytes > self.capacity_bytes else None


def plans_of(
    diagnosis: Diagnosis, keep: Sequence[str], most_gpus: int | None, language: Language, files: Sequence[Path] = ()
) -> tuple[Plan, ...]:
    """The plans of `oomdoc fix` for these files within the wishes, else the solver's own.

    Raises PredictionError, with a sentence, where nothing can be predicted.
    """
    limits = Limits(frozenset(keep), most_gpus)
    if files and (found := _written(diagnosis, limits, language, files)):
        return found
    solution = _solution(diagnosis, limits)
    plans = list(solution.plans)
    if not plans and solution.leanest is not None:
        plans = [solution.leanest]
    return tuple(_plan(number, plan, solution.capacity, language) for number, plan in enumerate(plans[:_MOST], 1))


def _written(diagnosis: Diagnosis, limits: Limits, language: Language, files: Sequence[Path]) -> tuple[Plan, ...]:
    from oomdoc.patch.way_out import way_out  # imported here: 20 ms, and only where files are at hand

    way = way_out(diagnosis, _documents(files), limits=limits)
    solution = way.advice.solution
    found = []
    for offer in way.offers[:_MOST] if solution else ():
        if offer.plan is None or solution is None:
            continue
        plan = _plan(offer.number, offer.plan, solution.capacity, language)
        mended = tuple(one.native for one in offer.edits.mended)
        writes = {name: value for name, value in plan.sets.items() if name not in way.repairs}
        told = [made.native for made in offer.edits.made]
        told += [hand.native or setting(hand.fact, hand.value, diagnosis.case) for hand in offer.edits.by_hand]
        title = plan.title or say(language, "fix.repairs")
        found.append(replace(plan, writes=writes, mended=mended, told=tuple(dict.fromkeys(told)), title=title))
    return tuple(found)


def _documents(files: Sequence[Path]) -> list["Original"]:
    from oomdoc.patch.document import load
    from oomdoc.patch.errors import PatchError

    documents: list[Original] = []
    for path in files:
        try:
            documents.append(load(str(path)))
        except PatchError:
            continue
    return documents


def _solution(diagnosis: Diagnosis, limits: Limits) -> Solution:
    advice = advise(diagnosis, limits=limits)
    if advice.solution is not None:
        return advice.solution
    facts = values_of(diagnosis.case)
    profile_of(facts)  # says in words why nothing can be predicted
    model, capacity = model_of(diagnosis, facts), capacity_of(facts)
    if model is None:
        raise PredictionError("need_model")
    if not capacity:
        raise PredictionError("capacity_unknown")
    return solve(facts, model, capacity, limits=limits)  # nothing failed yet: the settings alone were told


def _plan(number: int, plan: Solved, capacity: int, language: Language) -> Plan:
    joint = "；" if language == "zh" else "; "
    costs = [option.remedy.cost.told(language) for option in plan.options if option.remedy.cost]
    return Plan(
        number=number,
        title=joint.join(option.remedy.called(language) for option in plan.options),
        sets=dict(plan.changes),
        writes=dict(plan.changes),
        remedies=tuple(option.remedy.id for option in plan.options),
        promise=PROMISES[plan.rank],
        cost=joint.join(dict.fromkeys(costs)),
        device_bytes=plan.weight.device,
        high_bytes=plan.weight.high,
        capacity_bytes=capacity,
    )


def row_of(plan: Plan, case: Case) -> PlanRow:
    """A plan as a row of the table."""
    spare = plan.capacity_bytes - plan.device_bytes if plan.capacity_bytes and plan.fits is not False else None
    changes = (*plan.mended, *(plan.told or (_native(name, value, case) for name, value in plan.writes.items())))
    return PlanRow(plan.number, plan.title, changes, plan.promise, plan.cost, plan.device_bytes, plan.fits, spare)


def _native(name: str, value: Value, case: Case) -> str:
    """A change in the framework's own words; without any, by the setting's name."""
    from oomdoc.patch.native import native_words

    return native_words(case, {name: value}) or setting(name, value, case)


def diff_blocks(plan: Plan, case: Case, files: Sequence[Path], language: Language) -> tuple[Block, ...]:
    """What a plan would write into the person's files; nothing is written."""
    from oomdoc.patch.plan import plan_edits  # imported here: 20 ms, and only a diff needs it

    edits = plan_edits(plan.writes, _documents(files), known=case.facts)
    drawn: list[Block] = [DiffBlock(edit.original.name, edit.diff, plan.number) for edit in edits.files]
    sentences = [
        tell(language, "diff_command", command=_on_one_line(command))
        for command in edits.commands
        if not any(command in edit.text for edit in edits.files)  # the diff of a script has said it
    ]
    sentences += [
        tell(
            language, "diff_by_hand", native=hand.native or setting(hand.fact, hand.value, case), why=hand.why(language)
        )
        for hand in edits.by_hand
    ]
    if not drawn and not sentences:
        native = ", ".join(f"{short(name, case)} = {value}" for name, value in plan.writes.items())
        sentences.append(tell(language, "diff_none", native=native))
    if sentences:
        drawn.append(SayBlock(tuple(sentences)))
    if edits.files:
        drawn.append(SayBlock((tell(language, "diff_ask"),)))
    return tuple(drawn)


def _on_one_line(command: str) -> str:
    return _CONTINUED.sub(" ", command).strip()


def files_of(case: Case, folder: Path | None, scripts: Sequence[Path]) -> tuple[Path, ...]:
    """The person's files that state settings: configurations that were read, and where facts of commands stand."""
    names = [read.name for read in case.inputs if read.kind == "config"]
    names += [fact.source.file for fact in case.facts if fact.source.file and fact.source.how in ("command", "config")]
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if not path.is_absolute() and folder is not None and not path.exists():
            path = folder / path
        if path.is_file():
            found[path] = None
    for path in scripts:
        if any(path == known or path.resolve() == known.resolve() for known in found):
            continue
        if not found and path.is_file():
            found[path] = None
    return tuple(path for path in found if path.suffix not in (".log", ".out", ".err", ".txt"))
