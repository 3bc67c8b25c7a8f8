"""One function an intent: what a turn does to the state and what it answers. Requests leave as effects."""

from collections.abc import Callable
from typing import Final

from oomdoc.chat import evidence, greeting, lookup, named, paste, predictions, topics
from oomdoc.chat.predictions import PredictionError
from oomdoc.chat.reply import Effect, Intent, Turn
from oomdoc.chat.state import State
from oomdoc.chat.understand import Understood
from oomdoc.chat.voice import cannot, change, saying, setting, short, tell, words
from oomdoc.chat.walk import apply, on, show_diff, show_plans, undo, verify
from oomdoc.facts.fact import How
from oomdoc.facts.units import show
from oomdoc.messages import say
from oomdoc.report.blocks import FactRow
from oomdoc.report.blocks_chat import Block, HistoryBlock, OfferBlock, SayBlock, TakenBlock
from oomdoc.report.compose import facts_block

Handler = Callable[[State, Understood, str], Turn]

_MOST_READ: Final = 16 << 20  # characters of a paste that are read; a larger one is cut in the middle


def _taken(state: State, understood: Understood, key: str) -> TakenBlock:
    language, case = state.language, state.diagnosis.case
    rows = []
    for name, value in understood.facts.items():
        old = case.fact(name)
        how = say(language, f"how.{old.source.how}") if old else ""
        shown = show(name, value)
        rows.append(FactRow(name, f"{show(name, old.value)} → {shown}" if old and old.value != value else shown, how))
    return TakenBlock(tell(language, key), tuple(rows))


def _after_facts(state: State, understood: Understood, said: str, key: str) -> tuple[Block, ...]:
    """Take facts, say whether the picture changed, ask on."""
    language = state.language
    before = state.diagnosis.findings[0].rule.cause if state.diagnosis.findings else None
    block = _taken(state, understood, key)
    state.answer(understood.facts, said)
    state.topic = next(iter(understood.facts))
    findings = state.diagnosis.findings
    drawn: list[Block] = [block]
    if findings and findings[0].rule.cause != before:
        drawn += [saying(language, "lead_changed"), *greeting.judgement(state)]
    elif findings:
        title, percent = findings[0].rule.title[language], round(100 * findings[0].probability)
        drawn.append(saying(language, "lead_same", title=title, percent=percent))
    elif not state.raw.events:
        drawn += _prediction_now(state)
    question = greeting.asking(state)
    return (*drawn, *question, *(() if question else (greeting.offer(state),)))


def _prediction_now(state: State) -> list[Block]:
    """With no log, what is told still gives a prediction, or the question that it lacks."""
    try:
        return [predictions.compare(state.run, None, "", state.language, state.measure)]
    except PredictionError as error:
        return (
            [saying(state.language, error.key, reason=error.reason)]
            if error.reason
            else [saying(state.language, error.key)]
        )


def answer(state: State, understood: Understood, said: str) -> Turn:
    """An answer to the question, or facts told unasked."""
    language = state.language
    if understood.facts or understood.drops:
        facts = {**understood.facts, **dict.fromkeys(understood.drops)}
        return _after_facts(state, Understood("answer", facts=facts), said, "taken"), ()
    if understood.said == "yes" and state.shown is not None and state.pending is None:
        return apply(state, Understood("apply", plan=state.shown), said)
    if understood.doubtful:
        return (_doubtful(state, understood),), ()
    if state.pending is None:
        return (saying(language, "not_asked" if understood.said else "nothing_in_it"), greeting.offer(state)), ()
    if understood.said == "unknown" or understood.said is not None:
        state.skipped.add(state.pending.term.name)
        question = greeting.asking(state)
        ending = question or (saying(language, "no_question"), greeting.offer(state))
        return (saying(language, "skipped"), *ending), ()
    return (saying(language, "nothing_taken", "sorry"), greeting.question_block(state.pending, state)), ()


def _doubtful(state: State, understood: Understood) -> Block:
    names = ", ".join(short(name, state.raw) for name in understood.doubtful)
    return saying(state.language, "doubtful", "warn", names=names)


def correct(state: State, understood: Understood, said: str) -> Turn:
    """A correction; without a figure nothing changes."""
    if understood.facts:
        return _after_facts(state, understood, said, "corrected"), ()
    if understood.drops and named.forgotten(said.lower()):
        return _forget(state, understood), ()
    if understood.drops:
        facts = dict.fromkeys(understood.drops)
        return _after_facts(state, Understood("correct", facts=dict(facts)), said, "corrected"), ()
    if understood.doubtful:
        return (_doubtful(state, understood),), ()
    return (saying(state.language, "nothing_taken", "sorry"),), ()


