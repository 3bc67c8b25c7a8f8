"""Dry runs of tiny models in an interpreter that has torch: exact sums where a person can work them out by hand."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oomdoc.cli.dryrun import command
from oomdoc.probe.dryrun import dry_run
from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import plan_of

PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
CONFIG = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 2000,
    "tie_word_embeddings": False,
    "max_position_embeddings": 1024,
}
PARAMETERS = 2 * 2000 * 256 + 256 + 3 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512 + 2 * 256)
FACTS = {
    "train.method": "full",
    "train.pure_precision": True,
    "train.precision": "bfloat16",
    "train.sequence_tokens": 256,
    "train.per_device_batch_size": 1,
    "train.gradient_checkpointing": False,
    "train.optimizer": "adamw_torch",
}


@cache
def has_torch() -> bool:
    done = subprocess.run([PYTHON, "-c", "import torch, transformers"], capture_output=True, check=False)
    return done.returncode == 0


pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    with Worker(PYTHON) as started:
        yield started


def answer(
    worker: Worker, config: dict[str, Any] | None = None, job: dict[str, Any] | None = None, **facts: Any
) -> dict[str, Any]:
    plan = plan_of(
        {**FACTS, **{name.replace("__", "."): value for name, value in facts.items()}}, {**CONFIG, **(config or {})}
    )
    return worker.ask({**plan.job, **(job or {})}, timeout=120)


def component(found: dict[str, Any], phase: str, name: str) -> int:
    terms = next(each["terms"] for each in found["phases"] if each["phase"] == phase)
    return sum(term["bytes"] for term in terms if term["component"] == name)


def rounded(*shapes: int) -> int:
    return sum(-(-size // 512) * 512 for size in shapes)


def test_parameters_and_weights_are_exact(worker: Worker) -> None:
    found = answer(worker)
    assert found["parameters"] == PARAMETERS
    assert found["trainable_parameters"] == PARAMETERS
    assert component(found, "load", "weights") - 2 * PARAMETERS < 4096  # the rotary table in float32


def test_gradients_and_adam_states_are_exact_at_the_step(worker: Worker) -> None:
    found = answer(worker)
    assert component(found, "step", "gradients") == 2 * PARAMETERS  # every matrix is a multiple of 512 bytes
    assert component(found, "step", "optimizer") == pytest.approx(4 * PARAMETERS, rel=0.001)
    assert component(found, "step", "workspace") >= 2 * PARAMETERS  # foreach: the square roots of all second moments


def test_a_fused_optimizer_has_no_temporaries(worker: Worker) -> None:
    fused = answer(worker, train__optimizer="adamw_torch_fused")
    assert component(fused, "step", "optimizer") == pytest.approx(4 * PARAMETERS, rel=0.01)
    plain = next(each for each in answer(worker)["phases"] if each["phase"] == "step")
    step = next(each for each in fused["phases"] if each["phase"] == "step")
    assert plain["allocated_bytes"] - step["allocated_bytes"] > PARAMETERS


def test_logits_are_found_by_their_shape(worker: Worker) -> None:
    found = answer(worker)
    logits = component(found, "backward", "logits")
    assert logits == pytest.approx(3 * 256 * 2000 * 4, rel=0.01)  # log-softmax and two gradients in float32
    top = [each for each in found["top_tensors"] if each["component"] == "logits"]
    assert top[0]["shape"][-1] == 2000
    assert any("loss" in each["frame"] for each in found["top_tensors"] if each["frame"])


def test_eager_attention_keeps_the_scores_and_sdpa_does_not(worker: Worker) -> None:
    sdpa = answer(worker, train__sequence_tokens=1024)
    eager = answer(worker, train__sequence_tokens=1024, model__attention="eager")
    scores = 3 * 4 * 1024 * 1024 * 2  # layers x heads x S x S in bfloat16
    assert eager["allocated_bytes"] - sdpa["allocated_bytes"] > scores
    assert sdpa["kernels"] == {"flash": 6}
    assert "kernels" in eager
    assert not eager["kernels"]


def test_a_card_without_flash_attention_takes_another_kernel(worker: Worker) -> None:
    assert set(answer(worker, job={"capability": [7, 5]})["kernels"]) == {"math"}  # bfloat16 on Turing
    half = answer(worker, {"num_key_value_heads": 4}, {"capability": [7, 5]}, train__precision="float16")
    assert set(half["kernels"]) == {"efficient"}
    grouped = answer(worker, job={"capability": [7, 5]}, train__precision="float16")
    # transformers 4.48 began to leave the repetition of key heads to the kernel, and the efficient one cannot
    repeats = tuple(int(part) for part in grouped["versions"]["transformers"].split(".")[:2]) < (4, 48)
    assert set(grouped["kernels"]) == ({"efficient"} if repeats else {"math"})


def test_checkpointing_trades_activations(worker: Worker) -> None:
    plain = answer(worker, train__sequence_tokens=1024)
    less = answer(worker, train__sequence_tokens=1024, train__gradient_checkpointing=True)
    assert component(less, "forward", "activations") < 0.6 * component(plain, "forward", "activations")
    assert less["kernels"]["flash"] == 12  # every layer runs twice in each of two steps


def test_autocast_keeps_float32_weights_and_half_activations(worker: Worker) -> None:
    found = answer(worker, train__pure_precision=False, train__mixed_precision=True)
    assert component(found, "load", "weights") >= 4 * PARAMETERS
    assert component(found, "step", "gradients") == 4 * PARAMETERS
    assert set(found["kernels"]) == {"flash"}


def test_autocast_survives_checkpointing(worker: Worker) -> None:
    found = answer(worker, train__pure_precision=False, train__mixed_precision=True, train__gradient_checkpointing=True)
    assert set(found["kernels"]) == {"flash"}


def test_quantised_weights_are_counted_packed(worker: Worker) -> None:
    found = answer(worker, train__method="qlora", lora__rank=4, lora__target_modules=["q_proj", "v_proj"])
    linear = 3 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512)
    kept = 2 * 2000 * 256 + 7 * 256
    assert component(found, "load", "weights") == pytest.approx(linear * 0.516 + 4 * kept, rel=0.06)
    assert found["trainable_parameters"] == 3 * 4 * (256 + 256 + 256 + 128)


def test_without_peft_the_same_layers_are_built(worker: Worker, tmp_path: Path) -> None:
    facts: dict[str, Any] = {"train__method": "lora", "lora__rank": 4, "lora__target_modules": ["q_proj", "v_proj"]}
    real = answer(worker, **facts)
    (tmp_path / "peft.py").write_text("raise ImportError('hidden')\n")
    with Worker(PYTHON, environment={"PYTHONPATH": str(tmp_path)}) as bare:
        own = answer(bare, **facts)
    assert own["trainable_parameters"] == real["trainable_parameters"]
    assert "peft is not installed" in " ".join(own["notes"])
    assert own["allocated_bytes"] == pytest.approx(real["allocated_bytes"], rel=0.05)


def test_a_fused_loss_has_no_logits_of_the_whole_batch(worker: Worker) -> None:
    plain = answer(worker, train__sequence_tokens=1024)
    fused = answer(worker, train__sequence_tokens=1024, train__liger_kernel=True)
    assert component(fused, "backward", "logits") < 0.3 * component(plain, "backward", "logits")
    assert component(fused, "forward", "activations") < component(plain, "forward", "activations")
    assert fused["parameters"] == plain["parameters"]


def test_casts_of_autocast_are_kept_for_weights_alone(worker: Worker) -> None:
    """A fused loss casts a view of the output matrix for every chunk; each is another tensor."""
    mixed = {"train__method": "full", "train__precision": "bfloat16", "train__sequence_tokens": 1024}
    fused = answer(worker, **mixed, train__pure_precision=False, train__liger_kernel=True)
    assert fused["error"] is None
    assert fused["allocated_bytes"] > 4 * PARAMETERS  # float32 weights


def test_zero_divides_the_states(worker: Worker) -> None:
    one = answer(worker)
    eight = answer(worker, parallel__zero_stage=3, parallel__world_size=8)
    assert component(eight, "step", "master_weights") == pytest.approx(4 * PARAMETERS / 8, rel=0.05)
    moments = 8 * PARAMETERS / 8  # in float32, beside the float32 copy and the float32 gradients of the step
    assert component(eight, "step", "optimizer") == pytest.approx(moments + 4 * PARAMETERS / 8, rel=0.05)
    assert component(eight, "load", "weights") == pytest.approx(component(one, "load", "weights") / 8, rel=0.05)
    assert component(eight, "forward", "gathered") > 0


def test_a_model_too_large_for_the_card_names_the_request(worker: Worker) -> None:
    found = answer(worker, job={"capacity_bytes": 24 << 20})
    assert found["failure"]["tried_to_allocate_bytes"] > 0
    assert found["allocated_bytes"] > 24 << 20


def test_generation_grows_a_cache(worker: Worker) -> None:
    found = answer(worker, train__method="inference", inference__max_new_tokens=256, inference__prompt_tokens=256)
    cache = component(found, "generate", "kv_cache")
    assert 0 < cache <= 2 * 3 * 2 * 64 * 512 * 2 * 1.1


def test_qwen_vl_runs_with_real_grids(worker: Worker) -> None:
    config = {
        "model_type": "qwen2_5_vl",
        "image_token_id": 990,
        "video_token_id": 991,
        "vision_start_token_id": 988,
        "vision_end_token_id": 989,
        "tie_word_embeddings": False,
        "text_config": {
            **{k: v for k, v in CONFIG.items() if k != "model_type"},
            "model_type": "qwen2_5_vl_text",
            "vocab_size": 1000,
            "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [8, 12, 12]},
        },
        "vision_config": {
            "depth": 2,
            "hidden_size": 64,
            "num_heads": 4,
            "intermediate_size": 128,
            "out_hidden_size": 256,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [1],
            "spatial_merge_size": 2,
        },
    }
    plan = plan_of(
        {**FACTS, "train.num_images": 1, "image.height": 280, "image.width": 224, "train.freeze_vision_tower": False},
        config,
    )
    try:
        found = worker.ask(plan.job, timeout=120)
    except WorkerError as error:
        if "does not know model_type" in str(error):
            pytest.skip(str(error))
        raise
    assert found["error"] is None
    assert any("visual" in term["name"] for each in found["phases"] for term in each["terms"])


def test_an_unknown_model_type_is_one_line(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="model_type nonesuch") as caught:
        worker.ask({"config": {"model_type": "nonesuch"}}, timeout=60)
    assert caught.value.kind == "build"


def test_remote_code_is_refused_without_a_yes(worker: Worker) -> None:
    config = {"model_type": "nonesuch", "auto_map": {"AutoConfig": "x.Y"}}
    with pytest.raises(WorkerError, match="--trust-remote-code"):
        worker.ask({"config": config, "path": "."}, timeout=60)


def test_the_profile_adds_up(worker: Worker) -> None:
    del worker  # only for its skip
    found = dry_run(FACTS, CONFIG, python=PYTHON, timeout=120)
    profile = found.profile
    for phase in profile.phases:
        assert sum(term.bytes for term in phase.terms) == phase.allocated_bytes
    assert profile.allocated_bytes <= profile.reserved_bytes <= profile.device_bytes
    assert profile.low_bytes <= profile.device_bytes <= profile.high_bytes
    assert sum(profile.components.values()) == profile.device_bytes


def test_the_command_writes_its_files(worker: Worker, tmp_path: Path) -> None:
    del worker
    import json

    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    page, dump = tmp_path / "out.html", tmp_path / "out.pickle"
    arguments = [
        "--config",
        str(tmp_path),
        "--method",
        "full",
        "--max-length",
        "128",
        "--python",
        PYTHON,
        "--lang",
        "en",
        "--timeline",
        str(page),
        "--snapshot",
        str(dump),
    ]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    assert "LlamaForCausalLM" in done.output
    assert "<svg" in page.read_text()
    trace = pickle.loads(dump.read_bytes())["device_traces"][0]
    assert {entry["action"] for entry in trace} == {"alloc", "free_completed"}


def test_tables_of_facts_answer_line_by_line(worker: Worker, tmp_path: Path) -> None:
    del worker
    import json

    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    rows = [{**FACTS, "model.config_path": str(tmp_path)}, {"train.method": "full"}]
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows) + "\nbroken\n")
    done = CliRunner().invoke(
        command, ["--facts", str(source), "--format", "json", "--python", PYTHON], standalone_mode=False
    )
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert len(lines) == 3
    assert lines[0]["memory"]["method"] == "dry_run"
    assert lines[1]["error"]
    assert "not JSON" in lines[2]["error"]


def test_a_dropout_keeps_a_mask_of_one_byte_a_value(worker: Worker) -> None:
    """CUDA's fused kernel: two layers' worth of embeddings dropped out cost a byte a value beside the output."""
    gpt = {"model_type": "gpt2", "n_embd": 256, "n_layer": 1, "n_head": 4, "n_positions": 512, "vocab_size": 2000}
    quiet = {**gpt, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    plain = answer(worker, {**CONFIG, **quiet}, train__sequence_tokens=256)
    dropped = answer(worker, {**CONFIG, **quiet, "embd_pdrop": 0.1}, train__sequence_tokens=256)
    more = component(dropped, "forward", "activations") - component(plain, "forward", "activations")
    values = 256 * 256
    assert more in (values, values + 2 * values)  # the mask, and the sum before it where that is still needed


def test_a_head_that_the_checkpoint_does_not_tie_has_its_own_weight(worker: Worker) -> None:
    """transformers 5 ties T5's head whatever its config says; the checkpoints of T5 1.1 hold both."""
    shape = {"model_type": "t5", "d_model": 256, "d_ff": 128, "num_layers": 1, "num_heads": 4, "d_kv": 16,
             "vocab_size": 2000, "decoder_start_token_id": 0, "pad_token_id": 0}  # fmt: skip
    tied, untied = (
        answer(worker, {**CONFIG, **shape, "tie_word_embeddings": tie})["parameters"] for tie in (True, False)
    )
    assert untied - tied == 2000 * 256


