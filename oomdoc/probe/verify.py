"""Verification of a diagnosis: does this run really need more than the card has, and does the proposed change fit?

The step is taken for real (`probe`) or on fake tensors (`dry_run`); what cannot be proven is said, never guessed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from oomdoc.engine import findings as ranking
from oomdoc.engine.conditions import Condition
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.rule import Sign
from oomdoc.facts import base
from oomdoc.facts.case import Case
from oomdoc.facts.fact import How
from oomdoc.facts.model import Value
from oomdoc.facts.units import size
from oomdoc.memory.architecture import ArchitectureError
from oomdoc.memory.predict import UnknownModelError
from oomdoc.memory.profile import MemoryProfile
from oomdoc.memory.settings import Settings, SettingsError
from oomdoc.messages import say
from oomdoc.probe.cards import RefusedError, usable
from oomdoc.probe.dryrun import dry_run, stood_in
from oomdoc.probe.gpu_probe import probe
from oomdoc.probe.host import Progress, WorkerError, interpreter
from oomdoc.probe.plan import PlanError
from oomdoc.remedies.advise import Advice, advise, capacity_of, solved_facts
from oomdoc.remedies.weigh import joined

Method: TypeAlias = Literal["dry_run", "probe"]
Outcome: TypeAlias = Literal["confirmed", "contradicted", "unclear"]
Subject: TypeAlias = Literal["failure", "remedy"]

AGAINST = -3.0  # log-odds of a cause that needs the settings to be too large, where they fit
_SAME_CARD = 0.98  # of the run's card
_NEAR = 2 << 20  # two requests in one segment size are the same request
_BATCH = "train.per_device_batch_size"
_LENGTHS = ("train.sequence_tokens", "train.max_length")
_GRANTED: Final = frozenset({How.ASSUMED, How.DEFAULT})


class Reason(NamedTuple):
    """A sentence of [verify] with what stands in its places: texts, names of moments, or the error that ended a run."""

    key: str
    places: Mapping[str, str | Exception]


class Ran(NamedTuple):
    """One step taken: `failure` is the first request that did not fit (phase, tried_to_allocate_bytes, module); `room`
    is what a probe might take of its card."""

    profile: MemoryProfile
    settings: Settings
    failure: Mapping[str, Any] | None
    ended: str = ""
    stood: tuple[Reason, ...] = ()  # what was run in place of the model's own remote code
    room: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """What was found about the failure, or about the change that should cure it."""

    subject: Subject
    outcome: Outcome
    reasons: tuple[Reason, ...]
    profile: MemoryProfile | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """`profile` is that of the run as it failed; None where it could not be run."""

    method: Method
    checks: tuple[Check, ...]

    @property
    def profile(self) -> MemoryProfile | None:
        """The failed run's measured or computed profile."""
        return next((check.profile for check in self.checks if check.subject == "failure"), None)

    @property
    def contradicted(self) -> bool:
        """Whether anything that the diagnosis says or proposes was contradicted."""
        return any(check.outcome == "contradicted" for check in self.checks)


def verify(
    diagnosis: Diagnosis,
    method: Method = "dry_run",
    *,
    python: str | None = None,
    timeout: float = 600.0,
    progress: Progress | None = None,
    changes: Mapping[str, Value] | None = None,
    trust_remote_code: bool = False,
    yes: bool = False,
) -> Verification:
    """Reproduce the failure of a diagnosis and its first plan; whatever the environment does, the answer is a check.

    `changes` are those of the plan that is shown (empty: none is); without them the first that the solver finds. `yes`
    agrees to a probe on a card that others use.
    """
    if diagnosis.verdict.outcome != "oom" or diagnosis.verdict.memory != "gpu":
        return Verification(method, (_unclear("failure", "not_gpu"),))
    facts = _facts(diagnosis)
    capacity = capacity_of(facts)
    if not capacity:
        return Verification(method, (_unclear("failure", "no_capacity"),))
    run = _runner(method, python, timeout, progress, trust_remote_code, yes)
    try:
        first = run({**facts, "hardware.gpu_total_bytes": capacity})
    except _REFUSALS as error:
        return Verification(method, (_not_run("failure", error, python),))
    judged = judge_failure(diagnosis.case, first, capacity)
    checks = [replace(judged, reasons=(*judged.reasons, *first.stood))]
    plan = _plan(advise(diagnosis)) if changes is None else changes
    if plan and checks[0].outcome == "confirmed":
        after = joined(facts, plan)
        checks.append(_plan_check({**after, "hardware.gpu_total_bytes": capacity}, capacity, plan, run, python))
    return Verification(method, tuple(checks))


