"""stdout, stderr, pipes, signals, colour, language: how `oomdoc diagnose` behaves as a process among others."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOG = "examples/minimind/train.log"
DIAGNOSE = [sys.executable, "-m", "oomdoc", "diagnose"]
CLEAN = {
    key: value
    for key, value in os.environ.items()
    if key not in {"LC_ALL", "LC_MESSAGES", "LANG", "OOMDOC_LANG", "NO_COLOR", "TERM", "PYTHONIOENCODING", "COLUMNS"}
}


def run(*arguments: str, stdin: bytes | None = b"", **environment: str) -> tuple[int, str, str]:
    """A whole process with a clean environment: exit status, stdout, stderr."""
    done = subprocess.run(
        [*DIAGNOSE, *arguments], cwd=ROOT, env={**CLEAN, **environment}, input=stdin, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def test_a_report_goes_to_stdout_and_nothing_to_stderr() -> None:
    """stdout is the answer."""
    status, out, err = run(LOG)
    assert (status, err) == (0, "")
    assert out.startswith("out of GPU memory on GPU 0, in training\n")
    assert "\x1b" not in out


def test_standard_input_named_or_not() -> None:
    """`-` and a bare pipe are the same log."""
    log = (ROOT / LOG).read_bytes()
    named = run("-", stdin=log)
    assert named[0] == 0
    assert named == run(stdin=log)
    assert "<stdin>:" in named[1]
    assert run(stdin=b"") == (2, "", "oomdoc: <stdin>: empty\n")


def test_nothing_nameable_is_exit_one() -> None:
    """A text that says nothing of memory."""
    status, out, err = run(stdin=b"step 1 loss 0.3\nstep 2 loss 0.2\n")
    assert (status, err) == (1, "")
    assert out.startswith("cannot tell whether this is out of memory\n")


def test_another_failure_is_named() -> None:
    """Not out of memory is an answer: exit 0."""
    status, out, _ = run(stdin=b"RuntimeError: CUDA error: an illegal memory access was encountered\n")
    assert status == 0
    assert out.startswith("not out of memory\n")


@pytest.mark.parametrize(
    ("arguments", "environment", "chinese"),
    [
        ((), {}, False),
        ((), {"LANG": "zh_CN.UTF-8"}, True),
        ((), {"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, False),
        ((), {"LANG": "en_US.UTF-8", "OOMDOC_LANG": "zh"}, True),
        (("--lang", "en"), {"OOMDOC_LANG": "zh"}, False),
        (("--lang", "zh"), {"LANG": "C"}, True),
        ((), {"LANG": "de_DE.UTF-8"}, False),
    ],
)
def test_language_follows_the_option_then_the_variable_then_the_locale(
    arguments: tuple[str, ...], environment: dict[str, str], chinese: bool
) -> None:
    """--lang, OOMDOC_LANG, LC_ALL, LANG, in this order."""
    _, out, err = run(LOG, *arguments, PYTHONIOENCODING="utf-8", **environment)
    assert out.startswith("显存不足（GPU 0）" if chinese else "out of GPU memory")
    assert err == ""


def test_ascii_output_has_no_question_marks_for_letters() -> None:
    """Where the terminal has only ASCII, bars are drawn in ASCII and the report is in English, said once."""
    status, out, err = run(LOG, "--lang", "zh", PYTHONIOENCODING="ascii")
    assert status == 0
    assert out.isascii()
    assert out.startswith("out of GPU memory on GPU 0")
    assert "?" not in out.split("Cause:")[0]
    assert "[####" in out
    assert err == "oomdoc: standard output has no Chinese characters; the report is in English\n"


def test_json_and_html_are_utf8_whatever_the_terminal_is() -> None:
    """A file format does not follow the terminal's encoding."""
    _, out, err = run(LOG, "--json", "--lang", "zh", PYTHONIOENCODING="ascii")
    assert err == ""
    assert json.loads(out)["verdict"]["summary"].startswith("显存不足")
    assert "原因" in run(LOG, "--format", "html", "--lang", "zh", PYTHONIOENCODING="latin-1")[1]


