"""A diagnosis as blocks in one language: what to say, in which order, and how much of it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.findings import NO_INFORMATION, Finding
from oomdoc.engine.rule import Sign
from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How
from oomdoc.facts.units import show_fact, size
from oomdoc.messages import Language, say
from oomdoc.report import blocks
from oomdoc.report.sentence import fill
from oomdoc.report.steps import steps_of

if TYPE_CHECKING:
    from oomdoc.patch.way_out import WayOut
    from oomdoc.probe.verify import Verification

_ALSO = 3
_NEAR = 8  # a cause eight times less probable than the first is not worth a line
_MISSING = (
    ("run.phase", "report.phase_unknown"),
    ("oom.tried_to_allocate_bytes", "report.figures_unknown"),
)
_SETTINGS = ("train.", "parallel.", "inference.", "lora.", "eval.")


def compose(
    diagnosis: Diagnosis, language: Language, verified: "Verification | None" = None, way: "WayOut | None" = None
) -> tuple[blocks.Block, ...]:
    """The blocks of a report, most important first; `way` are its plans (see `proposal.propose`)."""
    return tuple(quoted_once(_blocks(diagnosis, language, verified, way)))


def quoted_once(drawn: Iterable[blocks.Block]) -> Iterator[blocks.Block]:
    """The blocks with every line of the input quoted where it counts first; later reasons only name it."""
    seen: dict[tuple[str | None, int | None], list[str]] = {}

    def place(found: blocks.Place | None) -> blocks.Place | None:
        if found is None or found.line is None or not found.quote:
            return found
        shown = seen.setdefault((found.file, found.line), [])
        if any(found.quote in quote for quote in shown):
            return blocks.Place(found.file, found.line)
        shown.append(found.quote)
        return found

    for block in drawn:
        if isinstance(block, blocks.VerdictBlock):
            yield replace(block, place=place(block.place))
        elif isinstance(block, blocks.CauseBlock):
            yield replace(block, reasons=tuple(replace(reason, place=place(reason.place)) for reason in block.reasons))
        else:
            yield block


def _blocks(
    diagnosis: Diagnosis, language: Language, verified: "Verification | None", way: "WayOut | None"
) -> Iterator[blocks.Block]:
    case = diagnosis.case
    yield verdict_block(diagnosis, language)
    if diagnosis.aftermath is not None:
        from oomdoc.report.aftermath import aftermath_block

        yield aftermath_block(diagnosis.aftermath, diagnosis, language)
    bar = bar_block(case, language)
    if bar:
        yield bar
    for finding in worth_showing(diagnosis):
        block = cause_block(finding, case, language)
        yield _of_the_past(block, language) if diagnosis.verdict.finished else block
    prediction = prediction_block(diagnosis, language)
    if prediction and not (way and way.advice.solution):  # the plans say it with what the failure told
        yield prediction
    if verified is not None:
        from oomdoc.report.verification import verification_block

        yield verification_block(verified, language)
    yield from _next(diagnosis, language, way)
    untold = _untold(diagnosis, language)
    if untold:
        yield blocks.UntoldBlock(untold)
    for question in diagnosis.questions[:1]:
        ask = question.term.ask_zh if language == "zh" else question.term.ask_en
        causes = dict.fromkeys(_title(diagnosis, cause, language) for cause in question.separates)
        key = "report.why_asked" if len(causes) > 1 else "report.why_asked_one"
        why = say(language, key, causes=say(language, "mark.semicolon").join(causes))
        yield blocks.QuestionBlock(question.term.name, ask or "", why, question.term.choices)
    notes = _notes(diagnosis, language)
    if notes:
        yield blocks.NotesBlock(notes)


def _next(diagnosis: Diagnosis, language: Language, way: "WayOut | None") -> Iterator[blocks.Block]:
    """The plans where there are some, else the remedies of the causes."""
    if way is not None and way.advice.blind != "undescribed":
        from oomdoc.report.plan import plans_block

        plans = plans_block(way, language)
        if plans.cards or plans.hands or way.advice.solution:
            yield plans
        if plans.cards:
            return
    steps = steps_of(diagnosis, language)
    if steps:
        yield blocks.StepsBlock(steps)


def worth_showing(diagnosis: Diagnosis) -> tuple[Finding, ...]:
    """The leading finding and the others that come near it; "the input does not say why" only where it leads."""
    if not diagnosis.findings:
        return ()
    first = diagnosis.findings[0]
    others = [
        finding
        for finding in diagnosis.findings[1:]
        if finding.rule.cause != NO_INFORMATION and finding.probability >= first.probability / _NEAR
    ]
    return (first, *others[:_ALSO])


def _of_the_past(block: blocks.CauseBlock, language: Language) -> blocks.CauseBlock:
    """The cause of a failure that is over: its explanation would be filled with the figures of the run that passed."""
    return replace(block, title=say(language, "aftermath.was", title=block.title), explain="", looks_like=None)


def verdict_block(diagnosis: Diagnosis, language: Language) -> blocks.VerdictBlock:
    """Verdict, phase and the message's figures."""
    verdict = diagnosis.verdict
    case = diagnosis.case
    joint = say(language, "mark.comma")
    if verdict.outcome == "oom":
        parts = [say(language, f"verdict.oom_{verdict.memory}")]
        index = case.fact("oom.gpu_index")
        if index and verdict.memory == "gpu":
            parts[0] += say(language, "verdict.on_device", index=index.value)
        parts.append(say(language, f"phase.{verdict.phase}"))
        rank, count = case.fact("oom.rank"), case.fact("oom.rank_count")
        if rank and count and isinstance(count.value, int) and count.value > 1:
            parts.append(say(language, "verdict.on_rank", rank=rank.value))
        sentence = _asked(case, language)
    else:
        parts = [say(language, f"verdict.{verdict.outcome}")]
        sentence = say(language, "verdict.finished" if verdict.finished else f"verdict.{verdict.outcome}_because")
    place = None
    if verdict.event:
        place = blocks.Place(verdict.event.file, verdict.event.line, verdict.event.text or None)
    elif verdict.finished and (end := case.fact("run.finished")):
        place = _place_of(end, case, language)
    return blocks.VerdictBlock(verdict.outcome, joint.join(parts), sentence, place)


