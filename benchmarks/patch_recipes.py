"""Which settings are generated for which framework's parser, and what each of its fields means, said independently.

`FIELDS` is written from the frameworks' documentation, not from `knowledge/frameworks`: it judges what the patches did.
"""

from collections.abc import Callable
from typing import Any

Meaning = tuple[str | tuple[str, ...], Callable[[Any], Any]]

TRAINER: dict[str, list[Any]] = {
    "per_device_train_batch_size": [4, 8, 16],
    "per_device_eval_batch_size": [4, 8],
    "gradient_accumulation_steps": [1, 4],
    "gradient_checkpointing": [False],
    "bf16": [False],
    "optim": ["adamw_torch"],
    "dataloader_num_workers": [8],
    "learning_rate": ["1e-5"],
    "num_train_epochs": [3],
}
SCRIPT = {"max_length": [8192], "save_steps": [100]}
LORA = {"lora_r": [64], "lora_alpha": [16], "lora_dropout": [0.1]}
RECIPES: dict[str, dict[str, Any]] = {
    "hf-trainer": {
        "kind": "classes", "classes": ["transformers:TrainingArguments"], "package": "transformers",
        "program": "train.py", "start": ["python", "torchrun --nproc_per_node 4", "accelerate launch"],
        "always": {"output_dir": "out", "use_cpu": True}, "options": TRAINER, "files": ["sh", "py"],
    },
    "hf-seq2seq": {
        "kind": "classes", "classes": ["transformers:Seq2SeqTrainingArguments"], "package": "transformers",
        "program": "run_summarization.py", "start": ["python", "torchrun --nproc_per_node 2"],
        "always": {"output_dir": "out", "use_cpu": True, "predict_with_generate": True},
        "options": {**TRAINER, "generation_max_length": [512]}, "files": ["sh", "py"],
    },
    "trl-sft": {
        "kind": "classes", "classes": ["trl:ScriptArguments", "trl:SFTConfig", "trl:ModelConfig"], "package": "trl",
        "program": "trl sft", "start": [""], "yaml": "trl",
        "always": {"output_dir": "out", "use_cpu": True, "model_name_or_path": "Qwen/Qwen2.5-7B"},
        "options": {**TRAINER, "max_length": [8192], "packing": [True], "use_peft": [True], "lora_r": [64],
                    "lora_alpha": [16], "attn_implementation": ["eager"]},
        "files": ["sh", "yaml", "py"],
    },
    "trl-dpo": {
        "kind": "classes", "classes": ["trl:ScriptArguments", "trl:DPOConfig", "trl:ModelConfig"], "package": "trl",
        "program": "trl dpo", "start": [""], "yaml": "trl",
        "always": {"output_dir": "out", "use_cpu": True, "model_name_or_path": "Qwen/Qwen2.5-7B"},
        "options": {**TRAINER, "max_length": [4096], "max_prompt_length": [512]}, "files": ["sh", "yaml"],
    },
    "trl-grpo": {
        "kind": "classes", "classes": ["trl:ScriptArguments", "trl:GRPOConfig", "trl:ModelConfig"], "package": "trl",
        "program": "trl grpo", "start": [""], "yaml": "trl",
        "always": {"output_dir": "out", "use_cpu": True, "model_name_or_path": "Qwen/Qwen2.5-7B"},
        "skip": ["two-at-once"], "derived": ["steps_per_generation", "generation_batch_size"],
        "options": {"per_device_train_batch_size": [16], "gradient_checkpointing": [False], "num_generations": [4],
                    "optim": ["adamw_torch"], "max_completion_length": [1024]},
        "files": ["sh", "yaml"],
    },
    "llamafactory": {
        "kind": "classes", "package": "llamafactory", "yaml": "dict", "program": "llamafactory-cli train",
        "start": [""],
        "classes": [f"llamafactory.hparams:{name}Arguments"
                    for name in ("Model", "Data", "Training", "Finetuning", "Generating")],
        "always": {"model_name_or_path": "Qwen/Qwen2-VL-7B-Instruct", "stage": "sft", "do_train": True,
                   "output_dir": "saves/x", "use_cpu": True},
        "options": {**{name: TRAINER[name] for name in TRAINER if name != "gradient_checkpointing"},
                    "cutoff_len": [8192], "finetuning_type": ["lora", "full"], "lora_rank": [64], "lora_dropout": [0.1],
                    "flash_attn": ["sdpa", "auto"], "freeze_vision_tower": [False], "image_max_pixels": [1048576],
                    "disable_gradient_checkpointing": [True], "enable_liger_kernel": [False], "packing": [False]},
        "files": ["yaml", "sh"], "derived": ["lora_alpha"], "folder": "llamafactory",
    },
    "ms-swift": {
        "kind": "classes", "raw": True, "classes": ["swift.llm.argument:TrainArguments"], "package": "ms-swift",
        "program": "swift sft", "start": ["", "NPROC_PER_NODE=4", "CUDA_VISIBLE_DEVICES=0,1 MAX_PIXELS=4014080"],
        "always": {"model": "Qwen/Qwen2.5-VL-7B-Instruct"},
        "options": {"per_device_train_batch_size": [4, 8], "per_device_eval_batch_size": [4],
                    "gradient_accumulation_steps": [2], "max_length": [8192], "train_type": ["lora", "full"],
                    "lora_rank": [64], "freeze_vit": [False], "attn_impl": ["sdpa"], "torch_dtype": ["float32"],
                    "gradient_checkpointing": [False], "packing": [True], "use_liger_kernel": [False],
                    "dataloader_num_workers": [8], "modules_to_save": ["embed_tokens"]},
        "files": ["sh"],
    },
    "axolotl": {
        "derived": ["eval_sample_packing", "pad_to_sequence_len", "lora_dropout"], "folder": "axolotl",
        "kind": "classes", "classes": [], "package": "axolotl", "yaml": "axolotl", "program": "axolotl train",
        "start": [""],
        "always": {"adapter": "lora", "base_model": "NousResearch/Llama-3.2-1B", "learning_rate": 2e-4,
                   "datasets": [{"path": "a/b", "type": "alpaca"}]},
        "options": {"micro_batch_size": [8], "gradient_accumulation_steps": [2], "sequence_len": [8192],
                    "lora_r": [64], "lora_alpha": [16], "lora_dropout": [0.05],
                    "lora_target_linear": [True], "gradient_checkpointing": [False], "flash_attention": [False],
                    "sample_packing": [True], "optimizer": ["adamw_torch"], "bf16": [False], "eval_batch_size": [4]},
        "files": ["yaml"],
    },
    "deepspeed": {
        "derived": ["train_batch_size", "zero.offload_optimizer.*", "zero.offload_param.*"],
        "kind": "json", "package": "deepspeed", "program": "", "start": [""], "always": {},
        "options": {"train_micro_batch_size_per_gpu": [8], "gradient_accumulation_steps": [2]}, "files": ["json"],
    },
    "accelerate": {
        "kind": "classes", "package": "accelerate", "yaml": "accelerate", "program": "", "start": [""], "classes": [],
        "always": {"compute_environment": "LOCAL_MACHINE", "num_processes": 4, "mixed_precision": "no",
                   "distributed_type": "MULTI_GPU", "machine_rank": 0, "num_machines": 1, "use_cpu": False},
        "options": {"main_process_port": [29500], "debug": [False]}, "files": ["yaml"],
    },
    "glm4-finetune": {
        "folder": "glm4/finetune",
        "kind": "classes", "package": "finetune_vision.py", "yaml": "glm4", "program": "", "start": [""], "classes": [],
        "always": {"data_config": {"train_file": "train.jsonl", "num_proc": 1}, "combine": True, "freezeV": False,
                   "max_input_length": 4096, "max_output_length": 512},
        "options": {}, "files": ["yaml"],
    },
    "kohya": {
        "kind": "source", "package": "sd-scripts", "program": "train_network.py", "start": ["accelerate launch",
            "python"],
        "sources": ["kohya/library/train_util.py", "kohya/library/deepspeed_utils.py", "kohya/library/config_util.py",
                    "kohya/library/custom_train_functions.py", "kohya/train_network.py"],
        "always": {"pretrained_model_name_or_path": "a/b", "network_module": "networks.lora"},
        "options": {"train_batch_size": [8], "network_dim": [64], "resolution": ["1024,1024"],
            "mixed_precision": ["no"],
                    "gradient_accumulation_steps": [2], "optimizer_type": ["AdamW"], "max_token_length": [225],
                    "max_data_loader_n_workers": [8]},
        "files": ["sh"],
    },
    "minimind": {
        "kind": "source", "package": "minimind", "program": "train_full_sft.py", "start": ["python",
            "torchrun --nproc_per_node 2"],
        "sources": ["minimind/trainer/train_full_sft.py"], "always": {"data_path": "sft.jsonl"},
        "options": {"batch_size": [32], "accumulation_steps": [1, 8], "max_seq_len": [2048], "hidden_size": [768],
                    "num_hidden_layers": [16], "dtype": ["bfloat16"], "num_workers": [8]},
        "files": ["sh"],
    },
    "diffusers": {
        "kind": "source", "package": "diffusers", "program": "train_dreambooth_lora_sdxl.py",
        "start": ["accelerate launch"],
        "sources": ["diffusers/examples/dreambooth/train_dreambooth_lora_sdxl.py"],
        "always": {"pretrained_model_name_or_path": "a/b", "instance_data_dir": "d", "instance_prompt": "sks"},
        "options": {"train_batch_size": [4], "gradient_accumulation_steps": [1], "resolution": [1024], "rank": [64],
                    "mixed_precision": ["no"], "dataloader_num_workers": [4]},
        "files": ["sh"],
    },
    "ixc": {
        "kind": "classes", "source": "ixc/finetune/finetune.py", "package": "InternLM-XComposer",
        "program": "finetune.py",
        "classes": ["ModelArguments", "DataArguments", "TrainingArguments", "LoraArguments"],
        "start": ["torchrun --nproc_per_node=2", "torchrun --nproc_per_node 1"],
        "always": {"model_name_or_path": "internlm/internlm-xcomposer2-4khd-7b", "data_path": "d.txt",
            "given_num": True,
                   "output_dir": "out", "use_cpu": True},
        "options": {**{name: TRAINER[name] for name in TRAINER if name != "optim"}, "hd_num": [18], "fix_vit": [False],
                    "max_length": [8192], "use_lora": [True]},
        "files": ["sh"],
    },
    "minicpm-v": {
        "folder": "minicpm/finetune",
        "kind": "classes", "source": "minicpm/finetune/finetune.py", "package": "MiniCPM-V", "program": "finetune.py",
        "classes": ["ModelArguments", "DataArguments", "TrainingArguments", "LoraArguments"],
        "start": ["torchrun --nproc_per_node=4"],
        "always": {"model_name_or_path": "openbmb/MiniCPM-V-2_6", "llm_type": "qwen", "data_path": "d.json",
                   "output_dir": "out", "use_cpu": True},
        "options": {**{name: TRAINER[name] for name in TRAINER if name != "optim"}, "model_max_length": [8192],
                    "max_slice_nums": [16], "tune_vision": [True], "use_lora": [True], "tune_llm": [False]},
        "files": ["sh"],
    },
    "internvl-chat": {
        "folder": "internvl/internvl_chat",
        "kind": "classes", "source": "internvl/internvl_chat/internvl/train/internvl_chat_finetune.py",
        "package": "InternVL", "program": "internvl/train/internvl_chat_finetune.py",
        "classes": ["ModelArguments", "DataTrainingArguments"], "trainer": True, "raw": True,
        "start": ["torchrun --nproc_per_node=4"],
        "always": {"model_name_or_path": "OpenGVLab/InternVL2-8B", "output_dir": "out", "meta_path": "m.json",
                   "conv_style": "internlm2-chat"},
        "options": {**{name: TRAINER[name] for name in TRAINER if name != "optim"}, "max_seq_length": [8192],
                    "max_dynamic_patch": [12], "freeze_backbone": [False], "use_llm_lora": [16],
                    "grad_checkpoint": [False],
                    "freeze_llm": [False]},
        "files": ["sh"],
    },
    "llava": {
        "folder": "llava",
        "kind": "classes", "source": "llava/llava/train/train.py", "package": "LLaVA",
        "program": "llava/train/train_mem.py",
        "classes": ["ModelArguments", "DataArguments", "TrainingArguments"], "start": ["torchrun --nproc_per_node=8"],
        "always": {"model_name_or_path": "lmsys/vicuna-7b-v1.5", "version": "v1", "vision_tower": "openai/clip",
            "output_dir": "out",
                   "use_cpu": True},
        "options": {**{name: TRAINER[name] for name in TRAINER if name != "optim"}, "model_max_length": [4096],
                    "lora_enable": [True], "lora_r": [128]},
        "files": ["sh"],
    },
    "openrlhf": {
        "kind": "source", "package": "openrlhf", "program": "openrlhf.cli.train_sft", "start": ["deepspeed --module"],
        "sources": ["openrlhf/openrlhf/cli/train_sft.py"],
        "always": {"model.model_name_or_path": "a/b-7b", "data.dataset": "a/b", "ds.zero_stage": 2},
        "options": {"train.micro_batch_size": [8], "train.batch_size": [64], "data.max_len": [8192],
                    "ds.attn_implementation": ["eager"]},
        "files": ["sh"],
    },
    "sglang": {
        "kind": "source", "package": "sglang", "program": "sglang.launch_server", "start": ["python -m"],
        "sources": ["sglang46/server_args.py"], "always": {"model-path": "Qwen/Qwen2.5-7B"},
        "options": {"mem-fraction-static": [0.9], "context-length": [32768], "max-running-requests": [64], "tp": [1]},
        "files": ["sh"],
    },
    "lmdeploy": {
        "kind": "source", "package": "lmdeploy", "program": "lmdeploy serve api_server", "start": [""],
        "sources": ["lmdeploy/lmdeploy/cli/serve.py", "lmdeploy/lmdeploy/cli/utils.py"], "always": {},
        "options": {"cache-max-entry-count": [0.9], "session-len": [32768], "max-batch-size": [128], "tp": [1]},
        "files": ["sh"],
    },
    "verl": {
        "kind": "hydra", "package": "verl", "program": "verl.trainer.main_ppo", "start": ["python3 -m"],
        "config": "verl/verl/trainer/config", "config_name": "ppo_trainer", "hydra": True,
        "always": {"data.train_files": "d.parquet", "actor_rollout_ref.model.path": "Qwen/Qwen2.5-7B"},
        "options": {"data.train_batch_size": [1024], "data.max_response_length": [4096],
            "data.max_prompt_length": [2048],
                    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": [16],
                    "actor_rollout_ref.rollout.gpu_memory_utilization": [0.8],
                    "actor_rollout_ref.model.enable_gradient_checkpointing": ["False"]},
        "files": ["sh"],
    },
}  # fmt: skip


