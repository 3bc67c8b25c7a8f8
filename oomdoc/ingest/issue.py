"""A setting that did not arrive or does not do what it looks like: the finding and its sentence."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.model import Model, Value
from oomdoc.ingest.frameworks import Both
from oomdoc.messages import Sentence

IssueKind: TypeAlias = Literal[
    "misspelt", "misplaced", "removed", "lost", "contradictory", "inactive", "bounds_nothing"
]

_NOT_READ = frozenset({"misspelt", "misplaced", "removed", "lost"})  # of two that contradict, one was read


class Issue(Model):
    """One option that went wrong; `fact` is what it would have set, `stayed` the value in force instead."""

    kind: IssueKind
    native: str
    written: str = ""
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    span: tuple[int, int] | None = None
    sentence: Sentence | Both
    fact: str | None = None
    stayed: Value = None

    @property
    def en(self) -> str:
        """What is wrong, in English."""
        return self.sentence.en

    @property
    def zh(self) -> str:
        """What is wrong, in Chinese."""
        return self.sentence.zh


def issue_facts(issues: Sequence[Issue]) -> Iterator[Fact]:
    """What did not arrive: `framework.settings_issue` as it was written (`--deepspeed zero3`), and
    `framework.lost_settings`, the canonical facts it would have set."""
    if not issues:
        return
    written = tuple(f"{issue.native} {issue.written}".rstrip() for issue in issues)
    yield Fact(name="framework.settings_issue", value=written, source=_source(issues[0]))
    lost = [issue for issue in issues if issue.fact and issue.kind in _NOT_READ]
    if lost:
        names = tuple(dict.fromkeys(issue.fact for issue in lost))
        yield Fact(name="framework.lost_settings", value=names, source=_source(lost[0]))


def _source(issue: Issue) -> Source:
    return Source(
        how=How.COMMAND if issue.native.startswith("--") or issue.native.isupper() else How.CONFIG,
        file=issue.file,
        line=issue.line,
        span=issue.span,
        native=issue.native,
        status={"lost": "lost", "misspelt": "misspelt"}.get(issue.kind, "inactive"),
        note=issue.en,
    )
