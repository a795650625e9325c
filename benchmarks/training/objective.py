"""Training as an objective: what a search asks for is trained, kept, and becomes a table.

Used from Python: ``nasurge table build`` trains drawn architectures instead.
"""

from __future__ import annotations

import logging
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.arguments import checked
from ...data.images import Images
from ...data.spaces import Space
from ...data.tables import Table, check_table_name, keep_table
from ...errors import LabelError, OutOfMemoryError, ParameterError
from ..studies import (
    ERROR,
    FAILED,
    Row,
    SharedJournal,
    TrainedStudy,
    TrainingPlan,
    fingerprint,
    grouped,
    table_of_trainings,
    training_name,
)
from .recipe import Recipe

logger = logging.getLogger(__name__)


class TrainedObjective:
    """Validation accuracy after training, in percent: an objective for any search.

    Every training is kept in a folder the moment it is done. An architecture that is asked for
    again, by this search or a later one with the same folder, is not trained again.

    Parameters
    ----------
    space : Space
        One whose networks ``build_network`` builds.
    images : Images
    recipe : Recipe, optional
    seeds : int
        Each architecture is trained with the seeds 0, 1, ..., and its value is the mean.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    threads : int
        Torch threads of each training.
    jobs : int
        Processes on a CPU for the architectures of one call; a GPU trains one after the other.
    folder : Path, optional
        By default ``runs/trained-XXXXXXXX``.

    Raises
    ------
    ParameterError
        If the space has no networks, ``seeds`` is not positive, or ``folder`` holds other
        trainings.
    StorageError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> space, images = make_space("nb201"), load_images("digits", limit=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     objective = TrainedObjective(
    ...         space, images, Recipe(epochs=1, width=2, cells=1), device="cpu", folder=Path(folder)
    ...     )
    ...     values = objective(space.parse(["|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|"
    ...                                     "none~1|none~2|"]))
    >>> values.shape, len(objective.rows)
    ((1,), 1)
    """

    @checked
    def __init__(
        self,
        space: Space,
        images: Images,
        recipe: Recipe | None = None,
        *,
        seeds: int = 1,
        device: str = "auto",
        threads: int = 1,
        jobs: int = 1,
        folder: Path | None = None,
    ) -> None:
        if seeds < 1:
            raise ParameterError(f"seeds must be at least 1, not {seeds}")
        self.space, self.images, self.recipe = space, images, recipe or Recipe()
        self.seeds, self.jobs = seeds, jobs
        self.plan = TrainingPlan(space, images, self.recipe, device, threads)
        self.about = {"kind": TrainedStudy.kind, **self.plan.about()}
        self.folder = folder or Path("runs") / f"trained-{fingerprint(self.about)}"
        self._study = SharedJournal(self.folder, self.about)

    def __call__(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Value of each architecture, shape (n,).

        NaN where every training diverged, and where one could not be, such as for want of memory or
        because a layer does not fit what it receives: ``failures`` says so, and in which module.

        Raises
        ------
        ArchitectureError
            If a row of ``codes`` is not in the space.
        OutOfMemoryError
            If the device had no memory for any of them.
        ParameterError
            If none of them can be computed.
        WorkerError
            If a process died; what was trained before is kept.
        """
        rows = self.space.check(codes)
        units = TrainedStudy(self.plan, rows, seeds=self.seeds).units(self.folder)
        self._study.run(
            units,
            jobs=self.plan.jobs(self.jobs),
            whole=lambda rows: not any(FAILED in row for row in rows),
        )
        names = self.space.format(rows)
        failed = {name: why for name, why in self.failures.items() if name in names}
        if names and all(any(FAILED in run for run in self._runs(name)) for name in names):
            kinds = {run.get(ERROR) for name in names for run in self._runs(name)}
            kind = ParameterError if kinds == {ParameterError.__name__} else OutOfMemoryError
            raise kind(failed[names[0]])
        for why in failed.values():
            logger.warning("not trained: %s", why)
        return np.array([self._value(name) for name in names], dtype=np.float64)

    def _runs(self, name: str) -> list[Row]:
        """Row of every seed of an architecture."""
        return [self._study.done[training_name(name, seed)][0] for seed in range(self.seeds)]

    def _value(self, name: str) -> float:
        """Mean over the seeds that did not diverge."""
        runs = self._runs(name)
        if any(FAILED in run for run in runs):
            return float("nan")
        reached = [run["valid_accuracy"] for run in runs if not run["diverged"]]
        return float(np.mean(reached)) if reached else float("nan")

    @property
    def rows(self) -> list[dict[str, object]]:
        """All trainings of the folder, those of earlier searches too."""
        return [row for row in self._study.rows if FAILED not in row]

    @property
    def failures(self) -> dict[str, str]:
        """Why architectures have no value: the module that could not be computed, or diverged."""
        found: dict[str, str] = {}
        for name, runs in grouped(self._study.rows, "architecture").items():
            lacking = [run[FAILED] for run in runs if FAILED in run]
            if lacking:
                found[name] = lacking[0]
            elif all(run["diverged"] for run in runs):
                epochs, module = runs[0]["epochs"], runs[0].get("diverged_in") or "unknown"
                found[name] = (
                    f"architecture {name} diverged in epoch {epochs}: the first output that is not "
                    f"finite is that of {module}"
                )
        return found

    def keep_table(self, name: str, *, replace_existing: bool = False) -> Table:
        """Table of all that was trained with every seed, after it was kept under a name.

        It is loaded by its name, and predictors learn from it, as from any other table.

        Raises
        ------
        ParameterError
            If the name is taken or cannot be one.
        LabelError
            If nothing was trained.
        """
        check_table_name(name)
        rows = [row for row in self.rows if row["seed"] in range(self.seeds)]
        trained = grouped(rows, "architecture")
        whole = {text: runs for text, runs in trained.items() if len(runs) == self.seeds}
        if not whole:
            raise LabelError(f"{self.folder} has no trainings yet: call the objective first")
        kept = list(chain.from_iterable(whole.values()))
        codes = self.space.parse(list(whole))
        table = table_of_trainings(
            name, self.space, codes, kept, self.images, self.recipe, made=self.about
        )
        return keep_table(table, replace_existing=replace_existing)
