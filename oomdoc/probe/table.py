"""Dry runs of a table of configurations in one worker: one answer a row, in order, errors as sentences."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oomdoc.memory.architecture import ArchitectureError
from oomdoc.memory.predict import UnknownModelError, as_json
from oomdoc.memory.settings import SettingsError
from oomdoc.probe.dryrun import profile_of
from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import PlanError, plan_of

Row = tuple[Mapping[str, Any], str | None]


def answers(rows: Iterable[Row], *, python: str | None = None, timeout: float = 600.0) -> Iterator[dict[str, Any]]:
    """`{"memory": ..., "assumed": [...], "error": null}` for each (facts, error while reading them)."""
    worker: Worker | None = None
    known: dict[str, dict[str, Any]] = {}
    try:
        for facts, wrong in rows:
            if wrong:
                yield failed(wrong)
                continue
            try:
                plan = plan_of(facts)
                key = repr(plan.job)
                if key not in known:
                    worker = worker or Worker(python)
                    known[key] = worker.ask(plan.job, timeout)
                profile = profile_of(plan, known[key])
            except UnknownModelError as error:
                yield failed(f"model not known: {error}" if str(error) else "no model.name")
            except (ArchitectureError, SettingsError, PlanError) as error:
                yield failed(str(error))
            except WorkerError as error:
                if error.kind in ("time", "died") and worker is not None:
                    worker.close()
                    worker = None
                yield failed(str(error))
            else:
                yield {"memory": as_json(profile), "assumed": list(profile.assumed), "error": None}
    finally:
        if worker is not None:
            worker.close()


def failed(message: str) -> dict[str, Any]:
    """The answer of a row that could not be run."""
    return {"memory": None, "assumed": [], "error": message}
