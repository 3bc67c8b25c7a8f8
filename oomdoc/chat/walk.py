"""The way to a fix: plans, diff, apply, undo, verify, next. Nothing is written here; requests leave as effects."""

from pathlib import Path

from oomdoc.chat import greeting, plans, predictions
from oomdoc.chat.predictions import PredictionError
from oomdoc.chat.reply import Effect, Turn
from oomdoc.chat.state import State
from oomdoc.chat.understand import Understood
from oomdoc.chat.voice import cannot, saying, short, tell, words
from oomdoc.messages import say
from oomdoc.report.blocks_chat import Block, DiffBlock, OfferBlock, PlansBlock, SayBlock


def show_plans(state: State, understood: Understood, said: str) -> Turn:
    """The short list."""
    del said
    for name in understood.drops:
        if name not in state.ruled_out:
            state.ruled_out.append(name)
    language = state.language
    try:
        state.plans = plans.plans_of(state.diagnosis, state.keep, state.most_gpus, language, _files(state))
    except PredictionError as error:
        return _unpredicted(state, error), ()
    if not state.plans:
        return (saying(language, "plans_none", "warn"), *_steps(state)), ()
    rows = tuple(plans.row_of(plan, state.diagnosis.case) for plan in state.plans)
    excluded = tuple(dict.fromkeys(short(name, state.raw) for name in state.keep))
    offers = ["show me the diff", "use plan 1"] if language == "en" else ["看看改动", "用方案 1"]
    if isinstance(length := state.values.get("train.max_length"), int) and "train.max_length" not in state.keep:
        offers.append(f"keep {length}" if language == "en" else f"保持 {length}")
    drawn: list[Block] = [PlansBlock(tell(language, "plans_title"), rows, excluded)]
    if not any(plan.fits for plan in state.plans):
        drawn.append(saying(language, "plans_none", "warn"))
    return (*drawn, OfferBlock(tell(language, "plan_next"), tuple(offers))), ()


def _unpredicted(state: State, error: PredictionError) -> tuple[Block, ...]:
    """Without a prediction, what the cause itself suggests."""
    steps = _steps(state)
    if not steps:
        return (saying(state.language, "plans_none_at_all"), cannot(state.language, error.key, error.reason))
    return (cannot(state.language, error.key, error.reason), *steps)


def _steps(state: State) -> tuple[Block, ...]:
    from oomdoc.report.blocks import StepsBlock
    from oomdoc.report.steps import steps_of

    steps = steps_of(state.diagnosis, state.language)
    return (StepsBlock(steps),) if steps else ()


def _plan(state: State, understood: Understood) -> tuple[plans.Plan | None, tuple[Block, ...]]:
    """The plan spoken of: a number, else the one shown last, else the first; the list first where there is none."""
    if not state.plans:
        drawn, _ = show_plans(state, Understood("plans"), "")
        if not state.plans:
            return None, drawn
    number = understood.plan or state.shown or 1
    if number > len(state.plans):
        count = len(state.plans)
        return None, (saying(state.language, "no_such_plan", "warn", number=number, count=count),)
    return state.plans[number - 1], ()


def _files(state: State) -> tuple[Path, ...]:
    return plans.files_of(state.raw, state.folder, state.found.scripts)


def show_diff(state: State, understood: Understood, said: str) -> Turn:
    """What would be written; nothing is."""
    del said
    plan, instead = _plan(state, understood)
    if plan is None:
        return instead, ()
    state.shown = plan.number
    drawn = plans.diff_blocks(plan, state.diagnosis.case, _files(state), state.language)
    state.by_hand = None if any(isinstance(block, DiffBlock) for block in drawn) else plan.number
    return (*drawn, *(_other(state, plan.number) if state.by_hand else ())), ()


