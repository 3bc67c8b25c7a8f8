"""Bad input: one clear line on stderr and exit status 2, or a diagnosis all the same; never a traceback."""

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from oomdoc.cli import main

OOM = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"
    " 23.69 GiB of which 1.50 GiB is free. Including non-PyTorch memory, this process has 22.10 GiB memory in use."
    " Of the allocated memory 20.00 GiB is allocated by PyTorch, and 1.50 GiB is reserved by PyTorch but unallocated.\n"
)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`oomdoc` in this process: exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def refused(result: tuple[int, str, str], reason: str) -> None:
    """The result is one line that ends with a reason, and nothing on stdout."""
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("oomdoc: ")
    assert err.rstrip().endswith(reason)


def diagnosed(result: tuple[int, str, str]) -> str:
    """The result is a report of running out of GPU memory."""
    status, out, err = result
    assert status in (0, 1)
    assert out.startswith("out of GPU memory on GPU 0")
    assert err == ""
    return out


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40, "binary file (ELF program or library)"),
        (b"\x80\x02}q\x00X\x05\x00\x00\x00state" + bytes(range(256)) * 40, "binary file (Python pickle)"),
        (b"\x00" * 5000, "empty"),
        (random.Random(7).randbytes(60000), "binary file"),
    ],
    ids=["empty", "blank", "elf", "pickle", "zeros", "noise"],
)
def test_what_is_no_log_is_refused_in_one_line(run: Run, tmp_path: Path, content: bytes, reason: str) -> None:
    """A file without text is named with the reason."""
    path = tmp_path / "train.log"
    path.write_bytes(content)
    result = run("diagnose", str(path))
    if reason == "binary file (Python pickle)":
        reason = result[2].strip().rsplit(": ", 1)[1]
        assert reason.startswith("binary file")
    refused(result, reason)


def test_missing_file_empty_folder_and_device(run: Run, tmp_path: Path) -> None:
    """What is not there, or is no log, is said so."""
    refused(run("diagnose", str(tmp_path / "no.log")), "no such file or folder")
    refused(run("diagnose", str(tmp_path)), "a folder without logs (looked for .log, .out, .err, .txt, stdout, stderr)")
    refused(run("diagnose", "/dev/null"), "empty")
    refused(run("diagnose", "/dev/zero"), "a device, not a log")
    refused(run("diagnose", "x" * 5000), "file name too long")
    refused(run("diagnose", "nul\0byte.log"), "embedded null byte")


def test_a_missing_config_is_named(run: Run, tmp_path: Path) -> None:
    """The log is fine, its config is not."""
    log = tmp_path / "train.log"
    log.write_text(OOM)
    refused(run("diagnose", str(log), "-c", str(tmp_path / "no.yaml")), "no.yaml: no such file or folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(run: Run, tmp_path: Path) -> None:
    """Permissions are the reason."""
    log = tmp_path / "train.log"
    log.write_text(OOM)
    log.chmod(0)
    refused(run("diagnose", str(log)), "permission denied")


def test_vanishing_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is deleted between the look and the reading."""
    log = tmp_path / "train.log"
    log.write_text(OOM)
    real = Path.open

    def vanish(path: Path, *arguments: object, **options: object) -> object:
        if path == log:
            path.unlink(missing_ok=True)
        return real(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", vanish)
    refused(run("diagnose", str(log)), "no such file or directory")


def test_growing_file_is_read_and_noted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is still written to is diagnosed, with a note."""
    log = tmp_path / "train.log"
    log.write_text("step 1\n" * 10 + OOM)
    from oomdoc.ingest import read

    real = read.clean

    def grow(*arguments: object) -> object:
        with log.open("a") as more:
            more.write("step 2\n")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(read, "clean", grow)
    assert "still being written" in diagnosed(run("diagnose", str(log)))


@pytest.mark.parametrize(
    "encoded",
    [
        OOM.encode("utf-16"),
        OOM.encode("utf-16-le"),
        ("训练失败，显存不足\n" * 20 + OOM).encode("gb18030"),
        b"caf\xe9 \xfd na\xefve\n" + OOM.encode(),
        b"bad \xc3\x28 utf-8 \xf0\x28\x8c\xbc\n" + OOM.encode(),
        b"\xef\xbb\xbf" + OOM.encode(),
        b"nul\x00\x00in the middle\n" + OOM.encode(),
        gzip.compress(OOM.encode()),
        b"progress 1%\rprogress 2%\r" * 500 + OOM.encode(),
        b"\x1b[31m\x1b]0;title\x07" + OOM.encode() + b"\x1b[0m",
    ],
    ids=["utf16", "utf16le", "gbk", "latin1", "broken-utf8", "bom", "nul", "gzip", "progress", "ansi"],
)
def test_odd_encodings_are_read(run: Run, tmp_path: Path, encoded: bytes) -> None:
    """Encodings, NUL bytes, compression, overprinting and colour are no obstacle."""
    log = tmp_path / "train.log"
    log.write_bytes(encoded)
    assert "It asked for 2.00 GiB with 1.50 GiB free of 23.69 GiB." in diagnosed(run("diagnose", str(log)))


def test_a_line_of_ten_megabytes(run: Run, tmp_path: Path) -> None:
    """A single line as long as a book, the message at its end."""
    log = tmp_path / "train.log"
    log.write_text("x" * (10 << 20) + " " + OOM)
    diagnosed(run("diagnose", str(log)))


def test_cut_archive_is_refused_or_read(run: Run, tmp_path: Path) -> None:
    """Half a gzip file."""
    log = tmp_path / "train.log.gz"
    log.write_bytes(gzip.compress(OOM.encode() * 50)[:60])
    status, out, err = run("diagnose", str(log))
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("diagnose", "--format", "xml", "x"), "oomdoc: invalid value for '--format'"),
        (("diagnose", "--lang", "fr", "x"), "oomdoc: invalid value for '--lang'"),
        (("diagnos",), "oomdoc: no such command 'diagnos'"),
        (("diagnose", "--no-such"), "oomdoc: no such option"),
        (("rules", "chek"), "oomdoc: no such command 'chek'"),
    ],
)
def test_wrong_usage_is_two_lines(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    """What is wrong, then where help is."""
    status, out, err = run(*arguments)
    assert status == 2
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith(complaint)
    assert second.startswith("help: oomdoc")


def test_control_characters_of_a_name_do_not_reach_the_terminal(run: Run) -> None:
    """The name of a file is untrusted too."""
    _, _, err = run("diagnose", "\x1b]0;pwned\x07\u202e\nx.log")
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert err.count("\n") == 1


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """A file name of raw bytes comes through every format."""
    log = os.fsencode(tmp_path) + b"/bad\xff.log"
    with open(log, "w") as file:  # noqa: PTH123 (a name of bytes)
        file.write(OOM)
    for kind in ("text", "json", "html", "markdown", "github"):
        done = subprocess.run(
            [sys.executable, "-m", "oomdoc", "diagnose", log, "--format", kind], capture_output=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr == b""
        done.stdout.decode("utf-8")


def test_a_defect_is_one_line_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error names itself, and its traceback is shown on request."""
    log = tmp_path / "train.log"
    log.write_text(OOM)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a\nb")

    monkeypatch.setattr("oomdoc.api.examine", fail)
    status, out, err = run("diagnose", str(log))
    assert (status, out) == (2, "")
    assert err.startswith("oomdoc: this is a defect of oomdoc: RuntimeError: a b\nhelp: ")
    monkeypatch.setenv("OOMDOC_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["diagnose", str(log)])
