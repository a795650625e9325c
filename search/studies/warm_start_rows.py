"""Rows of a study of warm starts by what they are of, and what they say of architectures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...benchmarks.studies import Row
from ...benchmarks.training import read_embedding
from ...data.spaces import Codes, Space, make_space
from ...data.types import Values
from ..differentiable import Donor
from .options import WarmStartOptions
from .warm_start_units import supernet_sizes


class WarmStartRows:
    """Rows of a study by what they are of, and the accuracies that they measured.

    Parameters
    ----------
    options : WarmStartOptions
        With the tasks' names.
    rows : iterable of dict
        Each with its ``kind``.
    """

    def __init__(self, options: WarmStartOptions, rows: Iterable[Row]) -> None:
        self.options, self.space = options, make_space(options.space)
        self.embedded: dict[str, Row] = {}
        self.cold: dict[tuple[str, int], Row] = {}
        self.distances: dict[tuple[str, int], Row] = {}
        self.at_gate: dict[tuple[str, int, str], Row] = {}
        self.gated: dict[tuple[str, int, str, float], Row] = {}
        self.open: dict[tuple[str, int, str, float], Row] = {}
        self.trained: dict[tuple[str, str], list[float]] = {}
        self.shared: dict[tuple[str, str], float] = {}
        self._tolerances: dict[str, float] = {}
        for row in rows:
            self._sort(row)

    def _sort(self, row: Row) -> None:
        """Put a row where it belongs."""
        kind, task = row["kind"], row["task"]
        if kind == "embed":
            self.embedded[task] = row
        elif kind in ("cold", "distances"):
            (self.cold if kind == "cold" else self.distances)[task, row["seed"]] = row
        elif kind == "open":
            self.open[task, row["seed"], row["method"], row["strength"]] = row
        elif kind == "warm" and row["until"] == self.options.gate:
            self.at_gate[task, row["seed"], row["method"]] = row
        elif kind == "warm" and row["until"] == self.options.epochs:
            self.gated[task, row["seed"], row["method"], row["strength"]] = row
        elif kind == "train":
            self.trained[task, row["architecture"]] = row["accuracies"]
        elif kind == "shared":
            self.shared[task, row["architecture"]] = row["accuracies"][0]

    def runs(self, task: str, codes: Any) -> Values:
        """Accuracies of architectures, shape (architectures, trainings)."""
        texts = self.space.format(self.space.canonical(np.asarray(codes, dtype=np.int8)))
        return np.array([self.trained[task, text] for text in texts])

    def accuracies(self, task: str, codes: Any) -> Values:
        """Mean accuracies of architectures over their trainings, shape (architectures,)."""
        return np.asarray(self.runs(task, codes).mean(axis=1))

    def tolerance(self, task: str) -> float:
        """Standard error of an accuracy, by the trainings of what the cold searches found."""
        if task not in self._tolerances:
            cold = [self.cold[task, seed]["codes"] for seed in range(self.options.seeds)]
            runs = self.runs(task, _different_codes(self.space, cold))
            error = np.sqrt(runs.var(axis=1, ddof=1).mean() / runs.shape[1])
            self._tolerances[task] = float(error)
        return self._tolerances[task]

    def goal(self, task: str, seed: int) -> float:
        """Least accuracy that is as good as what the cold search found."""
        last = self.accuracies(task, self.cold[task, seed]["codes"][-1:])[0]
        return float(last) - self.tolerance(task)

    def as_good(self, task: str, seed: int, codes: Any) -> bool:
        """Whether one of some architectures is as good as what the cold search found."""
        return bool((self.accuracies(task, codes) >= self.goal(task, seed)).any())

    def donor(self, task: str, seed: int) -> Donor:
        """Result of a cold search, for searches on other tasks."""
        row = self.cold[task, seed]
        code = np.array(row["codes"][-1:], dtype=np.int8)
        return Donor(
            task=task,
            space=self.options.space,
            sizes=supernet_sizes(self.options),
            shares=np.array(row["shares"]),
            architecture=self.space.format(code)[0],
            accuracy=float(self.runs(task, code).mean()),
            seconds=row["seconds"],
            steps=row["steps"],
            embedding=read_embedding(self.embedded[task]),
        )


def _different_codes(space: Space, searches: Iterable[Any]) -> Codes:
    """Canonical rows of what some searches came by, each function once, in a fixed order."""
    codes = np.concatenate([np.array(search, dtype=np.int8) for search in searches])
    return np.unique(space.canonical(codes), axis=0)
