"""What a leave-one-task-out study of warm starts says: costs, savings, and the map of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import Interval, interval
from ...benchmarks.metrics import spearman
from ...benchmarks.studies import Row
from ...benchmarks.training import KINDS, read_embedding, task_distances
from ...data.spaces import make_space
from .warm_start import METHODS, WarmStudy, functions, standard_error

Values = NDArray[np.float64]
Setting = tuple[float, float]

BEATEN = (0.0, 0.3, 0.6, 1.0)
DEARER = 0.05  # a setting is preferred whose dearest other task is no dearer than this


@dataclass(frozen=True)
class Trial:
    """What one search cost until it was as good as the cold one in the end.

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


class Ledger:
    """The rows of a study by what they are of.

    Parameters
    ----------
    study : WarmStudy
    rows : sequence of dict
        As ``run_warm_study`` returns them.
    """

    def __init__(self, study: WarmStudy, rows: Sequence[Row]) -> None:
        self.study, self.space = study, make_space(study.space)
        self.embed = {row["task"]: row for row in rows if row["kind"] == "embed"}
        self.cold = {(r["task"], r["seed"]): r for r in rows if r["kind"] == "cold"}
        self.distance = {(r["task"], r["seed"]): r for r in rows if r["kind"] == "distances"}
        warm = [row for row in rows if row["kind"] == "warm"]
        self.begun = {
            (r["task"], r["seed"], r["method"]): r for r in warm if r["until"] == study.gate
        }
        self.whole = {
            (r["task"], r["seed"], r["method"], r["strength"]): r
            for r in warm
            if r["until"] == study.epochs
        }
        self.open = {
            (r["task"], r["seed"], r["method"], r["strength"]): r
            for r in rows
            if r["kind"] == "open"
        }
        self.trained = {
            (r["task"], r["architecture"]): r["accuracies"] for r in rows if r["kind"] == "train"
        }
        self.shared = {
            (r["task"], r["architecture"]): r["accuracies"][0]
            for r in rows
            if r["kind"] == "shared"
        }
        self.tolerances = {task: self._tolerance(task) for task in study.tasks}
        self.epoch_seconds = {
            task: float(np.mean([self.cold[task, s]["seconds"] for s in range(study.seeds)]))
            / study.epochs
            for task in study.tasks
        }

    def runs(self, task: str, codes: Any) -> Values:
        """Return the accuracies of architectures, shape (architectures, trainings)."""
        texts = self.space.format(self.space.canonical(np.asarray(codes, dtype=np.int8)))
        return np.array([self.trained[task, text] for text in texts])

    def truths(self, task: str, codes: Any) -> Values:
        """Return the accuracies of architectures, the mean over their trainings."""
        return np.asarray(self.runs(task, codes).mean(axis=1))

    def _tolerance(self, task: str) -> float:
        """Return what of an accuracy may be noise of the trainings."""
        cold = [self.cold[task, seed]["codes"] for seed in range(self.study.seeds)]
        return standard_error(self.runs(task, functions(self.space, cold)))

    def goal(self, task: str, seed: int) -> float:
        """Return the least accuracy that is as good as what the cold search found."""
        last = self.truths(task, self.cold[task, seed]["codes"][-1:])[0]
        return float(last) - self.tolerances[task]

    def cold_trial(self, task: str, seed: int) -> Trial:
        """Return what the cold search cost."""
        found = self.truths(task, self.cold[task, seed]["codes"])
        first = self.study.looked[int((found >= self.goal(task, seed)).argmax())]
        each, epochs = self.epoch_seconds[task], self.study.epochs
        last = float(found[-1])
        return Trial(each * epochs, epochs, each * first, last, last, accepted=False, reached=True)

    def warm_trial(self, task: str, seed: int, method: str, setting: Setting) -> Trial:
        """Return what a warm search cost whose gate asks for so many beaten.

        One that asks for none is no gate: then the search begins from the donor, whose architecture
        is there before the first epoch, and nothing is spent to test it.
        """
        beaten, strength = setting
        begun = self.begun[task, seed, method]
        looking = self.embed[task]["seconds"] + self.distance[task, seed]["seconds"]
        if method == "random":  # looks at no task
            looking = 0.0
        if not beaten:
            return self._open_trial(task, seed, method, strength, looking)
        most = self.study.epochs
        if begun["beaten"] < beaten:
            cold = self.cold_trial(task, seed)
            extra = looking + begun["gate_seconds"]
            return Trial(
                cold.seconds + extra,
                most,
                cold.first_seconds + extra,
                cold.accuracy,
                cold.accuracy,
                accepted=False,
                reached=True,
            )
        goes_on = self.whole.get((task, seed, method, strength), begun)
        found = self.truths(task, goes_on["codes"])
        good = found >= self.goal(task, seed)
        where = int(good.argmax()) if good.any() else len(found) - 1
        epochs = self.study.looked[where] if good.any() else most + 1
        cost = looking + self._spent(task, begun, goes_on, epochs)
        last = float(found[where])
        return Trial(
            cost, epochs, cost, last, float(found[0]), accepted=True, reached=bool(good.any())
        )

    def _open_trial(
        self, task: str, seed: int, method: str, strength: float, looking: float
    ) -> Trial:
        """Return what a search without a gate cost, beside what was spent to find its donors."""
        # Nothing was searched where the donor's architecture was as good.
        row = self.open.get((task, seed, method, strength), self.begun[task, seed, method])
        found = self.truths(task, row["codes"])
        good = found >= self.goal(task, seed)
        where = int(good.argmax()) if good.any() else len(found) - 1
        epochs = (0, *self.study.looked)[where] if good.any() else self.study.epochs + 1
        each = row["seconds"] / row["epochs"]
        if not good.any():
            each = max(each, self.epoch_seconds[task])
        cost = looking + each * epochs
        last, reached = float(found[where]), bool(good.any())
        return Trial(cost, epochs, cost, last, float(found[0]), accepted=True, reached=reached)

    def _spent(self, task: str, begun: Row, whole: Row, epochs: int) -> float:
        """Return the processor time of a warm search and its gate until it had so many epochs.

        It is measured at the gate and at the end; all epochs between are taken to be alike.
        """
        gate, most = self.study.gate, self.study.epochs
        each = (whole["seconds"] - begun["seconds"]) / max(1, whole["epochs"] - gate)
        spent = begun["seconds"] + each * (epochs - gate)
        if epochs > most:  # never as good, if only because it diverged soon
            return float(max(spent, self.epoch_seconds[task] * epochs + begun["gate_seconds"]))
        return float(spent)

    def savings(self, task: str, method: str, setting: Setting) -> Values:
        """Return the share of the cold search's cost that was saved, for every seed."""
        return np.array(
            [
                1
                - self.warm_trial(task, seed, method, setting).seconds
                / self.cold_trial(task, seed).seconds
                for seed in range(self.study.seeds)
            ]
        )

    def choose(self, held_out: str, method: str) -> Setting:
        """Return the gate and the strength that were best on the other tasks.

        Among those of which no other task became dearer than by a twentieth, if there are any, the
        one that saved most.
        """
        others = [task for task in self.study.tasks if task != held_out]
        ranked = []
        for setting in product(BEATEN, self.study.strengths):
            means = [float(self.savings(task, method, setting).mean()) for task in others]
            ranked.append((min(*means, -DEARER), float(np.mean(means)), setting))
        return max(ranked, key=lambda entry: entry[:2])[2]


