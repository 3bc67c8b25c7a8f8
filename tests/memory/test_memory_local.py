"""Model files on this machine: folders, hub caches, adapters, safetensors headers, and damaged ones."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from oomdoc.memory.local import find_local, header_parameters
from oomdoc.memory.predict import architecture_of

CONFIG = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
          "num_attention_heads": 4, "vocab_size": 100, "tie_word_embeddings": False}  # fmt: skip
COUNT = 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 2 * 100 * 64 + 64


def model_folder(folder: Path, config: dict[str, Any] | None = None, extra: int = 0) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config or CONFIG))
    header = json.dumps(
        {"__metadata__": {}, "x": {"dtype": "BF16", "shape": [COUNT + extra], "data_offsets": [0, 1]}}
    ).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


def test_a_folder_is_read_before_the_catalog(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "Qwen2.5-7B-Instruct")
    found = architecture_of({"model.name": str(folder)})
    assert (found.basis, found.hidden, found.counts.total) == ("config", 64, COUNT)


def test_the_hub_cache_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    model_folder(tmp_path / "models--acme--tiny" / "snapshots" / "abc")
    found = find_local("acme/tiny")
    assert found is not None
    assert found.parameters == COUNT
    assert find_local("acme/other") is None


def test_an_adapter_leads_to_its_base(tmp_path: Path) -> None:
    base = model_folder(tmp_path / "base")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), "r": 16}))
    found = find_local(str(adapter))
    assert found is not None
    assert found.folder == base
    assert found.adapter == {"base_model_name_or_path": str(base), "r": 16}


def test_an_adapter_of_itself_is_no_endless_search(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path)}))
    assert find_local(str(tmp_path)) is None


def test_tensors_that_the_rule_does_not_know_are_counted_from_the_header(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", extra=1000)
    found = architecture_of({"model.name": str(folder)})
    assert found.counts.total == COUNT + 1000
    assert sum(found.counts.groups.values()) == COUNT + 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05",
        b"\xff" * 64,
        struct.pack("<Q", 3) + b"[1]",
        struct.pack("<Q", 7) + b'{"x":1}',
        struct.pack("<Q", 1 << 40),
    ],
)
def test_a_damaged_header_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert header_parameters(tmp_path) is None


def test_packed_tensors_are_not_counted(tmp_path: Path) -> None:
    header = json.dumps({"qweight": {"dtype": "I32", "shape": [8, 8], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert header_parameters(tmp_path) is None


@pytest.mark.parametrize("name", ["", "nonsense", "a\0b", "x" * 5000, "~nobody-here/x", "../..//", "/no/such/folder"])
def test_any_name_is_looked_for_without_an_error(name: str) -> None:
    assert find_local(name) is None