def _other(state: State, number: int) -> tuple[Block, ...]:
    """The next plan as an offer, where there is one."""
    if number >= len(state.plans):
        return ()
    utterance = f"use plan {number + 1}" if state.language == "en" else f"用方案 {number + 1}"
    return (OfferBlock(tell(state.language, "plan_next"), (utterance,)),)


def apply(state: State, understood: Understood, said: str) -> Turn:
    """Ask the caller to write a plan; the diff comes first, always."""
    plan, instead = _plan(state, understood)
    if plan is None:
        return instead, ()
    if state.shown != plan.number:
        drawn, _ = show_diff(state, Understood("show_diff", plan=plan.number), said)
        return (saying(state.language, "diff_first"), *drawn), ()
    if state.by_hand == plan.number:
        return (SayBlock((say(state.language, "session.by_hand"),)), *_other(state, plan.number)), ()
    effect = Effect("apply", plan=plan.number, facts=dict(plan.writes))
    return (saying(state.language, "applying", number=plan.number),), (effect,)


def undo(state: State, understood: Understood, said: str) -> Turn:
    """Restore the files of the last plan, else take the last told facts back."""
    del understood, said
    language = state.language
    if state.applied is not None:
        return (saying(language, "undoing"),), (Effect("undo", plan=state.applied),)
    if state.before:
        case, names = state.before.pop()
        state.replace(case)
        return (saying(language, "undone_fact", names=names), *greeting.asking(state)), ()
    return (saying(language, "nothing_to_undo"),), ()


def verify(state: State, understood: Understood, said: str) -> Turn:
    """Ask for a dry run, or for a probe where one is named."""
    plan = None
    if state.plans and (understood.plan or state.shown or state.applied):
        plan, instead = _plan(state, understood)
        if plan is None:
            return instead, ()
    kind = "probe" if _says("probe", said.lower()) and "without" not in said.lower() else "dry_run"
    key = "probing" if kind == "probe" else "verifying"
    facts = predictions.changed(state.run, dict(plan.sets) if plan else {})
    effect = Effect(kind, plan=plan.number if plan else None, facts=facts)  # type: ignore[arg-type]
    return (saying(state.language, key),), (effect,)


def on(state: State, understood: Understood, said: str) -> Turn:
    """The next step: skip the question, take the next plan, run it again; or the end."""
    language, heard = state.language, said.lower()
    bad = _says("bad", heard) and not _says("never_bad", heard)
    if _says("good", heard) and not bad:
        lead = state.diagnosis.findings[0].rule.title[language] if state.diagnosis.findings else None
        return (
            saying(language, "resolved", "good", title=lead) if lead else saying(language, "resolved_plain", "good"),
        ), _word(state, works=True)
    if bad:
        number = (state.applied or state.shown or 0) + 1
        if not state.plans or number <= len(state.plans):
            drawn, effects = show_diff(state, Understood("show_diff", plan=number), said)
            return (saying(language, "still", number=number), *drawn), (*effects, *_word(state, works=False))
        return (saying(language, "no_more_plans"),), _word(state, works=False)
    if state.applied is not None or (state.by_hand is not None and state.by_hand == state.shown):
        log = next((read.name for read in state.raw.inputs if read.kind == "log" and Path(read.name).is_file()), None)
        if log is None:
            return (saying(language, "run_again_plain"),), ()
        return (saying(language, "run_again", name=log),), (Effect("watch", paths=(log,)),)
    if state.shown is not None:
        return apply(state, understood, said)
    if state.plans:
        return show_diff(state, understood, said)
    if state.pending is not None:
        state.skipped.add(state.pending.term.name)
        question = greeting.asking(state)
        if question:
            return question, ()
    return show_plans(state, Understood("plans"), said)


def _word(state: State, *, works: bool) -> tuple[Effect, ...]:
    """What the person says of the change that was written is kept, where one was."""
    return (Effect("record", plan=state.applied, facts={"run.finished": works}),) if state.entry is not None else ()


def _says(kind: str, heard: str) -> bool:
    return any(word in heard for word in words(kind))
