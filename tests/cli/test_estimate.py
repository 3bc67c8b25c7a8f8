"""`oomdoc estimate`: text, tables of facts, comparison, sweep, the largest value that fits, and clear refusals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oomdoc.cli.estimate import command

VL = ["--model", "Qwen/Qwen2.5-VL-7B-Instruct", "--method", "lora", "--batch", "2", "--max-length", "4096"]


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, [*arguments, "--lang", "en"], input=stdin, standalone_mode=False)


def test_text_leads_with_the_figure_and_says_what_was_assumed() -> None:
    found = run(*VL, "--image", "1288x1288", "--gpu", "RTX 4090", "--width", "100")
    first, second = found.output.splitlines()[:2]
    assert "on the card" in first
    assert "does not fit 23.64 GiB" in second
    assert "the LoRA rank is not stated: 8 is assumed" in found.output
    assert found.return_value == 1


def test_every_line_of_a_chinese_answer_is_chinese_where_it_speaks() -> None:
    found = CliRunner().invoke(command, ["--model", "Qwen2.5-7B", "--lang", "zh"], standalone_mode=False)
    assert "估算假设" in found.output
    assert "is assumed" not in found.output


def test_json_keeps_the_three_figures_apart() -> None:
    memory = json.loads(run(*VL, "--json").output)["memory"]
    assert memory["allocated_bytes"] < memory["reserved_bytes"] < memory["device_bytes"]
    assert memory["method"] == "closed_form"
    assert memory["components"]["weights"] > 15 << 30


def test_json_lines_of_facts_are_answered_line_by_line_in_order() -> None:
    lines = [
        {"model.name": "Qwen2.5-7B"},
        {"model.name": "nobody-knows"},
        {"model.name": "Llama-2-7b", "train.method": "lora"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "{broken\n[1]\n"
    found = [json.loads(line) for line in run("--facts", "-", "--format", "json", stdin=text).output.splitlines()]
    assert [each["error"] is None for each in found] == [True, False, True, False, False]
    assert found[0]["memory"]["device_bytes"] > found[2]["memory"]["device_bytes"]
    assert all(isinstance(each["assumed"], list) for each in found)


def test_one_object_of_facts_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(json.dumps({"model.name": "Qwen2.5-7B", "train.method": "lora"}))
    assert "Qwen/Qwen2.5-7B" in run("--facts", str(tmp_path / "facts.json")).output


def test_a_local_config_beats_the_catalog(tmp_path: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 2,
              "num_attention_heads": 8, "vocab_size": 1000, "tie_word_embeddings": False}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    memory = json.loads(run("--config", str(tmp_path), "--method", "load", "--json").output)["memory"]
    layer = 4 * 512 * 512 + 3 * 512 * 1024 + 2 * 512
    assert memory["allocated_bytes"] == 2 * (2 * layer + 2 * 1000 * 512 + 512)


def test_a_sweep_is_a_table_a_curve_and_csv() -> None:
    asked = (*VL, "--sweep", "train.max_length=1024..16384")
    text = run(*asked).output
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["1,024", "2,048", "4,096", "8,192", "16,384"]
    rows = run(*asked, "--format", "csv").output.splitlines()
    assert rows[0].startswith("train.max_length,allocated_bytes")
    peaks = [int(row.split(",")[3]) for row in rows[1:]]
    assert peaks == sorted(peaks)
    assert len(peaks) == 5


def test_the_largest_value_fits_and_the_next_does_not() -> None:
    asked = (
        "--model",
        "Qwen2.5-7B",
        "--method",
        "qlora",
        "--checkpointing",
        "--max-length",
        "1024",
        "--gpu",
        "RTX 4090",
    )
    found = json.loads(run(*asked, "--max", "train.per_device_batch_size", "--json").output)
    assert found["device_bytes"] <= found["capacity_bytes"]
    beyond = json.loads(run(*asked, "--batch", str(found["value"] + 1), "--json").output)["memory"]
    assert beyond["device_bytes"] > found["capacity_bytes"]


def test_nothing_fits_is_said() -> None:
    found = run(
        "--model", "Llama-3.1-70B", "--method", "full", "--gpu", "RTX 4090", "--max", "train.per_device_batch_size"
    )
    assert found.output.startswith("no train.per_device_batch_size from 1 to")
    assert found.return_value == 1


def test_a_comparison_shows_the_change_of_each_component() -> None:
    text = run("--model", "Qwen2.5-7B", "--compare", "train.method=lora", "train.method=full").output
    assert "optimizer state" in text
    assert text.splitlines()[-1].strip().startswith("on the card")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "Qwen2.5-7B", "--set", "no.such_fact=1"),
        ("--model", "Qwen2.5-7B", "--sweep", "train.max_length=9..1"),
        ("--model", "Qwen2.5-7B", "--image", "big"),
        ("--model", "Qwen2.5-7B", "--max", "train.per_device_batch_size"),
        ("--facts", "/no/such/file"),
    ],
)
def test_usage_errors_are_one_line(arguments: tuple[str, ...]) -> None:
    found = CliRunner().invoke(command, [*arguments])
    assert found.exit_code == 2
    assert "Error:" in found.output


@pytest.mark.parametrize("arguments", [(), ("--model", "nobody-knows"), ("--config", "/no/such/config.json")])
def test_an_unknown_model_is_no_confident_number(arguments: tuple[str, ...]) -> None:
    found = run(*arguments)
    assert found.return_value == 2
    assert "GiB" not in found.output


def test_the_command_loads_neither_torch_nor_textual() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from oomdoc.cli.estimate import command;"
        "CliRunner().invoke(command, ['--model', 'Qwen2.5-7B']);"
        "print(sorted({'torch', 'transformers', 'textual', 'rich', 'yaml', 'rapidfuzz'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
