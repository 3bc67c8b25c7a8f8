"""Messages to events and the facts they state: what came first is the cause, what a retry survived is not fatal."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from oomdoc.facts import base
from oomdoc.facts.case import Event
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import term
from oomdoc.ingest import phases, tracebacks
from oomdoc.ingest.controls import harmless
from oomdoc.ingest.document import Document
from oomdoc.ingest.messages import Found, find_messages
from oomdoc.ingest.phases import Judgement
from oomdoc.ingest.tracebacks import Traceback

# A message may be wrapped under its exception's name, or stand below a box.
_BELOW_TRACEBACK: Final = 3
_RETRY_BEFORE, _RETRY_AFTER = 2, 8
# A program that printed its traceback and this much more had caught the error.
_GOES_ON: Final = 5
# An exception that lists its root errors has the first of them within these lines.
_ROOT_ERRORS: Final = 3
_LONGEST_TEXT: Final = 600
_QUOTE: Final = 200
# A message quoted within a sentence still begins with the rank that printed it.
_INLINE_RANK: Final = lazy(r"\brank[ :]?(\d{1,4})\]:?\s?(?:[\w.]+(?:Error|Exception): ?)?$")
# Thousands of retried messages say no more than these.
_MOST_OF_STREAM: Final = 200


@dataclass(frozen=True)
class Sighting:
    """An event with what its facts need: the rounding of its figures, the place in the run, the template's facts."""

    event: Event
    tolerance: dict[str, int]
    sets: dict[str, Value]
    judgement: Judgement
    chained: bool = False
    last_line: int = 0


def sightings(document: Document) -> list[Sighting]:
    """Every message of a document in the order of its lines, with frames, phase and fatality."""
    found = [one for stream in document.streams for one in _of_stream(document, stream)]
    return sorted(found, key=lambda one: one.event.line)


def other_failures(document: Document) -> list[Sighting]:
    """The first exception of each process, where no message of the base was found: a failure of another kind."""
    found = []
    for stream in document.streams:
        ended = next((one for one in tracebacks.find(stream) if one.exception and one.frames and not one.chained), None)
        if ended is None:
            continue
        said = f"{ended.exception}: {ended.message}" if ended.message else str(ended.exception)
        event = Event(
            template="python.exception",
            kind="lookalike",
            memory="none",
            file=document.file,
            line=ended.end_line,
            text=harmless(" ".join(said.split()))[:_LONGEST_TEXT],
            rank=stream.lines[0].rank,
            frames=ended.frames,
        )
        found.append(Sighting(event, {}, {}, Judgement(), last_line=ended.end_line))
    return found


