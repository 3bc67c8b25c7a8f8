"""Four themes: dark, light, high contrast, and one without colours. Text has at least 4.5:1, 7:1 in contrast."""

import os
from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="dark", dark=True, primary="#5c9bd6", secondary="#a987d6", accent="#7cc4d8", warning="#e0b050",
    error="#ef7785", success="#7fc98b", foreground="#dfe4ea", background="#12161c", surface="#12161c", panel="#1c232d",
    variables={"text-muted": "#98a4b3", "text-disabled": "#6b7787", "text-error": "#ef7785", "text-success": "#7fc98b",
               "text-warning": "#e0b050"},
)  # fmt: skip
LIGHT: Final = Theme(
    name="light", dark=False, primary="#2b6199", secondary="#6a4c93", accent="#0b6478", warning="#8a5a00",
    error="#a8243a", success="#1f6b37", foreground="#1d2430", background="#fbfbfa", surface="#fbfbfa", panel="#eceef1",
    variables={"text-muted": "#55606f", "text-disabled": "#7c8795", "text-error": "#a8243a", "text-success": "#1f6b37",
               "text-warning": "#8a5a00"},
)  # fmt: skip
CONTRAST: Final = Theme(
    name="contrast", dark=True, primary="#00c8ff", secondary="#ff9cff", accent="#00ffff", warning="#ffe000",
    error="#ff8a8a", success="#5dff5d", foreground="#ffffff", background="#000000", surface="#000000", panel="#000000",
    variables={"text-muted": "#d8d8d8", "text-disabled": "#b0b0b0", "text-error": "#ff8a8a", "text-success": "#5dff5d",
               "text-warning": "#ffe000", "border": "#ffffff"},
)  # fmt: skip
MONO: Final = Theme(
    name="mono", dark=True, primary="#d0d0d0", secondary="#d0d0d0", accent="#ffffff", warning="#ffffff",
    error="#ffffff", success="#ffffff", foreground="#d0d0d0", background="#000000", surface="#000000", panel="#000000",
    variables={"text-muted": "#a8a8a8", "text-disabled": "#8a8a8a", "text-error": "#ffffff", "text-success": "#ffffff",
               "text-warning": "#ffffff"},
)  # fmt: skip
THEMES: Final = (DARK, LIGHT, CONTRAST, MONO)
NAMES: Final = tuple(theme.name for theme in THEMES)


def first_theme() -> str:
    """The theme to start with: OOMDOC_THEME, mono under NO_COLOR (https://no-color.org), else dark."""
    asked = os.environ.get("OOMDOC_THEME", "")
    if asked in NAMES:
        return asked
    return MONO.name if os.environ.get("NO_COLOR") else DARK.name


def following(name: str) -> str:
    """The theme after this one."""
    return NAMES[(NAMES.index(name) + 1) % len(NAMES)] if name in NAMES else NAMES[0]
