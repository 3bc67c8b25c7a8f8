"""Shell scripts: what reaches the command, what the shell will not pass on, and where each value stands."""

import pytest

from oomdoc.ingest.syntax.setting import Command, Parsed
from oomdoc.ingest.syntax.shell import parse


def only(text: str, **options: bool) -> Command:
    (command,) = parse(text, "run.sh", **options).commands
    return command


def values(command: Command) -> dict[str, object]:
    return {flag.key: flag.value for flag in command.flags}


def test_flags_take_values_lists_numbers_and_stand_alone() -> None:
    command = only(
        "python train.py --lr=1e-4 --target_modules q_proj v_proj -c 4096 --save_steps -1 --bf16 --name 'a b'"
    )
    assert command.words == ("python", "train.py")
    assert values(command) == {
        "lr": 1e-4,
        "target_modules": ("q_proj", "v_proj"),
        "c": 4096,
        "save_steps": -1,
        "bf16": True,
        "name": "a b",
    }


def test_spans_cover_exactly_the_written_value_and_name() -> None:
    text = 'python "训练.py" --per-device=8 --json=\'{"a": 1}\' --list a \\\n  b'
    command = only(text)
    written = {flag.key: text[slice(*flag.value_span)] for flag in command.flags if flag.value_span}
    assert written == {"per-device": "8", "json": "'{\"a\": 1}'", "list": "a \\\n  b"}
    assert [text[slice(*flag.key_span)] for flag in command.flags if flag.key_span] == ["per-device", "json", "list"]


def test_environment_prefix_and_exports_reach_the_command_but_plain_assignments_do_not() -> None:
    parsed = parse("export A=1\nB=2\nC=3 torchrun t.py\nexport B\npython u.py\n")
    first, second = parsed.commands
    assert {name: setting.value for name, setting in first.env.items()} == {"A": 1, "C": 3}
    assert {name: setting.value for name, setting in second.env.items()} == {"A": 1, "B": 2}
    assert ("B", "assignment") in [(setting.key, setting.kind) for setting in parsed.settings]


def test_variables_defaults_arithmetic_and_arrays_are_expanded() -> None:
    text = (
        'N=4\nFLAGS="--epochs 3 --warmup 10"\nargs=(--seed 7 --out "x y")\n'
        'python t.py --n $N --m ${M:-8} --total $((N * 2)) $FLAGS "${args[@]}" --unknown $WHO\n'
    )
    command = only(text)
    assert values(command) == {
        "n": 4, "m": 8, "total": 8, "epochs": 3, "warmup": 10, "seed": 7, "out": "x y", "unknown": "$WHO",
    }  # fmt: skip
    by_key = {flag.key: flag for flag in command.flags}
    assert by_key["n"].raw == "$N"
    assert by_key["n"].note == "N from line 1"
    assert by_key["unknown"].note == "unresolved variable WHO"
    epochs = by_key["epochs"].value_span
    assert epochs is not None
    assert text[slice(*epochs)] == "3"
    assert by_key["epochs"].line == 2


def test_lists_of_flags_built_from_variables_are_split_at_their_places() -> None:
    text = (
        'GPUS=4\nDIST="\n  --nproc_per_node $GPUS \\\n  --nnodes 1\n"\n'
        'ARGS="--lr 1"\nARGS="$ARGS --bs 2"\nARGS+=" --seed 3"\n'
        "torchrun $DIST t.py $ARGS\n"
    )
    command = only(text)
    assert command.words == ("torchrun", "t.py")
    assert values(command) == {"nproc_per_node": 4, "nnodes": 1, "lr": 1, "bs": 2, "seed": 3}
    assert {flag.key: flag.value_span and text[slice(*flag.value_span)] for flag in command.flags} == {
        "nproc_per_node": "$GPUS", "nnodes": "1", "lr": None, "bs": None, "seed": None,
    }  # fmt: skip


def test_a_command_substitution_is_never_run_and_stays_as_written() -> None:
    command = only("python t.py --n $(touch /tmp/should-not-exist) --m `id`")
    assert values(command) == {"n": "$(touch /tmp/should-not-exist)", "m": "`id`"}
    assert all("unresolved command substitution" in (flag.note or "") for flag in command.flags)


