"""The report contract `oomdoc.report/1`: what `--format json` prints. It only grows; its JSON Schema is committed."""

from typing import Literal

from pydantic import Field

from oomdoc.facts.model import Model, Scalar, Value


class VerdictOut(Model):
    """Whether this is out of memory, which memory, and when."""

    outcome: Literal["oom", "not_oom", "unclear"]
    memory: Literal["gpu", "host", "shm", "none"]
    phase: str
    summary: str


class SourceOut(Model):
    """Provenance of a fact."""

    how: str
    file: str | None = None
    line: int | None = None
    span: tuple[int, int] | None = None
    quote: str | None = None
    framework: str | None = None
    version: str | None = None
    native: str | None = None
    derived_from: tuple[str, ...] = ()
    status: str | None = None
    note: str | None = None


class FactOut(Model):
    """One canonical fact; null is "known to be unset", an unknown fact is not listed."""

    name: str
    value: Value
    unit: str | None = None
    source: SourceOut


class WhyOut(Model):
    """One weight of evidence."""

    sentence: str
    weight: float
    fact: str | None = None
    line: int | None = None


class FindingOut(Model):
    """One ranked cause."""

    cause: str
    rule: str
    probability: float
    standing: Literal["confirmed", "likely", "possible"]
    title: str
    why: tuple[WhyOut, ...] = ()
    why_not: tuple[WhyOut, ...] = ()


class MemoryOut(Model):
    """The predicted memory of the run; allocated, reserved and device bytes are three different figures."""

    method: Literal["closed_form", "dry_run", "probe"]
    phase: str
    capacity_bytes: int | None = None
    allocated_bytes: int
    reserved_bytes: int
    device_bytes: int
    low_bytes: int
    high_bytes: int
    components: dict[str, int]
    assumed: tuple[str, ...] = ()


class CheckOut(Model):
    """One verdict of a verification: the failure reproduced or not, the first plan fitting or not."""

    subject: Literal["failure", "remedy"]
    outcome: Literal["confirmed", "contradicted", "unclear"]
    sentences: tuple[str, ...] = ()
    memory: MemoryOut | None = None


class VerificationOut(Model):
    """What a dry run or a probe proved; only where one was asked for."""

    method: Literal["dry_run", "probe"]
    checks: tuple[CheckOut, ...] = ()


class RemedyOut(Model):
    """One proposed change, weighed alone: the memory model before minus after; `reason` says why it cannot speak.

    `fits` leaves the headroom of a plan. `diff` is there where the settings came from the person's own files.
    """

    id: str
    cause: str
    promise: str | None = None
    title: str
    sets: dict[str, Value] = Field(default_factory=dict)
    native: str | None = None
    diff: str | None = None
    saves_bytes: int | None = None
    peak_after_bytes: int | None = None
    fits: bool | None = None
    cost: str | None = None
    reason: str | None = None


class WeightOut(Model):
    """The predicted memory on one card with its bounds."""

    device_bytes: int
    low_bytes: int
    high_bytes: int


class MadeOut(Model):
    """One change that was placed: the option as it will read, and where."""

    fact: str
    native: str
    file: str
    line: int | None = None


class HandOut(Model):
    """One change that the person makes, and why it is left to them."""

    fact: str
    native: str | None = None
    why: str


class PlanOut(Model):
    """One plan of `oomdoc fix`: changes that fit together. `fits_at_worst` holds at the upper bound too."""

    number: int
    remedies: tuple[str, ...] = ()
    title: str
    promise: str
    sets: dict[str, Value] = Field(default_factory=dict)
    after: WeightOut | None = None
    saves_bytes: int | None = None
    slower: float | None = None
    fits: bool | None = None
    fits_at_worst: bool | None = None
    least_single: bool = False
    cost: tuple[str, ...] = ()
    made: tuple[MadeOut, ...] = ()
    by_hand: tuple[HandOut, ...] = ()
    words: tuple[str, ...] = Field(default=(), description="the changes in the framework's own words, without a file")
    diff: str = ""
    commands: tuple[str, ...] = ()


class StepOut(Model):
    """A remedy that is done by hand."""

    id: str
    cause: str
    title: str
    how: str | None = None


class RemarkOut(Model):
    """Popular advice that does not help in this run, and why."""

    id: str
    reason: str
    why: str = ""
    saves_bytes: int | None = None
    missing_bytes: int | None = None


class WayOutOut(Model):
    """What `oomdoc fix` shows for the same inputs; `blind` says why there are no figures."""

    blind: str | None = None
    capacity_bytes: int | None = None
    before: WeightOut | None = None
    raised: bool = False
    assumed: dict[str, Value] = Field(default_factory=dict, description="facts read off the failed allocation")
    assumptions: tuple[str, ...] = Field(default=(), description="what the prediction takes for granted")
    plans: tuple[PlanOut, ...] = ()
    by_hand: tuple[StepOut, ...] = ()
    remarks: tuple[RemarkOut, ...] = ()
    cards: tuple[str, ...] = ()
    lean_cards: tuple[str, ...] = ()


class QuestionOut(Model):
    """One question to the person."""

    fact: str
    ask: str
    separates: tuple[str, ...] = ()


class EffectOut(Model):
    """One fact that a tried change was to set, and what this run says it is."""

    fact: str
    wanted: Value
    now: Value = Field(default=None, description="null too where state is untold")
    state: Literal["in_force", "not_in_force", "untold"]


class AttemptOut(Model):
    """One change that was tried before this run, what it was to cure, and what became of it."""

    known_from: str
    applied_at: str | None = None
    sets: dict[str, Value] = Field(default_factory=dict)
    before: dict[str, Value] = Field(default_factory=dict)
    aside: tuple[str, ...] = Field(default=(), description="facts that only keep the result the same")
    remedies: tuple[str, ...] = ()
    native: tuple[str, ...] = ()
    causes: dict[str, float] = Field(default_factory=dict, description="cause to probability, of the failure before it")
    memory: str
    phase: str
    step: int | None = None
    predicted_bytes: int | None = None
    outcome: str = Field(
        description="failed, further, elsewhere, passed, going, other, not_in_force, doubtful, passed_without, unclear"
    )
    in_force: bool | None = Field(default=None, description="null: the input does not show it")
    this_run: bool = Field(description="false: an earlier log or the person told the outcome")
    effects: tuple[EffectOut, ...] = ()
    sentences: tuple[str, ...] = ()


class HistoryOut(Model):
    """What was tried before this run, the oldest first; only where something is known."""

    attempts: tuple[AttemptOut, ...] = ()


class Report(Model):
    """The whole diagnosis."""

    schema_: Literal["oomdoc.report/1"] = Field(default="oomdoc.report/1", alias="schema")
    oomdoc: str
    language: Literal["en", "zh"] = "en"
    verdict: VerdictOut
    events: tuple[dict[str, Scalar], ...] = ()
    facts: tuple[FactOut, ...] = ()
    findings: tuple[FindingOut, ...] = ()
    memory: MemoryOut | None = None
    verification: VerificationOut | None = None
    history: HistoryOut | None = None
    remedies: tuple[RemedyOut, ...] = ()
    way_out: WayOutOut | None = None
    questions: tuple[QuestionOut, ...] = ()
    undecided: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