def _asked(case: Case, language: Language) -> str:
    tried, free, total = (
        case.fact(f"oom.{name}") for name in ("tried_to_allocate_bytes", "free_bytes", "gpu_total_bytes")
    )
    if not tried:
        return ""
    if not (free and total):
        return say(language, "verdict.asked_simple", tried=show_fact(tried))
    return say(language, "verdict.asked", tried=show_fact(tried), free=show_fact(free), total=show_fact(total))


def bar_block(case: Case, language: Language) -> blocks.BarBlock | None:
    """How the card was divided, by arithmetic on the message's figures alone; None where they do not add up."""
    names = ("gpu_total_bytes", "free_bytes", "allocated_bytes", "reserved_bytes")
    facts = [case.fact(f"oom.{name}") for name in names]
    values = [fact.value for fact in facts if fact and isinstance(fact.value, int)]
    if len(values) < len(names):
        return None
    total, free, allocated, reserved = values
    rest = total - free - reserved
    slack = reserved - allocated
    # Printed figures are rounded to a hundredth of a unit; more than 2 % off means one of them means something else.
    if total <= 0 or rest < -total // 50 or slack < -total // 50:
        return None
    stated = case.fact("oom.other_processes_bytes")
    others = min(stated.value, max(rest, 0)) if stated and isinstance(stated.value, int) else 0
    amounts = (
        ("allocated", allocated),
        ("slack", max(slack, 0)),
        ("others", others),
        ("outside", max(rest - others, 0)),
        ("free", free),
    )
    segments = tuple(blocks.Segment(kind, say(language, f"bar.{kind}"), amount) for kind, amount in amounts if amount)
    index, tried = case.fact("oom.gpu_index"), case.fact("oom.tried_to_allocate_bytes")
    title = (
        say(language, "report.memory_title", index=index.value) if index else say(language, "report.memory_title_plain")
    )
    asked = tried.value if tried and isinstance(tried.value, int) else None
    return blocks.BarBlock(title, total, segments, asked)


def cause_block(finding: Finding, case: Case, language: Language) -> blocks.CauseBlock:
    """One finding with its strongest reasons, quoted."""
    rule = finding.rule
    looks_like = rule.looks_like.get(language)
    return blocks.CauseBlock(
        cause=rule.cause,
        rule=rule.path,
        title=rule.title[language],
        standing=finding.standing,
        probability=finding.probability,
        reasons=tuple(reason_of(sign, case, language) for sign in finding.held),
        against=tuple(reason_of(sign, case, language) for sign in finding.against),
        explain=fill(rule.explain[language], case),
        looks_like=fill(looks_like, case) if looks_like else None,
    )


def reason_of(sign: Sign, case: Case, language: Language) -> blocks.Reason:
    """A sign as a sentence with the place its fact was read at."""
    fact = next((found for name in sign.facts if (found := case.fact(name))), None)
    place = _place_of(fact, case, language) if fact else None
    name = fact.name if fact else (sign.facts[0] if sign.facts else None)
    return blocks.Reason(fill(sign.text[language], case, name), sign.weight, name, place)


