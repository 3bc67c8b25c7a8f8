"""Where a change is written in each syntax: the value in force, the variable behind it, or a new option."""

import pytest
from patch_tools import patched, planned

SWIFT = "swift sft \\\n    --model Qwen/Qwen2.5-7B \\\n    --lora_rank 8 \\\n    --output_dir out  # keep\n"
LLAMA = (
    "model_name_or_path: Qwen/Qwen2.5-7B\nstage: sft\nfinetuning_type: lora\n"
    "### data\ncutoff_len: 4096  # long\nbf16: true\n"
)
HF = (
    "args = TrainingArguments(\n    output_dir='out',\n    per_device_train_batch_size=4,  # fits?\n    bf16=True,\n)\n"
)


def test_a_flag_that_is_there_is_edited_in_place():
    assert patched({"lora.rank": 4}, train_sh=SWIFT) == SWIFT.replace("rank 8", "rank 4")


def test_a_new_flag_follows_the_last_one_and_the_comment_stays():
    new = patched({"train.max_length": 2048}, train_sh=SWIFT)
    assert new == SWIFT.replace("--output_dir out", "--output_dir out \\\n    --max_length 2048")


def test_a_one_line_command_stays_on_one_line():
    line = "CUDA_VISIBLE_DEVICES=0 swift sft --model a/b --train_type lora --lora_rank 8 > log.txt 2>&1 &\n"
    assert patched({"train.max_length": 2048}, run_sh=line) == line.replace("8 >", "8 --max_length 2048 >")


def test_the_assignment_of_a_variable_is_edited():
    script = "RANK_OF_LORA=8\nswift sft --model a/b --train_type lora --lora_rank $RANK_OF_LORA\n"
    assert patched({"lora.rank": 4}, run_sh=script) == script.replace("LORA=8", "LORA=4")


def test_a_variable_that_something_else_uses_is_left_and_the_flag_is_edited():
    script = "N=8\nswift sft --model a/b --train_type lora --lora_rank $N --gradient_accumulation_steps $N\n"
    assert patched({"lora.rank": 4}, run_sh=script) == script.replace("rank $N", "rank 4")


def test_an_array_of_flags_takes_one_more():
    script = 'ARGS=(\n  --model a/b\n  --train_type lora\n)\nswift sft "${ARGS[@]}"\n'
    assert patched({"lora.rank": 4}, run_sh=script) == script.replace("lora\n)", "lora\n  --lora_rank 4\n)")


def test_an_environment_variable_stands_in_front_of_the_command():
    new = patched({"env.expandable_segments": True}, train_sh=SWIFT)
    assert new == "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True " + SWIFT


def test_an_environment_variable_joins_the_exports():
    script = "export OMP_NUM_THREADS=4\n" + SWIFT
    new = patched({"env.expandable_segments": True}, run_sh=script)
    assert new == script.replace("=4\n", "=4\nexport PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True\n", 1)


def test_members_of_the_allocator_setting_are_kept():
    script = "PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128 " + SWIFT
    assert ":128,expandable_segments:True swift" in patched({"env.expandable_segments": True}, run_sh=script)


def test_yaml_values_keep_their_comments():
    assert patched({"train.max_length": 2048}, t_yaml=LLAMA) == LLAMA.replace("4096", "2048")


def test_a_new_yaml_key_follows_a_related_one():
    new = patched({"train.liger_kernel": True}, t_yaml=LLAMA)
    assert new == LLAMA + "enable_liger_kernel: true\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_line_ends_and_a_missing_last_one_survive(end):
    text = LLAMA.replace("\n", end or "\n").rstrip("\r\n" if not end else "")
    new = patched({"train.liger_kernel": True, "train.max_length": 1024}, t_yaml=text)
    line = (end or "\n") + "enable_liger_kernel: true"
    assert new == text.replace("4096", "1024").rstrip("\r\n") + line + text[len(text.rstrip("\r\n")) :]


def test_inverted_switches_are_written_inverted():
    new = patched({"train.gradient_checkpointing": False}, t_yaml=LLAMA)
    assert "disable_gradient_checkpointing: true\n" in new


def test_counterparts_change_together():
    new = patched({"train.precision": "float16"}, t_yaml=LLAMA)
    assert new.endswith("bf16: false\nfp16: true\n")


def test_nested_sections_take_their_own_options():
    text = "freezeV: False\ncombine: True\nmax_input_length: 512\n"
    text += "training_args:\n  per_device_train_batch_size: 2\n  eval_steps: 5\npeft_config:\n  r: 8\n"
    new = patched({"eval.accumulation_steps": 1, "train.freeze_vision_tower": True}, lora_yaml=text)
    assert "  eval_accumulation_steps: 1\n" in new
    assert "freezeV: True\n" in new


