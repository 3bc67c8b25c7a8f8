"""Video inputs of tiny models: the placeholders of each family's rule, and what more frames cost."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from test_probe_dryrun import CONFIG, FACTS, has_torch

from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import plan_of

PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
pytestmark = pytest.mark.torch
TEXT = {**CONFIG, "vocab_size": 1000}
TOKENS = {"image_token_id": 990, "video_token_id": 991, "vision_start_token_id": 988, "vision_end_token_id": 989}
GRID = {"depth": 2, "num_heads": 4, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}


def qwen(kind: str, **vision: Any) -> dict[str, Any]:
    rope = {"type": "mrope", "rope_type": "default", "mrope_section": [8, 12, 12]}
    text = {key: value for key, value in TEXT.items() if key != "model_type"} | {"rope_scaling": rope}
    flat = text if kind in ("qwen2_vl", "qwen2_5_vl") else {"text_config": {**text, "model_type": f"{kind}_text"}}
    return {**flat, **TOKENS, "model_type": kind, "tie_word_embeddings": False, "vision_config": {**GRID, **vision}}


FAMILIES = {
    "qwen2_vl": qwen("qwen2_vl", embed_dim=64, hidden_size=256),
    "qwen2_5_vl": qwen(
        "qwen2_5_vl", hidden_size=64, intermediate_size=128, out_hidden_size=256, window_size=112,
        fullatt_block_indexes=[1],
    ),
    "qwen3_vl": qwen(
        "qwen3_vl", hidden_size=64, intermediate_size=128, out_hidden_size=256, deepstack_visual_indexes=[0],
        num_position_embeddings=256,
    ),
    "llava_onevision": {
        "model_type": "llava_onevision", "text_config": {**TEXT, "model_type": "qwen2"}, "image_token_index": 990,
        "image_token_id": 990, "video_token_index": 991, "video_token_id": 991, "tie_word_embeddings": False,
        "image_grid_pinpoints": [[112, 112]], "vision_feature_layer": -1, "vision_feature_select_strategy": "full",
        "vision_config": {
            "model_type": "siglip_vision_model", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "patch_size": 14, "image_size": 112, "vision_use_head": False,
        },
    },
    "internvl": {
        "model_type": "internvl", "text_config": {**TEXT, "model_type": "qwen2"}, "image_token_id": 990,
        "downsample_ratio": 0.5,
        "vision_config": {
            "model_type": "internvl_vision", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "patch_size": [14, 14], "image_size": [112, 112],
        },
    },
}  # fmt: skip
PER_FRAME = {"qwen2_vl": 8, "qwen2_5_vl": 8, "qwen3_vl": 8, "llava_onevision": 16, "internvl": 16}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    with Worker(PYTHON) as started:
        yield started


def run(worker: Worker, kind: str, frames: int, tokens: int = 16, *, frozen: bool = False) -> dict[str, Any]:
    facts = {
        **FACTS, "train.num_images": 1, "image.height": 112, "image.width": 112, "image.frames": frames,
        "train.freeze_vision_tower": frozen, "train.sequence_tokens": tokens,
    }  # fmt: skip
    try:
        return worker.ask(plan_of(facts, FAMILIES[kind]).job, timeout=120)
    except WorkerError as error:
        if "does not know model_type" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_a_video_takes_the_placeholders_of_its_family(worker: Worker, kind: str) -> None:
    found = run(worker, kind, 64, frozen=True)
    backward = next(each for each in found["phases"] if each["phase"] == "backward")
    logits = sum(term["bytes"] for term in backward["terms"] if term["component"] == "logits")
    tokens = logits // (3 * 1000 * 4)  # the log-softmax and two gradients
    assert tokens >= 64 * PER_FRAME[kind]  # the sample grew to hold them: 16 tokens were asked for
    assert tokens <= 64 * PER_FRAME[kind] + 160
    assert not [note for note in found["notes"] if "video" in note]


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "llava_onevision"])
def test_twice_the_frames_take_twice_the_tower(worker: Worker, kind: str) -> None:
    def tower(found: dict[str, Any]) -> int:
        forward = next(each for each in found["phases"] if each["phase"] == "forward")
        return sum(t["bytes"] for t in forward["terms"] if "vis" in t["name"] and t["component"] == "activations")

    few, many = run(worker, kind, 8, 256), run(worker, kind, 16, 256)
    assert tower(many) == pytest.approx(2 * tower(few), rel=0.15)
