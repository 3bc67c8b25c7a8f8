"""Remote code in an interpreter that has torch: run after a yes, one line where it fails, else stood in for."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_probe_dryrun import FACTS, has_torch

from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import plan_of

PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
pytestmark = pytest.mark.torch

CONFIGURATION = """
from transformers import PretrainedConfig

class ToyConfig(PretrainedConfig):
    model_type = "toy_remote"
    def __init__(self, hidden_size=64, vocab_size=500, num_hidden_layers=2, **others):
        self.hidden_size, self.vocab_size, self.num_hidden_layers = hidden_size, vocab_size, num_hidden_layers
        super().__init__(**others)
"""
MODELLING = """
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
from .configuration_toy import ToyConfig
{extra}
class ToyForCausalLM(PreTrainedModel):
    config_class = ToyConfig
    _supports_sdpa = True
    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        size = config.hidden_size
        self.layers = nn.ModuleList([nn.Linear(size, size) for _ in range(config.num_hidden_layers)])
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()
    def get_input_embeddings(self):
        return self.words
    def get_output_embeddings(self):
        return self.head
    def forward(self, input_ids, attention_mask=None, labels=None, **others):
        {body}
        x = self.words(input_ids)
        for layer in self.layers:
            x = torch.relu(layer(x))
        logits = self.head(x).float()
        loss = nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))
        return CausalLMOutput(loss=loss, logits=logits)
