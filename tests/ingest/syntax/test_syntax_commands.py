"""Launch commands in prose, Markdown, terminal sessions and logs: where they begin and where the prose goes on."""

import pytest

from oomdoc.ingest.syntax.commands import find_commands


def found(text: str) -> list[tuple[str, dict[str, object]]]:
    return [
        (" ".join(command.words), {flag.key: flag.value for flag in command.flags}) for command in find_commands(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我的命令是CUDA_VISIBLE_DEVICES=0,1 swift sft --model X --max_length 2048 却提示爆显存",
         [("swift sft", {"model": "X", "max_length": 2048})]),
        ("用llamafactory-cli train a.yaml训练，报错。", [("llamafactory-cli train", {})]),
        ("命令：vllm serve org/模型 --max-model-len 4096，然后 OOM", [("vllm serve", {"max-model-len": 4096})]),
        ("I run python train.py --bs 4 and then it dies", [("python train.py", {"bs": 4})]),
        ("Running python train.py gives me this error", [("python train.py", {})]),
        ("With torchrun --nproc_per_node=2 s.py and no map it fails", [("torchrun s.py", {"nproc_per_node": 2})]),
        ("I use `deepspeed --num_gpus 4 t.py --fp16` here", [("deepspeed t.py", {"num_gpus": 4, "fp16": True})]),
        ('os.system("python t.py --a 1") is called', [("python t.py", {"a": 1})]),
        ("```python t.py --a 1```", [("python t.py", {"a": 1})]),
        ("user@host:~/x$ python t.py --a 1", [("python t.py", {"a": 1})]),
        ("(env) [me@host dir]# accelerate launch t.py --a 1", [("accelerate launch t.py", {"a": 1})]),
        ("PS C:\\work> python t.py --a 1", [("python t.py", {"a": 1})]),
        ("C:\\work>python t.py --a 1", [("python t.py", {"a": 1})]),
        ("!python t.py --a 1", [("python t.py", {"a": 1})]),
        ("$ ./llama-server -m x.gguf -ngl 99 -c 4096", [("llama-server", {"m": "x.gguf", "ngl": 99, "c": 4096})]),
        ("some_tool train --epochs 3 --batch-size 2", [("some_tool train", {"epochs": 3, "batch-size": 2})]),
        ("[INFO] [runner.py:1:main] cmd = /opt/c/bin/python -u -m pkg.launch --info=x t.py --a 1",
         [("python -m pkg.launch", {"info": "x", "a": 1})]),
        ("CalledProcessError: Command '['/usr/bin/python', 'src/t.py', '--a', 'b c']' returned non-zero exit status 1.",
         [("python src/t.py", {"a": "b c"})]),
    ],
)  # fmt: skip
def test_commands_are_found_and_end_where_the_prose_goes_on(text: str, expected: list[tuple[str, object]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "8卡80G，用deepspeed zero3全参数训练，每次都OOM",
        "When I set the `CUDA_VISIBLE_DEVICES` variable by hand, the first gpu is full",
        "python is great -- really, I like it",
        "We use torchrun and accelerate launch for this.",
        '  File "/usr/lib/python3.10/site-packages/x/train.py", line 10, in main',
        "usage: train.py [-h] [--lr LR] [--batch-size N]",
        "train.py: error: unrecognized arguments: --foo --bar",
        "Pass --gpu-memory-utilization to lower it, or --max-model-len",
        "pip install -U torch --index-url https://x/y",
        "Epoch 1 ---- loss 0.3 -- lr 1e-4",
    ],
)
def test_prose_tracebacks_and_usage_are_no_commands(text: str) -> None:
    assert found(text) == []


def test_assignments_above_and_before_a_command_belong_to_it() -> None:
    text = "参数：\nA=1 \\\nB=2 \\\nnohup swift sft \\\n  --model m \\\n  --fp16\n"
    (command,) = find_commands(text)
    assert {name: setting.value for name, setting in command.env.items()} == {"A": 1, "B": 2}
    assert command.launcher == ("nohup", "swift")
    text = "这样：CUDA_VISIBLE_DEVICES=0,1  NPROC_PER_NODE=2 \\\nMAX_PIXEL=1 \\\nswift sft --model m"
    assert set(find_commands(text)[0].env) == {"CUDA_VISIBLE_DEVICES", "NPROC_PER_NODE", "MAX_PIXEL"}
    text = 'FLAGS="--a 1 --b 2"\nmpiexec -n 4 python t.py $FLAGS\n'
    assert found(text) == [("python t.py", {"n": 4, "a": 1, "b": 2})]


def test_lost_flags_of_a_pasted_command_have_places_in_the_whole_text() -> None:
    text = "# Bug\n\n脚本：\ndeepspeed t.py \\\n    --a 1 \\\n    --fp16\n    --deepspeed z3.json\nz3.json里是：\n"
    (command,) = find_commands(text)
    (lost,) = command.lost
    assert (lost.reason, lost.line, lost.text) == ("missing-backslash", 7, "--deepspeed z3.json")
    assert text[slice(*lost.span)] == lost.text
    assert lost.break_span == (text.index("--fp16") + 6,) * 2


def test_links_and_elisions_are_not_taken_for_lost_flags() -> None:
    assert found("- [script](./examples/run.sh) (`--reward.url`)\n- see (`--b`)\n") == []
    (command,) = find_commands("python t.py --a 1 \\\n  ...\n  --b 2 \\\n  --c 3\n")
    assert command.lost == ()


def test_a_continued_command_stops_before_prose_and_fences() -> None:
    text = "```\ntorchrun t.py \\\n --a 1 \\\n```\nthen --b 2\n"
    assert found(text) == [("torchrun t.py", {"a": 1})]
    assert found("python t.py --a 1\n\nExpected --b 2 to work\n") == [("python t.py", {"a": 1})]


def test_a_quoted_session_and_a_redirection_are_told_apart() -> None:
    assert found("$ python t.py --a 1 \\\n> --b 2") == [("python t.py", {"a": 1, "b": 2})]
    assert found("python t.py \\\n --a 1 \\\n > run.log 2>&1 &\n") == [("python t.py", {"a": 1})]


def test_two_commands_on_one_line_are_two() -> None:
    assert [name for name, _ in found("先 python a.py --x 1，再 python b.py --y 2。")] == ["python a.py", "python b.py"]


def test_line_and_span_point_into_the_text() -> None:
    text = "one\r\ntwo 😀\r\n$ python t.py --名字 值\r\n"
    (command,) = find_commands(text)
    assert command.line == 3
    assert text[slice(*command.span)] == "python t.py"
    text = "one\r\ntwo 😀\r\n$ python t.py --a '值'\r\n"
    (command,) = find_commands(text)
    assert text[slice(*command.span)] == "python t.py --a '值'"
    assert command.flags[0].raw == "'值'"