def test_json_entries_keep_comments_behind_their_neighbours():
    text = '{\n  "zero_optimization": {\n    "stage": 2, // why not 3\n    "overlap_comm": true\n  },\n'
    text += '  "train_micro_batch_size_per_gpu": 4\n}\n'
    assert patched({"parallel.zero_stage": 3}, ds_json=text) == text.replace('"stage": 2', '"stage": 3')
    assert patched({"train.per_device_batch_size": 1}, ds_json=text) == text.replace(": 4", ": 1")


def test_python_calls_take_keywords():
    new = patched({"eval.accumulation_steps": 1, "train.per_device_batch_size": 1}, train_py=HF)
    assert "    eval_accumulation_steps=1,\n" in new
    assert "per_device_train_batch_size=1,  # fits?\n" in new


def test_python_constants_are_edited_where_they_stand():
    text = "BATCH = 4\n" + HF.replace("size=4", "size=BATCH")
    assert patched({"train.per_device_batch_size": 1}, train_py=text) == text.replace("BATCH = 4", "BATCH = 1")


def test_stage_and_offload_are_one_option():
    new = patched({"parallel.zero_stage": 3, "parallel.offload": "all"}, train_sh=SWIFT)
    assert "--deepspeed zero3_offload" in new


def test_the_launcher_says_how_many_processes():
    script = "GPUS=4\ntorchrun --nproc_per_node $GPUS train.py --model_name_or_path a --learning_rate 1e-5\n"
    assert patched({"parallel.world_size": 2}, run_sh=script) == script.replace("GPUS=4", "GPUS=2")


def test_what_a_program_has_no_option_for_is_left_to_the_person():
    script = "python train_full_sft.py --batch_size 32 --max_seq_len 512 --hidden_size 512\n"
    plan = planned({"train.gradient_checkpointing": True}, run_sh=script)
    assert not plan.files
    assert [hand.native for hand in plan.by_hand] == [None]


def test_a_shared_anchor_is_not_edited():
    text = "x: &n 8\nstage: sft\nfinetuning_type: lora\ncutoff_len: 512\nlora_rank: *n\npreprocessing_num_workers: *n\n"
    plan = planned({"lora.rank": 4}, t_yaml=text)
    assert not plan.files
    assert plan.by_hand[0].key == "shared"


def test_no_document_says_what_to_add():
    from oomdoc.patch.plan import plan_edits

    plan = plan_edits({"train.max_length": 2048}, [], log="[INFO:swift] x\nswift/llm/sft.py\nswift/trainers/a.py")
    assert plan.by_hand[0].key == "no_document"
    assert "max_length" in (plan.by_hand[0].native or "")


def test_a_lost_backslash_is_put_back():
    script = "swift sft \\\n    --model a/b \\\n    --train_type lora\n    --max_length 2048\n"
    new = patched({}, run_sh=script)
    assert new == script.replace("lora\n", "lora \\\n")


def test_a_misspelt_name_is_corrected():
    script = "MAX_PIXEL=602112 swift sft --model a/b --train_type lora --lora_rnak 8\n"
    new = patched({}, run_sh=script)
    assert new == "MAX_PIXELS=602112 swift sft --model a/b --train_type lora --lora_rank 8\n"


def test_what_is_so_already_changes_nothing():
    plan = planned({"lora.rank": 8}, train_sh=SWIFT)
    assert not plan.files
    assert not plan.by_hand


def test_toml_keys_stand_in_their_table():
    text = "[training]\ntrain_batch_size = 4 # x\nmax_train_epochs = 3\n\n"
    text += '[network]\nnetwork_dim = 32\nnetwork_module = "networks.lora"\n'
    new = patched({"train.per_device_batch_size": 1, "lora.rank": 8}, c_toml=text)
    assert new == text.replace("= 4 # x", "= 1 # x").replace("= 32", "= 8")


def test_hydra_overrides_take_one_more():
    script = "python3 -m verl.trainer.main_ppo \\\n  data.train_batch_size=1024 "
    script += "\\\n  actor_rollout_ref.rollout.gpu_memory_utilization=0.6\n"
    new = patched({"inference.gpu_memory_utilization": 0.4, "train.gradient_checkpointing": True}, run_sh=script)
    assert "gpu_memory_utilization=0.4 \\\n  actor_rollout_ref.model.enable_gradient_checkpointing=true\n" in new


