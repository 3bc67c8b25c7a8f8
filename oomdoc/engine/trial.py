"""Running the cases that stand beside a rule: fires, stays quiet, asks."""

from collections.abc import Iterator

from oomdoc.engine.findings import judge, sigmoid
from oomdoc.engine.lint import read_cases
from oomdoc.engine.rule import Rule
from oomdoc.engine.rule_file import RuleCase
from oomdoc.facts import base
from oomdoc.facts.case import Case
from oomdoc.facts.derive import derive
from oomdoc.facts.fact import Fact, How, Source


def case_of(written: RuleCase) -> Case:
    """A case with the facts of a test, derived facts included."""
    source = Source(how=How.LOG)
    return derive(
        Case(facts=tuple(Fact(name=name, value=value, source=source) for name, value in written.facts.items()))
    )


def failures(rule: Rule) -> Iterator[str]:
    """What the cases beside a rule expect and the rule does not do."""
    path = base.section_path("rules") / f"{rule.path}.test.yaml"
    for written in read_cases(path):
        case = case_of(written)
        values = {name: case.value(name) for name in case.names()}
        judgement = judge(rule, values)  # type: ignore[arg-type]
        where = f"{rule.path}: {written.name!r}"
        if written.asks:
            missing = [fact for fact in written.asks if fact not in judgement.undecided]
            if judgement.fires is not None or missing:
                yield f"{where}: should ask {missing or written.asks}, undecided by {judgement.undecided}"
            continue
        if judgement.fires is not written.fires:
            yield f"{where}: fires {judgement.fires}, expected {written.fires}"
        cited = {name for sign in judgement.held for name in sign.facts} | set(rule.when.facts)
        yield from (f"{where}: {name} is no evidence" for name in written.evidence if name not in cited)
        probability = sigmoid(judgement.score)
        if written.at_least is not None and probability < written.at_least:
            yield f"{where}: probability {probability:.2f} below {written.at_least}"
        if written.at_most is not None and probability > written.at_most:
            yield f"{where}: probability {probability:.2f} above {written.at_most}"
