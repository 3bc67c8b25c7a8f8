"""Every remedy keeps its word: it saves by the model where it says to help, nothing where it is folklore."""

import re

import pytest

from oomdoc.facts.units import GIB
from oomdoc.facts.vocabulary import term
from oomdoc.memory.predict import architecture_of
from oomdoc.remedies.options import options_of
from oomdoc.remedies.remarks import tried
from oomdoc.remedies.remedy import remedies
from oomdoc.remedies.weigh import scale_for

TRAINING = {
    "model.name": "Qwen/Qwen2.5-7B", "run.kind": "train", "train.method": "lora", "train.per_device_batch_size": 8,
    "train.gradient_accumulation_steps": 2, "train.max_length": 8192, "train.precision": "bfloat16",
    "train.gradient_checkpointing": False, "model.attention": "eager", "lora.rank": 64, "lora.alpha": 32.0,
    "train.cpu_workers": 4, "hardware.compute_capability": 8.0,
}  # fmt: skip
FULL = {**TRAINING, "train.method": "full", "parallel.kind": "ddp", "parallel.world_size": 4}
SHARDED = {**FULL, "parallel.kind": "zero", "parallel.zero_stage": 3, "train.gradient_checkpointing": True}
SIGHT = {
    **TRAINING, "model.name": "Qwen/Qwen2.5-VL-7B-Instruct", "model.is_vision_language": True, "train.num_images": 4,
    "image.max_pixels": 12845056, "train.freeze_vision_tower": False, "train.vision_gradient_checkpointing": False,
    "train.max_length": 65536, "train.gradient_checkpointing": True, "model.attention": "flash_attention_2",
}  # fmt: skip
TILED = {**SIGHT, "model.name": "OpenGVLab/InternVL2_5-8B", "model.image_input": "tiles", "image.tiles": 24}
EVALUATION = {
    **TRAINING, "run.phase": "eval", "eval.per_device_batch_size": 32, "eval.predict_with_generate": True,
    "eval.max_new_tokens": 8192, "train.per_device_batch_size": 1, "train.gradient_checkpointing": True,
    "model.attention": "flash_attention_2", "train.max_length": 512,
}  # fmt: skip
KEPT = {**EVALUATION, "eval.accumulation_steps": None, "eval.predict_with_generate": False}
SERVING = {
    "model.name": "Qwen/Qwen2.5-7B", "run.kind": "inference", "run.phase": "inference", "model.load_dtype": "bfloat16",
    "inference.max_model_len": 32768, "inference.max_num_seqs": 64, "inference.max_new_tokens": 16384,
    "inference.batch_size": 8,
}  # fmt: skip
FAILED = {"oom.tried_to_allocate_bytes": 2 * GIB, "oom.process_in_use_bytes": 79 * GIB,
          "oom.reserved_unallocated_bytes": 9 * GIB}  # fmt: skip
# The run in which a remedy is meant to help; the others of the solver are weighed in plain training.
RUN = {
    **dict.fromkeys(("use-lora", "zero-2", "zero-3", "offload-everything"), FULL),
    **dict.fromkeys(("cpu-offload", "smaller-buckets"), SHARDED),
    **dict.fromkeys(("limit-pixels", "freeze-vision-tower", "vision-checkpointing"), SIGHT),
    "fewer-tiles": TILED,
    "fewer-frames": {**SIGHT, "image.frames": 64},
    **dict.fromkeys(("eval-batch-one", "shorter-generation", "skip-eval-generation"), EVALUATION),
    **dict.fromkeys(("offload-eval-logits", "loss-only-eval"), KEPT),
    **dict.fromkeys(("kv-cache-quantize", "limit-model-len", "fewer-sequences", "quantize-weights"), SERVING),
    "bf16-training": {
        **FULL, "train.precision": "float32", "model.load_dtype": "float32", "parallel.world_size": 1,
        "model.attention": "sdpa", "train.max_length": 1024,
    },
    "load-in-bf16": {**TRAINING, "model.load_dtype": "float32"},
    "sequence-parallel": {**SHARDED, "model.attention": "flash_attention_2"},
    "set-max-length": {**TRAINING, "train.max_length": None, "train.sequence_tokens": 32768},
    "without-packing": {**TRAINING, "train.packing": True, "train.sequence_tokens": 512, "framework.name": "ms-swift"},
    "expandable-segments": {**TRAINING, **FAILED, "model.attention": "flash_attention_2", "train.max_length": 512},
    "eight-bit-optimizer": {**FULL, "train.optimizer": "adamw_torch"},
    "drop-modules-to-save": {**TRAINING, "lora.modules_to_save": ("embed_tokens", "lm_head")},
    "lora-without-dropout": {**TRAINING, "lora.dropout": 0.1},
    "no-ema": {**FULL, "train.ema": True},
}  # fmt: skip
# What they save is outside the closed form, which therefore never lets a plan rest on them.
UNSEEN = {"fewer-sequences", "limit-model-len", "without-packing"}
WEIGHED = sorted(name for name, remedy in remedies().items() if remedy.weight is not None)
FOLKLORE = sorted(name for name, remedy in remedies().items() if remedy.saves_nothing)


