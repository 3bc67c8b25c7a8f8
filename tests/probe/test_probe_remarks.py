"""What workers remark is said in the reader's language."""

import ast
from pathlib import Path
from typing import Any

import pytest

import oomdoc
from oomdoc.messages import Sentence, told
from oomdoc.probe.dryrun import profile_of
from oomdoc.probe.plan import plan_of
from oomdoc.probe.remarks import remark
from oomdoc.report.dryrun_text import dryrun_text

PROBE = Path(oomdoc.__file__ or "").parent / "probe"


@pytest.mark.parametrize(
    ("note", "chinese"),
    [
        ("this model keeps no key-value cache", "该模型不使用 KV cache"),
        (
            "optimizer galore_adamw is not known: AdamW was run in its place",
            "不认识优化器 galore_adamw，以 AdamW 代替运行",
        ),
        ("Liger played: 57 norms and 28 MLPs fused", "已按 Liger 计算：融合了 57 个归一化层和 28 个 MLP"),
        ("something that nobody foresaw", "something that nobody foresaw"),
    ],
)
def test_remarks_are_translated_with_their_places(note: str, chinese: str) -> None:
    assert told(remark(note), "zh") == chinese
    assert told(remark(note), "en") == note


def test_every_remark_of_the_workers_has_its_sentence() -> None:
    remarks = [
        said(node.args[0])
        for file in PROBE.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and is_remark(node)
    ]
    assert len(remarks) > 10
    assert [each for each in remarks if not isinstance(remark(each), Sentence)] == []


def is_remark(node: ast.Call) -> bool:
    """Whether a call adds a sentence to notes."""
    named = isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "add")
    return (
        named
        and ast.unparse(node.func).rpartition(".")[0].endswith("notes")
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
    )


def said(node: ast.expr) -> str:
    """A remark with something in each of its places."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)


def test_a_dry_run_tells_its_remarks_in_both_languages() -> None:
    """They stand once, beside what was assumed."""
    plan = plan_of({"model.name": "Qwen2.5-0.5B", "train.method": "full", "train.max_length": 256})
    note = "optimizer galore_adamw is not known: AdamW was run in its place"
    held: dict[str, Any] = {"component": "weights", "name": "w", "bytes": 1024, "count": 1}
    phase = {"phase": "forward", "moment": "", "allocated_bytes": 1024, "terms": [held]}
    answer = {"phases": [phase], "allocated_bytes": 1024, "reserved_bytes": 2048, "notes": [note]}
    profile = profile_of(plan, answer)
    assert profile.assumed[-1] == note
    assert profile.assumed_zh[-1] == "不认识优化器 galore_adamw，以 AdamW 代替运行"
    assert dryrun_text(profile, answer, "zh").count("galore_adamw") == 1
