"""The command palette: every action of the registry as `area: action`."""

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from oomdoc.tui.actions import ACTIONS, Action, key_text

if TYPE_CHECKING:
    from oomdoc.tui.app import DoctorApp


class Actions(Provider):
    """Searches the registry."""

    async def discover(self) -> Hits:
        """All actions, before anything is typed."""
        for one in ACTIONS:
            yield DiscoveryHit(one.titled(self._room.language), partial(self._room.perform, one.name), help=_keys(one))

    async def search(self, query: str) -> Hits:
        """Actions whose words or slash command match."""
        matcher = self.matcher(query)
        for one in ACTIONS:
            title = one.titled(self._room.language)
            score = max(matcher.match(title), matcher.match(one.slash or ""))
            if score > 0:
                perform = partial(self._room.perform, one.name)
                yield Hit(score, matcher.highlight(title), perform, help=_keys(one))

    @property
    def _room(self) -> "DoctorApp":
        return cast("DoctorApp", self.app)


def _keys(one: Action) -> str:
    keys = " ".join(key_text(key) for key in one.keys)
    typed = f"/{one.slash}" if one.slash else ""
    return "  ".join(part for part in (keys, typed) if part)
