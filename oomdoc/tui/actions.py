"""The one registry of what a person can do: keys, footer, slash commands, palette and help are all read from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from textual.binding import Binding, BindingType

from oomdoc.messages import Language, say


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    `name` is `area.verb`; its sentence is `action.<area>_<verb>` in messages/. `slash` is typed after "/"; `argument`
    names what may follow it. `utterance` is said to the dialogue; an action without one is performed by the app.
    `footer` is its place in the key line, 0 for none.
    """

    name: str
    keys: tuple[str, ...] = ()
    slash: str | None = None
    argument: str | None = None
    utterance: str | None = None
    footer: int = 0

    @property
    def area(self) -> str:
        """The part of the room it belongs to."""
        return self.name.partition(".")[0]

    def label(self, language: Language) -> str:
        """What it does, in a few words."""
        return say(language, f"action.{self.name.replace('.', '_')}")

    def titled(self, language: Language) -> str:
        """`area: action`, as the palette lists it."""
        return f"{say(language, f'area.{self.area}')}: {self.label(language)}"


ACTIONS: Final = (
    Action("case.facts", ("f2",), "facts", footer=2),
    Action("case.gpu", ("f3",), "gpu", footer=3),
    Action("case.log", ("f4",), "log", "line", footer=4),
    Action("case.read", (), "read", "file"),
    Action("case.watch", (), "watch", "file"),
    Action("case.correct", (), "correct", "fact"),
    Action("fix.why", (), "why", "cause", utterance="why"),
    Action("fix.plans", (), "plans", utterance="plans"),
    Action("fix.diff", (), "diff", utterance="show me the diff"),
    Action("fix.apply", (), "apply", utterance="apply"),
    Action("fix.undo", (), "undo", utterance="undo"),
    Action("fix.verify", (), "verify", utterance="verify"),
    Action("fix.next", (), "next", utterance="next"),
    Action("chat.previous", ("ctrl+up", "alt+up")),
    Action("chat.following", ("ctrl+down", "alt+down")),
    Action("chat.page_up", ("pageup",)),
    Action("chat.page_down", ("pagedown",)),
    Action("chat.prompt", ("escape",)),
    Action("chat.copy", ("ctrl+y", "f6"), "copy", footer=6),
    Action("chat.expand", ("f5",), "expand", footer=5),
    Action("chat.find", ("ctrl+f",), "find", "text", footer=7),
    Action("chat.stop", ("ctrl+c",), "stop"),
    Action("chat.clear", (), "clear"),
    Action("session.save", (), "save", utterance="/save"),
    Action("session.export", (), "export", "file", utterance="/export"),
    Action("session.history", (), "history", utterance="history"),
    Action("view.palette", ("ctrl+p",), "palette", footer=8),
    Action("view.theme", ("ctrl+t",), "theme", "theme"),
    Action("view.language", (), "lang", "language"),
    Action("view.help", ("f1",), "help", footer=1),
    Action("view.quit", ("ctrl+q",), "quit", footer=9),
)

_BY_NAME: Final = {action.name: action for action in ACTIONS}
_BY_SLASH: Final = {action.slash: action for action in ACTIONS if action.slash}


def action(name: str) -> Action:
    """The action of a name; KeyError is a defect."""
    return _BY_NAME[name]


# Keys that a focused widget may want for itself.
_YIELDING: Final = frozenset({"escape", "pageup", "pagedown"})


def bindings() -> list[BindingType]:
    """The app's key bindings; they hold wherever the focus is, so typing a sentence needs none of them."""
    return [
        Binding(key, f"perform('{one.name}')", one.name, show=False, priority=key not in _YIELDING)
        for one in ACTIONS
        for key in one.keys
    ]


def slash_of(text: str) -> tuple[Action, str] | None:
    """The action and argument of a line that starts with "/", or None where it is no command of ours."""
    if not text.startswith("/") or "\n" in text:
        return None
    word, _, argument = text[1:].strip().partition(" ")
    found = _BY_SLASH.get(word.lower())
    return (found, argument.strip()) if found else None


def completions(text: str) -> Iterator[Action]:
    """Commands that a line beginning with "/" may become: same beginning first, then the letters in order."""
    if not text.startswith("/") or " " in text or "\n" in text:
        return
    typed = text[1:].lower()
    starts = [one for word, one in _BY_SLASH.items() if word.startswith(typed)]
    yield from starts
    yield from (one for word, one in _BY_SLASH.items() if one not in starts and _within(typed, word))


def _within(typed: str, word: str) -> bool:
    letters = iter(word)
    return all(letter in letters for letter in typed)


_KEY_NAMES: Final = {"escape": "Esc", "up": "↑", "down": "↓", "enter": "Enter"}


def key_text(key: str, ascii_only: bool = False) -> str:
    """A key as people write it: "ctrl+p" -> "^P", "f1" -> "F1"."""
    *held, last = key.split("+")
    shown = last if ascii_only and last in {"up", "down"} else _KEY_NAMES.get(last, last.upper())
    if held == ["ctrl"] and len(last) == 1:
        return f"^{shown}"
    return "+".join([*(name.capitalize() for name in held), shown])
