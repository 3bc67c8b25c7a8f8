"""Models by name, by size and by config.json: what is resolved, what is assumed and says so, what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.memory.architecture import ArchitectureError
from oomdoc.memory.catalog import every, find, generic, parameters_in, resolve, suggest
from oomdoc.memory.config import from_config

QWEN_VL = {
    "model_type": "qwen2_5_vl", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 128000,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14,
                      "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("/models/Qwen2.5-VL-7B-Instruct/", "Qwen/Qwen2.5-VL-7B-Instruct"),
        (r"D:\hub\qwen2.5-vl-7b-instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("Qwen-1_8B-Chat", "Qwen/Qwen-1.8B"),
        ("phi-1.5", "microsoft/phi-1_5"),
        ("Llama-2-13b", "meta-llama/Llama-2-13b-hf"),
    ],
)
def test_a_name_or_path_is_resolved_whatever_its_case_and_suffix(written: str, name: str) -> None:
    found = resolve(written)
    assert found is not None
    assert (found.name, found.basis, found.assumed) == (name, "catalog", ())


@pytest.mark.parametrize(
    ("written", "bits", "kind"),
    [
        ("Qwen2.5-7B-Instruct-AWQ", 4, "awq"),
        ("Qwen/Qwen-7B-Chat-Int4", 4, "gptq"),
        ("Qwen2.5-7B-Instruct-GPTQ-Int8", 8, "gptq"),
        ("unsloth/Llama-3.2-3B-Instruct-bnb-4bit", 4, "bnb"),
        ("Qwen3-8B-FP8", 8, "fp8"),
        ("Qwen2.5-7B", 0, ""),
    ],
)
def test_a_quantised_checkpoint_keeps_its_bits(written: str, bits: int, kind: str) -> None:
    found = resolve(written)
    assert found is not None
    assert (found.quant_bits, found.quant_type) == (bits, kind)


def test_a_relative_is_marked_as_an_assumption() -> None:
    found = suggest("somebody/vicuna-finetune-13b")
    assert found is not None
    assert found.basis == "assumed"
    assert "is assumed" in found.assumed[-1].en
    assert "估算" in found.assumed[-1].zh


@pytest.mark.parametrize(
    ("text", "billions"), [("my 7B model", 7), ("13b", 13), ("a 0.5B one", 0.5), ("Qwen-1_8B", 1.8)]
)
def test_a_size_in_prose_is_read(text: str, billions: float) -> None:
    assert parameters_in(text) == int(billions * 1e9)


def test_a_bare_size_becomes_a_shape_of_that_size() -> None:
    found = find("a 13B model")
    assert found is not None
    assert found.basis == "assumed"
    assert abs(found.counts.total - 13e9) < 1e9


@pytest.mark.parametrize("billions", [0.1, 1, 3, 7, 34, 70, 400])
def test_a_generic_shape_is_near_the_size_asked_for(billions: float) -> None:
    assert abs(generic(int(billions * 1e9)).counts.total / (billions * 1e9) - 1) < 0.15


def test_nothing_is_made_up_for_a_name_that_says_nothing() -> None:
    assert find("nonsense") is None
    assert resolve("") is None


def test_every_model_of_the_catalog_has_groups_that_add_up() -> None:
    for model in every():
        assert sum(model.counts.groups.values()) == model.counts.total, model.name
        assert min(model.counts.groups.values()) >= 0, model.name
        assert model.counts.active <= model.counts.total


def test_parameter_counts_equal_those_of_transformers() -> None:
    recorded = json.loads((Path(__file__).parent.parent / "fixtures" / "parameters.json").read_text())["parameters"]
    assert len(recorded) > 150
    known = {model.name: model.counts.total for model in every()}
    assert {name: known[name] for name in recorded} == recorded


def test_a_config_gives_the_same_counts_as_the_catalog() -> None:
    found = from_config(QWEN_VL)
    assert found.basis == "config"
    assert found.counts.total == 8_292_166_656
    assert found.counts.group("vision") == 676_550_144
    assert found.counts.exact


def test_an_unknown_model_type_is_read_as_llama_like_and_says_so() -> None:
    found = from_config({**QWEN_VL, "model_type": "brand_new", "vision_config": None}, "acme/brand-new")
    assert "brand_new" in found.assumed[0].en
    assert not found.counts.exact


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"num_hidden_layers": -4}, "num_hidden_layers = -4 cannot be meant"),
        ({"hidden_size": 10**18}, "hidden_size = 1,000,000,000,000,000,000 cannot be meant"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"num_attention_heads": True}, "num_attention_heads is True"),
        ({"hidden_size": 3585}, "not divisible"),
        ({"vocab_size": None}, "vocab_size is missing"),
    ],
)
def test_an_absurd_config_is_refused_in_one_line(change: dict[str, object], says: str) -> None:
    with pytest.raises(ArchitectureError) as error:
        from_config({**QWEN_VL, **change}, "x")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
)
KEYS = st.sampled_from([*QWEN_VL, "num_experts", "head_dim", "kv_lora_rank", "quantization_config", "text_config"])


@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_a_damaged_config_never_ends_in_another_error(config: dict[str, object]) -> None:
    try:
        found = from_config({**QWEN_VL, **config})
    except ArchitectureError:
        return
    assert found.counts.total > 0
