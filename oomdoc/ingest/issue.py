"""A setting that did not arrive or does not do what it looks like: the finding and its sentence in both languages."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.model import Model, Value

IssueKind: TypeAlias = Literal[
    "misspelt", "misplaced", "removed", "lost", "contradictory", "inactive", "bounds_nothing"
]


class Issue(Model):
    """One option that went wrong; `fact` is what it would have set, `stayed` the value in force instead."""

    kind: IssueKind
    native: str
    written: str = ""
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    span: tuple[int, int] | None = None
    en: str
    zh: str
    fact: str | None = None
    stayed: Value = None


def issues_fact(issues: Sequence[Issue]) -> Fact | None:
    """The fact `framework.settings_issue`, e.g. `lost: --deepspeed zero3`; several issues stand in one value."""
    if not issues:
        return None
    first = issues[0]
    source = Source(
        how=How.COMMAND if first.native.startswith("--") or first.native.isupper() else How.CONFIG,
        file=first.file,
        line=first.line,
        span=first.span,
        native=first.native,
        status={"lost": "lost", "misspelt": "misspelt"}.get(first.kind, "inactive"),
        note=first.en,
    )
    value = "; ".join(f"{issue.kind}: {issue.native} {issue.written}".rstrip() for issue in issues)
    return Fact(name="framework.settings_issue", value=value, source=source)
