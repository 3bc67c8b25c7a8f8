"""Configurations as people really have them: half, doubled, tabbed, cyclic, hostile or huge, through both commands."""

import json
from pathlib import Path

import pytest

from oomdoc.cli import main

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 94.00 MiB. GPU 0 has a capacity of 79.33 GiB.\n"
BAD = {
    "half.yaml": ("per_device_train_batch_size: 4\ncutoff_len: [1, 2\n", "line 3: not YAML from here on"),
    "tabs.yaml": ("per_device_train_batch_size: 4\ntrain:\n\tcutoff_len: 5\n", "line 3: not YAML from here on: a tab"),
    "twice.yaml": ("per_device_train_batch_size: 9\nper_device_train_batch_size: 4\n", "stands twice"),
    "cycle.yaml": ("a: ${b}\nb: ${a}\nper_device_train_batch_size: 4\n", "a cycle of interpolations: a -> b -> a"),
    "object.yaml": (
        "a: !!python/object/apply:os.system ['touch owned']\nper_device_train_batch_size: 4\n",
        "is not constructed",
    ),
    "deep.yaml": ("per_device_train_batch_size: 4\na: " + "{" * 50_000, "nested deeper than 100"),
    "steps.yaml": ("per_device_train_batch_size: 4\na:\n " + "? " * 50_000, "nested deeper than 100"),
    "half.json": ('{"per_device_train_batch_size": 4, "zero_optimization": {"stage": 3,', "the JSON ends early"),
    "deep.json": ('{"per_device_train_batch_size": 4, "a": ' + "[" * 100_000, "nested deeper than"),
    "half.toml": ("per_device_train_batch_size = 4\nb = [1,\n", "not TOML"),
    "broken.py": ("x = TrainingArguments(per_device_train_batch_size=4,\nprint 3\n", "not Python 3"),
    "windows.sh": ("torchrun t.py \\\r\n --per_device_train_batch_size 4\r\n", "Windows line endings"),
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out, err


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_can_be_read_is_read_and_the_rest_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, trouble = BAD[name]
    Path(name).write_bytes(content.encode())
    Path("train.log").write_text(OOM, encoding="utf-8")
    code, out, err = printed(capsys, "settings", name, "--json")
    assert (code, err) == (0, "")
    body = json.loads(out)
    force = {row["fact"]: row["value"] for row in body["settings"] if row["in_force"]}
    assert force["train.per_device_batch_size"] == 4
    assert any(trouble in note and note.startswith(f"{name}: ") for note in body["notes"])
    assert f"! {name}: " in printed(capsys, "settings", name)[1]
    _, out, err = printed(capsys, "diagnose", "train.log", "-c", name, "--json")
    report = json.loads(out)
    assert err == ""
    assert any(trouble in note for note in report["notes"])
    assert {fact["name"]: fact["value"] for fact in report["facts"]}["train.per_device_batch_size"] == 4
    assert not Path("owned").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("huge.json", b"[" + b"1," * (9 << 20), "larger than 16 MiB"),
        ("empty.yaml", b" \n\n", "empty"),
        ("model.json", b"\x7fELF" + bytes(100), "binary file"),
    ],
)
def test_what_is_no_configuration_is_one_line(
    name: str,
    content: bytes,
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    Path("train.log").write_text(OOM, encoding="utf-8")
    for arguments in (["settings", name], ["diagnose", "train.log", "-c", name]):
        code, out, err = printed(capsys, *arguments)
        assert (code, out) == (2, "")
        assert f"{name}: {reason}" in err
        assert err.count("\n") == 1


def test_a_script_is_read_and_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.log").write_text(OOM, encoding="utf-8")
    Path("run.sh").write_text(
        "touch owned\nexport HF_TOKEN=hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345\nA=$(touch owned)\n"
        "python train.py --batch_size 2 --data `touch owned`; eval 'touch owned'\n",
        encoding="utf-8",
    )
    for arguments in (["settings", "run.sh", "--all"], ["diagnose", "train.log", "-c", "run.sh", "--facts"]):
        _, out, err = printed(capsys, *arguments)
        assert "hf_aBc" not in out + err
    assert not Path("owned").exists()


def test_the_blank_behind_a_backslash_and_the_files_beside_the_command_are_seen_by_diagnose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.log").write_text(OOM, encoding="utf-8")
    Path("ds.json").write_text('{"zero_optimization": {"stage": 3}}', encoding="utf-8")
    text = "torchrun --nproc_per_node 2 run_sft.py \\\n  --deepspeed ds.json \\ \n  --per_device_train_batch_size 2\n"
    Path("run.sh").write_text(text, encoding="utf-8")
    _, out, _ = printed(capsys, "diagnose", "train.log", "-c", "run.sh", "--json")
    facts = {fact["name"]: fact for fact in json.loads(out)["facts"]}
    assert facts["parallel.zero_stage"]["value"] == 3
    assert facts["parallel.zero_stage"]["source"]["file"] == "ds.json"
    assert facts["framework.settings_issue"]["value"][0].startswith("--per_device_train_batch_size ")
    assert facts["framework.lost_settings"]["value"][0] == "train.per_device_batch_size"
    begin, end = facts["framework.settings_issue"]["source"]["span"]
    assert text[begin:end] == "per_device_train_batch_size"
