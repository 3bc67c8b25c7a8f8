"""Every remedy that changes facts can be written for some framework, or says by hand what to do."""

import pytest
from patch_tools import planned, rebuilt

from oomdoc.remedies.remedy import Ladder, remedies

TEXTS = {
    "swift_sh": "NPROC_PER_NODE=4 swift sft --model Qwen/Qwen2.5-VL-7B-Instruct --train_type full --max_length 8192 "
    "--per_device_train_batch_size 8 --per_device_eval_batch_size 8 --attn_impl sdpa --torch_dtype float32 "
    "--predict_with_generate true --max_new_tokens 512 --packing true --lora_rank 64 --modules_to_save embed_tokens\n",
    "llama_yaml": "stage: sft\nfinetuning_type: full\ncutoff_len: 8192\nper_device_train_batch_size: 8\n"
    "flash_attn: sdpa\n"
    "freeze_vision_tower: false\nlora_dropout: 0.1\ndeepspeed: examples/deepspeed/ds_z2_config.json\n",
    "vllm_sh": "vllm serve Qwen/Qwen2.5-7B --max-model-len 32768 --gpu-memory-utilization 0.95\n",
    "ds_json": '{"zero_optimization": {"stage": 2, "reduce_bucket_size": 500000000, '
    '"stage3_gather_16bit_weights_on_model_save": true}, "train_micro_batch_size_per_gpu": 8}\n',
    "train_py": "args = TrainingArguments(output_dir='o', per_device_train_batch_size=8,\n"
    "    per_device_eval_batch_size=8)\n",
    "ixc_sh": "torchrun --nproc_per_node 2 finetune.py --hd_num 16 --fix_vit False "
    "--given_num True --max_length 8192\n",
}
# No framework file has an option for these: how a program is started, or code of the person's own.
BY_HAND = {"ddp-not-dp", "expert-parallel", "no-ema", "smaller-model"}


def changes_of(remedy):
    if not remedy.levels:
        return dict(remedy.sets)
    (name, ladder), *_ = remedy.levels.items()
    return {name: ladder.down_to if isinstance(ladder, Ladder) else ladder[-1]}


@pytest.mark.parametrize("name", sorted(name for name, remedy in remedies().items() if remedy.sets))
def test_it_is_placed_somewhere_or_told(name):
    changes = changes_of(remedies()[name])
    placed, aliases = False, {"env.alloc_conf": "env.expandable_segments"}
    for file, text in TEXTS.items():
        plan = planned(changes, **{file: text})
        rebuilt(plan)
        placed = placed or {aliases.get(made.fact, made.fact) for made in plan.made} >= set(changes)
        for hand in plan.by_hand:
            assert hand.why("en")
            assert hand.why("zh")
    assert placed != (name in BY_HAND)
