"""Applying: all or nothing, old or new, refused where something could be lost, and undone on request."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oomdoc.patch import apply as applying
from oomdoc.patch.apply import apply, copies, history, undo
from oomdoc.patch.document import load
from oomdoc.patch.errors import PatchError
from oomdoc.patch.plan import plan_edits
from oomdoc.patch.state import locked

OLD = "swift sft \\\n    --model a/b \\\n    --train_type lora \\\n    --lora_rank 8\n"
NEW = OLD.replace("rank 8", "rank 4")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.sh"
    path.write_text(OLD)
    path.chmod(0o754)
    return path


def plan_for(path, rank=4):
    return plan_edits({"lora.rank": rank}, [load(str(path))])


def test_a_file_is_replaced_and_restored_with_its_mode(script, tmp_path):
    done = apply(plan_for(script), folder=tmp_path / "state")
    assert script.read_text() == NEW
    assert script.stat().st_mode & 0o777 == 0o754
    assert [entry["state"] for entry in history(tmp_path / "state")] == ["done"]
    assert undo(folder=tmp_path / "state").id == done.id
    assert script.read_text() == OLD
    assert script.stat().st_mode & 0o777 == 0o754
    with pytest.raises(PatchError, match="nothing to undo"):
        undo(folder=tmp_path / "state")


def test_bytes_outside_the_edit_survive_any_encoding(tmp_path):
    for data in (
        b"\xef\xbb\xbf# \xe4\xb8\xad\xe6\x96\x87\r\n" + OLD.replace("\n", "\r\n").encode(),
        "# 注释\n".encode("gb18030") * 8 + OLD.encode(),
        b"\xff\xfe" + ("# x\n" + OLD).encode("utf-16-le"),
    ):
        path = tmp_path / "t.sh"
        path.write_bytes(data)
        apply(plan_for(path), folder=tmp_path / "state")
        wide = data.startswith(b"\xff\xfe")
        eight, four = ("8".encode("utf-16-le"), "4".encode("utf-16-le")) if wide else (b"8", b"4")
        assert path.read_bytes() == four.join(data.rsplit(eight, 1))


def test_a_file_that_changed_is_refused(script, tmp_path):
    plan = plan_for(script)
    script.write_text(OLD + "# mine\n")
    with pytest.raises(PatchError, match="changed since it was read"):
        apply(plan, folder=tmp_path / "state")
    assert script.read_text() == OLD + "# mine\n"


def test_undo_never_loses_a_later_edit(script, tmp_path):
    apply(plan_for(script), folder=tmp_path / "state")
    script.write_text(NEW + "# mine\n")
    with pytest.raises(PatchError, match="undo would lose"):
        undo(folder=tmp_path / "state")
    assert script.read_text() == NEW + "# mine\n"


def test_links_and_read_only_files_are_refused(script, tmp_path):
    link = tmp_path / "link.sh"
    link.symlink_to(script)
    with pytest.raises(PatchError, match="symbolic link"):
        apply(plan_for(link), folder=tmp_path / "state")
    twin = tmp_path / "twin.sh"
    os.link(script, twin)
    with pytest.raises(PatchError, match="more than one name"):
        apply(plan_for(script), folder=tmp_path / "state")
    twin.unlink()
    script.chmod(0o444)
    with pytest.raises(PatchError, match="read-only"):
        apply(plan_for(script), folder=tmp_path / "state")
    assert script.read_text() == OLD


def test_two_at_once_are_refused(script, tmp_path):
    with locked(tmp_path / "state"), pytest.raises(PatchError, match="another oomdoc"):
        apply(plan_for(script), folder=tmp_path / "state")
    apply(plan_for(script), folder=tmp_path / "state")


def test_a_full_disk_changes_nothing_and_leaves_nothing(script, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(applying, "written_beside", full)
    with pytest.raises(PatchError, match="no space left"):
        apply(plan_for(script), folder=tmp_path / "state")
    assert script.read_text() == OLD
    assert [path.name for path in tmp_path.iterdir() if "oomdoc" in path.name] == []


def test_a_full_disk_is_told_in_both_languages(script, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PatchError) as told:
        apply(plan_for(script), folder=tmp_path / "state")
    assert "no space left" in told.value.told("en")
    assert "设备空间不足" in told.value.told("zh")
    assert script.read_text() == OLD
    assert [path.name for path in tmp_path.iterdir() if "oomdoc" in path.name] == []


def test_without_a_place_for_backups_nothing_is_written(script, tmp_path):
    (tmp_path / "state").write_text("a file, not a folder")
    with pytest.raises(PatchError, match="nothing is written"):
        apply(plan_for(script), folder=tmp_path / "state")
    assert script.read_text() == OLD


def test_what_remains_for_the_person_is_told_with_the_reason(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("args = TrainingArguments(output_dir='o')\n")
    with pytest.raises(PatchError) as told:
        apply(plan_edits({"train.max_length": 512}, [load(str(path))]), folder=tmp_path / "state")
    assert "max_seq_length" in told.value.told("en")
    assert "手动" in told.value.told("zh")


def test_of_two_at_once_one_writes_and_the_other_is_refused(script, tmp_path):
    code = (
        "import sys; from pathlib import Path; from oomdoc.patch.apply import apply; "
        "from oomdoc.patch.document import load; from oomdoc.patch.plan import plan_edits; "
        "plan = plan_edits({'lora.rank': int(sys.argv[3])}, [load(sys.argv[2])]); print('read', flush=True); input(); "
        "apply(plan, folder=Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "state"), str(script)]
    both = [
        subprocess.Popen([*words, rank], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in ("4", "2")
    ]
    for process in both:
        assert process.stdout.readline() == b"read\n"
    for process in both:
        process.stdin.write(b"\n")
        process.stdin.flush()
    told = [process.communicate()[1].decode() for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert any("changed since it was read" in text or "another oomdoc" in text for text in told)
    assert script.read_text() in {NEW, OLD.replace("rank 8", "rank 2")}


@pytest.mark.parametrize("failure", ["no room", "an editor's save"])
def test_of_several_files_all_change_or_none(script, tmp_path, monkeypatch, failure):
    config = tmp_path / "ds.json"
    config.write_text('{"zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": 8}')
    old = config.read_text()
    plan = plan_edits({"lora.rank": 4, "parallel.zero_stage": 3}, [load(str(script)), load(str(config))])
    assert len(plan.files) == 2
    first, second = (edit.original.path for edit in plan.files)
    real = applying.renamed

    def fails(temporary, path):
        if path == second:
            raise OSError(28, "No space left on device")
        real(temporary, path)
        if path == first and failure != "no room" and temporary.name.endswith("000.oomdoc"):
            second.write_text("mine")

    monkeypatch.setattr(applying, "renamed", fails)
    with pytest.raises(PatchError, match="nothing was"):
        apply(plan, folder=tmp_path / "state")
    assert script.read_text() == OLD
    assert config.read_text() == (old if failure == "no room" else "mine")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".oomdoc")] == []
    monkeypatch.undo()
    apply(plan_for(script), folder=tmp_path / "state")
    undo(folder=tmp_path / "state")
    assert script.read_text() == OLD


def test_a_folder_without_leave_to_write_is_refused(script, tmp_path, monkeypatch):
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != script.parent and allowed(path, mode))
    with pytest.raises(PatchError, match="read-only"):
        apply(plan_for(script), folder=tmp_path / "state")
    assert script.read_text() == OLD


def test_copies_leave_the_file_alone_and_overwrite_nothing(script, tmp_path):
    (written,) = copies(plan_for(script), tmp_path / "out")
    assert written.read_text() == NEW
    assert script.read_text() == OLD
    with pytest.raises(PatchError, match="exists already"):
        copies(plan_for(script), tmp_path / "out")


WORKER = """
import sys
from pathlib import Path
from oomdoc.patch.apply import apply
from oomdoc.patch.document import load
from oomdoc.patch.plan import plan_edits
paths = sys.argv[2:]
rank = 4
print("ready", flush=True)
while True:
    for path in paths:
        plan = plan_edits({"lora.rank": rank}, [load(path)])
        if plan.files:
            apply(plan, folder=Path(sys.argv[1]))
    rank = 12 - rank
"""


def test_a_process_killed_at_any_moment_leaves_old_or_new(script, tmp_path):
    state = tmp_path / "state"
    for moment in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(state), str(script)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.011 + 0.0173 * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert script.read_text() in {OLD, NEW}
        before = script.read_text()
        apply(plan_for(script, 16), folder=state)
        undo(folder=state)
        assert script.read_text() == before
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".oomdoc")] == []
