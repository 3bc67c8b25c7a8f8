"""The machine is read through the real NVML binding, against a stub library; every failure is one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oomdoc.ingest.gpu import Gpu, GpuReading
from oomdoc.ingest.machine import environment_facts, host_memory, machine_facts

STUB = Path(__file__).parent.parent / "fixtures" / "nvml" / "stub.c"
compiler = shutil.which("cc") or shutil.which("gcc")


@pytest.fixture(scope="module")
def stub_folder(tmp_path_factory):
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(STUB)], check=True)
    return folder


def gpus(folder, *arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "oomdoc", "gpus", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(folder), **env},
        check=False,
        timeout=60,
    )


def test_cards_and_processes_are_read_through_the_real_binding(stub_folder):
    done = gpus(stub_folder, "--format", "json")
    reading = json.loads(done.stdout)
    assert done.returncode == 0
    assert reading["driver"] == "550.54.15"
    first, second = reading["gpus"]
    assert (first["total_bytes"], first["used_bytes"], second["used_bytes"]) == (25757220864, 21474836480, 1073741824)
    assert first["compute_capability"] == "8.9"
    held = {process["pid"]: process["bytes"] for process in first["processes"]}
    assert held == {4194000: 19327352832, 1: None}, "2^64-1 means that the driver does not tell"
    assert next(p for p in first["processes"] if p["pid"] == 4194000)["is_gone"]


def test_the_text_names_the_holder(stub_folder):
    done = gpus(stub_folder, "--lang", "en")
    assert "RTX 4090" in done.stdout
    assert "18.00 GiB" in done.stdout
    assert "not told" in done.stdout


@pytest.mark.parametrize(("code", "words"), [("18", "differ in version"), ("9", "not loaded"), ("4", "no permission")])
def test_a_driver_that_refuses_is_one_line_and_no_traceback(stub_folder, code, words):
    done = gpus(stub_folder, STUB_NVML_INIT=code)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_cards_become_live_facts():
    card = Gpu(0, "NVIDIA A10", 23 << 30, 3 << 30, 20 << 30, compute_capability="8.6")
    facts = {fact.name: fact.value for fact in machine_facts(GpuReading((card, card), "550"))}
    assert facts["hardware.gpu_count"] == 2
    assert facts["hardware.gpu_total_bytes"] == 23 << 30
    assert facts["hardware.mixed_gpus"] is False


def test_a_cgroup_limit_beats_the_machine(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:       65536000 kB\nMemFree:  1000 kB\nMemAvailable:   32768000 kB\n")
    (tmp_path / "version").write_text("Linux version 5.15.146.1-microsoft-standard-WSL2\n")
    (tmp_path / "memory.max").write_text("8589934592\n")
    found = host_memory(tmp_path, tmp_path)
    assert found["hardware.host_total_bytes"] == 8 << 30
    assert found["hardware.host_free_bytes"] == 32768000 * 1024
    assert found["hardware.platform"] == "wsl"


def test_an_unlimited_cgroup_is_no_limit(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:       1024 kB\nMemFree:  1000 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert host_memory(tmp_path, tmp_path)["hardware.host_total_bytes"] == 1024 * 1024


def test_versions_are_read_from_folder_names_without_importing(tmp_path):
    site = tmp_path / "lib" / "python3.10" / "site-packages"
    for name in ("torch-2.5.1+cu121.dist-info", "flash_attn-2.7.4.dist-info", "numpy-1.26.dist-info", "broken"):
        (site / name).mkdir(parents=True)
    facts = {fact.name: fact.value for fact in environment_facts(str(tmp_path / "bin" / "python"))}
    assert facts == {"env.torch": "2.5.1+cu121", "env.flash_attn": "2.7.4"}
    assert environment_facts("/nowhere/bin/python") == []
