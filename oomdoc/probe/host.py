"""Our side of a worker: which interpreter, its process group, time limit, progress, and errors as one line."""

# ruff: noqa: S603
# the interpreter is the person's own

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

Progress = Callable[[str, float], None]

# The worker's interpreter has no oomdoc: this makes our package importable there without touching its sys.path, and
# without our own dependencies.
_START = (
    "import sys,types;m=types.ModuleType('oomdoc');m.__path__=[sys.argv[1]];sys.modules['oomdoc']=m;"
    "from importlib import import_module;import_module('oomdoc.probe.'+sys.argv[2]).main()"
)
_GRACE = 3.0  # seconds between SIGTERM and SIGKILL


class WorkerError(Exception):
    """The worker could not answer; one line, English. `kind` with `places` are what a sentence can be made of.

    kind: environment, build, operator, run, time, died, missing, driver, without_cuda, no_gpu or launcher.
    """

    def __init__(self, kind: str, message: str, where: str = "", **places: Any) -> None:
        self.kind = kind
        self.where = where
        self.places = places
        super().__init__(message)

    @classmethod
    def of(cls, answer: Mapping[str, Any], python: str) -> Self:
        """The error that a worker answered with."""
        kind = str(answer["error"])
        message = str(answer.get("message") or kind)
        said = message
        if kind == "environment":
            message = f"torch and transformers cannot be imported by {python}: {message}"
        places = {name: value for name, value in answer.items() if name in ("package", "use", "torch", "operator")}
        return cls(kind, message, str(answer.get("where") or ""), said=said, python=python, **places)


def interpreter(asked: str | None = None) -> str:
    """The training environment's Python: what was asked for, VIRTUAL_ENV, CONDA_PREFIX, else this one.

    `asked` may be an interpreter or the folder of an environment. Raises WorkerError where it does not exist.
    """
    if asked:
        path = Path(asked).expanduser()
        if path.is_dir():
            path = next(
                (path / part for part in ("bin/python", "python.exe", "Scripts/python.exe") if (path / part).exists()),
                path,
            )
        found = str(path) if path.is_file() else shutil.which(asked)
        if not found:
            raise WorkerError("environment", f"{asked} is not an interpreter or an environment", asked=asked)
        return found
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = os.environ.get(name)
        if folder and (Path(folder) / "bin" / "python").exists():
            return str(Path(folder) / "bin" / "python")
    return sys.executable


class Worker:
    """One worker process; answers plans in order. Use as a context manager: it leaves nothing behind."""

    def __init__(
        self, python: str | None = None, module: str = "dryrun_worker", environment: Mapping[str, str] | None = None
    ) -> None:
        self.python = interpreter(python)
        self.module = module
        self._stderr: list[str] = []
        package = str(Path(__file__).parent.parent)
        try:
            self._process = subprocess.Popen(
                [self.python, "-c", _START, package, module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True, env=clean_environment(environment),
            )  # fmt: skip
        except OSError as error:
            raise WorkerError("environment", f"{self.python} cannot be started: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, plan: Mapping[str, Any], timeout: float = 600.0, progress: Progress | None = None) -> dict[str, Any]:
        """The answer to one plan. Raises WorkerError; after a time-out or a death the process is gone."""
        deadline = time.monotonic() + timeout
        stage = "starting"
        answer: dict[str, Any] | None = None
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(plan).encode() + b"\n")
            self._process.stdin.flush()
            for message in self._messages(deadline):
                if "progress" in message:
                    stage = str(message["progress"])
                    if progress is not None:
                        progress(stage, float(message.get("seconds") or 0))
                elif "answer" in message:
                    answer = message["answer"]
                    break
        except (BrokenPipeError, ConnectionError, ValueError):  # it died before it read the plan
            pass
        except TimeoutError:
            self.close()
            raise WorkerError(
                "time",
                f"no answer within {timeout:g} s (while {stage}); --timeout raises the limit",
                seconds=timeout,
                stage=stage,
            ) from None
        except BaseException:  # Ctrl-C as well: the process group must not outlive us
            self.close()
            raise
        if answer is None:
            raise self._death(stage)
        return _checked(answer, self.python)

    def _messages(self, deadline: float) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        rest = b""
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            ready.register(self._process.stderr, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                for key, _ in ready.select(min(left, 0.5)):
                    chunk = os.read(key.fd, 1 << 16)
                    if key.fileobj is self._process.stderr:
                        self._stderr = [*self._stderr, *chunk.decode("utf-8", "replace").splitlines()][-200:]
                        if not chunk:
                            ready.unregister(key.fileobj)
                        continue
                    if not chunk:
                        return
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        with suppress(ValueError):
                            yield json.loads(line)

    def _death(self, stage: str) -> WorkerError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        code = self._process.returncode
        last = next((line for line in reversed(self._stderr) if line.strip()), "")
        self.close()
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"signal {-code}"
            hint = " (the host's memory may have run out)" if name == "SIGKILL" else ""
            return WorkerError("died", f"the worker was ended by {name} while {stage}{hint}", stage=stage, signal=name)
        said = last.strip()[:300]
        text = f"the worker ended with status {code} while {stage}: {said}"
        return WorkerError("died", text, stage=stage, status=code, said=said)

    def close(self) -> None:
        """End the worker and everything it started."""
        process = self._process
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and stream is process.stdin:
                with suppress(OSError):
                    stream.close()
        for sign, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
            if process.poll() is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, sign)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
        with suppress(ProcessLookupError, PermissionError):  # what it started may have outlived it
            os.killpg(process.pid, signal.SIGKILL)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def clean_environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Our environment for a child of another interpreter: without what would lead it to our modules."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
    }
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "TOKENIZERS_PARALLELISM": "false", **(extra or {})}


def _checked(answer: dict[str, Any], python: str) -> dict[str, Any]:
    if answer.get("error"):
        raise WorkerError.of(answer, python)
    return answer
