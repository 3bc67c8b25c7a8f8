"""Which architectures of transformers the dry run steps through: one full training step each, on the CPU.

    python benchmarks/dryrun_architectures.py --python .venv-torch [--only WORD]

Prints a table: parameters counted by the built model against the catalog's, the predicted peak, seconds, what was built
(its own class, transformers' port of remote code, or a stand-in of native parts), or the reason.
"""

import argparse
import sys
import time
from typing import Any, Self

from oomdoc.memory.architecture import ArchitectureError
from oomdoc.memory.catalog import resolve
from oomdoc.memory.settings import SettingsError
from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import PlanError, plan_of

GIB = 1 << 30
CATALOG = (
    "Llama-2-7b-hf",
    "Llama-3.2-1B",
    "Qwen2.5-0.5B",
    "Qwen3-0.6B",
    "Qwen1.5-MoE-A2.7B",
    "Qwen3-30B-A3B",
    "gemma-2b",
    "gemma-2-2b",
    "gemma-3-1b-pt",
    "gemma-3-4b-pt",
    "Mistral-7B-v0.1",
    "Mixtral-8x7B-v0.1",
    "Phi-3-mini-4k-instruct",
    "phi-2",
    "Phi-3.5-MoE-instruct",
    "GLM-4-9B-0414",
    "GLM-4.5-Air",
    "chatglm3-6b",
    "internlm2-1_8b",
    "Baichuan2-7B-Base",
    "DeepSeek-V2-Lite",
    "Moonlight-16B-A3B",
    "gpt-oss-20b",
    "SmolLM3-3B",
    "OLMo-2-1124-7B",
    "ERNIE-4.5-0.3B-PT",
    "ERNIE-4.5-21B-A3B-PT",
    "granite-3.0-8b-base",
    "c4ai-command-r-v01",
    "starcoder2-3b",
    "falcon-7b",
    "gpt2",
    "pythia-1b",
    "gpt-j-6b",
    "gpt-neo-1.3B",
    "opt-1.3b",
    "bloom-560m",
    "stablelm-3b-4e1t",
    "Seed-OSS-36B-Instruct",
    "Qwen3-Next-80B-A3B-Instruct",
    "Qwen2-VL-2B-Instruct",
    "Qwen2.5-VL-3B-Instruct",
    "Qwen3-VL-2B-Instruct",
    "Qwen3-VL-30B-A3B-Instruct",
    "InternVL3-1B",
    "InternVL2-2B",
    "llava-1.5-7b-hf",
    "llava-v1.6-mistral-7b-hf",
    "llava-onevision-qwen2-0.5b-ov-hf",
    "paligemma-3b-pt-224",
    "paligemma2-3b-pt-224",
    "Idefics3-8B-Llama3",
    "SmolVLM-256M-Instruct",
    "Llama-3.2-11B-Vision",
    "GLM-4.1V-9B-Thinking",
    "Mistral-Small-3.1-24B-Instruct-2503",
    "Ovis2-4B",
    "Ovis1.6-Gemma2-9B",
    "Ovis2.5-9B",
    "glm-4v-9b",
    "cogvlm2-llama3-chat-19B",
    "internlm-xcomposer2-4khd-7b",
    "MiniCPM-V-2_6",
    "MiniCPM3-4B",
    "Phi-3.5-vision-instruct",
    "Qwen-VL-Chat",
    "deepseek-vl2",
    "Kimi-VL-A3B-Instruct",
    "bert-base-uncased",
    "roberta-base",
    "xlm-roberta-base",
    "distilbert-base-uncased",
    "ModernBERT-base",
    "t5-small",
    "flan-t5-base",
    "whisper-small",
    "vit-base-patch16-224",
)
BESIDE: dict[str, dict[str, Any]] = {  # families outside the catalog, by their own config.json
    "mamba-130m": {
        "model_type": "mamba",
        "hidden_size": 768,
        "num_hidden_layers": 24,
        "vocab_size": 50280,
        "state_size": 16,
    },
    "deepseek-v3 (small)": {
        "model_type": "deepseek_v3",
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "moe_intermediate_size": 704,
        "num_hidden_layers": 8,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "n_routed_experts": 32,
        "n_shared_experts": 1,
        "num_experts_per_tok": 4,
        "n_group": 4,
        "topk_group": 2,
        "first_k_dense_replace": 1,
        "q_lora_rank": 384,
        "kv_lora_rank": 256,
        "vocab_size": 32000,
        "max_position_embeddings": 4096,
    },
    "deberta-v3-base": {
        "model_type": "deberta-v2",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "vocab_size": 128100,
        "relative_attention": True,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "max_position_embeddings": 512,
        "architectures": ["DebertaV2ForSequenceClassification"],
        "type_vocab_size": 0,
        "position_biased_input": False,
    },
    "swin-tiny": {"model_type": "swin", "architectures": ["SwinForImageClassification"], "num_labels": 1000},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="interpreter or environment with torch and transformers")
    parser.add_argument("--only", default="", help="only names that hold this word")
    parser.add_argument("--tokens", type=int, default=512)
    arguments = parser.parse_args()
    rows: list[tuple[str, dict[str, Any] | None]] = [(name, None) for name in CATALOG] + list(BESIDE.items())
    rows = [row for row in rows if arguments.only.lower() in row[0].lower()]
    print(f"{'model':38} {'class':44} {'parameters':>16} {'catalog':>9} {'peak GiB':>9} {'s':>6} built")
    good = 0
    with Runner(arguments.python) as runner:
        for name, config in rows:
            good += runner.row(name, config, arguments.tokens)
    print(f"{good} of {len(rows)} architectures stepped through")
    return 0 if good == len(rows) else 1


class Runner:
    """A worker that is replaced when it dies."""

    def __init__(self, python: str | None) -> None:
        self.python = python
        self.worker = Worker(python)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()

    def row(self, name: str, config: dict[str, Any] | None, tokens: int) -> bool:
        facts = {
            "model.name": name,
            "train.method": "full",
            "train.pure_precision": True,
            "train.precision": "bfloat16",
            "train.sequence_tokens": tokens,
            "train.optimizer": "adamw_torch",
            "train.per_device_batch_size": 1,
            "train.freeze_vision_tower": False,
            "train.freeze_projector": False,
            "train.gradient_checkpointing": False,
        }
        if name.startswith("mamba"):
            facts["train.sequence_tokens"] = 64  # without its kernels the scan is a loop over tokens
        model = resolve(name) if config is None else None
        if model is not None and (model.vision is not None or model.model_type == "gemma3"):
            facts |= {"train.num_images": 1, "image.height": 448, "image.width": 448}
        started = time.perf_counter()
        try:
            answer = self.worker.ask(plan_of(facts, config).job, 300)
        except (PlanError, ArchitectureError, SettingsError) as error:
            print(f"{name:38} {error}", flush=True)
            return False
        except WorkerError as error:
            print(f"{name:38} {error.kind}: {error} [{error.where}]", flush=True)
            if error.kind in ("died", "time"):
                self.worker.close()
                self.worker = Worker(self.python)
            return False
        counted, known = answer["parameters"], model.counts.total if model is not None else None
        match = "-" if known is None else "exact" if counted == known else f"{100 * (counted / known - 1):+.3f} %"
        print(
            f"{name:38} {answer['class']:44} {counted:16,} {match:>9} {answer['allocated_bytes'] / GIB:9.2f} "
            f"{time.perf_counter() - started:6.1f} {answer['built']['how']}",
            flush=True,
        )
        return True


if __name__ == "__main__":
    sys.exit(main())
