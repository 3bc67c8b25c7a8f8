"""After the fix: what a case says about a change that was tried, and what that says about the causes it treats."""

import pytest

from oomdoc.engine.aftermath import Aftermath, confirmed, follow, told
from oomdoc.engine.attempt import Attempt, effects, seen
from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.engine.rule import rules
from oomdoc.engine.verdict import judge
from oomdoc.facts.case import Case, Event, Input
from oomdoc.facts.fact import UNKNOWN, Fact, How, Source

BATCH = "train.per_device_batch_size"
SMALLER = Attempt(
    "history 1", {BATCH: 4, "train.gradient_accumulation_steps": 8},
    before={BATCH: 32, "train.gradient_accumulation_steps": 1}, aside=("train.gradient_accumulation_steps",),
    remedies=("batch-one",), natives=("--batch_size 4", "--accumulation_steps 8"),
    causes=(("batch-size-too-large", 0.82), ("attention-quadratic", 0.5)), phase="train", step=3, files=("train.sh",),
)  # fmt: skip
LIMIT = Attempt("history 1", {"train.max_length": 2048}, before={"train.max_length": None}, files=("train.sh",))


def case(*, oom=True, phase="train", memory="gpu", how=How.COMMAND, file="train.sh", **facts):
    stated = [("run.phase", phase, How.LOG), *((name.replace("__", "."), value, how) for name, value in facts.items())]
    event = Event(template="torch.cuda.capacity", kind="oom", memory=memory, line=9, text="CUDA out of memory")
    return Case(
        facts=tuple(Fact(name=name, value=value, source=Source(how=how, file=file)) for name, value, how in stated),
        events=(event,) if oom else (),
        inputs=(Input(name="new.log", kind="log"), Input(name="train.sh", kind="config")),
    )


def became(attempt, given):
    (one,) = follow(given, judge(given), [attempt]).followed
    return one.became


def batch(value, **more):
    return case(train__per_device_batch_size=value, train__gradient_accumulation_steps=8, **more)


@pytest.mark.parametrize(
    ("value", "state"), [(4, "in_force"), (2, "in_force"), (1, "in_force"), (32, "not_in_force"), (16, "not_in_force")]
)
def test_a_figure_moved_as_far_as_asked_or_further_is_in_force(value, state):
    assert seen(effects(SMALLER, batch(value))) == state


@pytest.mark.parametrize(
    ("value", "state"), [(2048, "in_force"), (1024, "in_force"), (None, "not_in_force"), (8192, "not_in_force")]
)
def test_a_limit_where_there_was_none_may_be_tighter(value, state):
    assert seen(effects(LIMIT, case(train__max_length=value))) == state


def test_what_the_input_does_not_say_is_untold():
    (effect,) = effects(LIMIT, case())
    assert effect.state == "untold"
    assert effect.now is UNKNOWN


def test_a_default_counts_only_where_the_edited_file_was_read():
    default = case(train__max_length=None, how=How.DEFAULT)
    assert seen(effects(LIMIT, default)) == "not_in_force"
    elsewhere = Case(facts=default.facts, events=default.events, inputs=(Input(name="new.log", kind="log"),))
    assert seen(effects(LIMIT, elsewhere)) == "untold"


def test_an_assumption_proves_nothing():
    assert seen(effects(LIMIT, case(train__max_length=2048, how=How.ASSUMED))) == "untold"


def test_what_only_keeps_the_result_does_not_decide():
    given = case(train__per_device_batch_size=4, train__gradient_accumulation_steps=1)
    assert seen(effects(SMALLER, given)) == "in_force"
    assert [effect.state for effect in effects(SMALLER, given)] == ["in_force", "not_in_force"]


def test_the_command_in_the_log_beats_the_file_that_was_edited():
    file, log = (
        Fact(name=BATCH, value=value, source=Source(how=How.COMMAND, file=name, line=1))
        for value, name in ((4, "train.sh"), (32, "new.log"))
    )
    given = Case(facts=(file, log), inputs=(Input(name="new.log", kind="log"),))
    effect = effects(SMALLER, given)[0]
    assert (effect.now, effect.state) == (32, "not_in_force")
    assert effect.source is not None
    assert effect.source.file == "new.log"


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (batch(4), "failed"),
        (batch(4, run__step=8), "failed"),
        (batch(4, run__step=400), "further"),
        (batch(4, phase="eval"), "elsewhere"),
        (batch(4, memory="host"), "elsewhere"),
        (batch(32), "not_in_force"),
        (batch(4, oom=False, run__finished=True), "passed"),
        (batch(32, oom=False, run__finished=True), "passed_without"),
        (batch(4, oom=False), "unclear"),
        (batch(4, oom=False, run__step=50), "going"),
        (batch(4, oom=False, run__step=2), "unclear"),
    ],
)
def test_what_became_of_a_change(given, outcome):
    assert became(SMALLER, given) == outcome


