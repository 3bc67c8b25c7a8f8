"""A mark that a conversation is open: it goes with its process, however that ends."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_held: Final[dict[str, int]] = {}  # marks of this process, how often each is held


class Hold:
    """Locks a file named after a conversation; `is_ours` is False where another process has it locked.

    Where nothing can be locked (no such call, a network folder without locks), nobody is kept out.
    """

    def __init__(self, path: Path) -> None:
        self.is_ours = True
        self._path = path
        self._handle: int | None = None
        if str(path) in _held:
            _held[str(path)] += 1
            return
        try:
            import fcntl

            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.is_ours = False
        except (ImportError, OSError):
            return
        else:
            _held[str(path)] = 1

    def release(self) -> None:
        """Let it go; the last of this process removes the mark."""
        left = _held.get(str(self._path), 1) - 1
        if self.is_ours and left > 0:
            _held[str(self._path)] = left
            self._handle = None  # the descriptor lives on with the process: it carries the lock for the others
        if self.is_ours and left <= 0:
            _held.pop(str(self._path), None)
            with suppress(OSError):
                self._path.unlink()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
