"""`oomdoc history`: what was diagnosed and tried here; shown, and forgotten on request."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import Language, preferred, said, say

if TYPE_CHECKING:
    from oomdoc.history.store import Store

_LANG = click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
_FORMAT = click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group(name="history", invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Every folder, not only this one and those below.")
@_FORMAT
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@_LANG
@click.pass_context
def command(ctx: click.Context, everything: bool, kind: str, lang: str | None) -> int | None:
    """List the diagnoses of this folder, what was applied after each, and how the next run went.

    Kept in one private file on this machine, never sent anywhere; OOMDOC_HISTORY=off keeps nothing. Exit status: 0
    listed, 1 nothing is known, 2 it cannot be used.

    Example: oomdoc history --all
    """
    if ctx.invoked_subcommand is not None:
        return None
    language = preferred(lang)
    return _with_store(language, lambda store: _list(store, language, kind, everything=everything))


def _list(store: "Store | None", language: Language, kind: str, *, everything: bool) -> int:
    found = _entries(store, None if everything else Path.cwd())
    if kind == "json":
        from oomdoc.history.listing import entries_json

        _write(json.dumps(entries_json(found, _undone()), ensure_ascii=False, indent=1) + "\n")
    elif found:
        from oomdoc.history.listing import entries_text

        _write(entries_text(found, _undone(), language, _columns(), wide=everything))
    else:
        _write(say(language, "history.empty" if everything else "history.empty_here") + "\n")
    return diagnostics.NAMED if found else diagnostics.NONE_NAMEABLE


@command.command(name="show")
@click.argument("number", type=int, metavar="ID")
@_FORMAT
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@_LANG
def show(number: int, kind: str, lang: str | None) -> int:
    """Everything that is kept of one diagnosis.

    Example: oomdoc history show 3
    """
    language = preferred(lang)
    return _with_store(language, lambda store: _show(store, number, language, kind))


def _show(store: "Store | None", number: int, language: Language, kind: str) -> int:
    row = store.diagnosis(number) if store else None
    if store is None or row is None:
        diagnostics.say_error(say(language, "history.unknown", id=number))
        return diagnostics.USAGE
    fixes = store.fixes(number)
    from oomdoc.history.listing import entries_json, entry_text

    if kind == "json":
        _write(json.dumps(entries_json([(row, fixes)], _undone()), ensure_ascii=False, indent=1) + "\n")
    else:
        _write(entry_text(row, fixes, _undone(), language, _columns()))
    return diagnostics.NAMED


@command.command(name="forget")
@click.argument("number", type=int, required=False, metavar="[ID]")
@click.option("--all", "everything", is_flag=True, help="The whole history, damaged or not.")
@click.option("--yes", is_flag=True, help="Really remove; without it nothing is.")
@_LANG
def forget(number: int | None, everything: bool, yes: bool, lang: str | None) -> int:
    """Remove one diagnosis and what followed, else those of this folder, else all; for good.

    Example: oomdoc history forget 3 --yes
    """
    language = preferred(lang)
    if everything and number is not None:
        raise click.UsageError(said("usage.id_or_all"))
    if everything and yes:
        return _forget_all(language)
    place = None if everything or number is not None else Path.cwd()
    return _with_store(language, lambda store: _forget(store, number, place, language, yes=yes), write=True)


def _forget(store: "Store | None", number: int | None, place: Path | None, language: Language, *, yes: bool) -> int:
    numbers = [row["id"] for row, _ in _entries(store, place)]
    if number is not None:
        if number not in numbers:
            diagnostics.say_error(say(language, "history.unknown", id=number))
            return diagnostics.USAGE
        numbers = [number]
    if not yes:
        diagnostics.say_error(say(language, "history.confirm", count=len(numbers)))
        return diagnostics.USAGE
    if store is not None and numbers:
        store.forget(numbers)
    _write(say(language, "history.forgotten", count=len(numbers)) + "\n")
    return diagnostics.NAMED


def _forget_all(language: Language) -> int:
    from oomdoc.history.place import database
    from oomdoc.history.store import HistoryError, remove

    try:
        there = remove(database())
    except HistoryError as error:
        diagnostics.say_error(error.told(language))
        return diagnostics.USAGE
    _write(say(language, "history.forgotten_all" if there else "history.empty") + "\n")
    return diagnostics.NAMED


def _with_store(language: Language, act: "Callable[[Store | None], int]", *, write: bool = False) -> int:
    """Act on the database, None where there is none. Where it cannot be used, one line says so."""
    from oomdoc.history.place import database
    from oomdoc.history.store import HistoryError, exists, opened

    path = database()
    try:
        with opened(path, write=write and exists(path)) as store:
            return act(store)
    except HistoryError as error:
        diagnostics.say_error(error.told(language))
        return diagnostics.USAGE


def _entries(store: "Store | None", folder: Path | None) -> list[tuple[dict[str, Any], Sequence[dict[str, Any]]]]:
    from oomdoc.history.place import places_of

    if store is None:
        return []
    rows = store.diagnoses(places_of(folder)[0] if folder else None)
    return [(row, store.fixes(row["id"])) for row in rows]


def _undone() -> frozenset[str]:
    """The ids of changes that were taken back."""
    from oomdoc.patch.apply import history as journal

    return frozenset(entry["id"] for entry in journal() if entry["state"] == "undone")


def _columns() -> int:
    import shutil

    return min(100, shutil.get_terminal_size().columns)


def _write(text: str) -> None:
    from oomdoc.report.out import write

    write(text)
