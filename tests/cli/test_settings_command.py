"""`oomdoc settings`: the table, the JSON, the files beside a command, and inputs that cannot be read."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from oomdoc.cli.settings import command
from oomdoc.ingest.errors import InputError

SCRIPT = """\
export HF_TOKEN=hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345
CUDA_VISIBLE_DEVICES=0,1 MAX_PIXEL=602112 \\
swift sft --model Qwen/Qwen2.5-VL-7B-Instruct \\
  --train_type lora
  --max_length 2048
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.sh"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    assert result.exception is None, result.exception
    return result.output


def test_the_table_names_option_meaning_value_and_place(script: Path) -> None:
    text = run(str(script), "--lang", "en")
    assert "ms-swift, version not stated, taken as" in text
    row = next(line for line in text.splitlines() if line.startswith("--train_type"))
    assert row.split()[1:3] == ["train.method", "lora"]
    assert row.endswith("train.sh:4")
    assert "MAX_PIXEL is read by nobody; ms-swift reads MAX_PIXELS; image.max_pixels stayed 12845056" in text
    assert "--max_length never reached the program" in text


def test_chinese_speaks_chinese_and_keeps_option_names(script: Path) -> None:
    text = run(str(script), "--lang", "zh")
    assert "没有程序读取 MAX_PIXEL；ms-swift 读取的是 MAX_PIXELS" in text
    assert "train.method" in text


def test_json_names_its_schema_and_says_what_is_in_force(script: Path) -> None:
    body = json.loads(run(str(script), "--json"))
    assert body["schema"] == "oomdoc.settings/1"
    assert body["framework"]["name"] == "ms-swift"
    by_fact = {row["fact"]: row for row in body["settings"] if row["in_force"]}
    assert by_fact["train.max_length"]["value"] is None
    assert by_fact["train.max_length"]["status"] == "default"
    assert by_fact["train.method"]["status"] == "explicit"
    assert {issue["kind"] for issue in body["issues"]} == {"lost", "misspelt"}


def test_secrets_are_masked_in_every_format(script: Path) -> None:
    for arguments in (["--all"], ["--json"]):
        assert "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ" not in run(str(script), *arguments)


def test_the_yaml_of_a_command_is_read_where_it_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "lora.yaml").write_text("cutoff_len: 4096\nfinetuning_type: lora\nstage: sft\n", encoding="utf-8")
    (tmp_path / "run.sh").write_text("llamafactory-cli train lora.yaml\n", encoding="utf-8")
    body = json.loads(run(str(tmp_path / "run.sh"), "--json"))
    values = {row["fact"]: row["value"] for row in body["settings"] if row["in_force"]}
    assert values["train.max_length"] == 4096


def test_the_deepspeed_json_that_an_option_names_beats_its_name(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_text('{"zero_optimization": {"stage": 2}}', encoding="utf-8")
    (tmp_path / "run.sh").write_text(
        "torchrun --nproc_per_node 4 run_clm.py --per_device_train_batch_size 2 --deepspeed ds.json\n", encoding="utf-8"
    )
    body = json.loads(run(str(tmp_path / "run.sh"), "--json"))
    values = {row["fact"]: row["value"] for row in body["settings"] if row["in_force"]}
    assert values["parallel.zero_stage"] == 2
    assert values["parallel.kind"] == "zero"


def test_what_the_log_printed_beats_the_command(script: Path, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        "TrainingArguments(\nper_device_train_batch_size=4,\nbf16=True,\ndeepspeed=None,\n)\n", encoding="utf-8"
    )
    script.write_text("swift sft --model a/b --train_type lora --per_device_train_batch_size 8\n", encoding="utf-8")
    text = run(str(script), "--log", str(log), "--lang", "en")
    row = next(line for line in text.splitlines() if line.startswith("--per_device_train_batch_size"))
    assert "not in force: 4, the run printed it" in row


@pytest.mark.parametrize("name", ["missing.sh", "."])
def test_what_cannot_be_read_is_one_clear_line(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / name)], standalone_mode=False)
    assert isinstance(result.exception, InputError)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"a: [1,\n b: {", b"x" * 100_000, b"!!python/object:os.system {}"]
)
def test_nonsense_is_no_setting_and_no_crash(content: bytes, tmp_path: Path) -> None:
    for name in ("x.yaml", "x.json", "x.sh", "x.py", "x.toml", "x.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        result = CliRunner().invoke(command, [str(path), "--json"], standalone_mode=False)
        if content.isascii() and content:
            assert json.loads(result.output)["framework"] is None
        else:
            assert isinstance(result.exception, InputError)
            assert "\n" not in str(result.exception)