def saved(facts, changes):
    """Bytes of the card before less after."""
    scale = scale_for(architecture_of(facts), facts, 80 * GIB, 80 * GIB)
    before, after = scale.weigh({}), scale.weigh(changes)
    assert before is not None
    assert after is not None
    return before.device - after.device


@pytest.mark.parametrize("name", WEIGHED)
def test_what_the_solver_may_use_saves_memory_at_every_level(name):
    facts = RUN.get(name, TRAINING)
    options = options_of(remedies()[name], facts)
    assert options, name
    savings = [saved(facts, option.changes) for option in options]
    assert savings[-1] > 0 or (name in UNSEEN and not any(savings)), savings
    assert savings == sorted(savings), "a further level saves more"


@pytest.mark.parametrize("name", FOLKLORE)
def test_folklore_saves_nothing(name):
    remedy = remedies()[name]
    assert remedy.tries
    facts = FULL if "parallel.world_size" in remedy.tries else TRAINING
    changes = tried(remedy, facts)
    assert changes, name
    before = scale_for(architecture_of(facts), facts, 80 * GIB, 80 * GIB).weigh({})
    assert before is not None
    assert saved(facts, changes) <= before.device // 200


def test_a_remedy_without_weight_claims_nothing():
    for remedy in remedies().values():
        if remedy.weight is None and not remedy.saves_nothing:
            assert not remedy.levels or remedy.how, remedy.id


def test_every_fact_that_a_remedy_names_exists_and_takes_the_value():
    kinds = {"int": int, "float": (int, float), "bool": bool, "str": str, "list": (list, tuple)}
    for remedy in remedies().values():
        names = [*remedy.sets, *remedy.levels, *remedy.tries, *(need.fact for need in remedy.needs)]
        for name in [*names, *([remedy.keeps] if remedy.keeps else [])]:
            assert term(name) is not None, (remedy.id, name)
        for name, value in remedy.sets.items():
            declared = term(name)
            assert value is None or isinstance(value, kinds[declared.type]), (remedy.id, name)
            assert not declared.choices or value in declared.choices, (remedy.id, name)
        for need in remedy.needs:
            declared = term(need.fact)
            for value in need.one_of:
                assert not declared.choices or value is None or value in declared.choices, (remedy.id, need.fact, value)
            assert need.en
            assert need.zh
            if need.matches:
                re.compile(need.matches)


def test_conflicts_are_known_and_mutual():
    known = remedies()
    for remedy in known.values():
        for other in remedy.conflicts:
            assert remedy.id in known[other].conflicts, (remedy.id, other)


def test_titles_and_texts_are_in_both_languages():
    for remedy in remedies().values():
        texts = [
            remedy.title,
            remedy.ladder_title,
            remedy.cost,
            remedy.how,
            remedy.why,
            remedy.moot,
            remedy.learning_rate,
        ]
        for text in filter(None, texts):
            assert text.en.strip(), remedy.id
            assert text.zh.strip(), remedy.id


def test_a_remedy_by_hand_is_not_offered_where_its_need_is_known_unmet() -> None:
    from oomdoc.engine.diagnosis import diagnose_case
    from oomdoc.ingest.read import read_text
    from oomdoc.remedies.advise import advise

    report = "CUDA out of memory during model.fit() of my detector\nmy GPU has only 2 GB of VRAM, I train on images\n"
    named = {step.remedy.id for step in advise(diagnose_case(read_text(report))).steps}
    assert named
    assert not named & {"offload-weights", "qlora"}
