"""That memory ran out is understood from a person's words alone, and which memory; a denial says the opposite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.engine.verdict import judge
from oomdoc.ingest.read import read_text


@pytest.mark.parametrize(
    "text",
    [
        "My script goes out of memory after the first epoch",
        "The model is OOMing on a 24GB card",
        "cuda_out_of_memory three hours in",
        "Cuda out of memmory at the second image",
        "GPU memory is not enough for this config",
        "the vram fills up and the run stops",
        "GPU memory usage keeps growing until it crashes",
        "the 13B model does not fit on my 3090",
        "显存一下子就爆了",
        "请问参数怎么设才不会爆显存",
        "it ends with an error in memory allocation",
        "The 24GB memory is full after the first scene",
        "GPU memory increases while it trains, too",
        "since the update it fails on a 12GB card",
        "现存不足，请问怎么办",
        "超出显存了怎么办",
        "训练的时候提示out of memory",
        "CUDA内存溢出",
        "24G的显卡跑不起来",
        "GPU 메모리가 부족하다고 나옵니다",
    ],
)
def test_the_gpu_ran_out(text: str) -> None:
    verdict = judge(read_text(text))
    assert (verdict.outcome, verdict.memory) == ("oom", "gpu")


@pytest.mark.parametrize(
    "text",
    [
        "the process was silently killed while the weights were loading",
        "it prints Killed and returns to the shell",
        "Validation needs more and more RAM and ends out of memory",
        "the machine runs out of RAM and freezes",
        "加载模型的时候程序被kill了，没有报错",
        "每个epoch内存占用都会逐渐上涨，最后报错",
        "RAM usage goes up all the time until the machine hangs",
        "The script requires a lot of RAM, 60 GB in all",
        "It says insufficient memory. How much RAM does your machine have?",
        "验证阶段电脑的内存会异常增大，甚至导致out of memory",
        "cannot allocate memory as soon as the workers start",
    ],
)
def test_host_memory_ran_out(text: str) -> None:
    verdict = judge(read_text(text))
    assert (verdict.outcome, verdict.memory) == ("oom", "host")


@pytest.mark.parametrize("text", ["the container is out of shared memory", "docker里共享内存不足"])
def test_shared_memory_ran_out(text: str) -> None:
    assert judge(read_text(text)).memory == "shm"


@pytest.mark.parametrize(
    "text",
    [
        "The loss becomes NaN, there is no OOM",
        "How do I avoid OOM in general?",
        "it was stopped with ctrl-c, so the worker is killed",
        "训练正常，没有OOM，但是loss不下降",
        "exits with return code = 1",
        "May I know if this issue is because the GPU memory is not enough?",
    ],
)
def test_a_denial_or_a_bare_exit_code_is_no_lack_of_memory(text: str) -> None:
    assert judge(read_text(text)).outcome != "oom"


def test_a_fault_of_native_code_is_no_lack_of_memory_whatever_people_call_it() -> None:
    assert judge(read_text("the process was killed\nexits with return code = -11")).outcome == "not_oom"


def test_a_program_s_own_message_decides_over_words() -> None:
    text = "is this an out of memory problem?\nRuntimeError: CUDA error: an illegal memory access was encountered"
    assert judge(read_text(text)).outcome == "not_oom"


@given(st.text(alphabet="oOmMkKiled 被显存不足爆killGPURAM.\n,", max_size=200))
def test_any_words_are_read_without_raising(text: str) -> None:
    read_text(text)


def test_a_person_who_tried_a_smaller_batch_tells_of_no_retry() -> None:
    text = (
        "Reducing batch size to 1 and lowering the batch further did not help\n\n"
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 10.00 GiB total capacity; "
        "9.00 GiB already allocated; 10.00 MiB free; 9.50 GiB reserved in total by PyTorch)\n\nAny idea?\nThanks"
    )
    verdict = judge(read_text(text))
    assert verdict.outcome == "oom"
    assert verdict.event is not None
    assert verdict.event.kind == "oom"
