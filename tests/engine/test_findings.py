"""Evidence adds up, findings are ranked, and what is not known is asked for."""

import math

import pytest

from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.engine.findings import find, judge, values_of
from oomdoc.engine.question import questions
from oomdoc.engine.rule import compile_rule
from oomdoc.facts.case import Case, Event
from oomdoc.facts.fact import Fact, How, Source


def case_of(**facts):
    source = Source(how=How.LOG, file="train.log", line=7)
    return Case(
        facts=tuple(Fact(name=name.replace("__", "."), value=value, source=source) for name, value in facts.items())
    )


def rule_of(cause="batch-size-too-large", when=None, prior=0.0, signs=()):
    text = {"en": "t", "zh": "t"}
    raw = {
        "id": cause,
        "when": when or {"fact": "oom.memory", "is": "gpu"},
        "prior": prior,
        "signs": [{"en": "s", "zh": "s", **sign} for sign in signs],
        "title": text,
        "explain": text,
    }
    return compile_rule(f"input/{cause}.yaml", raw)


def test_the_score_is_the_sum_of_the_prior_and_the_signs_that_hold():
    rule = rule_of(
        prior=-1.0,
        signs=[
            {"fact": "train.per_device_batch_size", "at_least": 8, "weight": 2.5},
            {"fact": "run.step", "at_least": 5, "weight": -0.5},
            {"fact": "run.epoch", "at_least": 5, "weight": 9.0},
        ],
    )
    case = case_of(oom__memory="gpu", train__per_device_batch_size=16, run__step=9)
    (finding,) = find(case, [rule])
    assert finding.score == pytest.approx(1.0)
    assert finding.probability == pytest.approx(1 / (1 + math.exp(-1.0)), abs=1e-3)
    assert [sign.weight for sign in finding.held] == [2.5]
    assert [sign.weight for sign in finding.against] == [-0.5]


def test_an_undecided_rule_is_never_called_likely():
    rule = rule_of(
        when={"fact": "run.phase", "is": "eval"},
        prior=3.0,
        signs=[{"fact": "run.step", "at_least": 1, "weight": 2.0}],
    )
    (finding,) = find(case_of(run__step=4), [rule])
    assert finding.standing == "possible"
    assert finding.undecided == ("run.phase",)


def test_only_a_decisive_sign_confirms():
    strong = {"fact": "run.step", "at_least": 1, "weight": 5.0}
    plain = rule_of("memory-leak", signs=[strong])
    decisive = rule_of("fragmentation", signs=[{**strong, "decisive": True}])
    standings = {f.rule.cause: f.standing for f in find(case_of(oom__memory="gpu", run__step=4), [plain, decisive])}
    assert standings == {"memory-leak": "likely", "fragmentation": "confirmed"}


def test_what_is_only_common_stands_behind_the_lack_of_information():
    said = {"oom.memory": "gpu", "oom.figures_known": False}
    source = Source(how=How.LOG)
    bare = Case(
        facts=tuple(Fact(name=name, value=value, source=source) for name, value in said.items()),
        events=(Event(template="told.gpu", kind="told", memory="gpu", file="a", line=1, text="oom"),),
    )
    causes = [finding.rule.cause for finding in diagnose_case(bare).findings]
    assert causes[0] == "insufficient-information"
    assert "gpu-too-small" in causes[1:]
    batch = Fact(name="train.per_device_batch_size", value=64, source=source)
    grown = Fact(name="report.grows_over_time", value=True, source=source)
    causes = [finding.rule.cause for finding in diagnose_case(bare.with_facts([batch, grown])).findings]
    assert set(causes[:2]) == {"batch-size-too-large", "memory-leak"}
    assert "gpu-too-small" not in causes


def test_a_quiet_rule_is_no_finding():
    assert find(case_of(oom__memory="host"), [rule_of(prior=4.0)]) == ()


def test_the_question_is_the_fact_that_separates_the_leading_causes():
    rules = [
        rule_of("max-length-unset", signs=[{"fact": "train.max_length", "absent": True, "weight": 4.0}]),
        rule_of("batch-size-too-large", signs=[{"fact": "train.max_length", "at_least": 1, "weight": 2.0}]),
        rule_of("memory-leak", prior=-3.0, signs=[{"fact": "train.precision", "is": "float32", "weight": 0.1}]),
    ]
    case = case_of(oom__memory="gpu", model__is_language_model=True)
    values = values_of(case)
    asked = questions([judge(rule, values) for rule in rules], values)
    assert asked[0].term.name == "train.max_length"
    assert set(asked[0].separates) == {"max-length-unset", "batch-size-too-large"}


def test_a_known_fact_is_never_asked_for():
    rules = [rule_of("max-length-unset", signs=[{"fact": "train.max_length", "absent": True, "weight": 4.0}])]
    case = case_of(oom__memory="gpu", train__max_length=None)
    values = values_of(case)
    assert questions([judge(rule, values) for rule in rules], values) == ()


@pytest.mark.parametrize(("sees_images", "asked"), [(True, ["train.freeze_vision_tower"]), (False, []), (None, [])])
def test_a_vision_tower_is_asked_about_only_where_there_is_one(sees_images, asked):
    sign = {"fact": "train.freeze_vision_tower", "is": False, "weight": 4.0}
    facts = {} if sees_images is None else {"model__is_vision_language": sees_images}
    values = values_of(case_of(oom__memory="gpu", **facts))
    found = questions([judge(rule_of("vision-tower-trainable", signs=[sign]), values)], values)
    assert [question.term.name for question in found] == asked


def event(kind="oom", memory="gpu", line=1, template="torch.cuda.capacity", **more):
    return Event(template=template, kind=kind, memory=memory, line=line, text="x", **more)


@pytest.mark.parametrize(
    ("events", "outcome", "memory"),
    [
        ([event()], "oom", "gpu"),
        ([event(kind="lookalike", memory="none"), event(line=5, consequence=True)], "not_oom", "none"),
        ([event(kind="told"), event(kind="lookalike", memory="none", line=2)], "not_oom", "none"),
        ([event(kind="wrapper", memory="host"), event(line=9)], "oom", "gpu"),
        ([event(kind="warning", fatal=False)], "unclear", "none"),
        ([event(kind="told", memory="gpu")], "oom", "gpu"),
        ([], "unclear", "none"),
    ],
)
def test_the_first_decisive_message_decides_the_verdict(events, outcome, memory):
    verdict = diagnose_case(Case(events=tuple(events))).verdict
    assert (verdict.outcome, verdict.memory) == (outcome, memory)


def test_an_unclear_case_has_no_findings():
    assert diagnose_case(Case()).findings == ()
