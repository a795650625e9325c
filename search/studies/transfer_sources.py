"""Earlier tasks that a command line names: tasks of tables, and files of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...benchmarks.objectives import Problem, parse_problems
from ...benchmarks.studies import fingerprint, listed
from ...data.tables import TaskLabels, read_task_labels
from ...errors import ParameterError
from ...predictors.transfer import Elsewhere
from ..across_tables import on_same_data


class EarlierLabels(NamedTuple):
    """Labels of earlier tasks."""

    same: TaskLabels
    """Of architectures of the new task's space."""
    others: list[Elsewhere]
    """Of other spaces."""


@dataclass(frozen=True, eq=False)
class Source:
    """Earlier tasks: one of a table, of which labels are drawn, or a file, used whole."""

    name: str
    content: Problem | TaskLabels

    @property
    def digest(self) -> str:
        """Text that tells its content from another's."""
        if isinstance(self.content, Problem):
            return self.content.table.digest
        return fingerprint(self.content._asdict())

    def draw(self, n: int, rng: np.random.Generator) -> TaskLabels:
        """Labels of a task's architectures, ``n`` drawn at random; all labels of a file."""
        content = self.content
        if not isinstance(content, Problem):
            # Two files may call different tasks the same.
            return content._replace(tasks=np.char.add(f"{self.name}/", content.tasks))
        rows = rng.choice(len(content.rows), min(n, len(content.rows)), replace=False)
        names = np.full(len(rows), self.name)
        return TaskLabels(content.codes[rows], content.report_values[rows], names)


def parse_sources(
    sources: str, target: str, *, metric: str | None = None
) -> tuple[list[Source], Problem]:
    """Earlier tasks and the new one, as named on a command line.

    Parameters
    ----------
    sources : str
        ``TABLE/TASK``, ``TABLE`` (all its tasks but the new one and those on its data set) or
        ``FILE.npz``, several separated by commas; one that is named twice counts once.
    target : str
        ``TABLE/TASK``.
    metric : str, optional
        As ``make_problem``.

    Raises
    ------
    ParameterError
        If the new task is among the earlier ones by name, is not one, or none is left.
    UnknownNameError, SchemaError, LabelError, StorageError, DataFileError
        As ``parse_problems`` and ``read_task_labels``.
    """
    targets = parse_problems(target, metric=metric)
    if len(targets) != 1:
        raise ParameterError(f"--to names one task, TABLE/TASK; {target!r} are {len(targets)}")
    problem = targets[0]
    names = list(dict.fromkeys(listed(sources)))
    stems = [Path(name).stem for name in names]
    parsed: dict[str, Source] = {}
    for name, stem in zip(names, stems, strict=True):
        if name.endswith(".npz"):
            unique = stem if stems.count(stem) == 1 else name
            parsed[unique] = Source(unique, read_task_labels(name, problem.space))
            continue
        if name == problem.address:
            raise ParameterError(f"{name} is the new task: it cannot be an earlier one too")
        several = parse_problems(name, metric=metric)
        if "/" not in name:
            several = [p for p in several if not on_same_data(p, problem)]
        parsed |= {p.address: Source(p.address, p) for p in several}
    if not parsed:
        raise ParameterError(
            f"no earlier task is left of {sources!r}: give TABLE/TASK of other data, or FILE.npz"
        )
    return list(parsed.values()), problem


def draw_labels(
    sources: Sequence[Source], target: Problem, n: int, *, seed: int, trial: int
) -> EarlierLabels:
    """Labels of all earlier tasks in a trial, ``n`` of each that is of a table."""
    nothing = TaskLabels(target.codes[:0], np.empty(0), np.empty(0, dtype=str))
    same, others = [nothing], []
    for k, source in enumerate(sources):
        labels = source.draw(n, np.random.default_rng([seed, trial, k]))
        if isinstance(source.content, Problem) and source.content.space != target.space:
            others.append(Elsewhere(source.content.space, *labels))
        else:
            same.append(labels)
    parts = (np.concatenate(part) for part in zip(*same, strict=True))
    return EarlierLabels(TaskLabels(*parts), others)
