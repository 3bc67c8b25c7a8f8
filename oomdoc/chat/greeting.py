"""What is said first, after reading, and when a question is asked: blocks from the state, no change of it."""

from oomdoc.chat.state import State
from oomdoc.chat.voice import saying, tell
from oomdoc.engine.question import Question
from oomdoc.facts.case import Case
from oomdoc.messages import say
from oomdoc.report.blocks import QuestionBlock
from oomdoc.report.blocks_chat import Block, OfferBlock, SayBlock
from oomdoc.report.compose import bar_block, cause_block, verdict_block

_OFFERS = {
    "en": ("why?", "what can I do?", "how long a context can I afford?"),
    "zh": ("为什么？", "有什么办法？", "上下文最长能到多少？"),
}


def opening(state: State) -> tuple[Block, ...]:
    """What was taken, the verdict, the cause, the first question."""
    language = state.language
    drawn: list[Block] = []
    names = [read.name for read in state.raw.inputs]
    if names:
        sentences = [tell(language, "found_log", names=", ".join(names))]
        if state.found.more:
            sentences.append(tell(language, "found_more", count=state.found.more))
        drawn.append(SayBlock(tuple(sentences)))
    elif not state.raw.facts:
        return (saying(language, "found_nothing"),)
    return (*drawn, *judgement(state), *asking(state), offer(state))


def judgement(state: State) -> tuple[Block, ...]:
    """Verdict, bar and leading cause."""
    diagnosis, language = state.diagnosis, state.language
    tried: tuple[Block, ...] = ()
    if diagnosis.aftermath is not None:
        from oomdoc.report.aftermath import aftermath_block

        tried = (aftermath_block(diagnosis.aftermath, diagnosis, language),)
    if diagnosis.verdict.outcome == "unclear" and not diagnosis.case.events:
        return (*tried, saying(language, "no_cause_yet"))
    drawn: list[Block] = [verdict_block(diagnosis, language), *tried]
    if diagnosis.verdict.finished:
        return tuple(drawn)
    bar = bar_block(diagnosis.case, language)
    if bar:
        drawn.append(bar)
    drawn += [cause_block(finding, diagnosis.case, language) for finding in diagnosis.findings[:1]]
    return tuple(drawn)


def asking(state: State) -> tuple[Block, ...]:
    """The next question with its reason; nothing where no answer would change the advice."""
    question = state.next_question()
    return (question_block(question, state),) if question else ()


def question_block(question: Question, state: State) -> QuestionBlock:
    """One question, why it is asked, and its choices."""
    language, declared = state.language, question.term
    ask = (declared.ask_zh if language == "zh" else declared.ask_en) or ""
    return QuestionBlock(declared.name, ask, why_asked(question, state), declared.choices)


def why_asked(question: Question, state: State) -> str:
    """The causes an answer would separate."""
    language = state.language
    titles = {judged.rule.cause: judged.rule.title[language] for judged in state.diagnosis.judgements}
    named = dict.fromkeys(titles.get(cause, cause) for cause in question.separates)
    return say(language, "report.why_asked", causes=("；" if language == "zh" else "; ").join(named))


def offer(state: State) -> OfferBlock:
    """What can be said next."""
    return OfferBlock(tell(state.language, "plan_next"), _OFFERS[state.language])


def kind_of(case: Case, language: str) -> str:
    """What a paste held, in words."""
    from oomdoc.chat.paste import stated

    facts = stated(case)
    if not case.events and not facts:
        return ""
    return tell(language, "pasted_kind", events=len(case.events), facts=len(facts))  # type: ignore[arg-type]
