"""What came first is the cause; consequences, retries and look-alikes are told apart; a cut invents no figure."""

from hypothesis import given, settings
from hypothesis import strategies as st

from oomdoc.facts.case import Case
from oomdoc.ingest.read import read_text

MIB = 1 << 20


def message(device: int, tried: str = "674.00 MiB") -> str:
    return (
        f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {tried}. GPU {device} has a total capacity of "
        "79.14 GiB of which 100.75 MiB is free. Including non-PyTorch memory, this process has 79.03 GiB memory in "
        "use. Of the allocated memory 78.18 GiB is allocated by PyTorch, and 69.36 MiB is reserved by PyTorch but "
        "unallocated. If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=<...>."
    )


def trace(rank: int, last: str) -> list[str]:
    lines = [
        "Traceback (most recent call last):",
        '  File "/w/train.py", line 9, in <module>',
        "    trainer.train()",
        last,
    ]
    return [f"[rank{rank}]: {line}" for line in lines]


def interleaved() -> str:
    """Eight ranks fail at once, line by line; rank 5 first."""
    stacks = [trace(rank, message(rank, f"{rank + 1}.00 GiB")) for rank in (5, 0, 1, 2, 3, 4, 6, 7)]
    return "\n".join(line for row in zip(*stacks, strict=True) for line in row)


def failures(case: Case) -> list[tuple[int | None, bool]]:
    return [(event.rank, event.consequence) for event in case.events if event.kind == "oom"]


def test_eight_interleaved_ranks_are_read_one_by_one() -> None:
    case = read_text(interleaved())
    assert sorted(rank for rank, _ in failures(case) if rank is not None) == list(range(8))
    assert case.value("oom.rank") == 5
    assert case.value("oom.tried_to_allocate_bytes") == 6 << 30
    assert case.value("oom.rank_count") == 8
    assert all(event.frames and event.frames[-1].file == "/w/train.py" for event in case.events)


def test_a_message_quoted_within_a_sentence_keeps_its_rank() -> None:
    assert read_text(f"it stops with `[rank3]: {message(3)}`").value("oom.rank") == 3


def test_a_second_failure_of_one_rank_is_a_consequence() -> None:
    lines = trace(0, message(0))
    lines += ["[rank0]: ", "[rank0]: During handling of the above exception, another exception occurred:", "[rank0]: "]
    lines += trace(0, message(0, "2.00 MiB"))
    case = read_text("\n".join(lines))
    assert failures(case) == [(0, False), (0, True)]
    assert case.value("oom.tried_to_allocate_bytes") == 674 * MIB


def test_a_timeout_of_another_rank_follows_from_the_failure() -> None:
    late = "DistBackendError: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3) ran for 600000"
    case = read_text("\n".join([*trace(0, message(0)), f"[rank1]: {late} milliseconds before timing out."]))
    assert failures(case) == [(0, False)]
    assert all(event.consequence for event in case.events if event.kind == "lookalike" and event.fatal)


def test_a_retried_message_is_not_fatal() -> None:
    case = read_text(f"{message(0)}\nretrying with batch size 4\nstep 1 loss 2.1\nstep 2 loss 2.0\nTraining finished\n")
    assert [event.fatal for event in case.events if event.kind == "oom"] == [False]


def test_a_raised_message_stays_fatal_after_a_retry() -> None:
    text = "\n".join([message(0), "retrying with batch size 4", "step 1 loss 2.1", *trace(0, message(0, "2.00 GiB"))])
    case = read_text(text.replace("[rank0]: ", ""))
    assert [event.fatal for event in case.events if event.kind == "oom"] == [False, True]
    assert case.value("oom.tried_to_allocate_bytes") == 2 << 30


def test_a_title_does_not_hide_the_message_with_figures() -> None:
    case = read_text(f"RuntimeError: CUDA out of memory.\n\nI train a model and get\n\n{message(1)}\n")
    assert case.value("oom.tried_to_allocate_bytes") == 674 * MIB


def test_a_title_does_not_hide_the_traceback() -> None:
    raised = "\n".join(line.removeprefix("[rank0]: ") for line in trace(0, message(0)))
    case = read_text(f"{message(0)}\n\nMy run fails:\n\n{raised}\n")
    assert [(bool(event.frames), event.consequence) for event in case.events] == [(False, True), (True, False)]
    assert case.fact("oom.tried_to_allocate_bytes").source.line == 8  # type: ignore[union-attr]


def test_facts_say_line_quote_and_rounding() -> None:
    fact = read_text("hello\n" + message(0)).fact("oom.tried_to_allocate_bytes")
    assert fact is not None
    assert (fact.source.line, fact.value) == (2, 674 * MIB)
    assert "674.00 MiB" in (fact.source.quote or "")
    assert 0 < (fact.tolerance or 0) < MIB // 100


def test_quotes_hold_no_control_characters() -> None:
    case = read_text(f"\x1b]0;owned\x07{message(0)[:60]}\x1b[2J\u202e{message(0)[60:]}".encode())
    for event in case.events:
        assert event.text.isprintable()
    for fact in case.facts:
        assert (fact.source.quote or "").replace("\t", "").isprintable()


def figures(case: Case) -> set[tuple[str, object]]:
    return {(name, value) for event in case.events for name, value in event.figures.items()}


WHOLE = (
    interleaved()
    + "\nE0325 20:57:27.620000 2606 api.py:869] failed (exitcode: 137) local_rank: 11 (pid: 92386) of binary: /p\n"
)
ALL = figures(read_text(WHOLE))


@given(st.integers(0, len(WHOLE)))
@settings(deadline=None, max_examples=40)
def test_cutting_anywhere_invents_no_figure(at: int) -> None:
    assert figures(read_text(WHOLE[:at])) <= ALL
    assert figures(read_text(WHOLE[at:])) <= ALL


@given(st.text(max_size=200), st.integers(0, len(WHOLE)))
@settings(deadline=None, max_examples=40)
def test_no_text_makes_the_reader_raise(noise: str, at: int) -> None:
    read_text(WHOLE[:at][-400:] + noise + WHOLE[at:][:400])


def test_an_exception_that_lists_its_root_errors_has_their_figures() -> None:
    case = read_text(
        'Traceback (most recent call last):\n  File "run.py", line 3, in <module>\n    fit()\n'
        "ResourceExhaustedError: 2 root error(s) found.\n"
        "  (0) Resource exhausted: OOM when allocating tensor with shape[8,64,64,32] and type float on "
        "/job:localhost/replica:0/task:0/device:GPU:1 by allocator GPU_1_bfc\n"
    )
    assert case.value("oom.tried_to_allocate_bytes") == 8 * 64 * 64 * 32 * 4
    assert case.value("oom.gpu_index") == 1
