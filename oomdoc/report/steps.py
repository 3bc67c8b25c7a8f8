"""What to do next: the remedies of the leading causes, in the person's own framework's words where it is known."""

from collections.abc import Mapping
from typing import Any

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.findings import values_of
from oomdoc.facts import base
from oomdoc.facts.model import Value
from oomdoc.messages import Language, say
from oomdoc.patch.native import native_words
from oomdoc.remedies.remedy import Need
from oomdoc.report.blocks import Step

_MOST = 4


def steps_of(diagnosis: Diagnosis, language: Language) -> tuple[Step, ...]:
    """Steps for the leading causes, those that keep the result first within a cause, what was tried in vain last."""
    if not diagnosis.findings or diagnosis.verdict.finished:
        return ()
    spent, values = diagnosis.spent, values_of(diagnosis.case)
    known = base.section("remedies")
    steps: dict[str, Step] = {}
    top = diagnosis.findings[0].probability
    for finding in diagnosis.findings[:2]:
        if finding.probability < top / 2:
            break
        for remedy in finding.rule.remedies:
            raw = known.get(f"{remedy}.yaml")
            if raw is None or remedy in steps or _is_done(raw, diagnosis) or not _applies(raw, values):
                continue
            steps[remedy] = Step(
                remedy=remedy,
                cause=finding.rule.cause,
                title=_title(raw["title"][language], remedy in spent, language),
                how=raw.get("how", {}).get(language),
                native=native_words(diagnosis.case, raw.get("sets", {})),
                sets=tuple(raw.get("sets", {}).items()),
                promise=raw.get("promise"),
                cost=raw.get("cost", {}).get(language),
            )
    return tuple(sorted(steps.values(), key=lambda step: step.remedy in spent))[:_MOST]


def _title(title: str, tried: bool, language: Language) -> str:
    return say(language, "aftermath.tried", title=title) if tried else title


def _applies(raw: dict[str, Any], values: Mapping[str, Value]) -> bool:
    """Whether nothing that is known rules a remedy out: one card has nobody to share with."""
    needs = (Need.model_validate(need) for need in raw.get("needs", ()) if need["fact"] in values)
    return all(need.met(values) for need in needs)


def _is_done(raw: dict[str, Any], diagnosis: Diagnosis) -> bool:
    """Whether the run has all of it already: batch 1 is no advice to a run with batch 1."""
    sets = raw.get("sets", {})
    return bool(sets) and all(diagnosis.case.value(name) == value for name, value in sets.items())
