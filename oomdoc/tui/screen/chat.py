"""The column of blocks: newest at the bottom, the oldest let go so that a long talk stays as light as a short one."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from textual.containers import VerticalScroll
from textual.css.query import NoMatches
from textual.widgets import Static

from oomdoc.messages import Language, say
from oomdoc.tui.blocks.cause import CauseView
from oomdoc.tui.blocks.offer import OfferView
from oomdoc.tui.blocks.question import QuestionView
from oomdoc.tui.blocks.registry import view_of
from oomdoc.tui.blocks.said import SaidView
from oomdoc.tui.blocks.view import BlockView

# Blocks on the screen; older ones live in the journal and in exports.
KEPT: Final = 150


class ChatColumn(VerticalScroll, can_focus=False):
    """Blocks of all turns."""

    def __init__(self, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(id="chat")
        self.language = language
        self.ascii_only = ascii_only
        self.let_go = 0
        self._needle = ""

    @property
    def views(self) -> list[BlockView]:
        """The blocks on the screen, oldest first."""
        return [child for child in self.children if isinstance(child, BlockView)]

    async def add(self, blocks: Sequence[Any], *, from_top: bool = False) -> None:
        """Append blocks and show them: a long answer by its beginning, a short one by its end."""
        views = [view_of(block, self.language, ascii_only=self.ascii_only) for block in blocks]
        if not views:
            return
        lead = next((view for view in views if isinstance(view, CauseView)), None)
        if lead is not None:
            lead.add_class("-lead")
        excess = len(self.children) + len(views) - KEPT
        with self.app.batch_update():
            if excess > 0:
                await self._drop(excess)
            await self.mount_all(views)
        if from_top:
            self.call_after_refresh(self._to_top, views[0])
        else:
            self.call_after_refresh(self.scroll_end, animate=False)

    def _to_top(self, view: BlockView) -> None:
        if view.is_attached:
            self.scroll_to_widget(view, animate=False, top=True)

    async def _drop(self, count: int) -> None:
        old = self.views[:count]
        self.let_go += len(old)
        await self.remove_children(old)
        told = say(self.language, "tui.let_go", count=self.let_go)
        try:
            self.query_one("#let-go", Static).update(told)
        except NoMatches:
            await self.mount(Static(told, id="let-go", markup=False), before=0)

    async def clear(self) -> None:
        """Take every block off the screen."""
        await self.remove_children(self.views)

    @property
    def question(self) -> QuestionView | None:
        """The newest question."""
        return next((view for view in reversed(self.views) if isinstance(view, QuestionView)), None)

    @property
    def choosable(self) -> QuestionView | OfferView | None:
        """What a digit chooses from: the question of the newest turn, else what can be said next."""
        offer = None
        for view in reversed(self.views):
            if isinstance(view, QuestionView):
                return view
            if isinstance(view, OfferView):
                offer = offer or view
            elif isinstance(view, SaidView) and offer is not None:
                break
        return offer

    @property
    def chosen(self) -> BlockView | None:
        """The block with the focus."""
        focused = self.screen.focused
        return focused if isinstance(focused, BlockView) and focused in self.children else None

    def step(self, by: int) -> None:
        """Move the focus from block to block; from outside, to the newest."""
        views = self.views
        if not views:
            return
        chosen = self.chosen
        place = len(views) - 1 if chosen is None else min(max(views.index(chosen) + by, 0), len(views) - 1)
        views[place].focus()

    def find(self, needle: str, back: bool = True) -> BlockView | None:
        """Mark a text everywhere and go to the next block that holds it, the newest first."""
        self._needle = needle
        views = self.views
        hits = []
        for view in views:
            view.mark(needle)
            if needle and view.matches(needle):
                hits.append(view)
        if not hits:
            return None
        chosen = self.chosen
        order: Iterable[BlockView] = reversed(hits) if back else hits
        if chosen in hits:
            place = hits.index(chosen) + (-1 if back else 1)
            target = hits[place % len(hits)]
        else:
            target = next(iter(order))
        target.focus()
        self.scroll_to_widget(target, animate=False)
        return target
