"""Markdown tables of a study of ``nasurge compare``, of all trials it has, finished or not.

Run as ``python tests/benchmarks/family_table.py FOLDER nb201/cifar10``: a row per predictor, a
column per number of labels. Several tasks, separated by commas, make a table of each task's tau at
``-n`` labels and of the mean over the tasks at every number.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from nasurge.benchmarks.protocol import summarise
from nasurge.benchmarks.study import read_units

Row = dict[str, Any]
Cells = dict[tuple[str, int, str], dict[bool, Row]]
"""Per task, number of labels and predictor: over all others, and over unseen functions."""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks")
    parser.add_argument("-n", type=int, default=100, help="labels of the columns of single tasks")
    given = parser.parse_args()
    rows = [row for unit in read_units(given.folder).values() for row in unit]
    cells: Cells = {}
    for entry in summarise(rows, {}):
        key = f"{entry['table']}/{entry['task']}", entry["n_train"], entry["predictor"]
        cells.setdefault(key, {})[entry["unseen_functions_only"]] = entry
    tasks = given.tasks.split(",")
    if len(tasks) == 1:
        print(_one_task(cells, tasks[0], given.n))
    else:
        print(_many_tasks(cells, tasks, given.n))


def _number(x: float) -> str:
    """Return a correlation with three places and without the zero before the point."""
    return f"{x:.3f}".replace("0.", ".", 1)


def _table(header: list[str], body: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _seconds(entries: list[Row]) -> str:
    spent = [e["fit_seconds"]["mean"] + e["predict_seconds"]["mean"] for e in entries]
    return f"{np.mean(spent):.1f}"


def _one_task(cells: Cells, task: str, n: int) -> str:
    """Return tau ± half an interval, unseen functions and the top 5 % at every number of labels."""
    sizes = sorted({key[1] for key in cells if key[0] == task})
    body = []
    for name in _ranked(cells, [task], n):
        found = [cells.get((task, size, name)) for size in sizes]
        line = [_cell(pair) if pair else "" for pair in found]
        body.append([f"`{name}`", *line, _seconds([cells[task, n, name][False]])])
    return _table(["predictor", *(f"n = {size}" for size in sizes), "s"], body)


def _cell(pair: dict[bool, Row]) -> str:
    every, unseen = pair[False], pair[True]
    tau, top = every["kendall_tau"], every["kendall_tau_top5"]["mean"]
    half = "" if tau["high"] is None else f" ± {_number((tau['high'] - tau['low']) / 2)}"
    return f"{_number(tau['mean'])}{half}, {_number(unseen['kendall_tau']['mean'])}, {top:.2f}"


def _many_tasks(cells: Cells, tasks: list[str], n: int) -> str:
    """Return tau of each task at ``n`` labels, and the mean over tasks at every number."""
    sizes = sorted({key[1] for key in cells if key[0] in tasks})
    body = []
    for name in _ranked(cells, tasks, n):
        own = [cells[task, n, name][False] for task in tasks]
        means = [_mean(cells, tasks, size, name) for size in sizes]
        shown = ["" if mean is None else _number(mean) for mean in means]
        taus = [_number(entry["kendall_tau"]["mean"]) for entry in own]
        body.append([f"`{name}`", *taus, *shown, _seconds(own)])
    labels = [task.split("/")[1] for task in tasks] + [f"mean, {size}" for size in sizes]
    return _table(["predictor", *labels, "s"], body)


def _mean(cells: Cells, tasks: list[str], size: int, name: str) -> float | None:
    """Return the mean tau over the tasks, None where one was not measured."""
    if any((task, size, name) not in cells for task in tasks):
        return None
    taus = [cells[task, size, name][False]["kendall_tau"]["mean"] for task in tasks]
    return float(np.mean(taus))


def _ranked(cells: Cells, tasks: list[str], n: int) -> list[str]:
    """Return the predictors measured on all the tasks, best first."""
    names = {key[2] for key in cells}
    scores = {name: _mean(cells, tasks, n, name) for name in names}
    return sorted((k for k in names if scores[k] is not None), key=lambda k: -(scores[k] or 0))


if __name__ == "__main__":
    main()
