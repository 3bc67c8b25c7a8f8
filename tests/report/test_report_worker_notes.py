"""What workers remark is said in the reader's language."""

import ast
from pathlib import Path

import pytest

import oomdoc
from oomdoc.report.worker_notes import remark

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
    assert remark(note, "zh") == chinese
    assert remark(note, "en") == note


def test_every_remark_of_the_workers_has_its_sentence() -> None:
    remarks = [
        said(node.args[0])
        for file in PROBE.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and is_remark(node)
    ]
    assert len(remarks) > 10
    assert [each for each in remarks if remark(each, "zh") == each] == []


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
