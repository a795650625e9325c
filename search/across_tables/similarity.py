"""How alike the tasks of a table are: over all architectures, and by a few shared anchors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...benchmarks.metrics import spearman
from ...benchmarks.objectives import make_problem
from ...benchmarks.studies import COLOURS, Panel, Picture, draw_matrix, scatter_named, span
from ...data.arguments import checked
from ...data.seeds import Seed, as_generator
from ...data.tables import Table
from ...data.types import Values
from ...errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@checked
def task_similarities(table: Table, *, anchors: int = 30, seed: Seed = 0) -> dict[str, Any]:
    """Rank correlations of a table's tasks, and a map of them by a few anchors.

    Parameters
    ----------
    table : Table
    anchors : int
        Architectures that were measured on every task, drawn uniformly: their values embed a task.
    seed : int, Generator or None

    Returns
    -------
    dict
        ``tasks``; ``correlations``, Spearman's of the searched values over all architectures that
        two tasks share; ``distances``, one minus that over the anchors; ``places``, two coordinates
        of each task whose distances come near to these; and ``agreement``, Spearman's correlation,
        over pairs of tasks, of the measured correlations and the distances negated (None for fewer
        than three tasks).

    Raises
    ------
    ParameterError
        If fewer than five architectures were measured on every task.

    Examples
    --------
    >>> import nasurge
    >>> found = task_similarities(nasurge.load_table("nbgraph"))
    >>> len(found["tasks"]), found["anchors"]
    (9, 30)
    """
    values = np.full((len(table.tasks), len(table)), np.nan)
    for row, task in enumerate(table.tasks):
        problem = make_problem(table, task)
        values[row, problem.rows] = problem.search_values
    shared = np.flatnonzero(np.isfinite(values).all(axis=0))
    if anchors < 2:
        raise ParameterError(f"anchors must be at least 2, received {anchors}")
    if len(shared) < 5:
        raise ParameterError(
            f"{len(shared)} architectures of {table.name!r} were measured on all of its tasks: a "
            "map needs five"
        )
    drawn = as_generator(seed).choice(shared, min(anchors, len(shared)), replace=False)
    correlations, distances = _correlations(values), 1 - _correlations(values[:, drawn])
    return {
        "table": table.name,
        "tasks": list(table.tasks),
        "anchors": len(drawn),
        "correlations": correlations.tolist(),
        "distances": distances.tolist(),
        "places": _places(distances).tolist(),
        "agreement": _agreement(correlations, distances),
    }


def _correlations(values: Values) -> Values:
    """Spearman's correlation of all pairs of rows over what both have measured."""
    count = len(values)
    found = np.eye(count)
    for a in range(count):
        for b in range(a):
            both = np.isfinite(values[a]) & np.isfinite(values[b])
            found[a, b] = found[b, a] = np.nan_to_num(spearman(values[a, both], values[b, both]))
    return found


def _places(distances: Values) -> Values:
    """Two coordinates a task by classical scaling, shape (tasks, 2)."""
    middle = np.eye(len(distances)) - 1 / len(distances)
    values, vectors = np.linalg.eigh(-0.5 * middle @ distances**2 @ middle)
    found = np.zeros((len(distances), 2))
    found[:, : len(values)] = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :2]
    return found


def _agreement(correlations: Values, distances: Values) -> float | None:
    """Spearman's correlation of measured correlations and the distances negated."""
    upper = np.triu_indices(len(correlations), 1)
    if len(upper[0]) < 3:
        return None
    return float(spearman(correlations[upper], -distances[upper]))


def draw_similarities(similarities: Mapping[str, Any]) -> Picture:
    """Picture of the tasks of a table: places, measured correlations, and how the two agree."""
    tasks, agreement = similarities["tasks"], similarities["agreement"]
    correlations = np.array(similarities["correlations"], dtype=float)
    upper = np.triu_indices(len(tasks), 1)
    measured = "" if agreement is None else f": {agreement:.2f}"
    between = f"{span(correlations[upper])} between each two of {', '.join(tasks)}."
    return Picture(
        f"tasks-{similarities['table']}",
        f"How alike the tasks of {similarities['table']} are",
        [
            Panel(
                f"{similarities['table']}: tasks by {similarities['anchors']} anchors",
                f"A point for each of {', '.join(tasks)}; alike tasks are near each other.",
                partial(_draw_places, similarities=similarities),
                height=0.9,
            ),
            Panel(
                "measured rank correlation",
                between,
                partial(
                    draw_matrix, values=correlations, names=tasks, palette="RdBu", ends=(-1.0, 1.0)
                ),
                height=1.0,
            ),
            Panel(
                f"agreement over pairs{measured}",
                f"Measured rank correlation, {span(correlations[upper])}, against the distance of "
                "the anchors' values, a point for each pair of tasks.",
                partial(_draw_agreement, similarities=similarities),
                height=0.9,
            ),
        ],
    )


def _draw_places(axis: Axes, *, similarities: Mapping[str, Any]) -> None:
    """Draw the map of the tasks."""
    places = np.array(similarities["places"], dtype=float)
    scatter_named(axis, places[:, 0], places[:, 1], similarities["tasks"], color=COLOURS[0])
    for task, (x, y) in zip(similarities["tasks"], places.tolist(), strict=True):
        axis.annotate(task, (x, y), (4, 4), textcoords="offset points", fontsize="small")
    axis.margins(0.2)
    axis.set(aspect="equal")


def _draw_agreement(axis: Axes, *, similarities: Mapping[str, Any]) -> None:
    """Draw what was measured of each pair of tasks against their distance."""
    tasks = similarities["tasks"]
    upper = np.triu_indices(len(tasks), 1)
    x, y = (
        np.array(similarities[key], dtype=float)[upper] for key in ("distances", "correlations")
    )
    names = [
        f"{tasks[a]} and {tasks[b]}: rank correlation {correlation:.2f}"
        for a, b, correlation in zip(*upper, y, strict=True)
    ]
    scatter_named(axis, x, y, names, color=COLOURS[1], s=18)
    axis.set(xlabel="distance of the anchors' values", ylabel="measured rank correlation")
