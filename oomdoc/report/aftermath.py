"""What was tried before this run and what became of it, as a block and as part of the JSON report."""

from collections.abc import Iterable, Iterator

from oomdoc.engine.aftermath import Aftermath, Followed
from oomdoc.engine.attempt import Effect
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.rule import rules
from oomdoc.facts.fact import UNKNOWN
from oomdoc.facts.units import show, size
from oomdoc.messages import Language, say
from oomdoc.report.blocks import CheckLine, VerificationBlock
from oomdoc.report.contract import AttemptOut, EffectOut, HistoryOut
from oomdoc.report.mask import mask

# How an outcome is coloured, in the words of a verification.
_TONES = {"passed": "confirmed", "failed": "contradicted", "further": "contradicted"}


def aftermath_block(aftermath: Aftermath, diagnosis: Diagnosis, language: Language) -> VerificationBlock:
    """One line for each change that was tried, and what the run shows about it."""
    checks = tuple(
        CheckLine(
            _subject(one, language),
            _TONES.get(one.became, "unclear"),
            say(language, f"aftermath.{one.became}"),
            tuple(_sentences(one, diagnosis, language)),
        )
        for one in aftermath.followed
    )
    return VerificationBlock(say(language, "aftermath.title"), checks)


def aftermath_lines(aftermath: Aftermath, language: Language) -> Iterator[str]:
    """The same in one line for each change, without what shows it."""
    colon = say(language, "mark.colon")
    return (
        mask(f"{_subject(one, language)}{colon}{say(language, f'aftermath.{one.became}')}")
        for one in aftermath.followed
    )


def history_out(aftermath: Aftermath, diagnosis: Diagnosis, language: Language) -> HistoryOut:
    """The same for `oomdoc.report/1`."""
    return HistoryOut(attempts=tuple(_attempt(one, diagnosis, language) for one in aftermath.followed))


def _attempt(one: Followed, diagnosis: Diagnosis, language: Language) -> AttemptOut:
    attempt = one.attempt
    return AttemptOut(
        known_from=mask(attempt.name),
        applied_at=attempt.at,
        sets=dict(attempt.sets),
        before=dict(attempt.before),
        aside=attempt.aside,
        remedies=attempt.remedies,
        native=tuple(mask(native) for native in attempt.natives),
        causes=dict(attempt.causes),
        memory=attempt.memory,
        phase=attempt.phase,
        step=attempt.step,
        predicted_bytes=attempt.predicted_bytes,
        outcome=one.became,
        in_force={"in_force": True, "not_in_force": False}.get(one.seen),
        this_run=one.now,
        effects=tuple(
            EffectOut(
                fact=effect.name,
                wanted=effect.wanted,
                now=None if effect.now is UNKNOWN else effect.now,
                state=effect.state,
            )
            for effect in one.effects
        ),
        sentences=tuple(mask(sentence) for sentence in _sentences(one, diagnosis, language)),
    )


def _subject(one: Followed, language: Language) -> str:
    attempt = one.attempt
    name = attempt.name
    if name.startswith("history "):
        name = say(language, "aftermath.entry", id=name.removeprefix("history "))
    if attempt.at:
        time = attempt.at[:16].replace("T", " ")
        return say(language, "aftermath.applied", changes=attempt.changes, time=time, name=name)
    return say(language, "aftermath.since", changes=attempt.changes, name=name)


def _sentences(one: Followed, diagnosis: Diagnosis, language: Language) -> Iterator[str]:
    attempt = one.attempt
    if not one.now:
        yield say(language, "aftermath.earlier_person" if attempt.told_by == "person" else "aftermath.earlier")
        return
    for effect in one.effects:
        if effect.state == "not_in_force":
            yield _unchanged(effect, one, language)
    if one.doubt:
        yield say(language, "aftermath.residue", sentence=one.doubt[1 if language == "zh" else 0])
    unseen = [effect.name for effect in one.effects if effect.state == "untold"]
    if unseen:
        yield say(language, "aftermath.untold", names=", ".join(unseen))
    if one.became in ("failed", "further") and one.seen == "in_force" and attempt.predicted_bytes:
        yield say(language, "aftermath.predicted", device=size(attempt.predicted_bytes))
    if one.became == "elsewhere":
        before, now = (say(language, f"phase.{phase}") for phase in (attempt.phase, diagnosis.verdict.phase))
        yield say(language, "aftermath.moved", before=before, now=now)
    if one.step is not None and attempt.step is not None and one.became in ("going", "further"):
        yield say(language, "aftermath.step", now=one.step, before=attempt.step)
    if one.became in ("failed", "further") and attempt.remedies:
        titles = [
            rule.title[language] for rule in rules() if rule.remedies[:1] and rule.remedies[0] in attempt.remedies
        ]
        if titles:
            yield say(language, "aftermath.against", titles=_joined(titles, language))
        yield say(language, "aftermath.last")
    if one.became == "passed" and diagnosis.findings:
        sure = [found for found in diagnosis.findings if found.standing == "confirmed"]
        titles = [found.rule.title[language] for found in sure or diagnosis.findings[:1]]
        key = "aftermath.confirms" if sure else "aftermath.speaks_for"
        yield say(language, key, titles=_joined(titles, language))


def _joined(titles: Iterable[str], language: Language) -> str:
    return say(language, "mark.semicolon").join(dict.fromkeys(titles))


def _unchanged(effect: Effect, one: Followed, language: Language) -> str:
    """A setting that is not what was meant, in the option's own name, with the place that says so."""
    source = effect.source
    name = (source.native if source and source.native else None) or effect.name
    where = say(language, f"how.{source.how}") if source else ""
    if source and source.line is not None:
        where = f"{(source.file or '').rsplit('/', 1)[-1]}:{source.line}"
    wanted = show(effect.name, effect.wanted)
    if effect.now is None:
        return say(language, "aftermath.still_unset", name=name, wanted=wanted, where=where)
    now = show(effect.name, effect.now)  # type: ignore[arg-type]
    still = effect.name in one.attempt.before and one.attempt.before[effect.name] == effect.now
    key = "aftermath.still" if still else "aftermath.differs"
    return say(language, key, name=name, now=now, wanted=wanted, where=where)