def summarise(study: WarmStudy, rows: Sequence[Row]) -> list[Row]:
    """Return what each method cost and saved on each task, and on average.

    Parameters
    ----------
    study : WarmStudy
    rows : sequence of dict
        As ``run_warm_study`` returns them.

    Returns
    -------
    list of dict
        One a task and method, ``cold`` first; those of task ``mean`` are over all tasks.
    """
    ledger = Ledger(study, rows)
    found: list[Row] = []
    pooled: dict[str, list[list[tuple[Trial, Trial]]]] = {m: [] for m in ("cold", *METHODS)}
    for task in study.tasks:
        cold = [ledger.cold_trial(task, seed) for seed in range(study.seeds)]
        for method in pooled:
            setting: Setting | None = None
            trials = cold
            if method != "cold":
                setting = ledger.choose(task, method)
                trials = [
                    ledger.warm_trial(task, seed, method, setting) for seed in range(study.seeds)
                ]
            pairs = list(zip(trials, cold, strict=True))
            pooled[method].append(pairs)
            donors = [
                ledger.begun[task, seed, method]["donor_label"]
                for seed in range(study.seeds)
                if setting
            ]
            about = {"task": ledger.embed[task]["label"], "method": method, "seeds": study.seeds}
            about |= {"beaten": setting and setting[0], "strength": setting and setting[1]}
            about |= {"donors": donors, "tolerance": ledger.tolerances[task]}
            found.append({**about, **_measures([[pair] for pair in pairs])})
    for method, tasks in pooled.items():
        about = {"task": "mean", "method": method, "seeds": study.seeds, "tasks": len(tasks)}
        worst = min(float(np.mean([1 - a.seconds / b.seconds for a, b in t])) for t in tasks)
        by_seed = [list(pairs) for pairs in zip(*tasks, strict=True)]
        found.append({**about, "worst_saving": worst, **_measures(by_seed)})
    return found