def verify_plan(
    facts_after: Mapping[str, Value], capacity: int, *, method: Method = "dry_run", python: str | None = None,
    timeout: float = 600.0, progress: Progress | None = None, trust_remote_code: bool = False, yes: bool = False,
) -> Check:  # fmt: skip
    """Whether a run with these facts fits a card of `capacity` bytes; never raises for what an environment does."""
    facts = {**facts_after, "hardware.gpu_total_bytes": capacity}
    run = _runner(method, python, timeout, progress, trust_remote_code, yes)
    return _plan_check(facts, capacity, {}, run, python)


def lowered(diagnosis: Diagnosis, found: Verification) -> Diagnosis:
    """The diagnosis after a contradicted failure: causes that need the settings to be too large lose their standing."""
    failure = next((check for check in found.checks if check.subject == "failure"), None)
    if failure is None or failure.outcome != "contradicted":
        return diagnosis
    said = {str(one): say(one, f"verify.{failure.reasons[0].key}", **failure.reasons[0].places) for one in _LANGUAGES}
    sign = Sign(Condition(lambda _: True, ()), AGAINST, said, facts=("hardware.gpu_total_bytes",))
    causes = frozenset(_document()["by_settings"])
    judgements = tuple(
        replace(one, score=one.score + AGAINST, against=(sign, *one.against))
        if one.rule.cause in causes and one.fires is not False
        else one
        for one in diagnosis.judgements
    )
    return replace(diagnosis, judgements=judgements, findings=ranking.rank(judgements))


def judge_failure(case: Case, ran: Ran, capacity: int) -> Check:
    """Hold a step that was taken against the failure of a case."""
    profile = ran.profile
    shown = {"device": size(profile.device_bytes), "capacity": size(capacity),
             "low": size(profile.low_bytes), "high": size(profile.high_bytes)}  # fmt: skip
    blind = _inexpressible(ran.settings)
    if blind or ran.ended:
        reason = Reason("not_run", {"reason": ran.ended}) if ran.ended else Reason(blind, {})
        return Check("failure", "unclear", (reason,), None if ran.ended else profile)
    wanted = _moments(case)
    if ran.failure is not None and _smaller(ran, capacity):
        return Check("failure", "unclear", (_on_less(ran, capacity),), profile)
    if ran.failure is not None or profile.low_bytes > capacity:
        failed = str((ran.failure or {}).get("phase") or profile.peak_phase)
        reasons = (Reason("needs_more", shown), *_where(case, ran, profile))
        if wanted and failed not in wanted and not _exceeds(profile, wanted, capacity):
            other = Reason("other_phase", {"phase": failed, "stated": str(case.value("run.phase"))})
            return Check("failure", "unclear", (*reasons, other), profile)
        return Check("failure", "confirmed", reasons, profile)
    if profile.method == "dry_run" and profile.high_bytes > capacity:
        return Check("failure", "unclear", (Reason("narrow", shown), *_peak(profile)), profile)
    if wanted and not wanted & {each.phase for each in profile.phases}:
        reason = Reason("phase_not_run", {"stated": str(case.value("run.phase"))})
        return Check("failure", "unclear", (reason,), profile)
    missing = tuple(_missing(case, ran.settings))
    if missing:
        return Check("failure", "unclear", (Reason("assumed", {**shown, "names": ", ".join(missing)}),), profile)
    return Check("failure", "contradicted", (Reason("fits", shown), *_observed(case, profile)), profile)


