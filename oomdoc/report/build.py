"""A diagnosis as the report contract, from the same blocks that every other format draws."""

from typing import TYPE_CHECKING

from oomdoc import __version__
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.fact import Fact
from oomdoc.facts.model import Scalar
from oomdoc.facts.vocabulary import term
from oomdoc.memory.profile import MemoryProfile
from oomdoc.messages import Language, say
from oomdoc.report import blocks
from oomdoc.report.compose import cause_block, compose
from oomdoc.report.contract import (
    FactOut,
    FindingOut,
    MemoryOut,
    QuestionOut,
    Report,
    SourceOut,
    VerdictOut,
    WhyOut,
)
from oomdoc.report.mask import mask
from oomdoc.report.proposal import propose
from oomdoc.report.remedy_json import remedies_out

if TYPE_CHECKING:
    from oomdoc.patch.way_out import WayOut
    from oomdoc.probe.verify import Verification
    from oomdoc.report.contract import HistoryOut, VerificationOut, WayOutOut


def build_report(
    diagnosis: Diagnosis,
    language: Language,
    verified: "Verification | None" = None,
) -> Report:
    """The report of a diagnosis."""
    way = propose(diagnosis)
    drawn = compose(diagnosis, language, verified, way)
    verdict = diagnosis.verdict
    head = next(block for block in drawn if isinstance(block, blocks.VerdictBlock))
    notes = next((block.sentences for block in drawn if isinstance(block, blocks.NotesBlock)), ())
    untold = next((block.sentences for block in drawn if isinstance(block, blocks.UntoldBlock)), ())
    return Report(
        schema="oomdoc.report/1",
        oomdoc=__version__,
        language=language,
        verdict=VerdictOut(
            outcome=verdict.outcome,
            memory=verdict.memory,
            phase=verdict.phase,
            summary=mask(say(language, "mark.stop").join(part for part in (head.headline, head.sentence) if part)),
        ),
        events=tuple(_events(diagnosis)),
        facts=tuple(_fact(fact) for fact in diagnosis.case.facts),
        findings=tuple(_findings(diagnosis, language)),
        memory=_memory(diagnosis, language, verified),
        verification=_verification(verified, language),
        history=_history(diagnosis, language),
        remedies=remedies_out(diagnosis, way, language),
        way_out=_way_out(way, language),
        questions=tuple(_questions(diagnosis, language)),
        undecided=tuple(untold),
        notes=tuple(mask(note) for note in notes),
    )


def _verification(verified: "Verification | None", language: Language) -> "VerificationOut | None":
    if verified is None:
        return None
    from oomdoc.report.verification import verification_out

    return verification_out(verified, language)


def _way_out(way: "WayOut | None", language: Language) -> "WayOutOut | None":
    if way is None or way.advice.blind == "undescribed":
        return None
    from oomdoc.report.contract import WayOutOut
    from oomdoc.report.plan_json import plans_json

    return WayOutOut.model_validate(plans_json(way, language))


def _history(diagnosis: Diagnosis, language: Language) -> "HistoryOut | None":
    if diagnosis.aftermath is None:
        return None
    from oomdoc.report.aftermath import history_out

    return history_out(diagnosis.aftermath, diagnosis, language)


def _memory(diagnosis: Diagnosis, language: Language, verified: "Verification | None") -> MemoryOut | None:
    profile = (verified.profile if verified else None) or diagnosis.testified.profile
    return None if profile is None else memory_out(profile, language)


def memory_out(profile: MemoryProfile, language: Language) -> MemoryOut:
    """A profile as the contract shows it."""
    return MemoryOut(
        method=profile.method,
        phase=profile.peak_phase,
        capacity_bytes=profile.capacity_bytes,
        allocated_bytes=profile.allocated_bytes,
        reserved_bytes=profile.reserved_bytes,
        device_bytes=profile.device_bytes,
        low_bytes=profile.low_bytes,
        high_bytes=profile.high_bytes,
        components=dict(profile.components),
        assumed=profile.assumed_zh if language == "zh" else profile.assumed,
    )


def _events(diagnosis: Diagnosis) -> list[dict[str, str | int | float | bool | None]]:
    return [
        {
            "template": event.template,
            "kind": event.kind,
            "memory": event.memory,
            "file": _masked(event.file),
            "line": event.line,
            "rank": event.rank,
            "device": event.device,
            "phase": event.phase,
            "module": _masked(event.module),
            "fatal": event.fatal,
            "consequence": event.consequence,
            "text": mask(event.text),
            **{name: _plain(value) for name, value in event.figures.items()},
        }
        for event in diagnosis.case.events
    ]


def _fact(fact: Fact) -> FactOut:
    declared = term(fact.name)
    value = tuple(map(_plain, fact.value)) if isinstance(fact.value, tuple) else _plain(fact.value)
    source = fact.source
    return FactOut(
        name=fact.name,
        value=value,
        unit=declared.unit if declared else None,
        source=SourceOut(
            how=source.how.value,
            file=_masked(source.file),
            line=source.line,
            span=source.span,
            quote=_masked(source.quote),
            framework=source.framework,
            version=source.version,
            native=_masked(source.native),
            derived_from=source.derived_from,
            status=source.status,
            note=_masked(source.note),
        ),
    )


def _masked(text: str | None) -> str | None:
    return mask(text) if text else text


def _plain(value: Scalar) -> Scalar:
    return mask(value) if isinstance(value, str) else value


def _findings(diagnosis: Diagnosis, language: Language) -> list[FindingOut]:
    found = []
    for finding in diagnosis.findings:
        block = cause_block(finding, diagnosis.case, language)
        found.append(
            FindingOut(
                cause=block.cause,
                rule=block.rule,
                probability=block.probability,
                standing=finding.standing,
                title=block.title,
                why=tuple(_why(reason) for reason in block.reasons),
                why_not=tuple(_why(reason) for reason in block.against),
            )
        )
    return found


def _why(reason: blocks.Reason) -> WhyOut:
    line = reason.place.line if reason.place else None
    return WhyOut(sentence=mask(reason.sentence), weight=reason.weight, fact=reason.fact, line=line)


def _questions(diagnosis: Diagnosis, language: Language) -> list[QuestionOut]:
    return [
        QuestionOut(
            fact=question.term.name,
            ask=(question.term.ask_zh if language == "zh" else question.term.ask_en) or "",
            separates=tuple(dict.fromkeys(question.separates)),
        )
        for question in diagnosis.questions
    ]
