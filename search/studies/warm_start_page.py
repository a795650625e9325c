"""A study of warm starts from its settings to what a person reads: summary and task map."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...benchmarks.studies import (
    Progress,
    draw_task_map,
    fingerprint,
    jsonable,
    versions,
    write_rows,
)
from ...data.files import atomic_write
from .warm_start import WarmStudy, run_warm_study
from .warm_start_summary import summarise, task_map


def warm_start_study(
    study: WarmStudy,
    folder: Path | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a leave-one-task-out study of warm starts, and write what it says beside it.

    Parameters
    ----------
    study : WarmStudy
    folder : Path, optional
        By default ``runs/warm-start-XXXXXXXX``, named by what is run.
    jobs : int
        Processes.
    progress : callable, optional

    Returns
    -------
    dict
        ``summary``, a row for every task and method; ``task_map``; the path of ``picture``; and
        that of ``rows``, the trainings.

    Raises
    ------
    NasurgeError
        As ``run_warm_study``.
    """
    digest = fingerprint({**asdict(study), "versions": versions()})
    place = folder or Path("runs") / f"warm-start-{digest}"
    rows = run_warm_study(study, place, jobs=jobs, progress=progress)
    near = task_map(study, rows)
    found = {"summary": summarise(study, rows), "task_map": near}
    trained = [row for row in rows if row["kind"] in ("train", "shared")]
    _write(place / "task_map.svg", draw_task_map(near))
    _write(place / "summary.json", json.dumps(jsonable(found), indent=1))
    path = write_rows(place, trained)
    return {**found, "picture": str(place / "task_map.svg"), "rows": str(path)}


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
