"""The solver against an exhaustive search over the same grid, its wishes, and what it says where nothing fits."""

import itertools
import random
import statistics
import time

import pytest

from oomdoc.facts.units import GIB
from oomdoc.memory.predict import architecture_of
from oomdoc.remedies.options import Knob, Limits, knobs
from oomdoc.remedies.remedy import remedies
from oomdoc.remedies.search import Search, changes_of, ordered
from oomdoc.remedies.solver import HASTE, solve
from oomdoc.remedies.weigh import Scale, scale_for

MODELS = [
    "Qwen/Qwen2.5-7B",
    "meta-llama/Llama-3.1-8B",
    "Qwen/Qwen2.5-0.5B",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "mistralai/Mistral-7B-v0.1",
]


def run_of(seed):
    """A run that does not fit, on a card that some combination of changes would make do."""
    draw = random.Random(seed)
    facts = {
        "model.name": draw.choice(MODELS),
        "framework.name": draw.choice(["ms-swift", "llama-factory", "transformers"]),
        "train.method": draw.choice(["full", "lora", "lora"]),
        "train.per_device_batch_size": draw.choice([1, 2, 4, 8]),
        "train.gradient_accumulation_steps": 2,
        "train.max_length": draw.choice([1024, 2048, 4096, 8192]),
        "train.gradient_checkpointing": draw.random() < 0.5,
        "train.precision": "bfloat16",
        "model.attention": draw.choice(["eager", "sdpa"]),
        "lora.rank": draw.choice([8, 64]),
    }
    if facts["model.name"].endswith("VL-7B-Instruct"):
        facts |= {"model.is_vision_language": True, "image.max_pixels": 12845056, "train.freeze_vision_tower": False}
    world = draw.choice([1, 1, 4])
    if world > 1:
        facts |= {"parallel.world_size": world, "parallel.kind": "ddp"}
    return facts, int(draw.choice([15.0, 23.6, 39.4, 79.2]) * GIB)


def cheapest(scale, turned, room):
    """The least cost over every combination: the reference."""
    best = None
    for chosen in itertools.product(*[(None, *knob.options) for knob in turned]):
        options = [option for option in chosen if option]
        price = sum(option.cost(HASTE) for option in options)
        if best is not None and price >= best:
            continue
        weight = scale.weigh(changes_of(options))
        if weight is not None and weight.device <= room:
            best = price
    return best


def small(turned):
    """At most five knobs of at most three levels, so that every combination can be tried."""
    return [Knob(knob.options[:3]) for knob in turned][:5]


@pytest.mark.parametrize("seed", range(32))
def test_the_cheapest_plan_is_found(seed):
    facts, capacity = run_of(seed)
    model = architecture_of(facts)
    scale = scale_for(model, facts, capacity, int(0.96 * capacity))
    turned = small(sorted(knobs(facts), key=lambda knob: random.Random(f"{seed}{knob.options[0].remedy.id}").random()))
    expected = cheapest(scale, turned, int(0.96 * capacity))
    plain = Scale(model, scale.facts)
    found = Search(plain, ordered(plain, turned), int(0.96 * capacity), lambda option: option.cost(HASTE)).run()
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert sum(option.cost(HASTE) for option in found) == pytest.approx(expected, abs=1e-6)


def test_half_a_second_is_enough():
    spent = []
    for seed in range(40, 52):
        facts, capacity = run_of(seed)
        model = architecture_of(facts)
        start = time.perf_counter()
        solve(facts, model, capacity)
        spent.append(time.perf_counter() - start)
    assert statistics.median(spent) <= 0.5


def base_run():
    facts = {
        "model.name": "Qwen/Qwen2.5-7B",
        "framework.name": "ms-swift",
        "train.method": "lora",
        "train.per_device_batch_size": 4,
        "train.gradient_accumulation_steps": 4,
        "train.max_length": 4096,
        "train.precision": "bfloat16",
        "model.attention": "flash_attention_2",
        "lora.alpha": 32.0,
        "train.cpu_workers": 4,
    }
    return facts, architecture_of(facts)


def test_every_plan_fits_and_says_what_it_saves():
    facts, model = base_run()
    found = solve(facts, model, int(23.6 * GIB))
    assert found.plans
    for plan in found.plans:
        assert plan.weight.device <= found.room < found.capacity
        assert plan.saved == found.before.device - plan.weight.device > 0
        assert plan.weight.low <= plan.weight.device <= plan.weight.high


def test_no_plan_is_better_than_another_in_everything():
    facts, model = base_run()
    plans = solve(facts, model, int(23.6 * GIB)).plans
    for one, other in itertools.permutations(plans, 2):
        first = (one.rank, one.slower, one.hurt, one.weight.high > 23.6 * GIB)
        second = (other.rank, other.slower, other.hurt, other.weight.high > 23.6 * GIB)
        assert first == second or any(a > b + 1e-9 for a, b in zip(first, second, strict=True))


