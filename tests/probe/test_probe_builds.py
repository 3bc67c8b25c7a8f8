"""Which ways lead to a model whose code is remote, and what knowledge/memory/builds.yaml says of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from oomdoc.memory.catalog import every, resolve
from oomdoc.memory.knowledge import document
from oomdoc.memory.settings import Images
from oomdoc.messages import say
from oomdoc.probe.builds import builds_of
from oomdoc.probe.configs import NoConfigError
from oomdoc.probe.dryrun import stood_in
from oomdoc.probe.plan import plan_of

FACTS = {"train.method": "lora", "train.max_length": 1024, "lora.rank": 8}


def ways(name: str, images: Images | None = None) -> list[tuple[str, dict[str, Any]]]:
    model = resolve(name)
    assert model is not None
    return [(way.how, way.config) for way in builds_of(model, images)]


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


def test_a_text_model_takes_a_native_kind_of_its_shapes() -> None:
    ((how, config),) = ways("internlm2-7b")
    assert (how, config["model_type"], config["num_key_value_heads"]) == ("stand_in", "llama", 8)


def test_a_port_comes_before_a_stand_in() -> None:
    found = ways("Ovis2-4B")
    assert [how for how, _ in found] == ["port", "stand_in"]
    assert found[0][1]["model_type"] == "ovis2"
    assert found[0][1]["vision_config"]["hidden_stride"] == 2
    assert found[0][1]["text_config"]["hidden_size"] == 2048


def test_parts_carry_the_figures_of_the_catalog() -> None:
    ((how, config),) = ways("glm-4v-9b")
    parts = config["parts"]
    assert how == "stand_in"
    assert parts["tower"]["config"] | {"qkv_bias": True} == parts["tower"]["config"]
    assert parts["tower"]["config"]["num_hidden_layers"] == 63
    assert parts["projector"][0] == {"linear": [1792 * 4, 4096]}
    assert parts["image_token_id"] == 151551


def test_an_image_of_native_resolution_sets_the_side_of_the_tower() -> None:
    ((_, config),) = ways("Ovis2.5-9B", Images(count=1, height=1024, width=256))
    assert config["parts"]["tower"]["config"]["image_size"] == 512  # as many patches as 1024 x 256


def test_every_declared_place_is_filled_for_every_model() -> None:
    declared = {kind for entry in document("builds")["builds"] for kind in entry["model_types"]}
    seen = set()
    for model in every():
        if model.model_type in declared:
            try:
                found = builds_of(model)
            except NoConfigError:
                continue
            seen.add(model.model_type)
            assert not [text for way in found for text in strings(way.config) if "{" in text], model.name
    assert {"ovis", "chatglm", "internlmxcomposer2", "minicpmv", "qwen", "cogvlm2", "phi3_v"} <= seen


def test_a_local_config_with_remote_code_comes_first_and_is_known_by_its_name(tmp_path: Path) -> None:
    content = {"model_type": "chatglm", "auto_map": {"AutoConfig": "configuration_chatglm.ChatGLMConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    job = plan_of({**FACTS, "model.name": "THUDM/glm-4v-9b", "model.config_path": str(tmp_path)}).job
    assert [way["how"] for way in job["builds"]] == ["own", "stand_in"]
    assert job["path"] == str(tmp_path)
    assert job["parameters"] == 13_906_320_897


def test_a_model_in_the_cache_of_the_hub_is_built_from_its_own_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models--someone--Qwen2.5-7B-tuned" / "snapshots" / "0"
    folder.mkdir(parents=True)
    content = {
        "model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "vocab_size": 1000,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    job = plan_of({**FACTS, "model.name": "someone/Qwen2.5-7B-tuned"}).job
    assert job["config"] == content
    assert job["path"] == str(folder)


def test_what_ran_in_its_place_is_said_in_both_languages() -> None:
    built = {"how": "stand_in", "parameters": 98, "catalog": 100, "difference": -0.02}
    ((key, places),) = stood_in("some/model", built)
    for language in ("en", "zh"):
        text = say(language, f"verify.{key}", **places)
        assert "some/model" in text
        assert "2.00%" in text
    assert stood_in("some/model", {"how": "own"}) == ()
