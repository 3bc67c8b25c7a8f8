"""`oomdoc probe` as a user meets it: every way it can go is one line in both languages, with the right exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oomdoc.cli import probe as cli_probe

SMI = "0, NVIDIA A100, 40960, 0, GPU-aaaa\n"
PHASES = [{"phase": "backward", "moment": "step 1", "allocated_bytes": 5 << 30, "reserved_bytes": 6 << 30}]
FITS = {"error": None, "oom": None, "phases": PHASES, "allocated_bytes": 5 << 30, "reserved_bytes": 6 << 30,
        "device_bytes": 7 << 30, "notes": [], "gpu": {"name": "NVIDIA A100"}}  # fmt: skip
OOM = {**FITS, "oom": {"phase": "backward", "message": "CUDA out of memory. Tried to allocate 2.00 GiB", "where": ""}}
RUN = ["--model", "Qwen2.5-0.5B", "--method", "lora", "--max-length", "512"]


def interpreter(folder: Path, body: str) -> str:
    """A stand-in for the training interpreter: `body` answers a probe; dry runs find no torch."""
    path = folder / "python"
    no_torch = json.dumps({"answer": {"error": "environment", "message": "No module named torch"}})
    path.write_text(
        f"#!/bin/sh\ncase \"$*\" in *dryrun_worker*) read line; echo '{no_torch}'; exit 0;; esac\nread line\n{body}\n"
    )
    path.chmod(0o755)
    return str(path)


def answering(answer: dict[str, Any]) -> str:
    return f"echo '{json.dumps({'answer': answer})}'"


def told(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], smi: str = SMI
) -> Any:
    monkeypatch.setattr("oomdoc.probe.cards.nvidia_smi", lambda *_: smi)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    done = CliRunner().invoke(cli_probe.command, [*RUN, *arguments], standalone_mode=False)
    assert done.exception is None, done.exception
    captured = capfd.readouterr()
    return done.return_value, done.stdout + captured.out, done.stderr + captured.err


@pytest.mark.parametrize(
    ("body", "status", "english", "chinese"),
    [
        (answering(FITS), 0, "it fits: at most 7.00 GiB of 40.00 GiB, measured on NVIDIA A100", "放得下"),
        (answering(OOM), 1, "it ran out of memory in backward: CUDA out of memory", "在反向阶段显存不足"),
        ("echo '{\"progress\": \"training step 1\", \"seconds\": 2}'; kill -9 $$", 2,
         "ended by SIGKILL while in training step 1", "被 SIGKILL 终止（当时：第 1 个训练步）"),
        ("echo '{\"progress\": \"generation\", \"seconds\": 2}'; sleep 30", 2,
         "no answer within 2 s (while generating)", "2 秒内没有结果（停在：生成）"),
        ("echo 'Bus error' >&2; exit 7", 2, "it ended while starting: Bus error", "进程退出（当时：启动）：Bus error"),
    ],
)  # fmt: skip
def test_every_end_of_a_probe_is_one_line(
    body: str, status: int, english: str, chinese: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    python = interpreter(tmp_path, body)
    for language, sentence in (("en", english), ("zh", chinese)):
        arguments = ["--python", python, "--timeout", "2", "--lang", language]
        code, out, err = told(arguments, monkeypatch, capfd)
        assert (code, err) == (status, "")
        assert sentence in out.splitlines()[0]
        assert "estimate" in out
        assert "No module named torch" in out  # why the dry run is not beside it


@pytest.mark.parametrize(
    ("answer", "english", "chinese"),
    [
        ({"error": "missing", "package": "bitsandbytes", "use": "4-bit", "message": "no"},
         "4-bit needs bitsandbytes, which", "4-bit 需要 bitsandbytes"),
        ({"error": "without_cuda", "torch": "2.13.0+cpu", "message": "no"}, "is built without CUDA", "不带 CUDA"),
        ({"error": "driver", "message": "CUDA driver initialization failed"},
         "CUDA cannot be started by", "无法启动 CUDA：CUDA driver initialization failed"),
        ({"error": "no_gpu", "message": "no"}, "no CUDA GPU can be used by", "没有可用的 CUDA GPU"),
        ({"error": "environment", "message": "No module named torch"}, "cannot be imported by", "无法导入 torch"),
    ],
)  # fmt: skip
def test_what_an_environment_lacks_is_one_line_with_its_help(
    answer: dict[str, Any], english: str, chinese: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    python = interpreter(tmp_path, answering(answer))
    for language, sentence in (("en", english), ("zh", chinese)):
        code, out, err = told(["--python", python, "--lang", language], monkeypatch, capfd)
        assert (code, out) == (2, "")
        assert sentence in err.splitlines()[0]
        assert err.splitlines()[1].startswith("help: ")


BUSY = "0, NVIDIA A100, 40960, 9000, GPU-aaaa\n"


@pytest.mark.parametrize(
    ("arguments", "smi", "english", "chinese"),
    [
        ([], "", "no CUDA GPU can be used", "没有可用的 CUDA GPU"),
        ([], "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
         "the NVIDIA driver does not answer: NVIDIA-SMI has failed", "NVIDIA 驱动没有应答"),
        ([], BUSY, "GPU 0 holds 8.79 GiB of other processes", "GPU 0 上其他进程占用 8.79 GiB"),
        (["--cap", "48"], SMI, "the probe may take 48.00 GiB, but GPU 0 has 40.00 GiB free", "只剩 40.00 GiB"),
        (["--device", "3"], SMI, "no GPU of this machine is left", "没有留下可用的 GPU"),
        (["--gpus", "8", "--zero", "3"], SMI, "over 8 GPUs (ZeRO-3) and 1 can be used", "8 张 GPU 上（ZeRO-3）"),
        (["--gpus", "2", "--set", "parallel.kind=device_map"], SMI, "splits one model", "拆到多张 GPU"),
        (["--gpus", "16", "--zero", "2", "--set", "parallel.nodes=2"], SMI, "uses 2 machines", "2 台机器"),
        (["--python", "/nowhere/python"], SMI, "/nowhere/python is not an interpreter", "/nowhere/python 不是"),
    ],
)  # fmt: skip
def test_a_probe_that_cannot_start_says_why(
    arguments: list[str], smi: str, english: str, chinese: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for language, sentence in (("en", english), ("zh", chinese)):
        code, out, err = told([*arguments, "--lang", language], monkeypatch, capfd, smi)
        assert (code, out) == (2, "")
        assert sentence in err.splitlines()[0]
        assert len(err.splitlines()) == 2
        assert err.splitlines()[1].startswith("help: ")


def test_one_of_many_data_parallel_ranks_says_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--python", interpreter(tmp_path, answering(FITS)), "--gpus", "8", "--set", "parallel.kind=ddp"]
    code, out, _ = told([*arguments, "--lang", "en"], monkeypatch, capfd)
    assert code == 0
    assert "one of 8 data-parallel ranks was run alone" in out
    code, out, _ = told([*arguments, "--lang", "zh"], monkeypatch, capfd)
    assert "8 个数据并行进程中的一个" in out


def test_the_card_is_named_as_nvidia_smi_numbers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """CUDA numbers cards by speed unless it is told to count as nvidia-smi does."""
    seen = tmp_path / "seen"
    python = interpreter(tmp_path, f'echo "$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER" > {seen}\n{answering(FITS)}')
    smi = "0, NVIDIA A100, 40960, 90, GPU-aaaa\n1, NVIDIA A100, 40960, 0, GPU-bbbb\n"
    assert told(["--python", python, "--json"], monkeypatch, capfd, smi)[0] == 0
    assert seen.read_text().split() == ["1", "PCI_BUS_ID"]


def test_json_carries_the_end_of_a_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    python = interpreter(tmp_path, "kill -9 $$")
    code, out, _ = told(["--python", python, "--json"], monkeypatch, capfd)
    found = json.loads(out)
    assert code == 2
    assert found["ending"] == {"kind": "died", "stage": "starting", "signal": "SIGKILL"}
    assert (found["contradicts"], found["oom"], found["ranks"]) == (False, None, None)


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_the_command_is_interrupted_cleanly(tmp_path: Path) -> None:
    """Ctrl-C while a probe runs: status 130, one line, and the child is gone."""
    note = tmp_path / "child"
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{SMI.strip()}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    python = interpreter(tmp_path, f"echo $$ > {note}; sleep 60")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    command = [sys.executable, "-m", "oomdoc", "probe", *RUN, "--python", python, "--lang", "en"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(200):
        if note.exists() and note.read_text().strip():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "oomdoc: interrupted"
    assert gone(int(note.read_text()))


def gone(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
