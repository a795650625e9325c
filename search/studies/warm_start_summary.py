"""What the rows of a study of warm starts say: accuracies, costs, savings, and the map of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ...benchmarks.intervals import Interval, interval
from ...benchmarks.metrics import spearman
from ...benchmarks.studies import Row, grouped
from ...benchmarks.training import KINDS, read_embedding, task_distances
from ...data.spaces import Codes, Space, make_space
from ...data.types import Values
from ..differentiable import Donor
from .names import WARM_START_METHODS
from .options import WarmStartOptions
from .warm_start_units import looked_epochs, supernet_sizes


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
        self._tolerances: dict[str, float] = {}
        self._rows = grouped(rows, "kind")
        trial, trained = ("task", "seed"), ("task", "architecture")
        start = (*trial, "method")
        self.embedded = self._by("embed", "task")
        self.cold, self.distances = self._by("cold", *trial), self._by("distances", *trial)
        self.at_gate = self._by("warm", *start, until=options.gate)
        self.gated = self._by("warm", *start, "strength", until=options.epochs)
        self.open = self._by("open", *start, "strength")
        self.trained = {k: row["accuracies"] for k, row in self._by("train", *trained).items()}
        self.shared = {k: row["accuracies"][0] for k, row in self._by("shared", *trained).items()}

    def _by(self, kind: str, *columns: str, until: int | None = None) -> dict[Any, Row]:
        """Last row of a kind for each case, by the values of its columns."""
        rows = (row for row in self._rows.get(kind, ()) if until in (None, row.get("until")))
        return {case: members[-1] for case, members in grouped(rows, *columns).items()}

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


Setting = tuple[float, float]
"""Share of random architectures that the gate asks a donor to beat, and strength of the start."""

MEAN = "mean"
"""Stands for all tasks together in a summary."""
BEATEN = (0.0, 0.3, 0.6, 1.0)
DEARER = 0.05  # a setting is preferred whose dearest other task is no dearer than this


@dataclass(frozen=True)
class SearchCost:
    """Cost of one search until it was as good as the cold one in the end.

    Attributes
    ----------
    seconds : float
        Of the processor, with embedding, distances and gate, where there is one.
    epochs : int
        0 where a trusted donor's architecture was as good; one more than the cold search has where
        the accuracy was never reached.
    first_seconds : float
        The same for a refused donor, whose search is the cold one, until that was first as good.
    accuracy : float
        Of the architecture then.
    offered : float
        Of the donor's architecture, which the gate lets pass; else of the cold search's last.
    accepted, reached : bool
    """

    seconds: float
    epochs: int
    first_seconds: float
    accuracy: float
    offered: float
    accepted: bool
    reached: bool


class SearchCosts:
    """Costs of cold and warm searches.

    Parameters
    ----------
    rows : WarmStartRows
        Of a finished study.
    """

    def __init__(self, rows: WarmStartRows) -> None:
        self.rows, self.options = rows, rows.options
        self.looked = looked_epochs(self.options)
        self.epoch_seconds = {
            task: float(np.mean([rows.cold[task, s]["seconds"] for s in range(self.options.seeds)]))
            / self.options.epochs
            for task in self.options.tasks
        }

    def cold(self, task: str, seed: int) -> SearchCost:
        """Cost of the cold search: all its epochs."""
        accuracies = self.rows.accuracies(task, self.rows.cold[task, seed]["codes"])
        first = self.looked[int((accuracies >= self.rows.goal(task, seed)).argmax())]
        each, epochs = self.epoch_seconds[task], self.options.epochs
        last = float(accuracies[-1])
        return SearchCost(
            each * epochs, epochs, each * first, last, last, accepted=False, reached=True
        )

    def warm(self, task: str, seed: int, method: str, setting: Setting) -> SearchCost:
        """Cost of a search from a donor, by the setting of its gate and start.

        A gate that asks for none beaten is no gate: then the search begins from the donor, whose
        architecture is there before the first epoch, and nothing is spent to test it.
        """
        rows, (beaten, strength) = self.rows, setting
        begun, looked = rows.at_gate[task, seed, method], self.looked
        looking = rows.embedded[task]["seconds"] + rows.distances[task, seed]["seconds"]
        if method == "random":  # looks at no task
            looking = 0.0
        if begun["beaten"] < beaten:
            cold, extra = self.cold(task, seed), looking + begun["gate_seconds"]
            first = cold.first_seconds + extra
            return replace(cold, seconds=cold.seconds + extra, first_seconds=first)
        if not beaten:
            looked = (0, *looked)
        # Nothing more was searched where what had been found was as good.
        searches = rows.gated if beaten else rows.open
        whole = searches.get((task, seed, method, strength), begun)
        epochs, accuracies, where = self._reached(task, seed, whole["codes"], looked)
        spent = self._spent if beaten else self._spent_open
        cost = looking + spent(task, begun, whole, epochs)
        return SearchCost(
            cost,
            epochs,
            cost,
            float(accuracies[where]),
            float(accuracies[0]),
            accepted=True,
            reached=epochs <= self.options.epochs,
        )

    def _reached(
        self, task: str, seed: int, codes: Any, looked: Sequence[int]
    ) -> tuple[int, Values, int]:
        """Epochs until a search was as good, the accuracies it came by, and which of them it was.

        One epoch more than there are, and the last, if it never was.
        """
        accuracies = self.rows.accuracies(task, codes)
        good = accuracies >= self.rows.goal(task, seed)
        if not good.any():
            return self.options.epochs + 1, accuracies, len(accuracies) - 1
        where = int(good.argmax())
        return looked[where], accuracies, where

    def _spent(self, task: str, begun: Row, whole: Row, epochs: int) -> float:
        """Processor time of a warm search and its gate until it had so many epochs.

        It is measured at the gate and at the end; all epochs between are taken to be alike.
        """
        gate, most = self.options.gate, self.options.epochs
        each = (whole["seconds"] - begun["seconds"]) / max(1, whole["epochs"] - gate)
        spent = begun["seconds"] + each * (epochs - gate)
        if epochs > most:  # never as good, if only because it diverged soon
            return float(max(spent, self.epoch_seconds[task] * epochs + begun["gate_seconds"]))
        return float(spent)

    def _spent_open(self, task: str, begun: Row, whole: Row, epochs: int) -> float:  # noqa: ARG002
        """Processor time of a search without a gate until it had so many epochs."""
        each = float(whole["seconds"] / whole["epochs"])
        if epochs > self.options.epochs:
            each = max(each, self.epoch_seconds[task])
        return each * epochs

    def savings(self, task: str, method: str, setting: Setting) -> Values:
        """Share of the cold search's cost that was saved, shape (seeds,)."""
        seeds = range(self.options.seeds)
        warm = [self.warm(task, seed, method, setting).seconds for seed in seeds]
        return 1 - np.array(warm) / [self.cold(task, seed).seconds for seed in seeds]

    def best_setting(self, held_out: str, method: str) -> Setting:
        """Setting of gate and start that was best on the other tasks.

        Among those of which no other task became dearer than by a twentieth, if there are any, the
        one that saved most.
        """
        others = [task for task in self.options.tasks if task != held_out]
        ranked = []
        for setting in product(BEATEN, self.options.strengths):
            means = [float(self.savings(task, method, setting).mean()) for task in others]
            ranked.append((min(*means, -DEARER), float(np.mean(means)), setting))
        return max(ranked, key=lambda entry: entry[:2])[2]


