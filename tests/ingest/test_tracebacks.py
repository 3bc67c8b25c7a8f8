"""Tracebacks of every style, whole and cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.ingest import tracebacks
from oomdoc.ingest.document import Document, Line, plain

WHOLE = """\
Epoch 1:  4%|4  | 10/250 [00:10<04:00, 1.0it/s]Traceback (most recent call last):
  File "/srv/run/tune.py", line 88, in <module>
    main()
    ^^^^^^
  File "/srv/run/tune.py", line 61, in main
    loss = net(batch).mean()
           ^^^^^^^^^^
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB.
"""

CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in first
    one()
ValueError: too small

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 2, in second
    two()
RuntimeError: CUDA out of memory

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "c.py", line 3, in third
    three()
KeyError: 'x'
"""

RICH = """\
╭───────────────── Traceback (most recent call last) ─────────────────╮
│ /home/ann/run/finetune.py:31 in <module>                             │
│                                                                      │
│    30 if __name__ == "__main__":                                     │
│ ❱  31     start()                                                    │
│                                                                      │
│ /home/ann/envs/t/lib/python3.10/site-packages/torch/nn/modules/      │
│ module.py:905 in convert                                             │
│    904 │   │   x = 1                                                 │
│ ❱  905 │   │   return t.to(device)                                   │
╰──────────────────────────────────────────────────────────────────────╯
RuntimeError: CUDA out of memory.
"""

IPYTHON = """\
---------------------------------------------------------------------------
OutOfMemoryError                          Traceback (most recent call last)
Cell In[7], line 3
      1 batch = next(it)
----> 3 trainer.train()

File /opt/conda/lib/python3.11/site-packages/transformers/trainer.py:1885, in Trainer.train(self, resume)
   1884     args = 1
-> 1885     return inner_training_loop(
   1886         args=args,

OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB
"""


def test_python_traceback_behind_a_progress_bar() -> None:
    (found,) = tracebacks.find(plain(WHOLE))
    assert [(frame.line, frame.function, frame.code) for frame in found.frames] == [
        (88, "<module>", "main()"),
        (61, "main", "loss = net(batch).mean()"),
    ]
    assert (found.exception, found.start_line, found.end_line) == ("torch.OutOfMemoryError", 1, 8)
    assert found.message.startswith("CUDA out of memory")
    assert found.complete


def test_cut_at_either_end_is_not_complete() -> None:
    lines = WHOLE.splitlines()
    (headless,) = tracebacks.find(plain("\n".join(lines[4:])))
    assert [frame.function for frame in headless.frames] == ["main"]
    assert headless.exception == "torch.OutOfMemoryError"
    assert not headless.complete
    (tailless,) = tracebacks.find(plain("\n".join(lines[:6])))
    assert tailless.exception is None
    assert len(tailless.frames) == 2
    assert not tailless.complete


def test_chains_tell_cause_from_context() -> None:
    found = tracebacks.find(plain(CHAINED))
    assert [(one.exception, one.chained) for one in found] == [
        ("ValueError", None),
        ("RuntimeError", "cause"),
        ("KeyError", "context"),
    ]


def test_rich_box_with_a_wrapped_path() -> None:
    (found,) = tracebacks.find(plain(RICH))
    assert [(frame.function, frame.code) for frame in found.frames] == [
        ("<module>", "start()"),
        ("convert", "return t.to(device)"),
    ]
    assert found.frames[1].file.endswith("torch/nn/modules/module.py")
    assert found.exception == "RuntimeError"


def test_ipython_cells_and_arrows() -> None:
    (found,) = tracebacks.find(plain(IPYTHON))
    assert [frame.function for frame in found.frames] == ["<module>", "train"]
    assert found.frames[1].code == "return inner_training_loop("
    assert found.frames[1].line == 1885
    assert found.exception == "OutOfMemoryError"


def test_cpp_frames_are_turned_outermost_first() -> None:
    text = (
        "frame #0: c10::Error::Error(c10::SourceLocation) + 0x57 (0x7f0 in /x/libc10.so)\n"
        "frame #1: c10::cuda::alloc(int) + 0x10 (0x7f1 in /x/libc10_cuda.so)\n"
    )
    (found,) = tracebacks.find(plain(text))
    assert [frame.function.split("(")[0] for frame in found.frames] == ["c10::cuda::alloc", "c10::Error::Error"]


def test_two_ranks_interleaved_are_read_apart() -> None:
    mine, other = WHOLE.splitlines()[:8], WHOLE.replace("main", "work").splitlines()[:8]
    lines = []
    for place, (left, right) in enumerate(zip(mine, other, strict=True)):
        lines += [Line(2 * place + 1, left, rank=0), Line(2 * place + 2, right, rank=1)]
    found = tracebacks.find(Document("log", tuple(lines)))
    assert [[frame.function for frame in one.frames] for one in found] == [["<module>", "main"], ["<module>", "work"]]


def test_exception_on_a_line_of_its_own() -> None:
    (found,) = tracebacks.find(plain("it stops with\nRuntimeError: CUDA error: out of memory\nplease help"))
    assert (found.exception, found.frames, found.complete) == ("RuntimeError", (), False)


@pytest.mark.parametrize("text", ["", "nothing here", "I read File names in line 3", "Error", "see train.py for more"])
def test_ordinary_text_has_no_traceback(text: str) -> None:
    assert tracebacks.find(plain(text)) == []


@given(
    st.text(alphabet=st.sampled_from(list('File "x.py", line 1 in f\n│❱->: ErrorTraceback(most rcnl)^')), max_size=300)
)
def test_no_text_makes_the_reader_raise(text: str) -> None:
    for found in tracebacks.find(plain(text)):
        assert found.start_line <= found.end_line


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_a_cut_invents_no_line_number(start: int, end: int) -> None:
    whole = {frame.line for frame in tracebacks.find(plain(WHOLE))[0].frames}
    for found in tracebacks.find(plain(WHOLE[start:end])):
        assert {frame.line for frame in found.frames} <= whole | {6, 8, 1}
