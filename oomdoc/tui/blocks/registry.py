"""Which widget draws which block; a block nobody knows is still shown, field by field."""

from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Final

from oomdoc.messages import Language
from oomdoc.report import blocks, blocks_chat, blocks_plan
from oomdoc.tui.blocks.bar import BarView
from oomdoc.tui.blocks.cause import CauseView
from oomdoc.tui.blocks.compare import CompareView
from oomdoc.tui.blocks.diff import DiffView
from oomdoc.tui.blocks.evidence_sum import SumView
from oomdoc.tui.blocks.facts import FactsView
from oomdoc.tui.blocks.offer import HistoryView, OfferView
from oomdoc.tui.blocks.plans import PlansView
from oomdoc.tui.blocks.progress import Progress, ProgressView
from oomdoc.tui.blocks.question import QuestionView
from oomdoc.tui.blocks.said import SaidView, Told, ToldView
from oomdoc.tui.blocks.say import PredictionView, SayView, TermView
from oomdoc.tui.blocks.sentences import NotesView, UntoldView
from oomdoc.tui.blocks.steps import StepsView
from oomdoc.tui.blocks.taken import TakenView
from oomdoc.tui.blocks.verdict import VerdictView
from oomdoc.tui.blocks.verification import VerificationView
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.blocks.way_out import WayOutView
from oomdoc.tui.ink import Line, prose

VIEWS: Final[dict[type[Any], type[BlockView]]] = {
    blocks.VerdictBlock: VerdictView,
    blocks.BarBlock: BarView,
    blocks.CauseBlock: CauseView,
    blocks.StepsBlock: StepsView,
    blocks.UntoldBlock: UntoldView,
    blocks.QuestionBlock: QuestionView,
    blocks.FactsBlock: FactsView,
    blocks.NotesBlock: NotesView,
    blocks.PredictionBlock: PredictionView,
    blocks.VerificationBlock: VerificationView,
    blocks_chat.SayBlock: SayView,
    blocks_chat.TakenBlock: TakenView,
    blocks_chat.CompareBlock: CompareView,
    blocks_chat.PlansBlock: PlansView,
    blocks_chat.DiffBlock: DiffView,
    blocks_chat.TermBlock: TermView,
    blocks_chat.OfferBlock: OfferView,
    blocks_chat.SumBlock: SumView,
    blocks_chat.HistoryBlock: HistoryView,
    blocks_plan.PlansBlock: WayOutView,
    blocks_chat.SaidBlock: SaidView,
    Told: ToldView,
    Progress: ProgressView,
}


class OtherView(BlockView):
    """Any other block: its fields in words."""

    KIND: ClassVar[str] = "other"

    def lines(self, columns: int) -> list[Line]:
        """A line or more for each field that says something."""
        if not is_dataclass(self.block):
            return list(prose(str(self.block), columns))
        told = [(field.name, getattr(self.block, field.name)) for field in fields(self.block)]
        return [
            line for name, value in told if value not in (None, (), "") for line in prose(f"{name}: {value}", columns)
        ]


def view_of(block: Any, language: Language, *, ascii_only: bool = False) -> BlockView:
    """The widget of a block."""
    return VIEWS.get(type(block), OtherView)(block, language, ascii_only=ascii_only)