def test_a_prompt_alone_fills_the_cache(worker: Worker) -> None:
    found = answer(
        worker, train__method="inference", train__sequence_tokens=None, inference__prompt_tokens=512,
        inference__batch_size=4, train__per_device_batch_size=None,
    )  # fmt: skip
    cache = 3 * 2 * 4 * 512 * 2 * 64 * 2  # layers, keys and values, batch, tokens, heads, width, bytes
    assert component(found, "generate", "kv_cache") >= cache


@pytest.mark.parametrize("images", [1, 2, 3])
def test_several_images_fit_a_sample_however_short_it_is(worker: Worker, images: int) -> None:
    vision = {"depth": 2, "num_heads": 4, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
              "in_channels": 3, "in_chans": 3, "embed_dim": 64, "hidden_size": 256, "mlp_ratio": 4}  # fmt: skip
    config = {"model_type": "qwen2_vl", "vision_config": vision, "image_token_id": 1990, "video_token_id": 1991,
              "vision_start_token_id": 1988, "vision_end_token_id": 1989,
              "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [8, 12, 12]}}  # fmt: skip
    job = {"images": images, "height": 448, "width": 448, "tokens": 300, "min_pixels": None, "max_pixels": None}
    found = answer(worker, config, job)
    assert found["peak_phase"]


def test_evaluation_joins_the_logits_it_keeps_for_metrics(worker: Worker) -> None:
    facts: dict[str, Any] = {
        "run__phase": "eval", "eval__strategy": "steps", "eval__per_device_batch_size": 4, "train__sequence_tokens": 512
    }  # fmt: skip

    def peak(found: dict[str, Any]) -> int:
        return int(next(each["allocated_bytes"] for each in found["phases"] if each["phase"] == "eval"))

    batch = 4 * 512 * 2000 * 4  # autocast: accelerate casts them
    kept = peak(answer(worker, **facts, eval__accumulation_steps=None, run__eval_step=7))
    longer = peak(answer(worker, **facts, eval__accumulation_steps=None, run__eval_step=9))
    assert longer - kept == pytest.approx(4 * batch, rel=0.05)  # two more batches, kept and in the new tensor
    moved = peak(answer(worker, **facts, eval__accumulation_steps=1, run__eval_step=9))
    assert moved < kept - 4 * batch


def test_an_evaluation_with_its_cache_on_holds_keys_and_values(worker: Worker) -> None:
    facts: dict[str, Any] = {"run__phase": "eval", "eval__strategy": "steps", "eval__per_device_batch_size": 4}
    on = answer(worker, job={"eval_cache": "<99"}, **facts)
    off = answer(worker, job={"eval_cache": "<0"}, **facts)
    assert component(on, "eval", "kv_cache") == 3 * 2 * 4 * 2 * 256 * 64 * 2
    assert component(off, "eval", "kv_cache") == 0
