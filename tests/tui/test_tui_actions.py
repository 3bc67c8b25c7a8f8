"""One registry: every action can be done, has words in both languages, and no key or command means two things."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.messages import keys, say
from oomdoc.tui.actions import ACTIONS, bindings, completions, key_text, slash_of
from oomdoc.tui.blocks.registry import VIEWS
from oomdoc.tui.perform import Performer
from oomdoc.tui.themes import NAMES, THEMES, first_theme, following

ROOM = Path(__file__).parents[2] / "oomdoc" / "tui"


def test_every_action_is_an_utterance_or_a_method() -> None:
    for one in ACTIONS:
        assert one.utterance is not None or callable(getattr(Performer, one.name.replace(".", "_"))), one.name


def test_every_method_of_the_performer_is_an_action() -> None:
    methods = {name for name in vars(Performer) if not name.startswith("_") and name != "perform"}
    assert methods <= {one.name.replace(".", "_") for one in ACTIONS}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_action_has_words(language: str) -> None:
    for one in ACTIONS:
        assert one.titled(language)  # type: ignore[arg-type]
        if one.argument:
            assert say(language, f"argument.{one.argument}")  # type: ignore[arg-type]


def test_no_key_and_no_command_means_two_things() -> None:
    pressed = Counter(key for one in ACTIONS for key in one.keys)
    typed = Counter(one.slash for one in ACTIONS if one.slash)
    assert max(pressed.values()) == max(typed.values()) == 1
    assert len(bindings()) == sum(pressed.values())


def test_every_sentence_the_room_uses_exists_in_both_languages() -> None:
    used = set()
    for path in ROOM.rglob("*.py"):
        used |= set(re.findall(r'"((?:tui|help|area|argument|action)\.[a-z_]+)"', path.read_text(encoding="utf-8")))
    assert used
    for language in ("en", "zh"):
        assert not used - keys(language)  # type: ignore[arg-type]
    assert {view.HELP for view in VIEWS.values()} <= keys("en")


@pytest.mark.parametrize(
    ("typed", "name", "argument"),
    [("/log 812", "case.log", "812"), ("/QUIT", "view.quit", ""), ("/read a b.yaml", "case.read", "a b.yaml")],
)
def test_a_command_is_read_with_its_argument(typed: str, name: str, argument: str) -> None:
    found = slash_of(typed)
    assert found is not None
    assert (found[0].name, found[1]) == (name, argument)


@pytest.mark.parametrize("typed", ["/home/ana/train.log", "why?", "/log\nsecond line", "/", ""])
def test_paths_and_pastes_are_no_commands(typed: str) -> None:
    assert slash_of(typed) is None


@given(st.text(max_size=20))
def test_completing_never_fails_and_offers_only_what_holds_the_letters(text: str) -> None:
    for one in completions("/" + text):
        assert one.slash is not None
        letters = iter(one.slash)
        assert all(letter in letters for letter in text.lower())


def test_completions_with_the_same_beginning_come_first() -> None:
    assert next(completions("/la")).slash == "lang"
    assert [one.slash for one in completions("/plans x")] == []


def test_keys_are_written_as_people_write_them() -> None:
    assert [key_text(key) for key in ("f1", "ctrl+p", "ctrl+up", "escape", "alt+up")] == [
        "F1", "^P", "Ctrl+↑", "Esc", "Alt+↑",
    ]  # fmt: skip


def test_themes_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OOMDOC_THEME", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert first_theme() == "dark"
    monkeypatch.setenv("NO_COLOR", "1")
    assert first_theme() == "mono"
    monkeypatch.setenv("OOMDOC_THEME", "light")
    assert first_theme() == "light"
    assert [following(name) for name in NAMES] == [*NAMES[1:], NAMES[0]]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_text_is_readable_on_every_background(theme: object) -> None:
    from textual.color import Color

    wanted = 7.0 if theme.name == "contrast" else 4.5  # type: ignore[attr-defined]
    colors = {"foreground": theme.foreground, "accent": theme.accent, **theme.variables}  # type: ignore[attr-defined]
    for back in (theme.background, theme.panel):  # type: ignore[attr-defined]
        ground = Color.parse(back)
        for name, value in colors.items():
            if name in {"border", "text-disabled"}:
                continue
            assert _ratio(Color.parse(value), ground) >= wanted, (name, back)


def _ratio(one: object, other: object) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""

    def light(color: object) -> float:
        parts = [value / 255 for value in (color.r, color.g, color.b)]  # type: ignore[attr-defined]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
