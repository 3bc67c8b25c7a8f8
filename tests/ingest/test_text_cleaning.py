"""Any bytes become clean lines that keep their numbers; what a terminal would act on never survives."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.ingest.document import Document
from oomdoc.ingest.text import clean

OOM = (
    "RuntimeError: CUDA out of memory. Tried to allocate 2.87 GiB (GPU 0; 14.76 GiB total capacity; 8.77 GiB already "
    "allocated; 19.75 MiB free; 13.71 GiB reserved in total by PyTorch)"
)


def texts(document: Document) -> list[str]:
    return [line.text for line in document.lines]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("显存不足：训练中断\n".encode("gb18030") * 3, "gb18030"),
        ("\ufeff显存不足：训练中断\n".encode(), "utf-8"),
        ("\ufeffCUDA out of memory\r\n".encode("utf-16-le"), "utf-16-le"),
        ("CUDA out of memory, 显存不足\r\n".encode("utf-16-le"), "utf-16-le"),
        ("CUDA out of memory, 显存不足\r\n".encode("utf-16-be"), "utf-16-be"),
        ("mémoire épuisée à l'étape 3\n".encode("latin-1"), "latin-1"),
    ],
)
def test_encodings_are_told_by_their_bytes(data: bytes, encoding: str) -> None:
    document = clean(data)
    assert document.encoding == encoding
    assert "\ufffd" not in document.text
    assert any(word in document.text for word in ("显存", "out of memory", "épuisée"))


def test_broken_utf8_is_replaced_and_noted() -> None:
    document = clean("显存不足 显存不足\n".encode() + b"\xff\xfe tail\n" + "训练中断\n".encode())
    assert document.encoding == "utf-8"
    assert "显存不足" in document.text
    assert any("not valid" in note for note in document.notes)


def test_error_printed_over_a_progress_bar_is_kept_and_only_the_last_bar() -> None:
    bars = "".join(f"\r {n}%|###   | {n}/100 [00:0{n % 9}<00:10,  1.2it/s]" for n in range(10, 40, 10))
    document = clean(f"start\n{bars}RuntimeError: CUDA out of memory.\nend\n")
    assert "RuntimeError: CUDA out of memory." in texts(document)
    assert sum("it/s" in text for text in texts(document)) == 1
    assert "30/100" in document.text
    assert document.lines[-1].number == 3


def test_colours_hyperlinks_backspaces_and_nul_are_gone() -> None:
    document = clean(b"\x1b[1;31mErr\x00or\x1b[0m: \x1b]8;;http://x\x07link\x1b]8;;\x07 abd\x08c\n")
    assert texts(document) == ["Error: link abc"]


def test_bidirectional_and_invisible_characters_are_gone() -> None:
    document = clean("safe\u202eexe.txt\u200b\u2066 x\u2069\ufeff\n")
    assert texts(document) == ["safeexe.txt x"]


def test_rich_box_rows_join_into_one_message() -> None:
    rows = [
        "╭──────── Traceback (most recent call last) ────────╮",
        "│ /w/train.py:12 in main                            │",
    ]
    rows += ["╰───────────────────────────────────────────────────╯", "RuntimeError: CUDA error: out of memory"]
    document = clean("\n".join(rows))
    assert texts(document) == ["Traceback (most recent call last)", "/w/train.py:12 in main", "", rows[-1]]


def test_tables_keep_their_borders() -> None:
    table = "╭────┬────╮\n│ 0  │ A  │\n╰────┴────╯"
    assert clean(table).text == table


def test_markdown_quotes_and_html_entities() -> None:
    document = clean("> Traceback (most recent call last):\n>   File &quot;a.py&quot;, line 3<br>x\n\n>>> print(1)\n")
    assert texts(document) == ["Traceback (most recent call last):", '  File "a.py", line 3', "x", "", ">>> print(1)"]
    assert [line.number for line in document.lines] == [1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    ("prefix", "rank", "process"),
    [
        ("[rank{r}]: ", True, None),
        ("[default{r}]:", True, None),
        ("{r}: ", True, None),
        ("[1,{r}]<stderr>:", True, None),
        ("(VllmWorker rank={r} pid=30{r}) ", True, "VllmWorker"),
        ("(RayTrainWorker pid=40{r}, ip=10.0.0.7) ", False, "RayTrainWorker pid=40{r}, ip=10.0.0.7"),
        ("trainer-{r}  | ", False, "trainer-{r}"),
        ("[pod/job-worker-{r}/pytorch] ", False, "pod/job-worker-{r}/pytorch"),
        ("2025-11-12T11:25:13.4961658Z [rank{r}]: ", True, None),
        ("node-{r}: ", False, "node-{r}"),
    ],
)
def test_prefixes_become_data_and_indentation_survives(prefix: str, rank: bool, process: str | None) -> None:
    body = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "RuntimeError: x"]
    text = "\n".join(prefix.format(r=r) + line for line in body for r in (0, 1, 2))
    streams = clean(text).streams
    assert [[line.text for line in stream.lines] for stream in streams] == [body] * 3
    for number, stream in enumerate(streams):
        assert stream.lines[0].rank == (number if rank else None)
        assert stream.lines[0].process == (process.format(r=number) if process else None)


def test_a_listing_with_line_numbers_is_no_set_of_ranks() -> None:
    document = clean("\n".join(f"{number}: x = {number}" for number in range(1, 30)))
    assert document.lines[4].text == "5: x = 5"


def test_two_ranks_inside_one_line_are_taken_apart() -> None:
    document = clean("[rank0]: Traceback (most rec[rank1]: RuntimeError: x\n")
    assert [(line.rank, line.text) for line in document.lines] == [(0, "Traceback (most rec"), (1, "RuntimeError: x")]


def test_an_endless_line_is_cut_with_a_note_and_keeps_its_error() -> None:
    document = clean("token " * 400_000 + OOM + " token" * 400_000)
    assert len(document.text) < 200_000
    assert OOM in document.text
    assert document.notes


def test_docker_json_lines() -> None:
    line = '{"log":"RuntimeError: \\u001b[31mCUDA\\u001b[0m out of memory.\\n","stream":"stderr"}'
    assert texts(clean(line)) == ["RuntimeError: CUDA out of memory."]


@given(st.binary(max_size=400) | st.text(max_size=300))
def test_nothing_raises_and_no_control_survives(data: bytes | str) -> None:
    document = clean(data)
    for line in document.lines:
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} and char != "\t" for char in line.text)
        assert not any(char in line.text for char in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\u2028\u2029")
    numbers = [line.number for line in document.lines]
    assert numbers == sorted(numbers)


@given(
    st.lists(
        st.sampled_from(["\x1b[31m", "\r", "\b", "\x1b", "[0m", "a", "10%|#|", "\x9b", "\n", "│", "> ", "<br>", "&gt;"])
    )
)
def test_pieces_of_terminal_codes_in_any_order(parts: list[str]) -> None:
    text = clean("".join(parts)).text
    assert not set(text) & set("\x1b\x9b\b\r")


@pytest.mark.parametrize(
    "piece", ["0%|", "10%|#| 1/2 [a]", "1", "a\b", "\x1b]", "<p ", "[rank1]: ", "a-", "+-", "> ", "A_"]
)
def test_hostile_lines_cost_no_more_than_their_length(piece: str) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        clean(piece * times)
        return time.process_time() - start

    seconds(100)
    assert seconds(8_000) < 16 * max(seconds(1_000), 0.01)