def test_another_failure_is_no_word_on_the_fix():
    given = batch(4, oom=False)
    crash = Event(template="python.error", kind="lookalike", memory="none", line=3, text="KeyError: 'x'")
    assert became(SMALLER, Case(facts=given.facts, events=(crash,), inputs=given.inputs)) == "other"


def test_a_failed_fix_counts_against_its_cause_as_a_term_with_a_sentence_in_both_languages():
    before = diagnose_case(batch(4))
    after = diagnose_case(batch(4), attempts=[SMALLER])
    was, now = (
        next(one for one in found.judgements if one.rule.cause == "batch-size-too-large") for found in (before, after)
    )
    (term,) = [sign for sign in now.against if "--batch_size 4" in sign.text["en"]]
    assert term.weight == -2.0
    assert now.score == pytest.approx(was.score - 2.0)
    assert "in training" in term.text["en"]
    assert "--batch_size 4" in term.text["zh"]
    assert "训练中" in term.text["zh"]


def test_a_later_remedy_of_a_cause_counts_half():
    verdict = judge(batch(4))
    signs = told(follow(batch(4), verdict, [SMALLER]), rules(), verdict).signs
    beside = [rule for rule in rules() if "batch-one" in rule.remedies[1:]]
    assert beside
    assert all(signs[rule.path][0].weight == -1.0 for rule in beside)
    assert all(rule.path not in signs for rule in rules() if "batch-one" not in rule.remedies)


@pytest.mark.parametrize("given", [batch(32), batch(4, phase="eval"), batch(4, memory="host")])
def test_a_fix_that_was_not_in_force_or_a_failure_elsewhere_says_nothing(given):
    verdict = judge(given)
    assert not told(follow(given, verdict, [SMALLER]), rules(), verdict).signs


def test_unseen_weighs_less_than_seen():
    given = case()
    found = diagnose_case(given, attempts=[SMALLER])
    terms = [sign.weight for one in found.judgements for sign in one.against if "--batch_size 4" in sign.text["en"]]
    assert min(terms) == -0.8


def test_a_passed_run_confirms_the_cause_by_the_odds_it_had():
    found = diagnose_case(batch(4, oom=False, run__finished=True), attempts=[SMALLER])
    assert found.verdict.finished
    lead = found.findings[0]
    assert (lead.rule.cause, lead.standing) == ("batch-size-too-large", "confirmed")
    assert [sign.weight for sign in lead.held] == [2.5, 1.5]
    assert lead.probability == pytest.approx(0.982, abs=0.002)
    assert all(finding.rule.cause != "attention-quadratic" for finding in found.findings)


def test_a_passed_run_without_the_fix_confirms_nothing():
    found = diagnose_case(batch(32, oom=False, run__finished=True), attempts=[SMALLER])
    assert found.findings == ()
    assert not found.names_cause


def test_a_finished_run_alone_names_no_cause():
    found = diagnose_case(batch(4, oom=False, run__finished=True))
    assert found.verdict.outcome == "not_oom"
    assert (found.findings, found.names_cause) == ((), False)


def test_an_earlier_outcome_is_kept_and_the_person_is_believed_less_than_a_log():
    from dataclasses import replace

    kept = replace(SMALLER, outcome="failed", told_by="person", seen="untold")
    found = diagnose_case(batch(32), attempts=[kept])
    term = min(sign.weight for one in found.judgements for sign in one.against if "you said" in sign.text["en"])
    assert term == -1.5
    assert found.spent == {"batch-one"}


def test_braces_of_an_option_are_not_taken_for_a_fact():
    from dataclasses import replace

    odd = replace(SMALLER, natives=('"offload": {train.max_length}',))
    verdict = judge(batch(4))
    signs = told(follow(batch(4), verdict, [odd]), rules(), verdict).signs
    assert signs
    assert all("{" not in sign.text["en"] for found in signs.values() for sign in found)


def test_without_attempts_nothing_is_confirmed():
    assert confirmed(Aftermath(), rules()) == ()
