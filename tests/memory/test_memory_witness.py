"""What the size of a failed allocation testifies to, and what it must not."""

from typing import Any

import pytest

from oomdoc.facts.case import Case, Event, Frame
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.memory import witness as room
from oomdoc.memory.catalog import resolve
from oomdoc.memory.counterfactual import costs, peaks
from oomdoc.memory.predict import predict_peak
from oomdoc.memory.reading import from_case

MIB = 1 << 20
GIB = 1 << 30
RUN: dict[str, Any] = {
    "train.method": "lora", "train.per_device_batch_size": 1, "train.sequence_tokens": 2048, "lora.rank": 8,
    "train.precision": "bfloat16", "train.gradient_checkpointing": True, "model.attention": "flash_attention_2",
}  # fmt: skip


def told(facts: dict[str, Any], code: str = "", model: str = "Qwen2.5-7B", tolerance: int = 0) -> list[room.Testimony]:
    architecture = resolve(model)
    assert architecture is not None
    listed = tuple(
        Fact(
            name=name, value=value, source=Source(how=How.LOG), tolerance=tolerance if name.startswith("oom.") else None
        )
        for name, value in {**RUN, **facts}.items()
    )
    frames = (Frame(file="modeling.py", line=1, function="forward", code=code),) if code else ()
    case = Case(facts=listed, events=(Event(template="t", kind="oom", memory="gpu", line=1, frames=frames),))
    return room.witness(case, architecture, from_case(case, architecture))


def rounded(count: float) -> int:
    return -(-int(count) // (2 * MIB)) * 2 * MIB


def test_a_logits_tensor_is_recognised_to_the_byte() -> None:
    found = told(
        {"oom.tried_to_allocate_bytes": rounded(2048 * 152_064 * 4)}, code="loss = cross_entropy(logits, labels)"
    )
    assert (found[0].term, found[0].cause, found[0].weight) == ("logits_float", "logits-vocab-blowup", 2.5)
    assert "exactly the logits in float32, 1 x 2,048 x 152,064 x 4 B" in found[0].sentence_en
    assert "正好是" in found[0].sentence_zh


def test_the_unknown_length_is_solved_for_and_held_against_what_is_believed() -> None:
    found = told({"oom.tried_to_allocate_bytes": rounded(14_336 * 152_064 * 4)}, code="logits = logits.float()")
    assert found[0].facts["train.sequence_tokens"] == pytest.approx(14_336, abs=4)
    assert "far above the 2,048" in found[0].sentence_en


def test_attention_scores_are_recognised_where_attention_runs() -> None:
    found = told(
        {"oom.tried_to_allocate_bytes": rounded(28 * 2048 * 2048 * 4)}, code="attn_weights = softmax(attn_weights)"
    )
    assert (found[0].term, found[0].cause) == ("scores_float", "attention-quadratic")


def test_a_match_without_a_place_counts_less() -> None:
    tried = {"oom.tried_to_allocate_bytes": rounded(2048 * 152_064 * 4)}
    assert told(tried)[0].weight < told(tried, code="cross_entropy(x)")[0].weight


@pytest.mark.parametrize("segment", [2 * MIB, 20 * MIB])
def test_the_allocators_own_segments_say_nothing(segment: int) -> None:
    found = told({"oom.tried_to_allocate_bytes": segment}, code="cross_entropy(x)")
    assert [(each.term, each.cause, each.weight) for each in found] == [("segment", None, 0.0)]


def test_a_size_that_fits_nothing_is_not_explained() -> None:
    found = told({"oom.tried_to_allocate_bytes": rounded(2048 * 152_064 * 4) + 32 * MIB}, code="optimizer.step()")
    assert found == []


def test_the_rounding_of_a_printed_figure_widens_the_range() -> None:
    printed = int(round(2048 * 152_064 * 4 / GIB, 2) * GIB)
    found = told({"oom.tried_to_allocate_bytes": printed}, code="cross_entropy(x)", tolerance=5 * MIB)
    assert found[0].term == "logits_float"


def test_far_more_allocated_than_predicted_names_the_setting_that_did_not_arrive() -> None:
    model = resolve("Qwen2.5-7B")
    assert model is not None
    observed = predict_peak(
        {**RUN, "train.sequence_tokens": 8192, "train.gradient_checkpointing": False}, model
    ).allocated
    found = told({"train.sequence_tokens": 8192, "oom.allocated_bytes": observed})
    assert {each.term for each in found} >= {"beyond", "variant"}
    assert "no-gradient-checkpointing" in {each.cause for each in found}


def test_a_length_that_would_fit_is_not_solved_for_without_a_place_in_the_traceback() -> None:
    assert told({"oom.tried_to_allocate_bytes": rounded(14_336 * 152_064 * 4)}) == []


def test_an_allocated_figure_proves_nothing_against_assumed_settings() -> None:
    assert (
        told({"train.per_device_batch_size": 1, "train.sequence_tokens": None, "oom.allocated_bytes": 60 * GIB}) == []
    )


def test_an_allocation_as_predicted_is_no_news() -> None:
    model = resolve("Qwen2.5-7B")
    assert model is not None
    assert told({"oom.allocated_bytes": predict_peak(RUN, model).allocated}) == []


def test_every_cause_is_priced_and_a_cure_never_costs() -> None:
    model = resolve("Qwen2.5-7B")
    assert model is not None
    facts = {**RUN, "train.per_device_batch_size": 4, "train.gradient_checkpointing": False, "model.attention": "eager"}
    case = Case(facts=tuple(Fact(name=n, value=v, source=Source(how=How.CONFIG)) for n, v in facts.items()))
    settings = from_case(case, model)
    found = costs(model, settings)
    assert {"batch-size-too-large", "no-gradient-checkpointing", "attention-quadratic"} <= set(found)
    assert "optimizer-states" not in found
    assert all(after.device > 0 for after in peaks(model, settings).values())


TOWER: dict[str, Any] = {
    "train.method": "lora", "lora.target_modules": ["query_key_value"], "lora.rank": 8, "oom.module": "vision_tower",
    "train.per_device_batch_size": 4, "train.max_length": 512,
}  # fmt: skip


def seen(name: str, tried: int, code: str, **facts: Any) -> list[room.Testimony]:
    architecture = resolve(name)
    assert architecture is not None
    listed = tuple(
        Fact(name=fact, value=value, source=Source(how=How.LOG))
        for fact, value in {**TOWER, **facts, "oom.tried_to_allocate_bytes": tried}.items()
    )
    frames = (Frame(file="visual.py", line=1, function="forward", code=code),)
    case = Case(facts=listed, events=(Event(template="t", kind="oom", memory="gpu", line=1, frames=frames),))
    return room.witness(case, architecture, from_case(case, architecture))


def test_a_tensor_of_the_tower_is_not_taken_for_one_of_the_language_model() -> None:
    found = seen("glm-4v-9b", rounded(4 * 6401 * 15_360 * 2), "mlp_output = self.mlp(mlp_input)")
    assert [each.term for each in found] == ["vision_mlp"]
    assert "25,604 x 15,360 x 2 B" in found[0].sentence_en
    assert found[0].facts == {}


def test_the_patches_of_an_image_are_solved_for_from_the_towers_scores() -> None:
    code = "attn_output = F.scaled_dot_product_attention(q, k, v, attention_mask)"
    facts = {"image.max_pixels": 12_845_056, "train.max_length": 16_384, "env.transformers": "4.49.0"}
    found = seen("Qwen2.5-VL-7B-Instruct", rounded(16 * 31_744 * 31_744 * 4), code, **facts)
    assert [each.facts for each in found] == [{"image.tokens": 7936}]
