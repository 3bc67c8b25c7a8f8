"""A verification as a block and as part of the JSON report; loaded only where a diagnosis was verified."""

from collections.abc import Iterator

from oomdoc.messages import Language, keys, say
from oomdoc.probe.verify import Check, Reason, Verification
from oomdoc.report.blocks import CheckLine, VerificationBlock
from oomdoc.report.build import memory_out
from oomdoc.report.contract import CheckOut, VerificationOut
from oomdoc.report.mask import mask

_REFUSED = "refused_"
_NAMED = ("phase", "stated")  # places that hold the name of a moment


def verification_block(found: Verification, language: Language) -> VerificationBlock:
    """What was proved, in sentences."""
    checks = tuple(
        CheckLine(
            say(language, f"verify.{check.subject}"),
            check.outcome,
            say(language, f"verify.{check.outcome}"),
            tuple(_sentences(check, language)),
        )
        for check in found.checks
    )
    return VerificationBlock(say(language, f"verify.title_{found.method}"), checks)


def verification_out(found: Verification, language: Language) -> VerificationOut:
    """The same for `oomdoc.report/1`."""
    return VerificationOut(
        method=found.method,
        checks=tuple(
            CheckOut(
                subject=check.subject,
                outcome=check.outcome,
                sentences=tuple(mask(sentence) for sentence in _sentences(check, language)),
                memory=None if check.profile is None else memory_out(check.profile, language),
            )
            for check in found.checks
        ),
    )


def _sentences(check: Check, language: Language) -> Iterator[str]:
    for reason in check.reasons:
        yield said(reason, language)


def said(reason: Reason, language: Language) -> str:
    """One reason as a sentence."""
    places = {name: _placed(name, value, language) for name, value in reason.places.items()}
    if reason.key.startswith(_REFUSED):
        why = reason.key.removeprefix(_REFUSED)
        instead = say(language, "verify.instead_busy" if why == "busy" else "verify.instead")
        return say(language, f"probe_refused.{why}", **places) + say(language, "mark.semicolon") + instead
    return say(language, f"verify.{reason.key}", **places)


def _placed(name: str, value: str | Exception, language: Language) -> str:
    if isinstance(value, Exception):
        from oomdoc.report.probe_text import worker_text

        return worker_text(value, language)
    if name == "term":
        from oomdoc.report.memory_text import term_text

        return term_text(value, "", language)
    return say(language, f"moment.{value}") if name in _NAMED and f"moment.{value}" in keys(language) else value