def test_a_call_is_not_given_keywords_of_the_command_line():
    text = (
        'args = SFTConfig(output_dir="x", per_device_train_batch_size=2)\nt = SFTTrainer("a/b", args=args)\nt.train()\n'
    )
    plan = planned({"quant.bits": 4}, t_py=text)
    assert not plan.files
    assert [hand.fact for hand in plan.by_hand] == ["quant.bits"]


def test_dashes_are_kept_where_all_flags_have_them():
    line = "vllm serve a/b --max-model-len 32768 --gpu-memory-utilization 0.9\n"
    new = patched({"inference.max_model_len": 8192, "inference.kv_cache_dtype": "fp8"}, r_sh=line)
    assert new == "vllm serve a/b --max-model-len 8192 --gpu-memory-utilization 0.9 --kv-cache-dtype fp8\n"


def test_a_preset_that_is_a_file_is_never_written_as_a_number():
    script = "torchrun --nproc_per_node 2 finetune.py --hd_num 16 --fix_vit True "
    script += "--given_num True --deepspeed my_zero2.json\n"
    plan = planned({"parallel.zero_stage": 3}, run_sh=script)
    assert not plan.files
    assert plan.by_hand[0].native == '"zero_optimization": {"stage": 3}'


def test_an_option_that_shall_be_unset_is_taken_away():
    new = patched(
        {"lora.modules_to_save": None}, train_sh=SWIFT.replace("--lora_rank 8", "--modules_to_save embed_tokens")
    )
    assert new == SWIFT.replace("    --lora_rank 8 \\\n", "")


def test_what_is_unset_already_is_not_written():
    assert planned({"lora.modules_to_save": None}, train_py=HF).made == ()


def test_arguments_that_are_handed_through_stay():
    script = 'run() {\n  swift sft --model a/b --train_type lora --per_device_train_batch_size 8 "$@"\n}\nrun\n'
    assert patched({"train.per_device_batch_size": 1}, run_sh=script) == script.replace("size 8", "size 1")


def test_a_default_in_a_variable_is_edited_inside():
    script = "BS=${BS:-8}\nswift sft --model a/b --train_type lora --per_device_train_batch_size $BS\n"
    assert patched({"train.per_device_batch_size": 1}, run_sh=script) == script.replace(":-8", ":-1")


def test_what_is_off_is_turned_on_where_it_stands():
    new = patched({"train.precision": "bfloat16"}, train_py=HF.replace("bf16=True", "bf16=False"))
    assert new == HF
    assert "bf16: true\n" in patched({"train.precision": "bfloat16"}, t_yaml=LLAMA.replace("bf16: true", "bf16: false"))


def test_auto_is_left_to_the_program_that_decides_it():
    text = '{"zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": "auto"}'
    plan = planned({"train.per_device_batch_size": 1}, ds_json=text)
    assert not plan.files
    assert "auto" in plan.by_hand[0].why("en")
    assert "auto" in plan.by_hand[0].why("zh")


def test_json_inside_an_argument_is_left_alone():
    script = 'swift sft --model a/b --train_type lora --deepspeed \'{"zero_optimization": {"stage": 2}}\'\n'
    plan = planned({"parallel.zero_stage": 3}, run_sh=script)
    assert not plan.files
    assert plan.by_hand[0].key == "occupied"


def test_defaults_of_a_script_are_edited():
    script = "p = argparse.ArgumentParser()\np.add_argument('--batch_size', type=int, default=32)\n"
    script += (
        "p.add_argument('--max_seq_len', type=int, default=512)\np.add_argument('--accumulation_steps', default=1)\n"
    )
    script += "p.add_argument('--use_moe')\n"
    new = patched({"train.per_device_batch_size": 4, "train.max_length": 256}, train_py=f"import argparse\n{script}")
    assert new == f"import argparse\n{script}".replace("=32", "=4").replace("=512", "=256")


def test_defaults_of_a_dataclass_are_edited():
    text = "@dataclass\nclass Args(TrainingArguments):\n    per_device_train_batch_size: int = 8\n"
    text += "    model_max_length: int = field(default=8192)  # long\n"
    text = f"from transformers import TrainingArguments\n{text}"
    new = patched({"train.per_device_batch_size": 1, "train.max_length": 2048}, cfg_py=text)
    assert new == text.replace("= 8\n", "= 1\n").replace("8192", "2048")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("stage: sft\nfinetuning_type: lora\nper_device_train_batch_size: 8\n", ": 8", ": 1"),
        ("{stage: sft, finetuning_type: lora, per_device_train_batch_size: 8}\n", ": 8", ": 1"),
        ("---\nname: x\n---\nstage: sft\nfinetuning_type: lora\nper_device_train_batch_size: 8\n...\n", ": 8", ": 1"),
        ("base: &b\n  per_device_train_batch_size: 8\nstage: sft\nfinetuning_type: lora\n<<: *b\n", ": 8", ": 1"),
        ('"stage": "sft"\n"finetuning_type": "lora"\n"per_device_train_batch_size": "8"\n', '"8"', '"1"'),
    ],
)
def test_every_style_of_yaml_is_edited_in_place(text, old, new):
    assert patched({"train.per_device_batch_size": 1}, t_yaml=text) == text.replace(old, new)


