"""A pasted report with everything in it: each region by its reader, prose by none, and quickly."""

import subprocess
import sys
import time

import pytest

from oomdoc.ingest.syntax.mixed import find_settings_in_text

REPORT = """\
# 显存溢出 😀

我用两张卡训练，per_device_train_batch_size 是 1，还是 OOM。

```yaml
### model
model_name_or_path: org/m
quantization_bit: 4
```

配置：

### method
finetuning_type: lora
cutoff_len: 2048

zero3.json里面写的是：
{
  "zero_optimization": {
    "stage": 3
  },
  "bf16": {"enabled": "auto"}
}

```python
args = TrainingArguments(bf16=True, per_device_eval_batch_size=8)
```

  ```bash
  export MAX_PIXELS=1003520
  args=(--lora_rank 8)
  swift sft --model m "${args[@]}" \\
      --max_length 4096
  ```

[INFO] args: Namespace(gradient_checkpointing=True, max_length=None)
{'loss': 2.2, 'lr': 1e-4, 'epoch': 0.1}
然后加了一句os.environ['CUDA_VISIBLE_DEVICES'] = '0'，还是报错
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 19.53 GiB.
"""


def test_every_region_is_read_by_its_reader_with_true_lines_and_places() -> None:
    parsed = find_settings_in_text(REPORT, "report.md")
    found = {(setting.kind, setting.key): setting for setting in parsed.settings}
    assert {place: setting.value for place, setting in found.items()} == {
        ("yaml", "model_name_or_path"): "org/m",
        ("yaml", "quantization_bit"): 4,
        ("yaml", "finetuning_type"): "lora",
        ("yaml", "cutoff_len"): 2048,
        ("json", "zero_optimization.stage"): 3,
        ("json", "bf16.enabled"): "auto",
        ("python-call", "TrainingArguments.bf16"): True,
        ("python-call", "TrainingArguments.per_device_eval_batch_size"): 8,
        ("env", "MAX_PIXELS"): 1003520,
        ("assignment", "args"): ("--lora_rank", "8"),
        ("flag", "model"): "m",
        ("flag", "lora_rank"): 8,
        ("flag", "max_length"): 4096,
        ("dump", "gradient_checkpointing"): True,
        ("dump", "max_length"): None,
        ("env", "CUDA_VISIBLE_DEVICES"): "0",
    }
    lines = REPORT.split("\n")
    for setting in parsed.settings:
        assert setting.value_span is not None
        assert setting.key_span is not None
        assert REPORT[slice(*setting.value_span)] == setting.raw
        assert setting.key.rpartition(".")[2] in lines[setting.line - 1]
    (command,) = parsed.commands
    assert (command.words, set(command.env)) == (("swift", "sft"), {"MAX_PIXELS"})
    assert not parsed.problems


@pytest.mark.parametrize(
    "text",
    [
        "I set the batch size to 4: it fails.\nExpected: it works\nnote: this is prose\n",
        "OS: Ubuntu\nPython: 3.10\nGPU: A100\n",
        "loader_init: allocating memory for the first time\nloader_init: picking the default device now please\n",
        "train_loss: 0.31\neval_loss: 0.35\n",
        'Traceback (most recent call last):\n  File "t.py", line 3, in f\n    m = A.from_pretrained(x, map="auto")\n',
        "| GPU  Name  | Memory-Usage |\n| N/A   40C  |  100MiB / 200MiB |\n",
        '{"loss": 0.1, "epoch": 1}\n{"loss": 0.2, "epoch": 2}\n',
        "max_length: is what I changed\n",
        '{"prompt": "x", "max_tokens": 3}\n' * 5,
        "a {b: c} sentence with $VAR, `code` and -- dashes --\n",
    ],
)
def test_prose_logs_and_tracebacks_give_nothing(text: str) -> None:
    assert find_settings_in_text(text, "x").settings == ()


def test_an_unfenced_block_goes_on_over_comments_and_blank_lines_but_not_into_prose() -> None:
    text = "### model\nmodel_name: m\n\n### train\n# c\nlearning_rate: 1.0e-4\nlora_target:\n  - q\n  - v\n"
    text += "\nThis fails: always\n"
    found = {setting.key: setting.value for setting in find_settings_in_text(text, "x").settings}
    assert found == {
        "model_name": "m", "learning_rate": 1e-4, "lora_target.0": "q", "lora_target.1": "v", "lora_target": ("q", "v"),
    }  # fmt: skip


def test_a_command_is_not_read_twice() -> None:
    text = "```\npython t.py --config {'a': 1, 'b': 2} --x 1\n```\n"
    assert [setting.key for setting in find_settings_in_text(text, "x").settings] == ["config", "x"]


