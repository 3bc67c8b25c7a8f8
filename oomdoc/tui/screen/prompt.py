"""The line to type in. What is pasted with line breaks, or is long, is kept aside whole and shown as one mark."""

from textual import events
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from oomdoc.messages import Language, say
from oomdoc.tui.figures import size

_LONGEST_TYPED = 2_000
_KEPT_LINES = 200


class Prompt(Input):
    """Typing, history with up and down, pastes as attachments; Enter says it."""

    HELP = "help.prompt"

    class Said(Message):
        """The person said something."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Attached(Message):
        """What is kept aside changed; `told` is its mark, empty where there is nothing."""

        def __init__(self, told: str) -> None:
            super().__init__()
            self.told = told

    class Completed(Message):
        """A key for the list of completions: up, down, tab, enter or escape; enter has taken `typed` off the line."""

        def __init__(self, key: str, typed: str = "") -> None:
            super().__init__()
            self.key, self.typed = key, typed

    def __init__(self, language: Language, suggester: Suggester | None = None) -> None:
        super().__init__(
            placeholder=say(language, "tui.placeholder"), id="prompt", select_on_focus=False, suggester=suggester
        )
        self.language = language
        self._offered: str | None = None
        self._pasted: list[str] = []
        self._history: list[str] = []
        self._place = 0

    def speak(self, language: Language) -> None:
        """Another language from here on."""
        self.language = language
        self.placeholder = say(language, "tui.placeholder")

    def offer(self, typed: str | None) -> None:
        """What the list of completions stands for now; None where there is no list."""
        self._offered = typed

    @property
    def completing(self) -> bool:
        """Whether there is a list of completions, and for just what is typed: keys may be ahead of it."""
        return self._offered is not None and self._offered == self.value

    @property
    def pasted(self) -> str:
        """What was pasted and waits to be said."""
        return "\n".join(self._pasted)

    def _on_paste(self, event: events.Paste) -> None:
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        if "\n" in text.strip("\n") or len(text) > _LONGEST_TYPED:
            event.stop()
            event.prevent_default()
            self.attach(text)
            return
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(text.strip("\n"))

    def attach(self, text: str) -> None:
        """Keep a text aside, to be said with the next Enter."""
        self._pasted.append(text)
        self._tell()

    def drop_attached(self) -> bool:
        """Forget what was pasted; False where there was nothing."""
        had, self._pasted = bool(self._pasted), []
        self._tell()
        return had

    def _tell(self) -> None:
        text = self.pasted
        told = say(self.language, "tui.attached", lines=text.count("\n") + 1, size=size(len(text))) if text else ""
        self.post_message(self.Attached(told))

    async def _on_key(self, event: events.Key) -> None:
        if self.completing and event.key in {"up", "down", "tab", "escape"}:
            event.stop()
            event.prevent_default()
            self.post_message(self.Completed(event.key))
            return
        if event.key in {"up", "down"}:
            event.stop()
            event.prevent_default()
            self._recall(-1 if event.key == "up" else 1)
            return
        bound = self._bindings.key_to_bindings.get(event.key)
        if bound:  # at once: a binding takes effect only after the keys that were typed behind it
            event.stop()
            event.prevent_default()
            await self.app.run_action(bound[0].action, self)
            return
        await super()._on_key(event)

    async def action_submit(self) -> None:
        """Say it: what was pasted first, then what was typed."""
        if self.completing:
            typed, self.value = self.value, ""
            self.post_message(self.Completed("enter", typed))
            return
        typed = self.value.strip()
        text = "\n".join(part for part in (self.pasted, typed) if part)
        if not text:
            return
        self._pasted = []
        self._tell()
        if typed:
            self._history = [*(line for line in self._history if line != typed), typed][-_KEPT_LINES:]
        self._place = len(self._history)
        self.value = ""
        self.post_message(self.Said(text))

    def _recall(self, by: int) -> None:
        if not self._history:
            return
        self._place = min(max(self._place + by, 0), len(self._history))
        self.value = self._history[self._place] if self._place < len(self._history) else ""
        self.cursor_position = len(self.value)