def test_the_batch_of_one_update_is_kept():
    facts, model = base_run()
    plans = solve(facts, model, int(23.6 * GIB), limits=Limits(keep=("train.max_length", "train.liger_kernel"))).plans
    smaller = [plan.changes for plan in plans if "train.per_device_batch_size" in plan.changes]
    assert smaller
    for changes in smaller:
        assert changes["train.per_device_batch_size"] * changes["train.gradient_accumulation_steps"] == 16


def test_wishes_are_kept_to():
    facts, model = base_run()
    keep = ("train.max_length", "quant.bits", "train.per_device_batch_size")
    for plan in solve(facts, model, int(23.6 * GIB), limits=Limits(keep=keep)).plans:
        assert not set(keep) & set(plan.changes)


def test_what_the_person_decided_is_part_of_every_plan():
    facts, model = base_run()
    for plan in solve(facts, model, int(23.6 * GIB), chosen={"train.max_length": 3000}).plans:
        assert plan.changes["train.max_length"] == 3000


def test_where_nothing_fits_larger_cards_are_named():
    facts = {"model.name": "Qwen/Qwen2.5-72B", "train.method": "full", "train.max_length": 4096}
    found = solve(facts, architecture_of(facts), int(23.6 * GIB))
    assert found.plans == ()
    assert found.leanest is not None
    assert found.leanest.weight.device > 23.6 * GIB
    assert all(card.usable >= found.leanest.weight.device for card in found.lean_cards)
    assert found.lean_cards


def test_a_run_that_failed_is_never_predicted_to_fit():
    facts, model = base_run()
    capacity = int(79.2 * GIB)
    failed = {**facts, "oom.tried_to_allocate_bytes": 2 * GIB, "oom.process_in_use_bytes": int(78.5 * GIB)}
    found = solve(failed, model, capacity)
    assert found.raised
    assert found.before.device >= int(80.5 * GIB)


def test_folklore_saves_nothing_by_the_model_itself():
    facts, model = base_run()
    reasons = {remark.remedy.id: remark.reason for remark in solve(facts, model, int(23.6 * GIB)).remarks}
    for name in (
        "accumulation-alone",
        "lower-lora-alpha",
        "fewer-workers-for-gpu",
        "empty-cache-in-loop",
        "fp16-for-bf16",
    ):
        assert reasons[name] == "nothing", name


def test_more_data_parallel_cards_save_nothing():
    facts, model = base_run()
    facts |= {"parallel.kind": "ddp", "parallel.world_size": 4}
    reasons = {remark.remedy.id: remark.reason for remark in solve(facts, model, int(23.6 * GIB)).remarks}
    assert reasons["more-data-parallel"] == "nothing"


def test_a_batch_of_one_is_told_to_be_one():
    facts, model = base_run()
    found = solve({**facts, "train.per_device_batch_size": 1}, model, int(15 * GIB))
    remark = next(remark for remark in found.remarks if remark.remedy.id == "batch-one")
    assert remark.reason == "moot"
    assert "1 already" in remark.en


def test_fragmentation_is_cured_by_growing_segments_alone():
    facts, model = base_run()
    failed = {
        **facts,
        "train.per_device_batch_size": 1,
        "train.max_length": 1024,
        "oom.tried_to_allocate_bytes": 2 * GIB,
        "oom.process_in_use_bytes": 23 * GIB,
        "oom.reserved_unallocated_bytes": 6 * GIB,
    }
    found = solve(failed, model, int(23.6 * GIB))
    assert dict(found.plans[0].changes) == {"env.expandable_segments": True}


def test_a_limit_that_cuts_into_images_is_not_proposed():
    facts = {
        "model.name": "THUDM/glm-4v-9b", "framework.name": "glm4-finetune", "train.method": "lora",
        "train.max_length": 4096, "train.per_device_batch_size": 8, "train.precision": "bfloat16",
        "model.is_vision_language": True, "train.freeze_vision_tower": True,
    }  # fmt: skip
    found = solve(facts, architecture_of(facts), int(23.6 * GIB))
    limits = [plan.changes["train.max_length"] for plan in found.plans if "train.max_length" in plan.changes]
    assert all(limit >= 1600 for limit in limits)


def test_every_remedy_reads():
    known = remedies()
    assert len(known) >= 86
    for remedy in known.values():
        assert remedy.saves_nothing == bool(remedy.why)
        assert remedy.title.en
        assert remedy.title.zh
        if remedy.weight is not None:
            assert remedy.sets or remedy.levels, remedy.id