def test_the_c_locale_is_no_obstacle() -> None:
    """LC_ALL=C, as in a container or a cron job."""
    status, out, err = run(LOG, LC_ALL="C")
    assert (status, err) == (0, "")
    assert out


@pytest.mark.parametrize("kind", ["text", "json", "html"])
def test_a_pipe_closed_early_is_quiet(kind: str) -> None:
    """`oomdoc diagnose x | head -c 1`, and a reader that is gone before the first byte."""
    for taken in ("head -c 1", "true"):
        shell = f'"$@" | {taken}; echo "status ${{PIPESTATUS[0]}}" >&2'
        done = subprocess.run(
            ["bash", "-c", shell, "-", *DIAGNOSE, LOG, "--facts", "--format", kind],
            cwd=ROOT,
            env=CLEAN,
            capture_output=True,
            check=False,
        )
        assert done.stderr.decode() == "status 0\n"


def test_a_full_disk_and_a_closed_stdout_are_one_line() -> None:
    """What cannot be written is said on stderr."""
    for redirect, reason in ((">/dev/full", "no space left on device"), (">&-", "closed")):
        done = subprocess.run(
            ["bash", "-c", f'"$@" {redirect}', "-", *DIAGNOSE, LOG],
            cwd=ROOT,
            env=CLEAN,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.decode() == f"oomdoc: standard output: {reason}\n"


def test_closed_stdin_and_stderr_do_no_harm() -> None:
    """A daemon's descriptors."""
    shell = '"$@" <&- 2>&-'
    done = subprocess.run(
        ["bash", "-c", shell, "-", *DIAGNOSE, LOG],
        cwd=ROOT,
        env=CLEAN,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    done = subprocess.run(["bash", "-c", '"$@" <&-', "-", *DIAGNOSE, "-"], env=CLEAN, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"oomdoc: <stdin>: closed\n")


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.2, 0.6])
def test_control_c_at_any_moment(wait: float) -> None:
    """Interrupted while it starts or waits for a pipe: a line of its own, 130."""
    process = subprocess.Popen(
        DIAGNOSE, cwd=ROOT, env=CLEAN, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    # The interpreter's own start-up answers Ctrl-C with a traceback; wait for the first library behind our own modules.
    deadline = time.monotonic() + 20
    while not _past_start(process.pid) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == b""
    assert err.lstrip() == b"oomdoc: interrupted\n"  # a line break first, where ^C stands on a terminal


def _past_start(pid: int) -> bool:
    """Whether the process has got as far as loading pydantic's library, behind our own first modules."""
    try:
        return "pydantic_core" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return True


def _on_terminal(*arguments: str, columns: int = 80, **environment: str) -> bytes:
    """What a person at a terminal of 24 lines sees."""
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*DIAGNOSE, *arguments],
        cwd=ROOT,
        env={**CLEAN, "TERM": "xterm-256color", **environment},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        close_fds=True,
    )
    os.close(follower)
    seen = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    process.wait(timeout=10)
    os.close(leader)
    return seen


def test_colour_only_on_a_terminal_and_never_against_the_wish() -> None:
    """NO_COLOR and TERM=dumb win."""
    assert b"\x1b[1;31mout of GPU memory" in _on_terminal(LOG)
    assert b"\x1b" not in _on_terminal(LOG, NO_COLOR="1")
    assert b"\x1b" not in _on_terminal(LOG, TERM="dumb")


@pytest.mark.parametrize("columns", [80, 120, 46])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_line_is_wider_than_the_terminal(columns: int, language: str) -> None:
    """The terminal's own width is used, up to a readable one."""
    from oomdoc.report.layout import width

    seen = _on_terminal(LOG, "--lang", language, columns=columns, NO_COLOR="1", LANG="C.UTF-8").decode("utf-8")
    lines = seen.splitlines()
    assert len(lines) > 20
    assert max(width(line) for line in lines) <= columns


def test_without_input_on_a_terminal_it_asks_for_a_log() -> None:
    """No waiting for somebody to type a log."""
    seen = _on_terminal(NO_COLOR="1").decode()
    assert "oomdoc: name a log, or pipe one in: oomdoc diagnose train.log" in seen