def test_an_anchor_that_others_use_is_left_with_the_reason():
    text = "stage: sft\nfinetuning_type: lora\nper_device_train_batch_size: &n 8\nper_device_eval_batch_size: *n\n"
    plan = planned({"train.per_device_batch_size": 1}, t_yaml=text)
    assert not plan.files
    assert plan.by_hand[0].key == "shared"


def test_a_file_written_by_the_script_is_edited_in_its_heredoc():
    script = (
        "cat > t.yaml <<EOF\nstage: sft\nfinetuning_type: lora\ncutoff_len: 8192\nEOF\nllamafactory-cli train t.yaml\n"
    )
    assert patched({"train.max_length": 2048}, run_sh=script) == script.replace("8192", "2048")


def test_options_that_only_some_scripts_take_are_told_and_not_invented():
    plan = planned({"train.max_length": 512, "eval.predict_with_generate": False}, train_py=HF)
    assert not plan.files
    assert {hand.key for hand in plan.by_hand} == {"some_programs"}
    seq2seq = HF.replace("TrainingArguments", "Seq2SeqTrainingArguments")
    assert "predict_with_generate=False" in patched({"eval.predict_with_generate": False}, train_py=seq2seq)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_inside_a_command_move_above_it(end):
    script = "cd x\nswift sft \\\n    --model a/b \\\n    # --max_length 4096 \\\n"
    script += "    --train_type lora  # small\n    --lora_rank 8\n"
    new = patched({"lora.rank": 4}, run_sh=script.replace("\n", end))
    wanted = "cd x\n# --max_length 4096 \\\n# small\nswift sft \\\n    --model a/b \\\n"
    wanted += "    --train_type lora \\\n    --lora_rank 4\n"
    assert new == wanted.replace("\n", end)


def test_a_comment_stays_where_the_command_does_not_begin_its_line():
    script = "cd x && swift sft \\\n    --model a/b \\\n    # small \\\n    --train_type lora\n"
    assert not planned({}, run_sh=script).files


def test_offload_gets_a_section_of_its_own_in_the_deepspeed_file():
    text = '{\n  "zero_optimization": {\n    "stage": 2, // keep\n    "overlap_comm": true\n  }\n}\n'
    new = patched({"parallel.offload": "optimizer"}, ds_json=text)
    entry = '    "offload_optimizer": {"device": "cpu"},\n    "overlap_comm"'
    assert new == text.replace('    "overlap_comm"', entry)


def test_the_stage_of_sharding_stands_in_the_deepspeed_file_beside_a_configuration():
    config = "stage: sft\nfinetuning_type: full\nper_device_train_batch_size: 8\ndeepspeed: ds.json\n"
    shards = '{"zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": "auto"}\n'
    plan = planned({"parallel.zero_stage": 3, "train.per_device_batch_size": 1}, t_yaml=config, ds_json=shards)
    assert not plan.by_hand
    texts = {edit.original.name: edit.text for edit in plan.files}
    assert texts == {"t.yaml": config.replace(": 8", ": 1"), "ds.json": shards.replace("2", "3", 1)}


def test_a_deepspeed_file_that_was_not_given_is_named():
    config = "stage: sft\nfinetuning_type: full\nper_device_train_batch_size: 8\ndeepspeed: my/ds.json\n"
    (hand,) = planned({"parallel.zero_stage": 3}, t_yaml=config).by_hand
    assert hand.native == '"zero_optimization": {"stage": 3}'
    assert "my/ds.json" in hand.why("en")
    assert "my/ds.json" in hand.why("zh")


@pytest.mark.parametrize(
    "script",
    [
        "source env.sh\nswift sft --model a/b --train_type lora --per_device_train_batch_size $BS\n",
        "for n in 4 8; do echo; done\nswift sft --model a/b --train_type lora --per_device_train_batch_size $(cat n)\n",
    ],
)
def test_what_is_not_certain_is_left_with_the_line_and_the_value_to_write(script):
    plan = planned({"train.per_device_batch_size": 1}, run_sh=script)
    assert not plan.files
    (hand,) = plan.by_hand
    assert hand.native == "--per_device_train_batch_size 1"
    assert "run.sh:" in hand.why("en")
    assert "run.sh:" in hand.why("zh")
