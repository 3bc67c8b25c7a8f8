"""The terminal's input: what is pasted goes past the key parser, which takes it apart one character at a time.

Textual 8.2 needs a minute and 700 MiB for a paste of 10 MB that way, and its strict decoder ends the keyboard at the
first byte that is no UTF-8.
"""

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import Final

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_START: Final = "\x1b[200~"
_END: Final = "\x1b[201~"
_PIECE: Final = 1 << 16
_WAIT: Final = 0.1


class Pastes:
    """Takes bracketed pastes out of a stream that arrives in pieces."""

    def __init__(self) -> None:
        self._kept: list[str] | None = None

    def split(self, text: str) -> Iterator[tuple[bool, str]]:
        """(False, keys) and (True, a whole paste), in order; a paste is held back until its end has come."""
        while text:
            if self._kept is None:
                keys, start, text = text.partition(_START)
                if keys:
                    yield False, keys
                if start:
                    self._kept = []
                continue
            # The end may be cut by the piece: the last characters are looked at again with what follows.
            before = self._kept.pop() if self._kept else ""
            body, end, rest = (before + text).partition(_END)
            self._kept.append(body)
            if not end:
                cut = self._kept.pop()
                self._kept += [cut[: -len(_END)], cut[-len(_END) :]] if len(cut) > len(_END) else [cut]
                return
            whole, self._kept, text = "".join(self._kept), None, rest
            yield True, whole.replace("\x00", "")


class PasteDriver(LinuxDriver):
    """Textual's own driver with another way of reading."""

    def run_input_thread(self) -> None:
        """Read until the app ends; nothing that arrives can end it sooner."""
        parser, pastes = XTermParser(self._debug), Pastes()
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_WAIT):
                    data = os.read(self.fileno, _PIECE)
                    if not data:  # the terminal went away
                        break
                    for is_paste, text in pastes.split(decode(data)):
                        if is_paste:
                            self.process_message(events.Paste(text))
                            continue
                        for event in parser.feed(text):
                            self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        try:
            for _ in parser.feed(""):
                pass
        except (EOFError, ParseError):
            pass
