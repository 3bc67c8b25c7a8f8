"""A memory profile as text: the headline, a stacked bar per phase, the terms of the peak, what was assumed."""

from collections.abc import Sequence

from oomdoc.facts import base
from oomdoc.facts.units import GIB, size
from oomdoc.memory.closed_form import Peak
from oomdoc.memory.profile import Component, MemoryProfile, PhaseProfile
from oomdoc.messages import Language, keys, say
from oomdoc.report.layout import width

_GLYPHS = "█▓▒░▚▞▤▥▦▧▨▩"
_LETTERS = "WGOMALKTRBXCSP"
_ORDER: tuple[Component, ...] = (
    "weights", "gradients", "optimizer", "master_weights", "activations", "logits", "kv_cache", "workspace",
    "gathered", "buckets", "extra_models", "context", "allocator_slack", "other_processes",
)  # fmt: skip
_OUTSIDE = ("context", "allocator_slack", "other_processes")


def profile_text(profile: MemoryProfile, language: Language, *, columns: int = 80, glyphs: bool = True) -> str:
    """The whole report of one estimate; every line fits `columns` where the words allow it."""
    lines = [_headline(profile, language), "  " + _figures(profile, language)]
    if (verdict := fit_line(profile, language)) is not None:
        lines.insert(1, "  " + verdict)
    lines += ["", say(language, "estimate.phases"), *_bars(profile, language, columns, glyphs), ""]
    worst = next(phase for phase in profile.phases if phase.phase == profile.peak_phase)
    lines.append(say(language, "estimate.terms", phase=say(language, f"moment.{worst.phase}")))
    lines += _terms(worst, profile, language)
    sentences = profile.assumed_zh if language == "zh" else profile.assumed
    if sentences:
        lines += ["", say(language, "estimate.assumed"), *(f"  - {sentence}" for sentence in sentences)]
    lines += ["", say(language, "estimate.basis", basis=_basis(profile.basis, language))]
    return "\n".join(lines) + "\n"


def _basis(basis: str, language: Language) -> str:
    kind, colon, name = basis.partition(": ")
    key = f"estimate.from_{kind}"
    if colon and key in keys(language):
        return f"{say(language, key)}{colon}{name}"
    built, of, library = basis.partition(" of ")  # what a dry run built: "Qwen2ForCausalLM of transformers 4.56.0"
    return say(language, "estimate.built", name=built, library=library) if of else basis


def fit_line(profile: MemoryProfile, language: Language) -> str | None:
    """Whether it fits the card; None where the card is not known."""
    if not profile.capacity_bytes:
        return None
    spare, shown = profile.capacity_bytes - profile.device_bytes, size(profile.capacity_bytes)
    if spare < 0:
        return say(language, "estimate.short", capacity=shown, missing=size(-spare))
    if profile.high_bytes > profile.capacity_bytes:
        return say(language, "estimate.unsure", capacity=shown)
    return say(language, "estimate.fits", capacity=shown, spare=size(spare))


def comparison_text(left: tuple[str, MemoryProfile], right: tuple[str, MemoryProfile], language: Language) -> str:
    """Two settings side by side, component by component, with the difference."""
    (first, one), (second, two) = left, right
    rows = [("", first, second, say(language, "estimate.change"))]
    for name in _ORDER:
        a, b = one.components.get(name, 0), two.components.get(name, 0)
        if a or b:
            rows.append((say(language, f"component.{name}"), _gib(a), _gib(b), _signed(b - a)))
    total = say(language, "estimate.device")
    rows.append((total, _gib(one.device_bytes), _gib(two.device_bytes), _signed(two.device_bytes - one.device_bytes)))
    return say(language, "estimate.compare") + "\n" + table(rows) + "\n"


def sweep_text(
    name: str, points: Sequence[tuple[int, Peak]], capacity: int | None, language: Language, *, glyphs: bool = True
) -> str:
    """A table and a curve: the peak on the card at every value; `|` marks the card's size."""
    width, most = 40, max([peak.device for _, peak in points] + [capacity or 0])
    rows = []
    for value, peak in points:
        filled = max(1, round(width * peak.device / most))
        bar = ("█" if glyphs else "#") * filled + " " * (width - filled)
        if capacity and capacity <= most:
            mark = min(width - 1, round(width * capacity / most))
            bar = bar[:mark] + "|" + bar[mark + 1 :]
        rows.append((f"{value:,}", _gib(peak.device), f"{_gib(peak.low)} .. {_gib(peak.high)}", bar.rstrip()))
    return say(language, "estimate.sweep", name=name) + "\n" + table(rows) + "\n"