Pair = tuple[SearchCost, SearchCost]
"""A warm search and the cold one of its task and seed."""


def summarise_savings(rows: WarmStartRows) -> list[Row]:
    """Costs and savings of each method on each task, and on average.

    Returns
    -------
    list of dict
        One a task and method, ``cold`` first; those of task ``mean`` are over all tasks.
    """
    options, costs = rows.options, SearchCosts(rows)
    summary: list[Row] = []
    pooled: dict[str, list[list[Pair]]] = {m: [] for m in ("cold", *WARM_START_METHODS)}
    seeds = range(options.seeds)
    for task in options.tasks:
        cold = [costs.cold(task, seed) for seed in seeds]
        for method in pooled:
            setting: Setting | None = None
            trials = cold
            if method != "cold":
                setting = costs.best_setting(task, method)
                trials = [costs.warm(task, seed, method, setting) for seed in seeds]
            pairs = list(zip(trials, cold, strict=True))
            pooled[method].append(pairs)
            donors = [rows.at_gate[task, s, method]["donor_label"] for s in seeds if setting]
            about = {"task": rows.embedded[task]["label"], "method": method, "seeds": options.seeds}
            about |= {"beaten": setting and setting[0], "strength": setting and setting[1]}
            about |= {"donors": donors, "tolerance": rows.tolerance(task)}
            summary.append({**about, **_measures([[pair] for pair in pairs])})
    for method, tasks in pooled.items():
        about = {"task": MEAN, "method": method, "seeds": options.seeds, "tasks": len(tasks)}
        worst = min(float(np.mean([1 - a.seconds / b.seconds for a, b in t])) for t in tasks)
        by_seed = [list(pairs) for pairs in zip(*tasks, strict=True)]
        summary.append({**about, "worst_saving": worst, **_measures(by_seed)})
    return summary


