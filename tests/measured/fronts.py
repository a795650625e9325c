"""Our searches for several objectives beside Optuna's samplers on plain categoricals.

Run as ``python tests/measured/fronts.py --trials 10``. Prints Markdown rows: the share of the
true front's hypervolume after 25, 50, 100 and 200 different architectures, as far as the budget
goes, and processor seconds of the search. An architecture that Optuna suggests again is looked up
and not counted. ``prednas-without-ascent`` is PredNAS with relaxed architectures that never move.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import optuna

import nasurge
from nasurge.benchmarks.intervals import interval
from nasurge.benchmarks.objectives import parse_problems
from nasurge.benchmarks.quantities import ManyObjectives, many_objectives
from nasurge.benchmarks.studies import interval_text
from nasurge.data.devices import one_thread
from nasurge.search.loop import run
from nasurge.search.pareto import Scale, front_history, hypervolume_curve, non_dominated

MARKS = (25, 50, 100, 200)
WITHOUT = "-without-ascent"


def ours(name: str, problem: ManyObjectives, seed: int, budget: int) -> np.ndarray:
    """Return the values of all evaluations, in their order."""
    still = {"learning_rate": 1e-9} if name.endswith(WITHOUT) else {}
    searcher = nasurge.make_searcher(
        name.removesuffix(WITHOUT),
        problem.space,
        n_objectives=len(problem.objectives),
        seed=seed,
        **still,
    )
    return run(searcher, problem.search, budget=budget, batch=5).values


def theirs(name: str, problem: ManyObjectives, seed: int, budget: int) -> np.ndarray:
    """Return the values of different architectures, in the order of their suggestion."""
    make = {
        "optuna-nsga2": lambda: optuna.samplers.NSGAIISampler(population_size=20, seed=seed),
        "optuna-tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "optuna-gp": lambda: optuna.samplers.GPSampler(seed=seed),
    }[name]
    columns = len(problem.objectives)
    study = optuna.create_study(directions=["maximize"] * columns, sampler=make())
    found: dict[tuple[int, ...], np.ndarray] = {}
    for _ in range(20 * budget):
        trial = study.ask()
        code = tuple(
            trial.suggest_categorical(f"x{k}", list(range(c)))
            for k, c in enumerate(problem.space.cardinalities)
        )
        values = problem.search(np.array([code]))[0]
        found.setdefault(code, values)
        study.tell(trial, values.tolist())
        if len(found) == budget:
            break
    return np.stack(list(found.values()))


def main() -> None:
    """Compare them on one task whose table holds the whole space."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="nb201-analog/cifar10")
    parser.add_argument("--objectives", default="accuracy,flops")
    parser.add_argument("--searches", default="random,nsga2,smem-nas,nat,optuna-nsga2,optuna-tpe")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--budget", type=int, default=MARKS[-1])
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (task,) = parse_problems(given.task)
    problem = many_objectives(task, given.objectives.split(","))
    front = problem.search_values[non_dominated(problem.search_values)]
    scale = Scale.of(front)
    whole = scale.hypervolume(front)
    for name in given.searches.split(","):
        search = theirs if name.startswith("optuna-") else ours
        shares, seconds = [], []
        for seed in range(given.trials):
            start = time.process_time()
            with one_thread():
                values = search(name, problem, seed, given.budget)
            seconds.append(time.process_time() - start)
            curve = hypervolume_curve(values, front_history(values), scale) / whole
            marks = [mark for mark in MARKS if mark <= given.budget]
            shares.append([curve[min(mark, len(curve)) - 1] for mark in marks])
        cells = " | ".join(interval_text(interval(column)) for column in np.array(shares).T)
        print(f"| {name} | {cells} | {np.mean(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