"""
TOY = {
    "model_type": "toy_remote", "hidden_size": 64, "vocab_size": 500, "num_hidden_layers": 2,
    "tie_word_embeddings": False,
    "auto_map": {"AutoConfig": "configuration_toy.ToyConfig", "AutoModelForCausalLM": "modeling_toy.ToyForCausalLM"},
}  # fmt: skip
PARAMETERS = 2 * 500 * 64 + 2 * (64 * 64 + 64)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    cache = str(tmp_path_factory.mktemp("modules"))
    with Worker(PYTHON, environment={"HF_MODULES_CACHE": cache}) as started:
        yield started


def toy(folder: Path, extra: str = "", body: str = "pass") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TOY))
    (folder / "configuration_toy.py").write_text(CONFIGURATION)
    (folder / "modeling_toy.py").write_text(MODELLING.replace("{extra}", extra).replace("{body}", body))
    return folder


def ask(worker: Worker, folder: Path, yes: bool = True, timeout: float = 120) -> dict[str, Any]:
    job = plan_of({**FACTS, "model.config_path": str(folder)}).job
    return worker.ask({**job, "trust_remote_code": yes}, timeout=timeout)


def test_remote_code_runs_after_a_yes(worker: Worker, tmp_path: Path) -> None:
    found = ask(worker, toy(tmp_path / "plain"))
    assert found["class"] == "ToyForCausalLM"
    assert found["parameters"] == PARAMETERS
    assert found["built"] == {"how": "own"}


def test_without_a_yes_it_is_one_line_that_names_the_option(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="--trust-remote-code") as caught:
        ask(worker, toy(tmp_path / "untold"), yes=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "body", "said"),
    [
        ("import nonesuch_kernels", "pass", "nonesuch_kernels"),
        ("raise RuntimeError('only on Tuesdays')", "pass", "toy_remote raises RuntimeError: only on Tuesdays"),
        ("", "raise ValueError('odd shape\\nwith details')", "ValueError: odd shape"),
        ("import os", "os._exit(9)", "ended with status 9"),
    ],
)
def test_code_that_fails_is_one_line(tmp_path: Path, worker: Worker, extra: str, body: str, said: str) -> None:
    del worker
    folder = toy(tmp_path / f"broken{abs(hash((extra, body)))}", extra, body)
    with (
        Worker(PYTHON, environment={"HF_MODULES_CACHE": str(tmp_path)}) as own,
        pytest.raises(WorkerError, match=said) as caught,
    ):
        ask(own, folder)
    assert "\n" not in str(caught.value)


def test_code_that_hangs_ends_at_the_limit(tmp_path: Path, worker: Worker) -> None:
    del worker
    with Worker(PYTHON, environment={"HF_MODULES_CACHE": str(tmp_path)}) as own:
        ask(own, toy(tmp_path / "quick"))  # the imports are not what is timed
        with pytest.raises(WorkerError, match="no answer within 3 s") as caught:
            ask(own, toy(tmp_path / "slow", "import time", "time.sleep(600)"), timeout=3)
    assert caught.value.kind == "time"


TEXT = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "tie_word_embeddings": False,
    "max_position_embeddings": 1024, "pad_token_id": 0,
}  # fmt: skip
TOWER = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 14,
    "image_size": 112,
}  # fmt: skip
LAYERS = 2 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512)
TEXT_PARAMETERS = 2 * 1000 * 256 + 256 + LAYERS + 2 * 2 * 256
TOWER_PARAMETERS = (
    64 + 64 * 3 * 14 * 14 + 65 * 64 + 2 * 64 * 2 + 2 * (4 * (64 * 64 + 64) + 2 * 64 * 128 + 128 + 64 + 4 * 64)
)
MLP = [{"linear": [256, 256]}, {"gelu": True}, {"linear": [256, 256]}]


def composed(**parts: Any) -> dict[str, Any]:
    return {
        "model_type": "composed",
        "parts": {
            "text": TEXT, "tower": {"class": "CLIPVisionModel", "skip": 1, "config": TOWER}, "merge": 2,
            "projector": MLP, "image_token_id": 999, **parts,
        },
    }  # fmt: skip


def stand_in(worker: Worker, config: dict[str, Any], job: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    stated = {**FACTS, "train.num_images": 1, **{name.replace("__", "."): value for name, value in facts.items()}}
    base = plan_of(stated, TEXT).job
    ways = [{"how": "stand_in", "config": config, "lora": {"wq": ["q_proj"], "wv": ["v_proj"]}}]
    return worker.ask({**base, "images": 1, "builds": ways, **(job or {})}, timeout=120)


def test_parts_are_joined_with_equal_shapes(worker: Worker) -> None:
    found = stand_in(worker, composed())
    assert found["parameters"] == TEXT_PARAMETERS + TOWER_PARAMETERS + 2 * (256 * 256 + 256)
    assert found["class"] == "CLIPVisionModel + LlamaForCausalLM"


def test_second_matrices_and_branches_count_once_a_layer(worker: Worker) -> None:
    plain = stand_in(worker, composed())
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    twins = stand_in(worker, composed(twins=every))
    assert twins["parameters"] - plain["parameters"] == LAYERS
    assert twins["trainable_parameters"] == twins["parameters"]
    gradients = [sum(t["bytes"] for t in p["terms"] if t["component"] == "gradients") for p in twins["phases"]]
    assert max(gradients) >= 2 * twins["parameters"]  # both kinds of tokens passed, so both matrices learnt
    branch = stand_in(worker, composed(branches={"rank": 16, "targets": ["down_proj"], "dropout": 0.1}))
    assert branch["parameters"] - plain["parameters"] == 2 * 16 * (256 + 512)


@pytest.mark.parametrize(
    ("projector", "tokens"),
    [([{"resampler": [64, 256, 32]}], 32), ([{"vocabulary": [256, 4096, 256]}], 16)],
)
def test_other_projectors_run(worker: Worker, projector: list[Any], tokens: int) -> None:
    merge = 1 if "resampler" in projector[0] else 2
    found = stand_in(worker, composed(projector=projector, merge=merge), train__sequence_tokens=128)
    assert found["error"] is None
    top = [each["shape"] for each in found["top_tensors"]]
    assert any(tokens in shape or 4096 in shape for shape in top) or tokens == 32


def test_adapters_find_what_stands_for_remote_matrices(worker: Worker) -> None:
    facts: dict[str, Any] = {"train__method": "lora", "lora__rank": 4, "lora__target_modules": ["wq", "wv"]}
    found = stand_in(worker, composed(), **facts)
    assert found["trainable_parameters"] == 2 * 4 * (256 + 256 + 256 + 128)  # not the tower's q_proj and v_proj


def test_a_stand_in_too_far_from_the_catalog_is_refused(worker: Worker) -> None:
    whole = TEXT_PARAMETERS + TOWER_PARAMETERS + 2 * (256 * 256 + 256)
    near = stand_in(worker, composed(), {"parameters": int(whole * 1.02), "refuse_beyond": 0.05})
    assert near["built"]["difference"] == pytest.approx(-0.02, abs=0.001)
    with pytest.raises(WorkerError, match=r"10\.0% apart, more than 5%") as caught:
        stand_in(worker, composed(), {"parameters": round(whole / 0.9), "refuse_beyond": 0.05})
    assert caught.value.kind == "build"


def test_the_next_way_is_taken_where_transformers_lacks_a_port(worker: Worker) -> None:
    ways = [
        {"how": "port", "config": {"model_type": "not_yet_ported"}, "lora": {}},
        {"how": "stand_in", "config": composed(), "lora": {}},
    ]
    assert stand_in(worker, composed(), {"builds": ways})["built"]["how"] == "stand_in"


def test_a_stand_in_generates_with_its_cache(worker: Worker) -> None:
    found = stand_in(worker, composed(), {"phases": ["generate"], "new_tokens": 16, "prompt_tokens": 64})
    assert {each["phase"] for each in found["phases"]} >= {"generate"}
