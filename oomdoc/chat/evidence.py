"""Why, why not, how sure: the sum of evidence of a cause, printed out."""

from collections.abc import Sequence

from oomdoc.chat.voice import tell
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.findings import UNDECIDED_PENALTY, Judgement, sigmoid
from oomdoc.facts.units import show_fact
from oomdoc.messages import Language
from oomdoc.report import blocks
from oomdoc.report.blocks_chat import Block, SayBlock, SumBlock
from oomdoc.report.compose import reason_of, verdict_block


def why(diagnosis: Diagnosis, causes: Sequence[str], language: Language) -> tuple[Block, ...]:
    """The verdict and the sum behind the leading cause, or behind the causes named."""
    if causes:
        return tuple(block for cause in causes for block in why_not(diagnosis, cause, language))
    if not diagnosis.findings:
        if diagnosis.verdict.outcome == "unclear":
            return (SayBlock((tell(language, "no_cause_yet"),), "warn"),)
        return (verdict_block(diagnosis, language),)
    lead = diagnosis.findings[0]
    judgement = _judgement(diagnosis, lead.rule.cause)
    return (verdict_block(diagnosis, language), *([_sum(diagnosis, judgement, language)] if judgement else []))


def why_not(diagnosis: Diagnosis, cause: str, language: Language) -> tuple[Block, ...]:
    """Where a cause stands against the leading one, and its own sum."""
    judgement = _judgement(diagnosis, cause)
    if judgement is None:
        if diagnosis.verdict.outcome == "unclear":
            return (SayBlock((tell(language, "no_cause_yet"),), "warn"),)
        return (SayBlock((tell(language, "unknown_term"),), "sorry"),)
    title = judgement.rule.title[language]
    if judgement.fires is False:
        return (SayBlock((tell(language, "quiet", title=title, facts=_premises(diagnosis, judgement)),)),)
    percent = round(100 * _probability(judgement))
    lead = diagnosis.findings[0] if diagnosis.findings else None
    if lead is not None and lead.rule.cause == cause:
        head = tell(language, "is_lead", title=title, percent=percent)
    elif lead is not None:
        head = tell(
            language, "less_likely", title=title, percent=percent, lead=lead.rule.title[language],
            lead_percent=round(100 * lead.probability),
        )  # fmt: skip
    else:
        head = f"{title}: {percent} %"
    return (SayBlock((head,)), _sum(diagnosis, judgement, language))


def _judgement(diagnosis: Diagnosis, cause: str) -> Judgement | None:
    """The judgement of a cause; of several rules the one that came furthest."""
    found = [judgement for judgement in diagnosis.judgements if judgement.rule.cause == cause]
    return max(found, key=lambda judgement: (judgement.fires is not False, _score(judgement)), default=None)


def _score(judgement: Judgement) -> float:
    return judgement.score - (UNDECIDED_PENALTY if judgement.fires is None else 0.0)


def _probability(judgement: Judgement) -> float:
    return sigmoid(_score(judgement))


def _sum(diagnosis: Diagnosis, judgement: Judgement, language: Language) -> SumBlock:
    rule, case = judgement.rule, diagnosis.case
    rows = [blocks.Reason(tell(language, "prior"), rule.prior)] if rule.prior else []
    rows += [reason_of(sign, case, language) for sign in (*judgement.held, *judgement.against)]
    if judgement.fires is None:
        facts = ", ".join(judgement.undecided)
        rows.append(blocks.Reason(tell(language, "undecided_row", facts=facts), -UNDECIDED_PENALTY))
    lead = bool(diagnosis.findings) and diagnosis.findings[0].rule.cause == rule.cause
    title = tell(language, "sum_title" if lead else "sum_title_not", title=rule.title[language])
    return SumBlock(title, rule.cause, tuple(rows), round(_score(judgement), 2), round(_probability(judgement), 3))


def _premises(diagnosis: Diagnosis, judgement: Judgement) -> str:
    said = []
    for name in dict.fromkeys(judgement.rule.when.facts):
        fact = diagnosis.case.fact(name)
        said.append(f"{name} = {show_fact(fact)}" if fact else f"{name}: ?")
    return ", ".join(said)
