"""Inputs of every kind become one case, or one clear line that says why not."""

import gzip
import io
import os
import pickle
import stat
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oomdoc.ingest.errors import InputError
from oomdoc.ingest.read import read_inputs, read_text

MESSAGE = (
    "RuntimeError: CUDA out of memory. Tried to allocate 2.87 GiB (GPU 0; 14.76 GiB total capacity; 8.77 GiB already "
    "allocated; 19.75 MiB free; 13.71 GiB reserved in total by PyTorch)"
)
TRIED = round(2.87 * (1 << 30))


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("data.pkl", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(64), "ELF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG"),
        (archive(), "zip"),
        (pickle.dumps({"segments": [1, 2]}), "pickle"),
        ((80).to_bytes(8, "little") + b'{"weight":{"dtype":"F16"}}', "safetensors"),
        (bytes(range(1, 32)) * 40, "binary"),
        (bytes(500), "empty"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_inputs([str(path)])
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_unreadable_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_inputs([str(tmp_path / "none.log")])
    with pytest.raises(InputError, match="a folder without logs"):
        read_inputs([str(tmp_path)])
    with pytest.raises(InputError, match="empty"):
        read_inputs([os.devnull])
    with pytest.raises(InputError):
        read_inputs(["bad\0name"])
    locked = tmp_path / "locked.log"
    locked.write_text(MESSAGE)
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root reads everything
        with pytest.raises(InputError, match="permission denied"):
            read_inputs([str(locked)])
    locked.chmod(stat.S_IRUSR)


def test_a_folder_of_rank_logs_names_the_ranks(tmp_path: Path) -> None:
    for rank, tried in ((0, "1.00 GiB"), (3, "3.00 GiB")):
        (tmp_path / f"rank_{rank}.log").write_text(MESSAGE.replace("2.87 GiB", tried) + "\n")
    (tmp_path / "model.bin").write_bytes(bytes(100))
    case = read_inputs([str(tmp_path)])
    assert [(event.rank, event.figures["tried_to_allocate_bytes"]) for event in case.events] == [
        (0, 1 << 30),
        (3, 3 << 30),
    ]
    assert case.value("oom.rank_count") == 2


def test_torchelastic_folders_name_the_ranks(tmp_path: Path) -> None:
    for rank in (0, 1):
        (tmp_path / "attempt_0" / str(rank)).mkdir(parents=True)
        (tmp_path / "attempt_0" / str(rank) / "stderr.log").write_text(MESSAGE)
    assert {event.rank for event in read_inputs([str(tmp_path)]).events} == {0, 1}


def test_a_binary_file_in_a_folder_is_skipped_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(MESSAGE)
    (tmp_path / "b.log").write_bytes(b"\x7fELF" + bytes(100))
    case = read_inputs([str(tmp_path)])
    assert case.value("oom.tried_to_allocate_bytes") == TRIED
    assert [entry.kind for entry in case.inputs if "ELF" in (entry.note or "")] == ["skipped"]


def test_gzip_and_utf16_from_powershell(tmp_path: Path) -> None:
    packed, wide = tmp_path / "a.log.gz", tmp_path / "b.log"
    packed.write_bytes(gzip.compress(MESSAGE.encode()))
    wide.write_bytes(("\ufeff" + "step 1\r\n" + MESSAGE + "\r\n").encode("utf-16-le"))
    for path in (packed, wide):
        assert read_inputs([str(path)]).value("oom.tried_to_allocate_bytes") == TRIED
    packed.write_bytes(gzip.compress(MESSAGE.encode())[:-12])
    with pytest.raises(InputError):
        read_inputs([str(packed)])


def test_standard_input_and_its_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"bad \xff\xff byte\n" + MESSAGE.encode())

    monkeypatch.setattr(sys, "stdin", Stdin())
    case = read_inputs(["-"])
    assert case.value("oom.tried_to_allocate_bytes") == TRIED
    assert case.inputs[0].name == "<stdin>"


def test_commands_in_the_text_and_configs_become_facts(tmp_path: Path) -> None:
    config = tmp_path / "run.sh"
    config.write_text("python train.py --per_device_train_batch_size 4\n")
    case = read_text(MESSAGE, configs=[str(config)])
    assert case.value("train.per_device_batch_size") == 4
    assert [entry.kind for entry in case.inputs] == ["log", "config"]


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_case_or_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.log"
    path.write_bytes(data)
    try:
        case = read_inputs([str(path)])
    except InputError as error:
        said = str(error)
    else:
        said = case.inputs[0].name
    assert said.splitlines() == [said]