def log_without_settings() -> str:
    rows = (
        "Traceback (most recent call last):",
        '  File "/root/c/lib/python3.10/site-packages/torch/nn/modules/module.py", line 1501, in _call_impl',
        "    return forward_call(*args, **kwargs)",
        "{'loss': 2.28, 'grad_norm': 4.05, 'learning_rate': 9.944e-05, 'epoch': 0.11}",
        " 13%|████      | 6/45 [01:13<08:12, 12.63s/it]",
        "[INFO|trainer.py:1786] 2024-01-01 12:00:00,000 >> ***** Running training *****",
    )
    return "\n".join(rows * 480)[:200_000]


def test_a_log_without_settings_is_over_in_ten_milliseconds() -> None:
    text = log_without_settings()
    find_settings_in_text(text, "warm.log")
    times = []
    for _ in range(5):
        started = time.process_time()
        assert find_settings_in_text(text, "train.log").settings == ()
        times.append(time.process_time() - started)
    assert min(times) < 0.010 * 3  # three times the budget: shared machines differ, the shape of the curve does not


@pytest.mark.parametrize(
    "unit",
    [
        "A=1 ",
        "CUDA_VISIBLE_DEVICES=0 ",
        "Namespace(",
        "Config(a=b(",
        "args: {'a': ",
        "python t.py --a '",
        "a: k=v, ",
        "```\n",
    ],
)
def test_repeated_openings_do_not_take_quadratic_time(unit: str) -> None:
    started = time.process_time()
    find_settings_in_text(unit * (40_000 // len(unit)), "x")
    assert time.process_time() - started < 3


def test_tree_sitter_and_yaml_are_imported_only_when_something_is_found() -> None:
    code = (
        "import sys; from oomdoc.ingest.syntax.mixed import find_settings_in_text as f;"
        "f('x' * 1000 + ' RuntimeError: no', 'a');"
        "print([m for m in ('tree_sitter', 'yaml', 'tomllib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_overrides_whose_program_was_not_pasted_are_read() -> None:
    text = (
        "Which of these do I have to change?\n\n"
        "data.train_batch_size=4 \\\n"
        "actor_rollout_ref.model.path=$MODEL_PATH\\\n"
        "+actor_rollout_ref.rollout.n=64 \\\n"
        "trainer.total_epochs=1 \\\n\nThanks a lot = really\n"
    )
    found = {setting.key: setting for setting in find_settings_in_text(text, "x").settings}
    assert found["data.train_batch_size"].value == 4
    assert found["actor_rollout_ref.rollout.n"].value == 64
    assert {setting.kind for setting in found.values()} == {"hydra"}
    for setting in found.values():
        assert setting.value_span is None or text[slice(*setting.value_span)] == setting.raw
    assert found["trainer.total_epochs"].line == 6


def test_flags_whose_program_was_not_pasted_are_read() -> None:
    text = "I used\n--model_name_or_path a/b \\\n  --bf16 \\\n--lora_rank 8\nand it died\n"
    found = {setting.key: (setting.value, setting.line) for setting in find_settings_in_text(text, "x").settings}
    assert found == {"model_name_or_path": ("a/b", 2), "bf16": (True, 3), "lora_rank": (8, 4)}


@pytest.mark.parametrize(
    "text",
    [
        "--batch_size 4 \\\n--bf16\n",
        "usage:\n  --batch_size N  the batch\n  --bf16        half\n  --lr LR       rate\n",
        "a.b=1\nc.d=2\ne.f=3\n",
    ],
)
def test_two_lines_and_help_texts_are_no_option_list(text: str) -> None:
    assert find_settings_in_text(text, "x").settings == ()


def test_line_numbers_of_an_editor_are_no_words() -> None:
    text = (
        "my script\n 9 export CUDA_VISIBLE_DEVICES=0,1\n10 torchrun \\\n11   --nproc_per_node 2 \\\n"
        "12   train.py \\\n13   --max_length 512 \\\n14   --bf16 True\nand it dies\n"
    )
    parsed = find_settings_in_text(text, "x")
    (command,) = parsed.commands
    assert (command.words, command.positionals) == (("torchrun", "train.py"), ())
    assert {flag.key: flag.value for flag in command.flags} == {"nproc_per_node": 2, "max_length": 512, "bf16": True}
    for flag in command.flags:
        assert flag.value_span is None or text[slice(*flag.value_span)] == flag.raw


def test_a_block_of_python_without_a_language_is_read_whole() -> None:
    text = (
        "OOM\n\n```\nbatch_size = 12\n\ndef load(rows):\n    return rows\n\n"
        "loader = DataLoader(load(rows), batch_size=batch_size)\nprint(len(loader))\n```\n"
    )
    assert ("batch_size", 12) in {(item.key, item.value) for item in find_settings_in_text(text).settings}


def test_toml_without_a_table_or_a_language_is_read() -> None:
    text = (
        'OOM\n\n```\ntrain_batch_size = 3\nxformers = true\nmixed_precision = "fp16"\n'
        'network_module = "networks.lora"\nnetwork_dim = 8\n```\n'
    )
    assert ("train_batch_size", 3) in {(item.key, item.value) for item in find_settings_in_text(text).settings}