def _forget(state: State, understood: Understood) -> tuple[Block, ...]:
    """What the person told no longer counts; what a file says still does."""
    language = state.language
    facts = {name: state.raw.fact(name) for name in understood.drops}
    told = [name for name, fact in facts.items() if fact is None or fact.source.how is How.ANSWERED]
    state.forget(understood.drops)
    names = ", ".join(short(name, state.raw) for name in told)
    drawn: list[Block] = [saying(language, "forgotten", names=names)] if told else []
    for name in understood.drops:
        fact = state.raw.fact(name)
        if fact is not None and fact.source.file:
            where = fact.source.file.rpartition("/")[2]
            shown = show(name, fact.value)
            drawn.append(saying(language, "forgotten_stands", name=short(name, state.raw), value=shown, where=where))
    return (*drawn, greeting.offer(state))


def what_if(state: State, understood: Understood, said: str) -> Turn:
    """Before and after, by the memory model; the case stays as it is."""
    language = state.language
    facts, drops = understood.facts, understood.drops
    if not facts and not drops:
        if understood.doubtful:
            return (_doubtful(state, understood),), ()
        if understood.unknown_base:
            return (_no_base(state, understood.unknown_base[0]),), ()
        key = "which_offload" if "parallel.offload" in topics.spoken(said) else "no_fact"
        return (saying(language, key),), ()
    if facts:
        state.topic = next(iter(facts))
    label = change(facts, drops, state.diagnosis.case, language)
    left_out = tuple(_no_base(state, name) for name in understood.unknown_base)
    try:
        bars = predictions.compare(state.run, {**facts, **dict.fromkeys(drops)}, label, language, state.measure)
    except PredictionError as error:
        return (*left_out, _cannot(state, error)), ()
    return (*left_out, bars), ()


def _no_base(state: State, name: str) -> SayBlock:
    """Why a change told from the present value gives no figure."""
    language, held = state.language, state.values.get(name)
    if isinstance(held, int):
        return saying(language, "scale_least", name=short(name, state.raw), value=show(name, held))
    if name == "hardware.gpu_count":
        return saying(language, "scale_unknown_count")
    return saying(language, "scale_unknown", name=short(name, state.raw))


def _cannot(state: State, error: PredictionError) -> SayBlock:
    return cannot(state.language, error.key, error.reason)


def capacity(state: State, understood: Understood, said: str) -> Turn:
    """The largest that fits."""
    del said
    language = state.language
    values = predictions.changed(state.run, understood.facts)
    asked = [name for name in understood.terms if name not in understood.facts] or ["hardware.gpu_total_bytes"]
    drawn: list[Block] = []
    try:
        for name in asked:
            if name == "hardware.gpu_count":
                drawn.append(SayBlock(predictions.cards(values, language, state.measure)))
            elif predictions.can_search(name):
                state.topic = name
                sentences, best = predictions.largest(values, name, language, state.measure)
                drawn.append(SayBlock(sentences))
                if best is not None:
                    label = setting(name, best, state.diagnosis.case)
                    change_to = {**understood.facts, name: best}
                    drawn.append(predictions.compare(state.run, change_to, label, language, state.measure))
        if not drawn:
            label = change(understood.facts, [], state.diagnosis.case, language)
            drawn.append(predictions.compare(state.run, understood.facts or None, label, language, state.measure))
    except PredictionError as error:
        return (_cannot(state, error),), ()
    return tuple(drawn), ()


def why(state: State, understood: Understood, said: str) -> Turn:
    """The sum of evidence; after a question, also why it is asked; which part is how large, where that is asked."""
    drawn = list(evidence.why(state.diagnosis, understood.terms, state.language))
    if named.asks_for_shares(said.lower()):
        drawn += _prediction_now(state)
    if state.pending is not None and not understood.terms:
        drawn.append(SayBlock((greeting.why_asked(state.pending, state),)))
    return tuple(drawn), ()


def why_not(state: State, understood: Understood, said: str) -> Turn:
    """What speaks against a cause."""
    del said
    if not understood.terms:
        return (saying(state.language, "which_cause"),), ()
    return tuple(
        block for cause in understood.terms for block in evidence.why_not(state.diagnosis, cause, state.language)
    ), ()


def explain(state: State, understood: Understood, said: str) -> Turn:
    """Terms from the glossary, the rules, the vocabulary; else the nearest entries."""
    language = state.language
    drawn = lookup.explain(understood.terms, state.diagnosis.case, language)
    if drawn:
        return drawn, ()
    near = lookup.nearest(said, language)
    return (saying(language, "unknown_term", "sorry"), OfferBlock(tell(language, "unknown_offer"), near)), ()