def _measures(groups: Sequence[Sequence[tuple[Trial, Trial]]]) -> dict[str, Any]:
    """Return the measured quantities of warm and cold trials, a mean for each group."""

    def over(value: Callable[[Trial, Trial], float]) -> Interval:
        return interval([float(np.mean([value(*pair) for pair in pairs])) for pairs in groups])

    return {
        "cost": over(lambda warm, _: warm.seconds),
        "cost_epochs": over(lambda warm, _: warm.epochs),
        "accuracy": over(lambda warm, _: warm.accuracy),
        "offered_accuracy": over(lambda warm, _: warm.offered),
        "cold_accuracy": over(lambda _, cold: cold.accuracy),
        "saving": over(lambda warm, cold: 1 - warm.seconds / cold.seconds),
        "saving_to_first": over(lambda warm, cold: 1 - warm.first_seconds / cold.first_seconds),
        "accepted": float(np.mean([a.accepted for pairs in groups for a, _ in pairs])),
        "reached": float(np.mean([a.reached for pairs in groups for a, _ in pairs])),
    }


def task_map(study: WarmStudy, rows: Sequence[Row]) -> dict[str, Any]:
    """Return how near tasks are by each distance, and how alike they rank architectures.

    Returns
    -------
    dict
        ``tasks``, the matrices ``fisher``, ``transport`` and ``rank_correlation`` (NaN with a task
        on which all are equal), and ``agreement``: Spearman's correlation of nearness with rank
        correlation over the other pairs, NaN where that is undefined.
    """
    ledger = Ledger(study, rows)
    embeddings = [read_embedding(ledger.embed[task]) for task in study.tasks]
    distances = {str(kind): task_distances(embeddings, kind) for kind in KINDS}
    texts = sorted({text for _, text in ledger.shared})
    values = np.array([[ledger.shared[task, t] for t in texts] for task in study.tasks])
    correlations = np.array([[spearman(a, b) for b in values] for a in values], dtype=float)
    pairs = np.isfinite(correlations) & np.tri(len(values), k=-1, dtype=bool)
    agreement = {
        kind: float(spearman(correlations[pairs], -found[pairs])) if pairs.sum() > 1 else np.nan
        for kind, found in distances.items()
    }
    return {
        "tasks": [ledger.embed[task]["label"] for task in study.tasks],
        **distances,
        "rank_correlation": correlations,
        "agreement": agreement,
    }


def best_method(summary: Sequence[Mapping[str, Any]]) -> str:
    """Return the method that saved most on average over the tasks, random donors left out."""
    means = {
        row["method"]: row["saving"]["mean"]
        for row in summary
        if row["task"] == "mean" and row["method"] not in ("cold", "random")
    }
    return str(max(means, key=lambda name: means[name]))
