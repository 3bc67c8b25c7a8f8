"""A run that only evaluates or predicts holds weights and a batch, no gradients and no optimizer state."""

import pytest

from oomdoc.facts.case import Case
from oomdoc.facts.derive import derive
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.memory.predict import predict

FACTS = {
    "model.name": "Meta-Llama-3-8B-Instruct",
    "train.method": "lora",
    "lora.rank": 8,
    "train.precision": "bfloat16",
    "train.max_length": 1024,
    "eval.per_device_batch_size": 8,
}


def test_evaluation_alone_has_no_training_phase():
    alone = predict({**FACTS, "run.trains": False, "eval.predict_with_generate": True, "eval.max_new_tokens": 512})
    assert {phase.phase for phase in alone.phases} == {"load", "eval", "generate"}
    assert alone.components.get("optimizer_states", 0) == 0
    assert alone.allocated_bytes < predict({**FACTS, "train.per_device_batch_size": 8}).allocated_bytes


def test_the_training_batch_does_not_count_where_nothing_trains():
    facts = {**FACTS, "run.trains": False}
    assert predict({**facts, "train.per_device_batch_size": 64}).device_bytes == predict(facts).device_bytes


@pytest.mark.parametrize(
    ("stated", "trains"),
    [
        ({"run.evaluates": True}, False),
        ({"run.evaluates": True, "run.trains": True}, True),
        ({"run.evaluates": True, "train.per_device_batch_size": 4}, None),
        ({"run.evaluates": True, "eval.strategy": "steps"}, None),
        ({"run.evaluates": True, "eval.strategy": "no"}, False),
        ({}, None),
    ],
)
def test_only_a_run_that_asks_for_nothing_else_evaluates_alone(stated, trains):
    source = Source(how=How.CONFIG)
    case = derive(Case(facts=tuple(Fact(name=name, value=value, source=source) for name, value in stated.items())))
    fact = case.fact("run.trains")
    assert (fact.value if fact else None) is trains


def test_a_run_that_only_evaluates_is_taken_to_have_failed_there():
    case = derive(Case(facts=(Fact(name="run.evaluates", value=True, source=Source(how=How.CONFIG)),)))
    assert case.value("run.phase") == "eval"