def _measures(groups: Sequence[Sequence[Pair]]) -> dict[str, Any]:
    """Measured quantities of warm and cold searches, a mean for each group."""

    def over(
        value: Callable[[SearchCost, SearchCost], float], least: float, most: float
    ) -> Interval:
        means = [float(np.mean([value(*pair) for pair in pairs])) for pairs in groups]
        return interval(means, least=least, most=most)

    return {
        "cost": over(lambda warm, _: warm.seconds, 0, np.inf),
        "cost_epochs": over(lambda warm, _: warm.epochs, 0, np.inf),
        "accuracy": over(lambda warm, _: warm.accuracy, 0, 100),
        "offered_accuracy": over(lambda warm, _: warm.offered, 0, 100),
        "cold_accuracy": over(lambda _, cold: cold.accuracy, 0, 100),
        "saving": over(lambda warm, cold: 1 - warm.seconds / cold.seconds, -np.inf, 1),
        "saving_to_first": over(
            lambda warm, cold: 1 - warm.first_seconds / cold.first_seconds, -np.inf, 1
        ),
        "accepted": float(np.mean([a.accepted for pairs in groups for a, _ in pairs])),
        "reached": float(np.mean([a.reached for pairs in groups for a, _ in pairs])),
    }


def tasks_and_ranks(rows: WarmStartRows) -> dict[str, Any]:
    """Nearness of tasks by each distance, and how alike they rank architectures.

    Returns
    -------
    dict
        ``tasks``, the matrices ``fisher``, ``transport`` and ``rank_correlation`` (NaN with a task
        on which all are equal), and ``agreement``: Spearman's correlation of nearness with rank
        correlation over the other pairs, NaN where that is undefined.
    """
    tasks = rows.options.tasks
    embeddings = [read_embedding(rows.embedded[task]) for task in tasks]
    distances = {str(kind): task_distances(embeddings, kind) for kind in KINDS}
    texts = sorted({text for _, text in rows.shared})
    values = np.array([[rows.shared[task, text] for text in texts] for task in tasks])
    correlations = np.array([[spearman(a, b) for b in values] for a in values], dtype=float)
    pairs = np.isfinite(correlations) & np.tri(len(values), k=-1, dtype=bool)
    agreement = {
        kind: float(spearman(correlations[pairs], -near[pairs])) if pairs.sum() > 1 else np.nan
        for kind, near in distances.items()
    }
    return {
        "tasks": [rows.embedded[task]["label"] for task in tasks],
        **distances,
        "rank_correlation": correlations,
        "agreement": agreement,
    }
