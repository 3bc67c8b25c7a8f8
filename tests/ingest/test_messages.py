"""Messages are found with their exact figures, however they were wrapped, merged or pasted."""

import json
import re
import time
from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.ingest.messages import Found, anchors, check, find_messages
from oomdoc.ingest.pattern import PatternError, flatten, parse
from oomdoc.ingest.template import raw_entries

GIB, MIB = 1 << 30, 1 << 20
RECORDED = json.loads((Path(__file__).parent.parent / "fixtures/messages/pytorch_allocator.json").read_text("utf-8"))
EXAMPLES = [(raw["id"], example) for _, raw in raw_entries() for example in raw["examples"]]
MODERN = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.25 GiB. GPU 1 has a total capacity of 23.64 GiB "
    "of which 310.50 MiB is free. Process 4411 has 2.50 GiB memory in use. Including non-PyTorch memory, this process "
    "has 20.81 GiB memory in use. Of the allocated memory 19.02 GiB is allocated by PyTorch, and 1.33 GiB is reserved "
    "by PyTorch but unallocated. If reserved but unallocated memory is large try setting "
    "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)
OLD = (
    "RuntimeError: CUDA out of memory. Tried to allocate 274.00 MiB (GPU 3; 15.90 GiB total capacity; 13.07 GiB "
    "already allocated; 81.88 MiB free; 14.72 GiB reserved in total by PyTorch)"
)


def one(text: str) -> Found:
    """The only message of a text."""
    (found,) = find_messages(text)
    return found


def printed(text: str) -> set[int]:
    """Every size printed in a text, read by other means than the reader's."""
    sizes = set()
    for number, unit in re.findall(r"(\d[\d,]*(?:\.\d+)?)\s*([KMGT]iB|[kKMGT]B?\b|[bB]ytes|B\b|)", text):
        plain = Decimal(number.replace(",", "").rstrip("."))
        scale = 1024 ** " KMGT".index(unit[:1].upper()) if unit[:1].upper() in "KMGT" and unit else 1
        sizes.add(int((plain * scale).to_integral_value("ROUND_HALF_EVEN")))
    for number, unit in re.findall(r"\((\d+\.\d+)/\d+\.\d+ (GiB)\)", text):
        sizes.add(round(Decimal(number) * GIB) if unit else 0)
    for first, second in re.findall(r"([\d.]+) / ([\d. ]+)(?:\)| GB)", text):
        sizes |= {int(Decimal(value.strip()) * scale) for value in (first, second) for scale in (MIB, GIB)}
    return sizes


def test_the_base_is_clean_and_every_example_is_read_exactly() -> None:
    assert check() == []


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(EXAMPLES)])
def test_expected_figures_stand_in_the_text_or_follow_by_one_sum(name: str, example: dict[str, object]) -> None:
    text, figures = str(example["text"]), example["figures"]
    assert isinstance(figures, dict)
    sizes = printed(text)
    near = {value + slack for value in sizes for slack in (-1, 0, 1)}
    sums = {first + second for first, second in combinations(sorted(sizes), 2)}
    sums |= {abs(first - second) for first, second in combinations(sorted(sizes), 2)}
    near |= {value + slack for value in sums for slack in (-1, 0, 1)}
    for figure, value in figures.items():
        if figure.endswith("_bytes") and "tensor_shape" not in figures and figure != "other_processes_bytes":
            assert value in near, f"{name}: {figure} = {value}"


def test_tensor_shape_and_type_give_the_bytes_of_the_tensor() -> None:
    found = one(
        "OOM when allocating tensor with shape[8,128,1000] and type half on /job:localhost by allocator GPU_0_bfc\n"
    )
    assert found.figures == {"tensor_shape": "8,128,1000", "tried_to_allocate_bytes": 8 * 128 * 1000 * 2}


@pytest.mark.parametrize("run", RECORDED["runs"], ids=[run["name"] for run in RECORDED["runs"]])
def test_what_the_allocator_prints_is_read_within_its_rounding(run: dict[str, object]) -> None:
    found = one(str(run["message"]))
    true = run["true"]
    assert isinstance(true, dict)
    for figure, value in true.items():
        read = found.figures[figure]
        assert isinstance(read, int)
        assert abs(read - value) <= found.tolerance[figure], figure
        assert found.tolerance[figure] <= 11 * MIB  # the worst is a sum of two figures printed in hundredths of a GiB


def test_recorded_messages_name_what_they_reveal() -> None:
    kinds = {run["name"]: one(run["message"]).template for run in RECORDED["runs"]}
    assert len(kinds) >= 15
    assert kinds["reserve of expandable segments too small"].kind == "lookalike"
    assert kinds["rejected before the attempt"].id == "torch.cuda.preempt"
    assert one(RECORDED["runs"][14]["message"]).facts == {"env.alloc_conf": "expandable_segments:True"}


def test_modern_message_says_who_holds_what() -> None:
    found = one(MODERN)
    assert found.template.id == "torch.cuda.private_pools"
    assert found.figures["process_in_use_bytes"] == round(20.81 * GIB)
    assert found.figures["other_processes_bytes"] == round(2.5 * GIB)
    assert found.figures["reserved_bytes"] == round(19.02 * GIB) + round(1.33 * GIB)
    assert found.tolerance["free_bytes"] <= 5300  # half of a hundredth of a MiB
    assert MODERN[found.start : found.end].startswith("CUDA out of memory")


def test_own_process_is_found_among_strangers_in_a_container() -> None:
    text = MODERN.replace("Including non-PyTorch memory, this process has", "Process 7 has")
    found = one(text)
    assert found.figures["process_in_use_bytes"] == round(20.81 * GIB)
    assert found.figures["other_processes_bytes"] == round(2.5 * GIB)