def _smaller(ran: Ran, capacity: int) -> bool:
    """Whether a probe had less memory than the run's card, so that running out of it proves nothing; a driver's own
    part of a card of the same size is no difference."""
    return 0 < ran.room < capacity * _SAME_CARD


def _on_less(ran: Ran, capacity: int) -> Reason:
    return Reason("smaller_card", {"here": size(ran.room), "capacity": size(capacity)})


def _exceeds(profile: MemoryProfile, wanted: frozenset[str], capacity: int) -> bool:
    around = sum(profile.components.get(name, 0) for name in ("context", "other_processes"))
    return any(each.allocated_bytes + around > capacity for each in profile.phases if each.phase in wanted)


def _where(case: Case, ran: Ran, profile: MemoryProfile) -> Iterator[Reason]:
    failure = ran.failure
    if not failure:
        yield from _peak(profile)
        return
    asked = case.value("oom.tried_to_allocate_bytes")
    tried = int(failure.get("tried_to_allocate_bytes") or 0)
    places = {
        "phase": str(failure["phase"]),
        "where": str(failure.get("module") or failure.get("where") or failure.get("op") or "-"),
    }
    if not tried:
        yield Reason("ended_in", places)
        return
    yield Reason("refused", {**places, "tried": size(tried)})
    if isinstance(asked, int) and asked > 20 << 20:  # smaller ones are segments of fixed sizes and say nothing
        same = abs(asked - tried) <= max(_NEAR, asked // 100)
        yield Reason("same_request" if same else "other_request", {"asked": size(asked), "tried": size(tried)})


def _peak(profile: MemoryProfile) -> Iterator[Reason]:
    worst = next((each for each in profile.phases if each.phase == profile.peak_phase), None)
    if worst is not None and worst.terms:
        term = max(worst.terms, key=lambda each: each.bytes)
        yield Reason("peak", {"phase": worst.phase, "term": term.name, "bytes": size(term.bytes)})


def _observed(case: Case, profile: MemoryProfile) -> Iterator[Reason]:
    held = case.value("oom.allocated_bytes")
    if isinstance(held, int) and held > profile.allocated_bytes:
        yield Reason("observed", {"held": size(held), "allocated": size(profile.allocated_bytes)})


def _missing(case: Case, settings: Settings) -> Iterator[str]:
    """Facts without which a run that fits proves nothing, because they were taken for granted: a framework's default
    holds only where the settings at hand are all of them."""
    if settings.method == "load" or not settings.trains:
        return
    batch = case.fact(_BATCH)
    if batch is None or batch.source.how in _GRANTED:
        yield _BATCH
    if not any((fact := case.fact(name)) and fact.value and fact.source.how not in _GRANTED for name in _LENGTHS):
        yield "train.max_length"
    seen = settings.images
    if seen.count and not (seen.height or seen.max_pixels or seen.tokens or seen.tiles or seen.frames):
        yield "image.max_pixels"


def _inexpressible(settings: Settings) -> str:
    way = settings.parallel
    if settings.serving.engine:
        return "engine"
    return "split" if way.kind in ("device_map", "dp") or way.tensor > 1 or way.pipeline > 1 else ""


def _plan_check(
    facts: dict[str, Any], capacity: int, changes: Mapping[str, Value], run: Any, python: str | None
) -> Check:
    named = {"changes": ", ".join(f"{name}={value}" for name, value in changes.items())}
    changed = (Reason("with_changes", named),) if changes else ()
    try:
        ran = run(facts)
    except _REFUSALS as error:
        return _not_run("remedy", error, python)
    profile = ran.profile
    shown = {"device": size(profile.device_bytes), "capacity": size(capacity),
             "low": size(profile.low_bytes), "high": size(profile.high_bytes)}  # fmt: skip
    if ran.ended:
        return _unclear("remedy", "not_run", reason=ran.ended)
    if ran.failure is not None and _smaller(ran, capacity):
        return Check("remedy", "unclear", (*changed, _on_less(ran, capacity)), profile)
    if ran.failure is not None or profile.low_bytes > capacity:
        return Check("remedy", "contradicted", (*changed, Reason("needs_more", shown), *_peak(profile)), profile)
    if profile.device_bytes > capacity:
        return Check("remedy", "unclear", (*changed, Reason("narrow", shown)), profile)
    tight = (Reason("tight", shown),) if profile.high_bytes > capacity else ()
    return Check("remedy", "confirmed", (*changed, Reason("fits", shown), *tight, *ran.stood), profile)


def _runner(
    method: Method, python: str | None, timeout: float, progress: Progress | None, trust_remote_code: bool,
    yes: bool,
) -> Any:  # fmt: skip
    def on_cpu(facts: Mapping[str, Any]) -> Ran:
        found = dry_run(
            facts, python=python, timeout=timeout, progress=progress, trust_remote_code=trust_remote_code
        )  # fmt: skip
        stood = tuple(Reason(key, places) for key, places in stood_in(found.plan.model.name, found.answer.get("built")))
        return Ran(found.profile, found.plan.settings, found.answer.get("failure"), stood=stood)

    def on_gpu(facts: Mapping[str, Any]) -> Ran:
        idle = usable()
        card = int(facts.get("hardware.gpu_total_bytes") or 0)
        cap = card if card and any(one.free_bytes > card for one in idle) else None
        found = probe(
            facts, python=python, timeout=timeout, progress=progress, cap_bytes=cap, found=idle,
            trust_remote_code=trust_remote_code, yes=yes,
        )  # fmt: skip
        stood = tuple(Reason(key, places) for key, places in stood_in(found.plan.model.name, found.answer.get("built")))
        room = found.profile.capacity_bytes or 0
        return Ran(found.profile, found.plan.settings, found.oom, found.answer.get("ended") or "", stood, room)

    return on_cpu if method == "dry_run" else on_gpu


def _facts(diagnosis: Diagnosis) -> dict[str, Any]:
    """The case's facts with what its failed allocation told; a phase that failed is run even where nothing names it."""
    facts: dict[str, Any] = ranking.values_of(diagnosis.case)
    facts |= solved_facts(diagnosis, facts)
    if facts.get("run.phase") == "eval" and not facts.get("eval.strategy"):
        facts["eval.strategy"] = "steps"
    return facts


def _plan(advice: Advice) -> Mapping[str, Value] | None:
    plans = advice.solution.plans if advice.solution else ()
    return plans[0].changes if plans else None


def _moments(case: Case) -> frozenset[str]:
    return frozenset(_document()["phases"].get(str(case.value("run.phase") or ""), ()))


def _unclear(subject: Subject, key: str, **places: str) -> Check:
    return Check(subject, "unclear", (Reason(key, places),))


def _not_run(subject: Subject, error: Exception, python: str | None) -> Check:
    if isinstance(error, RefusedError):
        return _unclear(subject, f"refused_{error.reason}", **_refusal(error, python))
    if isinstance(error, UnknownModelError):
        return _unclear(subject, "unknown_model", name=str(error)) if str(error) else _unclear(subject, "no_model")
    return Check(subject, "unclear", (Reason("not_run", {"reason": error}),))


def _refusal(error: RefusedError, python: str | None) -> dict[str, str]:
    """What stands in the sentence of [probe_refused] for this refusal."""
    places = {name: size(value) if name == "cap" else str(value) for name, value in error.places.items()}
    if error.card is not None:
        card = error.card
        places |= {"index": str(card.number), "used": size(card.used_bytes), "free": size(card.free_bytes)}
    return {"python": interpreter(python), "who": "", **places}


def _document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = base.section("memory")["proof.yaml"]
    return found


_LANGUAGES: tuple[Literal["en", "zh"], ...] = ("en", "zh")
_REFUSALS = (PlanError, ArchitectureError, SettingsError, WorkerError, RefusedError)
