"""Versions, device tables and memory series in a log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.ingest import series, tables, versions
from oomdoc.ingest.document import plain

GIB = 1 << 30

SMI = """\
| NVIDIA-SMI 535.129.03             Driver Version: 535.129.03   CUDA Version: 12.2     |
|   0  NVIDIA RTX A6000               On  | 00000000:07:00.0 Off |                    0 |
| 30%   34C    P0              63W / 300W |  40000MiB / 49140MiB |      0%      Default |
|                                         |                      |             Disabled |
|   1  NVIDIA RTX A6000               On  | 00000000:0A:00.0 Off |                    0 |
| 30%   34C    P0              63W / 300W |      4MiB / 49140MiB |      0%      Default |
| Processes:                                                                            |
|    0   N/A  N/A      1234      C   python                                    30000MiB |
|    0   N/A  N/A      2345      C   /opt/x/python                              9900MiB |
"""


def values(facts: object) -> dict[str, object]:
    return {fact.name: fact.value for fact in facts}  # type: ignore[attr-defined]


def test_nvidia_smi() -> None:
    assert values(tables.read(plain(SMI))) == {
        "hardware.gpu_name": "NVIDIA RTX A6000",
        "hardware.gpu_count": 2,
        "hardware.gpu_total_bytes": 49140 << 20,
        "hardware.other_process_bytes": 9900 << 20,
    }
    assert values(versions.read(plain(SMI)))["env.driver"] == "535.129.03"


def test_nvidia_smi_of_two_sizes_and_a_slice() -> None:
    text = SMI.replace("4MiB / 49140MiB", "4MiB / 24564MiB").replace("Disabled", " Enabled")
    facts = values(tables.read(plain(text)))
    assert facts["hardware.mixed_gpus"] is True
    assert facts["hardware.partitioned"] is True
    assert facts["hardware.gpu_total_bytes"] == 24564 << 20


def test_cards_of_a_virtual_machine_have_other_bus_numbers() -> None:
    text = SMI.replace("00000000:07:00.0", "00000000:00:08.0").replace("00000000:0A:00.0", "00000000:00:09.0")
    assert values(tables.read(plain(text)))["hardware.gpu_count"] == 2


def test_a_table_printed_again_counts_its_cards_once() -> None:
    assert values(tables.read(plain(SMI + SMI)))["hardware.gpu_count"] == 2


def test_gpustat_and_npu_smi() -> None:
    stat = values(
        tables.read(plain("[0] NVIDIA GeForce RTX 3090 | 45'C,   0 % | 20234 / 24576 MB | bob(1100M) ann(19000M)"))
    )
    assert stat["hardware.other_process_bytes"] == 1100 << 20
    npu = values(
        tables.read(
            plain(
                "| npu-smi 23.0.2 |\n| 0     910B3               | OK            | 93.5   45   0 / 0 |\n"
                "| 0                         | 0000:C1:00.0  | 0           0    / 0          3161 / 65536         |"
            )
        )
    )
    assert npu["hardware.gpu_name"] == "Ascend 910B3"
    assert npu["hardware.gpu_total_bytes"] == 64 * GIB


@pytest.mark.parametrize(
    ("text", "fact", "value"),
    [
        ("- `transformers` version: 4.40.0", "env.transformers", "4.40.0"),
        ("torch==2.1.0", "env.torch", "2.1.0"),
        ("环境：A40，torch2.2.1+cu121", "env.torch", "2.2.1+cu121"),
        ("torch版本：2.2.1", "env.torch", "2.2.1"),
        ("Pytorch1.9 with a 2080Ti", "env.torch", "1.9"),
        ("CUDA11.3 on Ubuntu", "env.cuda", "11.3"),
        (">>> print(torch.__version__)\n2.2.1+cu121", "env.torch", "2.2.1+cu121"),
        ("torch                    2.3.1+cu121", "env.torch", "2.3.1+cu121"),
        ("| torch | 2.1 |", "env.torch", "2.1"),
        ("PyTorch version (GPU?): 2.0.1+cu117 (True)", "env.torch", "2.0.1+cu117"),
        ("I use pytorch 1.5", "env.torch", "1.5"),
        ("- PyTorch:2.1.2+cu121", "env.torch", "2.1.2+cu121"),
        ("INFO 04-27 Initializing a V1 LLM engine (v0.8.1) with config", "env.vllm", "0.8.1"),
        ('  File "/x/lib/python3.11/site-packages/torch/a.py", line 3, in f', "env.python", "3.11"),
        ("export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True ", "env.expandable_segments", True),
    ],
)
def test_versions(text: str, fact: str, value: object) -> None:
    assert values(versions.read(plain(text)))[fact] == value


@pytest.mark.parametrize(
    "text",
    [
        "torch>=2.0 is required",
        "CUDA used to build PyTorch: 10.2",
        "try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.",
        "torch 2.0.1 works fine",
    ],
)
def test_what_is_not_an_installed_version(text: str) -> None:
    facts = values(versions.read(plain(text)))
    assert "env.torch" not in facts
    assert "env.alloc_conf" not in facts


@pytest.mark.parametrize(
    ("gib", "trend"),
    [
        ([10.0, 20, 20, 20, 20, 20], "flat"),
        ([20.0, 21, 22, 23, 24, 25, 26], "leak"),
        ([20.0, 20, 20, 26, 26, 26, 26, 31, 31, 31], "steps"),
        ([20.0, 25, 20, 25, 21, 24, 20], "flat"),
        ([20.0, 25], "short"),
        ([], "short"),
    ],
)
def test_growth_is_judged(gib: list[float], trend: str) -> None:
    assert series.judge([(step, int(size * GIB)) for step, size in enumerate(gib)])[0] == trend


@pytest.mark.parametrize(
    "line",
    [
        "{{'loss': 1.2, 'memory(GiB)': {0}, 'global_step/max_steps': '{1}/90'}}",
        "MA 9.0 GB         Max_MA {0} GB         CA 3.0 GB  MA {0} GB  step {1}",
        "Step {1} | loss:1.3 peak_memory_active:{0}",
        "        1/9      {0}G      1.2      0.9      0.8   12  640:  {1}%",
    ],
)
def test_series_of_several_programs(line: str) -> None:
    text = "\n".join(line.format(20 + place, place) for place in range(1, 9))
    (found, *_) = series.read(plain(text))
    assert len(found.points) >= 2
    assert found.points[-1][1] in {28 * GIB, 9 * GIB}


def test_facts_of_a_series() -> None:
    text = "\n".join(f"{{'memory(GiB)': {20 + place}.0}}" for place in range(8))
    facts = values(series.facts(series.read(plain(text))))
    assert facts == {
        "run.memory_trend": "leak",
        "run.memory_first_bytes": 20 * GIB,
        "run.memory_last_bytes": 27 * GIB,
    }


def test_a_single_remark_is_no_series() -> None:
    assert series.read(plain("GPU memory used: 30 GB out of 32")) == []


@given(st.text(alphabet=st.sampled_from(list("| 0NVIDIAMiB/OnOff:.torch=12\nGPU memory(GiB)'")), max_size=300))
def test_no_text_makes_a_reader_raise(text: str) -> None:
    document = plain(text)
    tables.read(document)
    versions.read(document)
    series.facts(series.read(document))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 1 << 40)), max_size=30))
def test_any_points_get_a_judgement(points: list[tuple[int, int]]) -> None:
    assert series.judge(points)[0] in {"flat", "steps", "leak", "rising", "short"}