def test_strangers_that_cannot_be_told_from_the_process_give_no_figure() -> None:
    text = MODERN.replace("Including non-PyTorch memory, this process has 20.81 GiB memory in use. ", "")
    figures = one(text).figures
    assert "process_in_use_bytes" not in figures
    assert "other_processes_bytes" not in figures


def test_unlimited_is_no_figure() -> None:
    found = one(MODERN.replace("20.81 GiB", "17179869184.00 GiB"))
    assert "process_in_use_bytes" not in found.figures
    assert max(value for value in found.figures.values() if isinstance(value, int)) < 1 << 40


def test_cached_leaves_live_tensors_out_and_reserved_counts_them_in() -> None:
    cached = one(OLD.replace("14.72 GiB reserved in total by PyTorch", "1.65 GiB cached"))
    assert cached.figures["reserved_bytes"] == round(13.07 * GIB) + round(1.65 * GIB)
    reserved = one(OLD)
    assert reserved.figures["reserved_bytes"] == round(14.72 * GIB)
    assert reserved.figures["reserved_unallocated_bytes"] == round(14.72 * GIB) - round(13.07 * GIB)


def test_pasted_without_punctuation_or_in_lower_case() -> None:
    bare = OLD.replace("(GPU", "\nGPU").replace(")", "").replace("MiB\n", "MiB \n").lower()
    assert one(bare).figures == one(OLD).figures


def test_two_messages_in_one_line_are_both_found() -> None:
    first, second = find_messages(f"{OLD}{MODERN}")
    assert first.figures == one(OLD).figures
    assert second.figures == one(MODERN).figures
    cut, whole = find_messages(f"{OLD[:60]}{MODERN}")
    assert cut.figures == {}
    assert whole.figures == one(MODERN).figures


@given(st.sampled_from([MODERN, OLD]), st.integers(24, 160), st.sampled_from(["", "> ", "| ", "    ", "│ "]))
def test_wrapping_at_blanks_changes_nothing(text: str, width: int, mark: str) -> None:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    wrapped = "\n".join(f"{mark}{line}" for line in [*lines, line])
    assert [found.figures for found in find_messages(wrapped)] == [found.figures for found in find_messages(text)]


def test_a_written_out_line_break_is_a_blank() -> None:
    assert one(OLD.replace("; 81.88", ";\\n81.88")).figures == one(OLD).figures


@pytest.mark.parametrize(
    "healthy",
    [
        "{'loss': 0.83, 'grad_norm': 1.2, 'memory(GiB)': 71.2, 'epoch': 0.1}",
        "INFO: allocated memory 12 GiB, max memory 40 GiB",
        "Saving checkpoint; room for 3 more. zoom out of the image",
        "process finished with exit code 0\n",
        "memory_summary() can be used to see memory",
        "Setting pin_memory=True, persistent workers are on",
        "训练完成，显存占用 20GB，内存占用正常",
    ],
)
def test_healthy_lines_hold_no_trouble(healthy: str) -> None:
    assert [found.template.id for found in find_messages(healthy) if found.template.kind in {"oom", "told"}] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("it is not OOM, the loss is nan", None),
        ("How can I avoid OOM?", None),
        ("这样可以避免爆显存", None),
        ("训练到一半爆显存了", "told.gpu"),
        ("显存一直溢出", "told.gpu"),
        ("runs with OOM on the second card", "told.oom"),
    ],
)
def test_spoken_words_and_their_denial(text: str, name: str | None) -> None:
    assert [found.template.id for found in find_messages(text)] == ([name] if name else [])


def test_the_program_s_own_words_come_before_spoken_ones() -> None:
    kinds = [found.template.kind for found in find_messages(f"CUDA OOM when training\n\n{OLD}\n")]
    assert kinds == ["told", "oom"]


@pytest.mark.parametrize(
    ("code", "kind", "memory"),
    [(-9, "oom", "host"), (1, "wrapper", "none"), (-7, "oom", "shm"), (-11, "wrapper", "none")],
)
def test_an_exit_code_decides_what_a_launcher_saw(code: int, kind: str, memory: str) -> None:
    found = one(f"[launch.py:322:sigkill_handler] ['python', 'train.py'] exits with return code = {code}\n")
    assert (found.template.kind, found.template.memory, found.figures["exit_code"]) == (kind, memory, code)


def test_every_example_holds_an_anchor_for_scanners() -> None:
    for name, example in EXAMPLES:
        text = " ".join(flatten(str(example["text"])).split())
        assert any(anchor in text for anchor in anchors()), name


@given(st.text(max_size=400))
def test_no_text_makes_it_raise(text: str) -> None:
    find_messages(text)


@given(st.lists(st.sampled_from([example["text"] for _, example in EXAMPLES]) | st.text(max_size=30), max_size=8))
def test_finds_are_sorted_and_do_not_overlap(parts: list[str]) -> None:
    text = "\n".join(parts)
    found = find_messages(text)
    assert all(0 <= message.start <= message.end <= len(text) for message in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


@pytest.mark.parametrize("pattern", ["a [b", "a {b|c", "a ] b", "{x:nonsense}"])
def test_a_faulty_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)


@pytest.mark.parametrize(
    "words", ["process killed by\n", "NCCL error in: Cuda failure ", "exit code ", "out of memory "]
)
def test_a_text_of_nothing_but_anchors_is_read_in_one_pass(words: str) -> None:
    """Twice the text takes about twice the time; it was 90 s for 2 MB where every anchor searched for itself."""

    def seconds(text: str) -> float:
        start = time.process_time()
        find_messages(text)
        return time.process_time() - start

    short, long = words * 2000, words * 16000
    find_messages(short)
    assert seconds(long) < 24 * max(seconds(short), 0.002)
