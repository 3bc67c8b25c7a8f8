"""What the patch tests share: a plan for texts that stand in files of a temporary folder."""

from pathlib import Path

from oomdoc.patch.document import decoded
from oomdoc.patch.edits import EditPlan
from oomdoc.patch.plan import plan_edits


def planned(changes, **texts: str) -> EditPlan:
    """The plan for texts given as name=text; `train_sh` stands for train.sh."""
    documents = [decoded(name.replace("_", ".", 1), text.encode(), Path(name)) for name, text in texts.items()]
    return plan_edits(changes, documents)


def patched(changes, **texts: str) -> str:
    """The one text that a plan changes."""
    plan = planned(changes, **texts)
    assert not plan.by_hand, plan.by_hand
    (edit,) = plan.files
    return edit.text


def rebuilt(plan: EditPlan) -> None:
    """The splices alone make the new text: nothing outside them differs."""
    for edit in plan.files:
        text, at = "", 0
        for start, end, new in edit.splices:
            assert at <= start <= end
            text += edit.original.text[at:start] + new
            at = end
        assert text + edit.original.text[at:] == edit.text