def _place_of(fact: Fact, case: Case, language: Language) -> blocks.Place | None:
    source = fact.source
    if source.line is not None:
        return blocks.Place(source.file, source.line, source.quote)
    if source.framework and source.how is How.DEFAULT:
        mark = " (assumed)"
        version = (source.version or "").replace(mark, say(language, "settings.assumed_mark"))
        framework = " ".join(part for part in (source.framework, version) if part)
        said = say(language, "source.default", framework=framework, native=source.native or fact.name)
        value = say(language, "source.unset") if fact.value is None else show_fact(fact)
        return blocks.Place(None, None, f"{said} {value}")
    behind = (case.fact(name) for name in source.derived_from)
    return next((place for found in behind if found and (place := _place_of(found, case, language))), None)


def prediction_block(diagnosis: Diagnosis, language: Language) -> blocks.PredictionBlock | None:
    """The memory model's figure for the settings of the run, where it is known well enough."""
    profile = diagnosis.testified.profile
    if profile is None:
        return None
    shown = {
        "device": size(profile.device_bytes),
        "low": size(profile.low_bytes),
        "high": size(profile.high_bytes),
        "capacity": size(profile.capacity_bytes or 0),
    }
    key = "memory.predicted" if profile.capacity_bytes else "memory.predicted_alone"
    assumed = profile.assumed_zh if language == "zh" else profile.assumed
    return blocks.PredictionBlock(say(language, key, **shown), tuple(assumed))


def facts_block(case: Case, language: Language) -> blocks.FactsBlock:
    """Every stated fact with its provenance."""
    rows = []
    for name in case.names():
        for fact in case.every(name):
            place = blocks.Place(fact.source.file, fact.source.line, fact.source.quote) if fact.source.line else None
            how = say(language, f"how.{fact.source.how}")
            rows.append(blocks.FactRow(name, show_fact(fact), how, place))
    return blocks.FactsBlock(tuple(rows))


def _title(diagnosis: Diagnosis, cause: str, language: Language) -> str:
    rule = next((judgement.rule for judgement in diagnosis.judgements if judgement.rule.cause == cause), None)
    return rule.title[language] if rule else cause


def _untold(diagnosis: Diagnosis, language: Language) -> tuple[str, ...]:
    if diagnosis.verdict.outcome != "oom":
        return ()
    case = diagnosis.case
    sentences = [] if diagnosis.findings else [say(language, "report.no_cause")]
    if diagnosis.verdict.memory == "gpu":
        sentences += [say(language, key) for name, key in _MISSING if case.fact(name) is None]
        stated = (How.COMMAND, How.CONFIG, How.LOG, How.ANSWERED, How.TOLD)
        if not any(fact.name.startswith(_SETTINGS) and fact.source.how in stated for fact in case.facts):
            sentences.append(say(language, "report.settings_unknown"))
    return tuple(sentences)


def _notes(diagnosis: Diagnosis, language: Language) -> tuple[str, ...]:
    case = diagnosis.case
    sentences = []
    consequences = sum(event.consequence for event in case.events)
    if consequences:
        sentences.append(say(language, "report.consequences", count=consequences))
    ranks = case.fact("oom.rank_count")
    if ranks and isinstance(ranks.value, int) and ranks.value > 1:
        sentences.append(say(language, "report.more_ranks", count=ranks.value))
    issue = case.fact("framework.settings_issue")
    if issue and issue.value:
        sentences.append(say(language, "report.settings_issue", issue=show_fact(issue)))
    for found in [one for one in case.disagreements() if not _same_place(one.kept.value, one.other.value)][:3]:
        kept, other = found.kept, found.other
        sentences.append(
            say(
                language,
                "report.disagree",
                name=found.name,
                kept=show_fact(kept),
                other=show_fact(other),
                kept_from=say(language, f"how.{kept.source.how}"),
                other_from=say(language, f"how.{other.source.how}"),
            )
        )
    sentences += [
        f"{read.name}: {(read.note_zh if language == 'zh' else None) or read.note}" for read in case.inputs if read.note
    ]
    return tuple(sentences)


def _same_place(kept: object, other: object) -> bool:
    """Whether two values are one path, shorter and longer: a model's name and the folder it was downloaded to."""
    if not (isinstance(kept, str) and isinstance(other, str) and "/" in kept + other):
        return False
    long, short = sorted((kept.rstrip("/").lower(), other.rstrip("/").lower()), key=len, reverse=True)
    return bool(short) and long.endswith(f"/{short.lstrip('./')}")


def legend(segment: blocks.Segment) -> str:
    """A bar's segment in words."""
    return f"{segment.label} {size(segment.bytes)}"
