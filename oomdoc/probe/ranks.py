"""Our side of a probe over several cards: start the ranks, follow each, end them all, leave nothing behind."""

# ruff: noqa: S603
# the launcher runs in the person's own interpreter

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from oomdoc.probe.endings import Ending, signal_of
from oomdoc.probe.host import Progress, WorkerError, clean_environment
from oomdoc.probe.launch import Launch, launch
from oomdoc.probe.traces import end_all, forget_shared, shared_now

_POLL = 0.1
_GRACE = 3.0  # seconds for the other ranks to speak after the first has failed, and between SIGTERM and SIGKILL
_TOKEN = "OOMDOC_PROBE"  # noqa: S105 (marks every process of one probe)


class Rank:
    """What one rank has told so far."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process = 0
        self.stage = "starting"
        self.phases: list[dict[str, Any]] = []
        self.answer: dict[str, Any] | None = None
        self.ending: Ending | None = None
        self._read = 0

    def read(self, path: Path) -> bool:
        """Take what is new in its file; whether there was anything."""
        try:
            with path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except OSError:
            return False
        *lines, _ = new.split(b"\n")
        self._read += sum(len(line) + 1 for line in lines)
        for line in lines:
            with suppress(ValueError):
                self._take(json.loads(line))
        return bool(lines)

    def _take(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            self.process = int(message["pid"])
        elif "progress" in message:
            self.stage = str(message["progress"])
        elif "phase" in message:
            self.phases.append(message["phase"])
        elif "answer" in message:
            self.answer = message["answer"]

    @property
    def has_failed(self) -> bool:
        """Whether it ended without all of its phases."""
        return self.ending is not None or bool(self.answer and (self.answer.get("oom") or self.answer.get("error")))


class Ranks:
    """The ranks of one probe. Use as a context manager: processes, files and ports go with it."""

    def __init__(
        self, python: str, plan: Mapping[str, Any], count: int, *, launcher: str | None = None,
        config: str | None = None, cards: Sequence[int] = (), environment: Mapping[str, str] | None = None,
        timeout: float = 600.0,
    ) -> None:  # fmt: skip
        self.python = python if os.sep not in python else str(Path(python).absolute())  # a link leads to an environment
        self.timeout = timeout
        self.ranks = [Rank(number) for number in range(count)]
        self.folder = Path(tempfile.mkdtemp(prefix="oomdoc-probe-"))
        self._shared = shared_now()
        self._token = f"{_TOKEN}={self.folder.name}"
        places = {name: str(Path(str(plan[name])).absolute()) for name in ("path", "snapshot") if plan.get(name)}
        job = {"plan": {**plan, **places}, "driver": os.getpid(), "limit": timeout}
        (self.folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        self.launch: Launch = launch(self.python, launcher, count, self.folder, cards, config)
        self._log = (self.folder / "log").open("wb")
        try:
            self._process = subprocess.Popen(
                self.launch.command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
                start_new_session=True, cwd=self.folder,
                env=clean_environment({**(environment or {}), _TOKEN: self.folder.name, "TMPDIR": str(self.folder)}),
            )  # fmt: skip
        except OSError as error:
            self._log.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise WorkerError("environment", f"{python} cannot be started: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def results(self, progress: Progress | None = None) -> list[Rank]:
        """Every rank as it ended. Raises WorkerError where the environment or the model does not let any run."""
        started = time.monotonic()
        try:
            self._follow(started, progress)
            self._name_causes()
        finally:
            self.close()
        self._refuse()
        return self.ranks

    def _follow(self, started: float, progress: Progress | None) -> None:
        last_words: float | None = None
        shown = ""
        while True:
            now = time.monotonic()
            over = self._process.poll() is not None
            for rank in self.ranks:
                rank.read(self.folder / f"rank-{rank.number}.jsonl")
            self._notice_deaths()
            stage = min(self.ranks, key=_how_far).stage
            if progress is not None and stage != shown:
                progress(stage, now - started)
                shown = stage
            if all(rank.answer is not None or rank.ending is not None for rank in self.ranks):
                return
            if over:
                self._not_started()
                return
            if last_words is None and any(rank.has_failed for rank in self.ranks):
                last_words = now + _GRACE
            if last_words is not None and now > last_words:
                self._end_the_rest()
                return
            if now - started > self.timeout:
                self._out_of_time()
                return
            time.sleep(_POLL)

    def _notice_deaths(self) -> None:
        """A rank that is gone without an answer died, unless another went before: launchers end the rest themselves."""
        first = not any(rank.ending for rank in self.ranks)
        for rank in self.ranks:
            if rank.process and rank.answer is None and rank.ending is None and not _lives(rank.process):
                rank.read(self.folder / f"rank-{rank.number}.jsonl")
                if rank.answer is None:
                    rank.ending = Ending("died" if first else "others", rank.stage)

    def _name_causes(self) -> None:
        """The launcher's last table names the rank that went first, and by which signal."""
        gone = [rank for rank in self.ranks if rank.ending and rank.ending.kind == "died"]
        if not gone:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        log = self.log()
        named = {rank.number: signal_of(log, rank.process) for rank in gone}
        for rank in gone:
            if rank.ending is not None:
                kind = "died" if named[rank.number] or not any(named.values()) else "others"
                rank.ending = rank.ending._replace(kind=kind, signal=named[rank.number])

    def _not_started(self) -> None:
        """The launcher is gone and some rank never answered: its last words say why."""
        if any(rank.has_failed for rank in self.ranks):
            self._end_the_rest()
            return
        code = self._process.returncode
        said = f"it was ended by {signal.Signals(-code).name}" if code and code < 0 else self._last_words()
        for rank in self.ranks:
            if rank.answer is None:
                rank.ending = Ending("launcher", rank.stage, said=said)

    def _end_the_rest(self) -> None:
        for rank in self.ranks:
            if rank.answer is None and rank.ending is None:
                rank.ending = Ending("others", rank.stage)

    def _out_of_time(self) -> None:
        """The ranks that are furthest behind are those the others wait for."""
        waiting = [rank for rank in self.ranks if rank.answer is None and rank.ending is None]
        least = min(_how_far(rank) for rank in waiting)
        for rank in waiting:
            kind = "time" if _how_far(rank) == least else "others"
            rank.ending = Ending(kind, rank.stage, seconds=self.timeout)

    def _refuse(self) -> None:
        """An error of the environment or the model is an error of the probe, unless another rank's end caused it."""
        if any(rank.answer and rank.answer.get("oom") for rank in self.ranks) or any(
            rank.ending and rank.ending.kind in ("died", "time") for rank in self.ranks
        ):
            for rank in self.ranks:
                if rank.answer and rank.answer.get("error"):
                    rank.answer, rank.ending = None, Ending("others", rank.stage)
            return
        for rank in self.ranks:
            if rank.answer and rank.answer.get("error"):
                raise WorkerError.of(rank.answer, self.python)
            if rank.ending and rank.ending.kind == "launcher":
                if "No module named 'torch'" in rank.ending.said:
                    raise WorkerError.of({"error": "environment", "message": "No module named 'torch'"}, self.python)
                raise WorkerError("launcher", f"{self.launch.name}: {rank.ending.said}", launcher=self.launch.name,
                                  said=rank.ending.said)  # fmt: skip

    def log(self) -> str:
        """The end of what the launcher and the ranks have printed."""
        try:
            return (self.folder / "log").read_bytes()[-40_000:].decode("utf-8", "replace")
        except OSError:
            return ""

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log().splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line.split(":")[0]]
        return ((errors or lines or ["it said nothing"])[-1])[:300]

    def close(self) -> None:
        """End the launcher, every rank and all that they started, then their files; safe to call again."""
        if not self.folder.exists():
            return
        with suppress(OSError):
            (self.folder / "job.json").unlink()  # ranks that we cannot reach see this and go
        for sign, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
            end_all(self._token, self._process.pid, [rank.process for rank in self.ranks], sign)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        end_all(self._token, self._process.pid, [], signal.SIGKILL)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        forget_shared(self._shared)


def _how_far(rank: Rank) -> tuple[int, int]:
    return (len(rank.phases), int(rank.stage != "starting"))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):  # a zombie waits for its launcher only
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return True