@pytest.mark.parametrize(
    ("text", "reason", "broken"),
    [
        ("deepspeed t.py \\\n  --a 1\n  --zero 3\n", "missing-backslash", ""),
        ("deepspeed t.py \\\n  --a 1 \\  \n  --zero 3\n", "backslash-blank", "\\  "),
        ("deepspeed t.py \\\n  --a 1 \\\n  # --b 2 \\\n  --zero 3\n", "comment", " \\\n  # --b 2 \\"),
        ("deepspeed t.py \\\n  --a 1 \\\n\n  --zero 3\n", "blank-line", " \\\n"),
    ],
)
def test_flags_the_shell_will_not_pass_are_reported_as_lost(text: str, reason: str, broken: str) -> None:
    command = only(text)
    assert values(command) == {"a": 1}
    (lost,) = command.lost
    assert lost.reason == reason
    assert [(flag.key, flag.value) for flag in lost.flags] == [("zero", 3)]
    assert text[slice(*lost.break_span)] == broken
    assert lost.line == text[: lost.span[0]].count("\n") + 1
    assert "zero" not in {setting.key for setting in parse(text).settings}


def test_several_lost_lines_belong_to_the_same_command() -> None:
    command = only("python t.py \\\n --a 1\n --b 2\n --c 3\n")
    assert [flag.key for lost in command.lost for flag in lost.flags] == ["b", "c"]


def test_a_commented_flag_at_the_end_loses_nothing() -> None:
    command = only("python t.py \\\n --a 1 # --b 2\n\necho done\n")
    assert values(command) == {"a": 1}
    assert not command.lost


def test_a_paste_without_any_backslash_is_one_command_but_a_script_is_not() -> None:
    text = "python t.py\n  --a 1\n  --b 2\n"
    assert values(only(text, pasted=True)) == {"a": 1, "b": 2}
    assert "no backslashes" in (only(text, pasted=True).note or "")
    assert [flag.key for lost in only(text).lost for flag in lost.flags] == ["a", "b"]


def test_a_paste_with_blanks_behind_every_backslash_is_one_command() -> None:
    assert values(only("python t.py \\ \n --a 1 \\ \n --b 2\n", pasted=True)) == {"a": 1, "b": 2}


@pytest.mark.parametrize("mark", ["^", "`"])
def test_windows_continuation_is_read(mark: str) -> None:
    text = f"python t.py {mark}\r\n  --a 1 {mark}\r\n  --path C:\\data\\x\r\n"
    parsed = parse(text, "run.bat")
    assert values(parsed.commands[0]) == {"a": 1, "path": "C:\\data\\x"}
    assert not parsed.problems


def test_windows_environments_reach_the_command() -> None:
    assert only("set CUDA_VISIBLE_DEVICES=0\npython t.py --a 1\n").env["CUDA_VISIBLE_DEVICES"].value == 0
    powershell = only('$env:MAX_PIXELS = "1003520"\npython t.py --a 1\n')
    assert powershell.env["MAX_PIXELS"].value == 1003520
    assert powershell.env["MAX_PIXELS"].raw == '"1003520"'


def test_windows_line_endings_in_a_script_are_named() -> None:
    parsed = parse("python t.py --a 1 \\\r\n --b 2\r\n", "run.sh")
    assert values(parsed.commands[0]) == {"a": 1, "b": 2}
    assert "carriage return" in parsed.problems[0].message


@pytest.mark.parametrize(
    ("text", "words", "launcher", "mine", "theirs"),
    [
        ("torchrun --standalone --nproc_per_node 4 src/t.py --a 1", ("torchrun", "src/t.py"), ("torchrun", "src/t.py"),
         {"a": 1}, {"standalone": True, "nproc_per_node": 4}),
        ("deepspeed --include localhost:0,1 --module pkg.train --a 1", ("deepspeed", "-m", "pkg.train"),
         ("deepspeed", "pkg.train"), {"a": 1}, {"include": "localhost:0,1"}),
        ("accelerate launch --multi_gpu --config_file z.yaml t.py --a 1", ("accelerate", "launch", "t.py"),
         ("accelerate launch", "t.py"), {"a": 1}, {"multi_gpu": True, "config_file": "z.yaml"}),
        ("python -m torch.distributed.run --nproc_per_node=2 t.py --a 1",
         ("python", "-m", "torch.distributed.run", "t.py"), ("torch.distributed.run", "t.py"), {"a": 1},
         {"nproc_per_node": 2}),
        ("nohup sudo srun -n 2 --gres=gpu:2 python -u t.py --a 1 > log 2>&1 &", ("python", "t.py"),
         ("nohup", "sudo", "srun", "t.py"), {"a": 1}, {"n": 2, "gres": "gpu:2"}),
        ("mpirun -np 2 -mca pml ob1 -x NCCL_DEBUG=INFO python t.py --a 1", ("python", "t.py"), ("mpirun", "t.py"),
         {"a": 1}, {"np": 2, "mca": ("pml", "ob1"), "x": "NCCL_DEBUG=INFO"}),
        ("docker run --gpus all --shm-size 1g -e A=1 img/x:2 --model-id m", ("img/x:2",), ("docker", "img/x:2"),
         {"model-id": "m"}, {"gpus": "all", "shm-size": "1g", "e": "A=1"}),
        ("uv run --python 3.11 vllm serve org/m --max-model-len 4", ("vllm", "serve"), ("uv", "vllm"),
         {"max-model-len": 4}, {"python": 3.11}),
    ],
)  # fmt: skip
def test_launchers_keep_their_own_flags(
    text: str, words: tuple[str, ...], launcher: tuple[str, ...], mine: dict[str, object], theirs: dict[str, object]
) -> None:
    command = only(text)
    assert command.words == words
    assert command.launcher == launcher
    assert {flag.key: flag.value for flag in command.own_flags} == mine
    assert {flag.key: flag.value for flag in command.flags if flag not in command.own_flags} == theirs