def same(value: Any) -> Any:
    return value


def silent(_: Any) -> Any:
    return None


def number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def when(*pairs: tuple[Any, Any]) -> Callable[[Any], Any]:
    """Some native values mean something; the others say nothing (None)."""
    return lambda value: next((meant for native, meant in pairs if native == value), None)


def stage(value: Any) -> Any:
    name = str(value).rpartition("/")[2]
    return next(
        (int(one) for one in "3210" for word in ("zero", "z", "zero_", "stage") if f"{word}{one}" in name), None
    )


def dtype(value: Any) -> Any:
    words = {"bf16": "bfloat16", "fp16": "float16", "no": "float32", "fp32": "float32"}
    return words.get(value, value)


def attention(value: Any) -> Any:
    return "flash_attention_2" if value in {"fa2", "flash_attn", "flash_attention_2", "fa3"} else value


FIELDS: dict[str, Meaning] = {
    **dict.fromkeys(("per_device_train_batch_size", "micro_batch_size", "train_micro_batch_size_per_gpu", "batch_size",
                     "train_batch_size", "train.micro_batch_size", "ppo_micro_batch_size_per_gpu"),
                    ("train.per_device_batch_size", same)),
    **dict.fromkeys(("per_device_eval_batch_size", "eval_batch_size"), ("eval.per_device_batch_size", same)),
    **dict.fromkeys(("gradient_accumulation_steps", "accumulation_steps"), ("train.gradient_accumulation_steps", same)),
    **dict.fromkeys(("gradient_checkpointing", "enable_gradient_checkpointing", "gradient_checkpointing_enable",
                     "grad_checkpoint"), ("train.gradient_checkpointing", same)),
    "disable_gradient_checkpointing": ("train.gradient_checkpointing", lambda value: not value),
    "vit_gradient_checkpointing": ("train.vision_gradient_checkpointing", same),
    "bf16": ("train.precision", when((True, "bfloat16"))),
    "bfloat16": ("train.precision", when((True, "bfloat16"))),
    "fp16": ("train.precision", when((True, "float16"))),
    **dict.fromkeys(("mixed_precision", "param_dtype"), ("train.precision", dtype)),
    **dict.fromkeys(("torch_dtype", "dtype", "infer_dtype"), (("train.precision", "model.load_dtype"), dtype)),
    **dict.fromkeys(("optim", "optimizer", "optimizer_type"), ("train.optimizer", lambda value: str(value).lower())),
    "use_8bit_adam": ("train.optimizer", when((True, "adamw_8bit"))),
    **dict.fromkeys(("dataloader_num_workers", "num_workers", "max_data_loader_n_workers"), ("train.cpu_workers",
        same)),
    **dict.fromkeys(("max_length", "cutoff_len", "sequence_len", "max_seq_len", "model_max_length", "max_seq_length",
                     "data.max_len", "max_input_length"), ("train.max_length", same)),
    **dict.fromkeys(("eval_accumulation_steps",), ("eval.accumulation_steps", same)),
    "prediction_loss_only": ("eval.prediction_loss_only", same),
    "predict_with_generate": ("eval.predict_with_generate", same),
    **dict.fromkeys(("generation_max_length", "max_new_tokens", "generation_config"), ("eval.max_new_tokens", same)),
    **dict.fromkeys(("use_liger_kernel", "enable_liger_kernel", "ds.use_liger_kernel", "use_liger_loss",
        "use_liger"), ("train.liger_kernel", same)),
    **dict.fromkeys(("packing", "sample_packing", "packing_samples"), ("train.packing", same)),
    **dict.fromkeys(("attn_implementation", "attn_impl", "flash_attn"), ("model.attention", attention)),
    "flash_attention": ("model.attention", when((True, "flash_attention_2"))),
    **dict.fromkeys(("lora_r", "lora_rank", "network_dim", "rank", "r"), ("lora.rank", same)),
    "use_llm_lora": (("lora.rank", "train.method"), lambda value: "lora" if value == 16 else value),
    "lora_dropout": ("lora.dropout", float),
    **dict.fromkeys(("modules_to_save", "lora_modules_to_save"), ("lora.modules_to_save", lambda value: value or None)),
    **dict.fromkeys(("train_type", "finetuning_type"), ("train.method", same)),
    "adapter": ("train.method", lambda value: "lora" if value in {"lora", "qlora"} else value),
    **dict.fromkeys(("use_peft", "use_lora", "lora_enable"), ("train.method", when((True, "lora")))),
    **dict.fromkeys(("quantization_bit", "quant_bits", "bits"), ("quant.bits", number)),
    "load_in_4bit": ("quant.bits", when((True, 4))),
    "load_in_8bit": ("quant.bits", when((True, 8))),
    "q_lora": ("quant.bits", when((True, 4))),
    **dict.fromkeys(("freeze_vit", "freeze_vision_tower", "fix_vit", "freezeV", "freeze_backbone"),
                    ("train.freeze_vision_tower", same)),
    "tune_vision": ("train.freeze_vision_tower", lambda value: not value),
    "image_max_pixels": ("image.max_pixels", same),
    "max_pixels": ("image.max_pixels", same),
    "$MAX_PIXELS": ("image.max_pixels", number),
    "$NFRAMES": ("image.frames", number),
    "$FPS_MAX_FRAMES": ("image.frames", number),
    "max_num_frame": ("image.frames", same),
    "video_maxlen": ("image.frames", same),
    **dict.fromkeys(("hd_num", "max_slice_nums", "max_dynamic_patch", "$MAX_NUM"), ("image.tiles", number)),
    "fsdp": ("parallel.zero_stage", lambda value: 3 if "full_shard" in str(value) else None),
    **dict.fromkeys(("deepspeed",), ("parallel.zero_stage", stage)),
    **dict.fromkeys(("zero_optimization_stage", "ds.zero_stage", "stage", "zero.stage"), ("parallel.zero_stage",
        number)),
    "zero_enabled": ("parallel.zero_stage", silent),
    **dict.fromkeys(("offload_optimizer", "zero.offload_optimizer"), ("parallel.offload", silent)),
    "zero.offload_optimizer.device": ("parallel.offload", silent),
    "zero.offload_param.device": ("parallel.offload", silent),
    "image_aspect_ratio": ("image.tiles", when(("pad", 1), ("square", 1))),
    "fsdp_config.optimizer_offload": ("parallel.offload", silent),
    "fsdp_config.param_offload": ("parallel.offload", silent),
    "zero_stage": ("parallel.zero_stage", number),
    "max_num_batched_tokens": ("inference.max_num_seqs", silent),
    "ds.adam_offload": ("parallel.offload", when((True, "optimizer"))),
    **dict.fromkeys(("zero.reduce_bucket_size", "zero.allgather_bucket_size"), ("parallel.zero_bucket_elements", same)),
    "zero.gather_16bit_weights_on_model_save": ("parallel.zero3_gather_on_save", same),
    **dict.fromkeys(("sequence_parallel_size", "context_parallel_size", "ds.ring_attn_size",
                     "ulysses_sequence_parallel_size"),
                    ("parallel.sequence_parallel", same)),
    **dict.fromkeys(("mem_fraction_static", "gpu_memory_utilization", "cache_max_entry_count", "vllm_gpu_util",
                     "vllm_gpu_memory_utilization"),
                    ("inference.gpu_memory_utilization", same)),
    **dict.fromkeys(("context_length", "session_len", "max_model_len", "vllm_maxlen"),
                    (("inference.max_model_len", "train.max_length"), same)),
    **dict.fromkeys(("max_running_requests", "max_batch_size", "max_num_seqs"), ("inference.max_num_seqs", same)),
    "kv_cache_dtype": ("inference.kv_cache_dtype", lambda value: "fp8" if str(value).startswith("fp8") else value),
    "quant_policy": ("inference.kv_cache_dtype", when((8, "fp8"))),
    "$PYTORCH_CUDA_ALLOC_CONF": ("env.expandable_segments", lambda value: "expandable_segments:True" in value),
    "$PYTORCH_ALLOC_CONF": ("env.expandable_segments", lambda value: "expandable_segments:True" in value),
    **dict.fromkeys(("$NPROC_PER_NODE", "torchrun.nproc_per_node", "accelerate.num_processes", "num_processes"),
                    ("parallel.world_size", number)),
}  # fmt: skip


def meaning(field: str) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    """The facts that a field may state, by its whole name or its last part, and how its value is read; else none."""
    for name in (field, *(field.split(".", n)[-1] for n in range(1, field.count(".") + 1))):
        if name in FIELDS:
            facts, read = FIELDS[name]
            return (facts,) if isinstance(facts, str) else facts, read
    return (), same