def sweep_csv(name: str, points: Sequence[tuple[int, Peak]]) -> str:
    """The sweep as CSV, bytes as integers."""
    lines = [f"{name},allocated_bytes,reserved_bytes,device_bytes,low_bytes,high_bytes,phase"]
    lines += [f"{value},{p.allocated},{p.reserved},{p.device},{p.low},{p.high},{p.phase}" for value, p in points]
    return "\n".join(lines) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded by display width (Chinese characters take two cells); figures align to the right."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0] + " " * (widths[0] - width(row[0]))]
        for column, text in enumerate(row[1:], start=1):
            pad = " " * (widths[column] - width(text))
            cells.append(text + pad if text[:1] in "█#|" else pad + text)
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _headline(profile: MemoryProfile, language: Language) -> str:
    return say(
        language, "estimate.headline", model=profile.basis.split(": ", 1)[-1], device=size(profile.device_bytes),
        low=size(profile.low_bytes), high=size(profile.high_bytes),
    )  # fmt: skip


def _figures(profile: MemoryProfile, language: Language) -> str:
    return say(
        language, "estimate.figures", allocated=size(profile.allocated_bytes), reserved=size(profile.reserved_bytes),
        device=size(profile.device_bytes),
    )  # fmt: skip


def _bars(profile: MemoryProfile, language: Language, columns: int, glyphs: bool) -> list[str]:
    labels = {phase.phase: say(language, f"moment.{phase.phase}") for phase in profile.phases}
    left = max(width(label) for label in labels.values())
    room = max(10, columns - left - 16)
    most = max([phase.allocated_bytes for phase in profile.phases] + [profile.capacity_bytes or 0]) or 1
    lines, used = [], set[Component]()
    for phase in profile.phases:
        bar, filled, reached = "", 0, 0
        for name in _ORDER:
            amount = sum(term.bytes for term in phase.terms if term.component == name)
            reached += amount
            end = round(room * reached / most)
            bar += _mark(name, glyphs) * (end - filled)
            if end > filled:
                used.add(name)
            filled = max(filled, end)
        label = labels[phase.phase] + " " * (left - width(labels[phase.phase]))
        lines.append(f"  {label}  {bar.ljust(room)}  {_gib(phase.allocated_bytes):>9}")
    legend = "  ".join(f"{_mark(name, glyphs)} {say(language, f'component.{name}')}" for name in _ORDER if name in used)
    return [*lines, f"  {legend}"]


def _terms(worst: PhaseProfile, profile: MemoryProfile, language: Language) -> list[str]:
    rows = [
        (
            say(language, f"component.{term.component}"),
            _gib(term.bytes),
            f"+- {_gib(term.error_bytes)}",
            term_text(term.name, term.formula, language),
        )
        for term in sorted(worst.terms, key=lambda term: -term.bytes)
    ]
    outside = [(name, count) for name, count in profile.components.items() if name in _OUTSIDE and count]
    rows.extend((say(language, f"component.{name}"), _gib(count), "", "") for name, count in outside)
    left = max(width(row[0]) for row in rows)
    return [f"  {row[0]}{' ' * (left - width(row[0]))}  {row[1]:>9}  {row[2]:>12}  {row[3]}".rstrip() for row in rows]


def term_text(name: str, formula: str, language: Language) -> str:
    """A term of the memory model with its arithmetic."""
    if language == "zh":
        known = base.section("memory")["terms.yaml"]
        name = known["names"].get(name, name)
        for english, chinese in known["words"]:
            formula = formula.replace(english, chinese)
    return f"{name}{say(language, 'mark.colon')}{formula}" if formula else name


def _mark(name: Component, glyphs: bool) -> str:
    place = _ORDER.index(name)
    return _GLYPHS[place % len(_GLYPHS)] if glyphs else _LETTERS[place]


def _gib(count: int) -> str:
    return f"{count / GIB:.2f} GiB"


def _signed(count: int) -> str:
    return f"{count / GIB:+.2f} GiB"
