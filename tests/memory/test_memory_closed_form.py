"""The closed form: arithmetic that can be checked by hand, directions that must hold, and bounds that are honest."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oomdoc.memory.catalog import resolve
from oomdoc.memory.closed_form import estimate, moments, peak
from oomdoc.memory.predict import answer, predict, predict_peak
from oomdoc.memory.profile import MemoryProfile
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import SettingsError

GIB = 1 << 30
BASE: dict[str, Any] = {
    "model.name": "Qwen2.5-7B", "train.method": "lora", "train.per_device_batch_size": 1, "train.sequence_tokens": 2048,
    "train.precision": "bfloat16", "train.gradient_checkpointing": True, "lora.rank": 8,
    "lora.target_modules": "all-linear", "model.attention": "flash_attention_2",
}  # fmt: skip


def with_facts(**changes: Any) -> MemoryProfile:
    return predict({**BASE, **{name.replace("__", "."): value for name, value in changes.items()}})


def component(profile: MemoryProfile, phase: str, name: str) -> int:
    found = next(each for each in profile.phases if each.phase == phase)
    return sum(term.bytes for term in found.terms if term.component == name)


def test_terms_of_every_phase_add_up_and_figures_are_ordered() -> None:
    profile = with_facts()
    for phase in profile.phases:
        assert sum(term.bytes for term in phase.terms) == phase.allocated_bytes
    assert profile.allocated_bytes <= profile.reserved_bytes < profile.device_bytes
    assert profile.low_bytes < profile.device_bytes < profile.high_bytes
    assert sum(profile.components.values()) == profile.device_bytes


def test_lora_trains_the_parameters_that_peft_prints() -> None:
    profile = with_facts()  # print_trainable_parameters of peft: 20,185,088 for Qwen2.5-7B, r=8, all-linear
    assert component(profile, "step", "gradients") == 20_185_088 * 4


def test_full_training_under_amp_keeps_sixteen_bytes_a_parameter() -> None:
    facts = {"train__method": "full", "train__mixed_precision": True, "train__optimizer": "adamw_torch_fused"}
    profile = with_facts(**facts)
    step = next(each for each in profile.phases if each.phase == "step")
    assert step.allocated_bytes == 16 * 7_615_616_512


def test_the_foreach_optimizer_makes_one_more_copy_than_the_fused_one() -> None:
    full = {"train__method": "full", "train__pure_precision": True}
    foreach = with_facts(train__optimizer="adamw_torch", **full)
    fused = with_facts(train__optimizer="adamw_torch_fused", **full)
    difference = component(foreach, "step", "workspace") - component(fused, "step", "workspace")
    assert difference == 2 * 7_615_616_512


def test_logits_of_the_loss_are_three_float_copies() -> None:
    profile = with_facts()
    assert component(profile, "backward", "logits") == 2048 * 152_064 * 12


def test_a_fused_loss_takes_the_logits_away() -> None:
    before, after = with_facts(), with_facts(train__liger_kernel=True)
    assert component(after, "forward", "logits") < 0.1 * component(before, "backward", "logits")


def test_checkpoints_are_one_layer_input_a_layer() -> None:
    profile = with_facts()
    found = [term for each in profile.phases for term in each.terms if term.name.startswith("layer inputs")]
    assert found
    assert found[0].bytes == 28 * 2048 * 3584 * 2


def test_eager_attention_is_quadratic_and_flash_is_not() -> None:
    off = {"train__gradient_checkpointing": False}
    eager = [
        with_facts(model__attention="eager", train__sequence_tokens=s, **off).allocated_bytes for s in (2048, 4096)
    ]
    flash = [with_facts(train__sequence_tokens=s, **off).allocated_bytes for s in (2048, 4096)]
    scores = 28 * 28 * 6 * (4096**2 - 2048**2)  # layers, heads, float32 softmax and its half-precision copy
    assert (eager[1] - eager[0]) - (flash[1] - flash[0]) == pytest.approx(scores, rel=0.1)


def test_nf4_weights_are_half_a_byte_and_their_constants() -> None:
    profile = with_facts(
        train__method="qlora", quant__bits=4, quant__type="nf4", quant__double=False, framework__name="axolotl"
    )
    packed = 7_615_616_512 - 2 * 152_064 * 3584 - 57 * 3584
    bases = next(each for each in profile.phases if each.phase == "load")
    assert bases.terms[0].bytes == int(packed * 0.5625)


@pytest.mark.parametrize(("stage", "share"), [(1, 1 / 8), (2, 1 / 8), (3, 1 / 8)])
def test_zero_divides_optimizer_state_among_the_processes(stage: int, share: float) -> None:
    profile = with_facts(train__method="full", parallel__zero_stage=stage, parallel__world_size=8)
    assert component(profile, "step", "optimizer") == pytest.approx(8 * 7_615_616_512 * share, rel=1e-6)
    weights = component(profile, "load", "weights")
    assert weights == pytest.approx(2 * 7_615_616_512 * (share if stage == 3 else 1), rel=1e-6)


def test_data_parallel_saves_nothing_per_card() -> None:
    one, eight = with_facts(), with_facts(parallel__world_size=8, parallel__kind="ddp")
    assert eight.allocated_bytes >= one.allocated_bytes


def test_several_cards_without_processes_are_what_the_framework_makes_of_them() -> None:
    facts = {"hardware__gpu_count": 2, "framework__name": "ms-swift", "framework__version": "3.1"}
    spread = with_facts(**facts)
    assert any("layers spread" in sentence for sentence in spread.assumed)
    assert component(spread, "load", "weights") < 0.6 * component(with_facts(), "load", "weights")


def test_torch_before_2_steps_without_foreach_temporaries() -> None:
    full = {"train__method": "full", "train__pure_precision": True, "train__optimizer": "adamw_torch"}
    assert component(with_facts(env__torch="1.13.1", **full), "step", "workspace") == 0


def test_what_has_no_effect_on_memory_has_none_here() -> None:
    before = with_facts()
    for change in ({"lora__alpha": 256}, {"train__cpu_workers": 16}, {"train__gradient_accumulation_steps": 1}):
        assert with_facts(**change).allocated_bytes == before.allocated_bytes


def test_the_vision_tower_of_old_transformers_is_quadratic_under_sdpa() -> None:
    facts = {
        **BASE,
        "model.name": "Qwen2.5-VL-7B-Instruct",
        "model.attention": "sdpa",
        "image.height": 2000,
        "image.width": 2000,
    }
    old, new = (predict({**facts, "env.transformers": version}).allocated_bytes for version in ("4.49.0", "4.57.1"))
    assert old > new + GIB


def test_images_lengthen_a_guessed_sample_and_are_remarked_on_in_a_stated_one() -> None:
    facts = {"model.name": "Qwen2.5-VL-7B-Instruct", "train.method": "lora", "image.height": 2520, "image.width": 2520}
    guessed, stated = predict(facts), predict({**facts, "train.max_length": 1024})
    assert any("images make 8,100 tokens" in sentence for sentence in guessed.assumed)
    assert any("more than the 1,024" in sentence for sentence in stated.assumed)
    assert guessed.allocated_bytes > stated.allocated_bytes


def test_an_engine_takes_its_share_of_the_card() -> None:
    profile = predict({"model.name": "Qwen2.5-7B", "train.method": "inference", "framework.name": "vllm",
                       "inference.gpu_memory_utilization": 0.9, "hardware.gpu_name": "A100-80GB"})  # fmt: skip
    assert profile.allocated_bytes == pytest.approx(0.9 * (profile.capacity_bytes or 0), rel=0.01)


def test_a_tuple_cache_exists_twice_while_it_grows() -> None:
    facts = {"model.name": "Llama-2-7b", "train.method": "inference", "inference.prompt_tokens": 1024,
             "inference.max_new_tokens": 1024, "inference.batch_size": 8}  # fmt: skip
    old, new = (predict({**facts, "env.transformers": version}) for version in ("4.30.0", "4.57.0"))
    cache = 2 * 32 * 4096 * 2 * 8 * 2048
    assert component(old, "generate", "kv_cache") == 2 * cache
    assert component(new, "generate", "kv_cache") == pytest.approx(cache, rel=0.05)


def test_what_is_not_known_is_assumed_in_both_languages() -> None:
    profile = predict({"model.name": "Qwen2.5-7B"})
    assert len(profile.assumed) == len(profile.assumed_zh) >= 3
    assert any("full fine-tuning is assumed" in sentence for sentence in profile.assumed)
    assert predict(BASE).assumed == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train.per_device_batch_size", -1),
        ("train.max_length", 10**12),
        ("lora.rank", "many"),
        ("parallel.zero_stage", 7),
    ],
)
def test_a_value_nobody_can_mean_is_refused(name: str, value: Any) -> None:
    facts = {key: given for key, given in BASE.items() if key != "train.sequence_tokens"}
    line = answer({**facts, name: value})
    assert line["memory"] is None
    assert name in line["error"]


GROWS = ("train.per_device_batch_size", "train.sequence_tokens", "lora.rank")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(GROWS),
    small=st.integers(1, 64),
    factor=st.integers(2, 8),
    model=st.sampled_from(
        ["Qwen2.5-0.5B", "Llama-3.1-8B", "Mixtral-8x7B-v0.1", "gemma-2-2b", "DeepSeek-V2-Lite", "bert-large"]
    ),
    checkpointing=st.booleans(),
    attention=st.sampled_from(["eager", "sdpa", "flash_attention_2"]),
)
def test_more_of_anything_never_needs_less(
    name: str, small: int, factor: int, model: str, checkpointing: bool, attention: str
) -> None:
    facts = {**BASE, "model.name": model, "train.gradient_checkpointing": checkpointing, "model.attention": attention}
    assert predict_peak({**facts, name: small}).allocated <= predict_peak({**facts, name: small * factor}).allocated


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**9)
    | st.floats()
    | st.text(max_size=6)
    | st.lists(st.text(max_size=5), max_size=3)
)
NAMES = st.sampled_from(
    [
        "train.method",
        "train.per_device_batch_size",
        "train.max_length",
        "train.precision",
        "quant.bits",
        "lora.rank",
        "lora.target_modules",
        "parallel.zero_stage",
        "parallel.world_size",
        "parallel.offload",
        "image.height",
        "image.width",
        "image.tiles",
        "env.transformers",
        "framework.name",
        "inference.gpu_memory_utilization",
        "hardware.gpu_name",
        "train.stage",
        "model.attention",
        "lora.dropout",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    facts=st.dictionaries(NAMES, VALUES, max_size=8),
    model=st.sampled_from(["Qwen2.5-VL-7B-Instruct", "Ovis2-4B", "flan-t5-base", "FLUX.1-dev"]),
)
def test_any_facts_get_an_answer_or_one_line(facts: dict[str, Any], model: str) -> None:
    line = answer({**facts, "model.name": model})
    assert (line["memory"] is None) != (line["error"] is None)
    if line["memory"] is not None:
        assert 0 <= line["memory"]["low_bytes"] <= line["memory"]["high_bytes"]


def test_a_search_evaluates_thousands_of_settings_a_second() -> None:
    model = resolve("Qwen2.5-VL-7B-Instruct")
    assert model is not None
    known = from_facts(BASE, model)
    peak(model, known)
    start = time.perf_counter()
    for _ in range(300):
        peak(model, known)
    assert (time.perf_counter() - start) / 300 < 0.003  # far under it on an idle machine
    start = time.perf_counter()
    estimate(model, known)
    assert time.perf_counter() - start < 0.05


def test_moments_are_the_phases_of_a_run() -> None:
    model = resolve("Qwen2.5-7B")
    assert model is not None
    facts = {**BASE, "eval.per_device_batch_size": 8, "eval.predict_with_generate": True}
    assert [moment.phase for moment in moments(model, from_facts(facts, model))] == [
        "load",
        "forward",
        "backward",
        "step",
        "eval",
        "generate",
    ]


def test_settings_error_is_a_value_error() -> None:
    model = resolve("Qwen2.5-7B")
    assert model is not None
    with pytest.raises(SettingsError, match="cannot be meant"):
        from_facts({"train.per_device_batch_size": -2}, model)
