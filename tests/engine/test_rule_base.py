"""The shipped rules: linted, tried on the cases beside them, one for every cause."""

import pytest

from oomdoc.engine.lint import lint
from oomdoc.engine.rule import rules
from oomdoc.engine.trial import failures

TAXONOMY = """
max-length-unset sequence-too-long visual-token-explosion batch-size-too-large length-outlier model-weights-too-large
weights-in-fp32 no-gradient-checkpointing attention-quadratic window-attention-growth vision-tower-trainable
logits-vocab-blowup moe-expert-memory optimizer-states lora-footprint quantization-not-applied rlhf-extra-models
ema-or-duplicate-model data-parallel-multiplication sharding-not-enabled zero-gather-peak device-placement
pipeline-or-tensor-imbalance eval-generation eval-logits-accumulation checkpoint-save-load inference-kv-cache
inference-no-grad-missing memory-leak fragmentation version-regression other-process gpu-too-small
shared-or-partitioned-gpu host-memory shm-too-small driver-or-context not-oom insufficient-information
""".split()


def test_the_base_is_clean():
    assert lint() == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.path)
def test_a_rule_fires_stays_quiet_and_asks_as_its_cases_say(rule):
    assert list(failures(rule)) == []


def test_no_rule_reads_meaning_out_of_the_names_of_options():
    """What a lost option would have set is a fact of its own; `pixel` in a name says nothing."""
    assert [rule.path for rule in rules() if "framework.settings_issue" in rule.facts] == []


def test_every_cause_has_a_rule():
    assert {rule.cause for rule in rules()} >= set(TAXONOMY)