def _of_stream(document: Document, stream: Document) -> list[Sighting]:
    messages = find_messages(stream.text)
    if not messages:
        return []
    if len(messages) > _MOST_OF_STREAM:
        messages = [*messages[: _MOST_OF_STREAM // 2], *messages[-_MOST_OF_STREAM // 2 :]]
    traces = tracebacks.find(stream)
    return [_sighting(document, stream, message, traces) for message in messages]


def _sighting(document: Document, stream: Document, found: Found, traces: Sequence[Traceback]) -> Sighting:
    line = stream.at(found.start)
    end = stream.at(max(found.end - 1, found.start)).number
    trace = _trace(traces, line.number, end) or _only_cut(traces)
    judgement = Judgement()
    if found.template.kind != "report":
        judgement = phases.judge(document, trace, line.number)
    figures = dict(found.figures)
    rank = line.rank if line.rank is not None else _whole(figures.get("rank"))
    if rank is None and (inline := _INLINE_RANK.search(stream.text[max(found.start - 64, 0) : found.start])):
        rank = int(inline[1])
    event = Event(
        template=found.template.id,
        kind=found.template.kind,
        memory=found.template.memory,
        file=document.file,
        line=line.number,
        text=harmless(" ".join(stream.text[found.start : found.end].split()))[:_LONGEST_TEXT],
        rank=rank,
        device=_whole(figures.get("gpu_index")),
        process=line.process,
        time=line.time,
        figures=figures,
        frames=trace.frames if trace else (),
        phase=judgement.phase,
        module=judgement.module,
        vague=found.template.vague,
        fatal=found.template.fatal and not _retried(stream, found, trace),
    )
    chained = trace is not None and trace.chained is not None
    return Sighting(event, dict(found.tolerance), dict(found.facts), judgement, chained, end)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _trace(traces: Sequence[Traceback], line: int, end: int) -> Traceback | None:
    """The traceback that a message ends."""
    around = [trace for trace in traces if trace.start_line <= end and line <= trace.end_line + _BELOW_TRACEBACK]
    inside = [trace for trace in around if line <= trace.end_line]
    chosen = inside or around
    return min(chosen, key=lambda trace: (abs(trace.end_line - line), trace.start_line)) if chosen else None


def _only_cut(traces: Sequence[Traceback]) -> Traceback | None:
    """The one traceback of a text, where its last line was cut off: people move the message into the title."""
    whole = [trace for trace in traces if trace.frames]
    return whole[0] if len(whole) == 1 and whole[0].exception is None else None


@cache
def _retry_words() -> tuple[str, ...]:
    return tuple(base.section("logs")["scan.yaml"]["retries"])


def _retried(stream: Document, found: Found, trace: Traceback | None) -> bool:
    """The program says beside the message that it tries again, and has printed more than another failure since."""
    if found.template.kind not in {"oom", "warning"}:
        return False
    at = stream.index_at(found.start)
    last = stream.index_at(max(found.end - 1, found.start))
    raised = trace is not None and bool(trace.frames)
    before = () if raised else stream.lines[max(at - _RETRY_BEFORE, 0) : at]
    near = " ".join(one.text for one in (*before, *stream.lines[at : last + _RETRY_AFTER])).lower()
    if not any(word in near for word in _retry_words()):
        return False
    # Text that follows a caught error goes on; a raised one is followed by nothing or by the launcher's farewell.
    rest = sum(1 for one in stream.lines[last + 1 :] if one.text.strip())
    return rest > (_GOES_ON if raised else 0)


def ordered(found: Iterable[Sighting]) -> list[Sighting]:
    """All sightings of a case, first in time first, with consequences marked.

    Times order events of several files or ranks only where every one of them has a time of the same form.
    """
    everything = list(found)
    times = [one.event.time for one in everything if one.event.fatal]
    if times and all(times) and len({_form(time) for time in times if time}) == 1:
        everything.sort(key=lambda one: one.event.time or "")
    marked: list[Sighting] = []
    for one in everything:
        event = one.event
        consequence = event.fatal and _follows(one, marked, everything)
        marked.append(one if not consequence else _with(one, event.model_copy(update={"consequence": True})))
    return marked


def _form(time: str) -> str:
    return "".join("0" if char.isdigit() else char for char in time[:19])


def _with(one: Sighting, event: Event) -> Sighting:
    return Sighting(event, one.tolerance, one.sets, one.judgement, one.chained, one.last_line)


def ranked(one: Sighting, rank: int) -> Sighting:
    """The sighting with the rank that its file's name tells."""
    return _with(one, one.event.model_copy(update={"rank": rank}))


def _follows(one: Sighting, earlier: Sequence[Sighting], everything: Sequence[Sighting]) -> bool:
    """Whether an earlier failure of the same process, or a fuller copy of the same message, explains this one."""
    event = one.event
    before = [other.event for other in earlier if other.event.fatal and not other.event.consequence]
    same = [
        other for other in before if (other.rank, other.process, other.file) == (event.rank, event.process, event.file)
    ]
    if event.kind == "oom":
        if any(other.kind == "oom" for other in same):
            return True
        if one.chained and any(other.kind == "lookalike" for other in same):
            return True
        return any(_quotes(event, other.event) for other in everything)
    if event.kind in {"lookalike", "wrapper"}:
        return any(other.kind == "oom" for other in before) or (
            event.kind == "wrapper" and any(other.kind == "wrapper" for other in before)
        )
    return False


def _quotes(event: Event, fuller: Event) -> bool:
    """Whether an event is a title or a quotation of the message of another: nothing of its own, and less told."""
    if not fuller.fatal or fuller.kind != "oom" or fuller.memory != event.memory or event.rank is not None:
        return False
    if event.frames or not event.figures.items() <= fuller.figures.items():
        return False
    return len(fuller.figures) > len(event.figures) or bool(fuller.frames)


def decisive(found: Sequence[Sighting]) -> Sighting | None:
    """The event whose figures speak for the case: the first lack of memory, else an exit code, else hearsay."""
    for kind in ("oom", "wrapper", "told"):
        for one in found:
            if one.event.kind == kind and one.event.fatal and not one.event.consequence:
                return _fullest(one, found)
    return next((one for one in found if one.event.kind == "oom"), None)


def _fullest(first: Sighting, found: Sequence[Sighting]) -> Sighting:
    """The copy of a message that kept most of its figures: a title is often a cut quotation of the log below it."""
    if not first.event.figures:
        first = _figured(first, found)
    size = first.event.figures.get("tried_to_allocate_bytes")
    copies = [
        one
        for one in found
        if one.event.kind == first.event.kind
        and one.event.memory == first.event.memory
        and one.event.rank == first.event.rank
        and one.event.figures.get("tried_to_allocate_bytes") == size
    ]
    return max(copies, key=lambda one: (len(one.event.figures), one is first)) if size is not None else first


def _figured(bare: Sighting, found: Sequence[Sighting]) -> Sighting:
    """The same failure in the lines just below with its figures: "2 root error(s) found. (0) OOM when allocating"."""
    event = bare.event
    for one in found:
        same = (one.event.kind, one.event.memory, one.event.rank, one.event.process, one.event.file)
        if (
            one.event.figures
            and one.event.fatal
            and same == (event.kind, event.memory, event.rank, event.process, event.file)
            and one.event.template.partition(".")[0] == event.template.partition(".")[0]
            and 0 <= one.event.line - event.line <= _ROOT_ERRORS
        ):
            return one
    return bare


def facts_of(found: Sequence[Sighting]) -> list[Fact]:
    """What the messages state: figures and place of the decisive one, what every one proves, how many there were."""
    out: list[Fact] = []
    for one in found:
        out.extend(_fact(one, name, value) for name, value in one.sets.items() if term(name))
    chosen = decisive(found)
    if chosen is None:
        return out
    for name, value in chosen.event.figures.items():
        if term(f"oom.{name}"):
            out.append(_fact(chosen, f"oom.{name}", value, chosen.tolerance.get(name)))
    place = _place(chosen, found)
    for name, said in (
        ("oom.rank", chosen.event.rank),
        ("run.phase", place.phase),
        ("run.subphase", place.subphase),
        ("oom.module", place.module),
        ("oom.function", place.function),
    ):
        if said is not None and not any(fact.name == name for fact in out):
            out.append(_fact(chosen, name, said))
    failures = [one.event for one in found if one.event.kind == "oom" and one.event.fatal]
    separate = {(event.rank, event.process, event.file, tuple(sorted(event.figures.items()))) for event in failures}
    if failures:
        out.append(_fact(chosen, "oom.message_count", len(separate)))
    ranks = {event.rank for event in failures if event.rank is not None}
    if ranks:
        out.append(_fact(chosen, "oom.rank_count", len(ranks)))
    return out


def _place(chosen: Sighting, found: Sequence[Sighting]) -> Judgement:
    """Where in the run it failed: by the chosen copy, or by one that stands under a traceback where it does not."""
    if chosen.event.frames or chosen.event.kind != "oom":
        return chosen.judgement
    framed = [one for one in found if one.event.frames and one.event.kind == "oom" and one.judgement.phase]
    same = [one for one in framed if one.event.memory == chosen.event.memory and one.event.rank == chosen.event.rank]
    return same[0].judgement if same else chosen.judgement


def _fact(one: Sighting, name: str, value: Value, tolerance: int | None = None) -> Fact:
    event = one.event
    how = How.TOLD if event.kind == "told" else How.LOG
    said = _listed(name, value)
    source = Source(how=how, file=event.file, line=event.line, quote=event.text[:_QUOTE])
    return Fact(name=name, value=said, source=source, rank=event.rank, tolerance=tolerance)


def _listed(name: str, value: Value) -> Value:
    """A printed shape as the list that the vocabulary wants."""
    declared = term(name)
    if declared and declared.type == "list" and isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return tuple(int(part) if part.isdigit() else part for part in parts if part)
    return value