def constrain(state: State, understood: Understood, said: str) -> Turn:
    """A wish: what stays, what is ruled out, how many cards at most."""
    del said
    language, case = state.language, state.diagnosis.case
    told = []
    for name, value in understood.facts.items():
        if name == "hardware.gpu_count" and isinstance(value, int):
            state.most_gpus = value
        state.pinned[name] = value
        told.append(setting(name, value, case))
    kept = [name for name in understood.terms if name not in understood.drops and name not in understood.facts]
    for name in kept:
        state.pinned[name] = state.values.get(name)
        told.append(short(name, case))
    for name in understood.drops:
        if name not in state.ruled_out:
            state.ruled_out.append(name)
    if understood.drops:
        names = ", ".join(short(name, case) for name in understood.drops)
        told.append(tell(language, "ruled_out", names=names))
    if not told:
        return (saying(language, "kept_nothing"),), ()
    state.plans, state.shown = (), None
    joint = "；" if language == "zh" else "; "
    return (saying(language, "kept", what=joint.join(told)), greeting.offer(state)), ()


def history(state: State, understood: Understood, said: str) -> Turn:
    """The turns so far and what is known; /save and /export."""
    language = state.language
    word, _, name = understood.argument.partition(" ")
    if word == "/export":
        if not name.strip():
            return (saying(language, "export_how"),), ()
        return (saying(language, "exported", name=name.strip()),), (Effect("export", paths=(name.strip(),)),)
    if word == "/save":
        return (saying(language, "saved"),), ()
    del said
    known = facts_block(state.raw, language)
    mine = tuple(row for row in known.rows if row.how != say(language, f"how.{How.DEFAULT}"))[:40]
    drawn: list[Block] = [HistoryBlock(tell(language, "history_title"), tuple(state.rows[-20:]))]
    if mine:
        drawn.append(type(known)(mine))
    return tuple(drawn), ()


def show_help(state: State, understood: Understood, said: str) -> Turn:
    """What can be said."""
    del understood, said
    from oomdoc.chat.intents import examples

    title = tell(state.language, "help")
    return (OfferBlock(title, examples(state.language)),), ()


def smalltalk(state: State, understood: Understood, said: str) -> Turn:
    """Politeness, short."""
    language, heard = state.language, said.lower().strip(" !.。！~/")
    if any(word in heard for word in words("thanks")):
        return (saying(language, "thanks"),), ()
    if heard.startswith(words("parting")):
        effects = (Effect("quit"),) if heard.startswith(words("quitting")) or understood.argument else ()
        return (saying(language, "bye"),), effects
    if any(word in heard for word in words("who")):
        return (saying(language, "who"),), ()
    if heard.startswith(words("hello")):
        return (saying(language, "hello"),), ()
    return (saying(language, "small"),), ()


def unknown(state: State, understood: Understood, said: str) -> Turn:
    """Says so, and offers the three nearest things."""
    del said
    language = state.language
    return (saying(language, "unknown", "sorry"), OfferBlock(tell(language, "unknown_offer"), understood.nearest)), ()


def pasted(state: State, understood: Understood, said: str) -> Turn:
    """Something pasted is read into the case; a path is asked for, to be read outside the dialogue."""
    language = state.language
    if understood.paths:
        return (saying(language, "reading", names=", ".join(understood.paths)),), (Effect("read", understood.paths),)
    state.pastes += 1
    case = paste.read(said[:_MOST_READ], f"<paste {state.pastes}>")
    return taken(state, case, f"<paste {state.pastes}>"), ()


def taken(state: State, case: object, name: str) -> tuple[Block, ...]:
    """What was read joins the case."""
    from oomdoc.facts.case import Case

    assert isinstance(case, Case)
    language = state.language
    kind = greeting.kind_of(case, language)
    if not kind:
        return (saying(language, "pasted_nothing", "sorry"),)
    state.add(case)
    said = saying(language, "pasted", name=name, kind=kind)
    question = greeting.asking(state)
    return (said, *greeting.judgement(state), *question, greeting.offer(state))


HANDLERS: Final[dict[Intent, Handler]] = {
    "paste": pasted,
    "answer": answer,
    "correct": correct,
    "what_if": what_if,
    "capacity": capacity,
    "why": why,
    "why_not": why_not,
    "explain": explain,
    "constrain": constrain,
    "plans": show_plans,
    "show_diff": show_diff,
    "apply": apply,
    "undo": undo,
    "verify": verify,
    "next": on,
    "history": history,
    "help": show_help,
    "smalltalk": smalltalk,
    "unknown": unknown,
}