def test_environment_given_to_a_container_or_mpi_is_environment() -> None:
    assert only("docker run -e A=1 --env B=2 img --x 1").env.keys() == {"A", "B"}
    assert only("env A=1 python t.py --x 1").env["A"].value == 1


def test_overrides_positionals_and_removals() -> None:
    command = only(
        "python -m pkg.main data.batch=8 +new.key=1e-6 ~old 'trainer.logger=[\"x\"]' config.yaml --flag a.b=2"
    )
    found = {(setting.kind, setting.key): setting.value for setting in command.positionals}
    assert found == {
        ("hydra", "data.batch"): 8,
        ("hydra", "new.key"): 1e-6,
        ("hydra", "old"): None,
        ("hydra", "trainer.logger"): '["x"]',
        ("positional", "config.yaml"): "config.yaml",
        ("hydra", "a.b"): 2,
    }
    assert [setting.note for setting in command.positionals if setting.key in {"new.key", "old"}] == [
        "added",
        "removed",
    ]


def test_slurm_headers_and_branches() -> None:
    text = "#SBATCH --mem=64G -N 2\n#SBATCH --gres gpu:4\nif [ -n x ]; then\n python a.py --x 1\nelse\n"
    text += " python b.py --x 2\nfi\n"
    parsed = parse(text)
    header = {setting.key: setting.value for setting in parsed.settings if setting.scope == "sbatch"}
    assert header == {"mem": "64G", "N": 2, "gres": "gpu:4"}
    assert [command.note for command in parsed.commands] == ["in a branch", "in a branch"]


def test_loops_give_their_first_value_and_name_the_others() -> None:
    command = only("for lr in 1e-4 1e-5; do python t.py --lr $lr; done")
    (flag,) = command.flags
    assert flag.value == 1e-4
    assert "one of 1e-4, 1e-5" in (flag.note or "")


def test_a_heredoc_is_a_document_of_its_own() -> None:
    text = 'cat > ds.json <<EOF\n{"zero_optimization": {"stage": 3}}\nEOF\ndeepspeed t.py --deepspeed ds.json\n'
    (stage,) = [setting for setting in parse(text).settings if setting.kind == "json"]
    assert (stage.key, stage.value, stage.line, stage.scope) == ("zero_optimization.stage", 3, 2, "ds.json")
    assert stage.value_span is not None
    assert text[slice(*stage.value_span)] == "3"


def test_ordinary_tools_are_no_runs() -> None:
    assert (
        parse(
            "cd /x && pip install -U torch\nconda create -n e python=3.10 -y\ngit clone --depth 1 u\nls -la\n"
        ).commands
        == ()
    )


def test_an_unclosed_quote_is_a_problem_and_not_the_end() -> None:
    parsed = parse("python t.py --a 1 --b 'open\n")
    assert parsed.problems
    assert parsed.commands[0].flags[0].value == 1


def test_a_very_deep_script_does_not_overflow() -> None:
    assert isinstance(parse("(" * 5000 + "python t.py" + ")" * 5000), Parsed)
    assert isinstance(parse("python t.py --a " + "$(" * 3000), Parsed)


def test_a_pipe_that_leads_nowhere_is_no_command() -> None:
    commands = parse("python train.py --lr 1 |").commands
    assert [command.words for command in commands] == [("python", "train.py")]
