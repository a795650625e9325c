"""Markdown table of a study of ``nasurge compare``, of all units it has, finished or not.

Run as ``python tests/measured/family_table.py FOLDER nb201/cifar10,nb201/cifar100``: a row per
predictor, and for each task tau at every number of labels, then unseen functions and the top 5 % at
``-n`` labels. With ``--wide``, for many tasks: tau of each at ``-n`` labels and the mean over them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from nasurge.benchmarks.studies.comparing import summary_of
from nasurge.benchmarks.studies.journal import read_units

Row = dict[str, Any]
Cells = dict[tuple[str, int, str], dict[bool, Row]]
"""Per task, number of labels and predictor: over all others, and over unseen functions."""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--trials", type=int, default=10**6, help="use the first trials only")
    parser.add_argument("--wide", action="store_true")
    given = parser.parse_args()
    rows = [row for unit in read_units(given.folder).values() for row in unit]
    cells: Cells = {}
    for entry in summary_of([row for row in rows if row["trial"] < given.trials], {}):
        key = f"{entry['table']}/{entry['task']}", entry["n_train"], entry["predictor"]
        cells.setdefault(key, {})[entry["unseen_functions_only"]] = entry
    make = _wide if given.wide else _by_size
    print(make(cells, given.tasks.split(","), given.n))


def _table(header: list[str], body: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(measured: Row) -> str:
    """Return a mean, with half of its interval where there are trials enough for one.

    A predictor that scored all architectures alike in a trial has no correlation.
    """
    if measured["mean"] is None:
        return "none"
    mean = f"{measured['mean']:.3f}".replace("0.", ".", 1)
    if measured["n"] < 3:
        return mean
    return mean + f" ± {(measured['high'] - measured['low']) / 2:.3f}".replace("0.", ".", 1)


def _seconds(entry: Row) -> str:
    return f"{entry['fit_seconds']['mean'] + entry['predict_seconds']['mean']:.1f}"


def _by_size(cells: Cells, tasks: list[str], n: int) -> str:
    """Return tau of each task at every number of labels, unseen functions and the top 5 %."""
    sizes = sorted({key[1] for key in cells if key[0] in tasks})
    body = []
    for name in _ranked(cells, tasks, n):
        line = [f"`{name}`"]
        for task in tasks:
            found = [cells.get((task, size, name)) for size in sizes]
            line += [_shown(pair[False]["kendall_tau"]) if pair else "" for pair in found]
            pair = cells[task, n, name]
            top = pair[False]["kendall_tau_top5"]["mean"]
            line += [_shown(pair[True]["kendall_tau"]), f"{top:.2f}"]
        body.append([*line, _seconds(cells[tasks[0], n, name][False])])
    labels = [*map(str, sizes), f"unseen, {n}", f"top 5 %, {n}"]
    columns = [f"{task.split('/')[1]} {label}" for task in tasks for label in labels]
    return _table(["predictor", *columns, "s"], body)


def _wide(cells: Cells, tasks: list[str], n: int) -> str:
    """Return tau of each task at ``n`` labels, and the mean over tasks at every number."""
    sizes = sorted({key[1] for key in cells if key[0] in tasks})
    body = []
    for name in _ranked(cells, tasks, n):
        taus = [_shown(cells[task, n, name][False]["kendall_tau"]) for task in tasks]
        means = [_mean(cells, tasks, size, name) for size in sizes]
        shown = ["" if mean is None else f"{mean:.3f}".replace("0.", ".", 1) for mean in means]
        body.append([f"`{name}`", *taus, *shown, _seconds(cells[tasks[0], n, name][False])])
    labels = [task.split("/")[1] for task in tasks] + [f"mean, {size}" for size in sizes]
    return _table(["predictor", *labels, "s"], body)


def _mean(cells: Cells, tasks: list[str], size: int, name: str) -> float | None:
    """Return the mean tau over the tasks, None where one was not measured or has none."""
    if any((task, size, name) not in cells for task in tasks):
        return None
    taus = [cells[task, size, name][False]["kendall_tau"]["mean"] for task in tasks]
    return None if None in taus else float(np.mean(taus))


def _ranked(cells: Cells, tasks: list[str], n: int) -> list[str]:
    """Return the predictors measured on all the tasks at ``n`` labels, best mean first."""
    scores = {name: _mean(cells, tasks, n, name) for name in {key[2] for key in cells}}
    known = {name: score for name, score in scores.items() if score is not None}
    return sorted(known, key=lambda name: (-known[name], name))


if __name__ == "__main__":
    main()
