"""What a report is made of; text, Markdown, HTML and the chat draw the same blocks. No block knows how it looks."""

from typing import TYPE_CHECKING, TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.report.blocks_plan import PlansBlock

if TYPE_CHECKING:  # the first frame draws blocks before pydantic is loaded
    from oomdoc.facts.model import Value


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was read, and what stood there."""

    file: str | None
    line: int | None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class VerdictBlock:
    """The first line of every report, and one sentence with the message's figures."""

    outcome: str
    headline: str
    sentence: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of a memory bar; `kind` is a key of the [bar] sentences."""

    kind: str
    label: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BarBlock:
    """How one card was divided; segments add up to `total_bytes`; `requested_bytes` is what did not fit."""

    title: str
    total_bytes: int
    segments: tuple[Segment, ...]
    requested_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """A sign that counted, with its weight in log-odds and the place of the fact behind it."""

    sentence: str
    weight: float
    fact: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class CauseBlock:
    """One ranked cause."""

    cause: str
    rule: str
    title: str
    standing: str
    probability: float
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]
    explain: str
    looks_like: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a remedy's title, how it is written in the person's framework, its promise and cost."""

    remedy: str
    cause: str
    title: str
    how: str | None = None
    native: str | None = None
    promise: str | None = None
    cost: str | None = None
    sets: "tuple[tuple[str, Value], ...]" = ()


@dataclass(frozen=True, slots=True)
class StepsBlock:
    """What to do next, the least intrusive first."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PredictionBlock:
    """What the memory model predicts for the settings, and what it had to assume."""

    sentence: str
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One verdict of a verification: what it is about, how it came out, and the sentences with the figures."""

    subject: str
    outcome: str
    said: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerificationBlock:
    """What a dry run or probe proved; only a diagnosis that was asked to verify has it."""

    title: str
    checks: tuple[CheckLine, ...]


@dataclass(frozen=True, slots=True)
class UntoldBlock:
    """What could not be told, and why."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuestionBlock:
    """The question whose answer separates the leading causes best."""

    fact: str
    ask: str
    why: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact that was read, for the table of what is known."""

    name: str
    value: str
    how: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FactsBlock:
    """Everything that was read."""

    rows: tuple[FactRow, ...]


@dataclass(frozen=True, slots=True)
class NotesBlock:
    """Remarks on the input: disagreements, consequences left out, encodings."""

    sentences: tuple[str, ...]


Block: TypeAlias = (
    VerdictBlock
    | BarBlock
    | CauseBlock
    | PredictionBlock
    | VerificationBlock
    | StepsBlock
    | PlansBlock
    | UntoldBlock
    | QuestionBlock
    | FactsBlock
    | NotesBlock
)
