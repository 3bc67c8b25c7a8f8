"""A room whose doctor is scripted: blocks, clocks and cards are fixed, so only the room is under test."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oomdoc.ingest.gpu import Gpu, GpuProcess, GpuReading
from oomdoc.messages import Language
from oomdoc.report import blocks, blocks_chat
from oomdoc.tui.app import DoctorApp
from oomdoc.tui.doctor import Doctor
from oomdoc.tui.news import Turn

GIB = 1 << 30
CARDS = GpuReading(
    (
        Gpu(0, "NVIDIA GeForce RTX 4090", 24 * GIB, 23 * GIB, GIB, 97, "8.9", False,
            (GpuProcess(4189, 20 * GIB, "python", "ana"), GpuProcess(991, None, is_gone=True))),
    ),
    "570.86",
)  # fmt: skip
NO_CARDS = GpuReading(problem="no NVIDIA driver on this machine (libnvidia-ml.so.1 not found)")

DIFF = "--- train.sh\n+++ train.sh\n@@ -5 +5 @@\n-  --batch_size 32 \\\n+  --batch_size 1 \\\n"


def report_blocks(language: Language = "en", log: str = "train.log") -> tuple[Any, ...]:
    """A report as the core makes it, in fixed words."""
    zh = language == "zh"
    message = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total of 23.69 GiB"
    place = blocks.Place(log, 3, message)
    return (
        blocks.VerdictBlock(
            "oom",
            "显存不足（GPU 0），训练中" if zh else "out of GPU memory on GPU 0, in training",
            "申请 4.00 GiB 失败，当时空闲 1.87 GiB。" if zh else "It asked for 4.00 GiB with 1.87 GiB free.",
            place,
        ),
        blocks.BarBlock(
            "失败时 GPU 0 的显存分布" if zh else "Memory of GPU 0 at the failure",
            24 * GIB,
            (
                blocks.Segment("allocated", "存活张量" if zh else "live tensors", 20 * GIB),
                blocks.Segment("slack", "已保留未使用" if zh else "reserved, unused", GIB),
                blocks.Segment("outside", "PyTorch 之外" if zh else "outside PyTorch", GIB),
                blocks.Segment("free", "空闲" if zh else "free", 2 * GIB),
            ),
            4 * GIB,
        ),
        blocks.CauseBlock(
            "batch-size-too-large", "input/batch-size-too-large",
            "单卡 batch size 过大，激活值随它成倍增长" if zh else "The batch on one card is too large",
            "likely", 0.82,
            (blocks.Reason("单卡 batch size 为 32" if zh else "the batch on one card is 32", 1.4,
                           "train.per_device_batch_size", blocks.Place("train.sh", 5, "--batch_size 32 \\")),
             blocks.Reason("失败发生在前向计算中" if zh else "it failed in the forward pass", 0.7, "run.phase", place)),
            (blocks.Reason("已经启用梯度检查点" if zh else "gradient checkpointing is on", -0.5),),
            "激活值与样本数成正比。" if zh else "Activations grow with the number of samples.",
        ),
        blocks.StepsBlock((
            blocks.Step("batch-one", "batch-size-too-large", "单卡 batch 降到 1" if zh else "one sample on a card",
                        native="--batch_size 1", promise="same-result", cost="更慢" if zh else "slower"),
        )),
        blocks.QuestionBlock(
            "train.precision", "训练用什么精度？" if zh else "Which precision does the training use?",
            "它能区分两个原因。" if zh else "It would separate two causes.", ("bfloat16", "float16", "float32"),
        ),
    )  # fmt: skip


def chat_blocks() -> tuple[Any, ...]:
    """One of every block that only a conversation has."""
    row = blocks_chat.CompareRow(
        "batch 32", 26 * GIB, 24 * GIB, 28 * GIB,
        (blocks.Segment("weights", "weights", 4 * GIB), blocks.Segment("activations", "activations", 22 * GIB)),
        False, 24 * GIB,
    )  # fmt: skip
    after = blocks_chat.CompareRow(
        "batch 4", 12 * GIB, 11 * GIB, 13 * GIB,
        (blocks.Segment("weights", "weights", 4 * GIB), blocks.Segment("activations", "activations", 8 * GIB)),
        True, 24 * GIB,
    )  # fmt: skip
    return (
        blocks_chat.SayBlock(("It fits now.", "Run it again."), "good"),
        blocks_chat.TakenBlock("Taken", (blocks.FactRow("train.per_device_batch_size", "4", "answered"),)),
        blocks_chat.CompareBlock("Before and after", 28 * GIB, (row, after), "12 GiB less", ("attention is sdpa",)),
        blocks_chat.PlansBlock(
            "Plans that fit",
            (blocks_chat.PlanRow(1, "batch 1", ("--batch_size 1",), "same-result", "slower", 9 * GIB, True, 15 * GIB),),
            ("max_length stays 4096",),
        ),
        blocks_chat.DiffBlock("train.sh", DIFF),
        blocks_chat.TermBlock("zero-3", "ZeRO-3", "Parameters, gradients and states are sharded.", ("https://arxiv.org",)),
        blocks_chat.OfferBlock("I understand", ("what if batch 1", "why?", "show the diff")),
        blocks_chat.HistoryBlock("So far", (("why?", "the sum of evidence"),)),
        blocks.PredictionBlock("about 26 GiB at the peak", ("attention is sdpa", "no packing", "one image")),
        blocks.UntoldBlock(("the phase of the run",)),
        blocks.NotesBlock(("2 later messages are consequences.",)),
        blocks.FactsBlock(tuple(blocks.FactRow(f"train.fact_{n}", str(n), "log") for n in range(20))),
    )  # fmt: skip


class ScriptedDoctor(Doctor):
    """Says what it is told to; `heard` is every utterance. `gate` holds `open` back until it is set."""

    def __init__(self, language: Language = "en", folder: Path | None = None) -> None:
        super().__init__(language, folder or Path.cwd(), journalled=False)
        self.heard: list[str] = []
        self.edited: list[tuple[str, object]] = []
        self.taken: list[tuple[str, ...]] = []
        self.opening: tuple[Any, ...] = report_blocks(language)
        self.answers: Callable[[str], tuple[Any, ...]] = lambda text: (blocks_chat.SayBlock((f"heard: {text[:60]}",)),)
        self.case: Any = None
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def open(self, progress: Any = None) -> Turn:
        for _ in range(1000):
            if self.gate.wait(0.01):
                break
            if progress:
                progress("train.log", 1, 4)
        return Turn(self.opening, self.case)

    def say(self, text: str) -> Turn:
        if self.error:
            raise self.error
        self.heard.append(text)
        return Turn(self.answers(text), self.case)

    def set_fact(self, name: str, value: object) -> Turn:
        self.edited.append((name, value))
        return Turn((blocks_chat.SayBlock((f"{name} = {value}",)),), self.case)

    def take(self, paths: Any, progress: Any = None, since: int = 0) -> Turn:
        self.taken.append(tuple(paths))
        return Turn((blocks_chat.SayBlock((f"read {', '.join(paths)}",)),), self.case)


async def settled(app: DoctorApp, pilot: Any) -> None:
    """Wait until the doctor rests and what it said is on the screen."""
    for _ in range(1500):
        await pilot.pause(0.01)
        if app.turns.served and not app.turns.busy:
            break
    await pilot.pause(0.05)


def text_of(app: DoctorApp) -> str:
    """Everything the chat shows, as text."""
    return "\n".join(view.copy_text() for view in app.chat.views)
