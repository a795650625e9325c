"""How alike the tasks of a table are: over all architectures, and by a few shared anchors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...benchmarks.metrics import spearman
from ...benchmarks.objectives import make_problem
from ...benchmarks.studies import COLOURS, panels, to_svg
from ...data.arguments import checked
from ...data.seeds import Seed, as_generator
from ...data.tables import Table
from ...data.types import Values
from ...errors import ParameterError


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


def draw_similarities(similarities: Mapping[str, Any]) -> str:
    """Map of tasks as SVG: places, measured correlations, and how the two agree."""
    figure, (left, middle, right) = panels(3, width=5.0, height=4.4)
    tasks, places = similarities["tasks"], np.array(similarities["places"])
    correlations = np.array(similarities["correlations"])
    distances = np.array(similarities["distances"])
    left.scatter(places[:, 0], places[:, 1], color=COLOURS[0])
    for task, (x, y) in zip(tasks, places.tolist(), strict=True):
        left.annotate(task, (x, y), (4, 4), textcoords="offset points", fontsize=8)
    left.margins(0.2)
    title = f"{similarities['table']}: tasks by {similarities['anchors']} anchors"
    left.set(title=title, aspect="equal")
    image = middle.imshow(correlations, vmin=-1, vmax=1, cmap="RdBu")
    middle.grid(visible=False)
    middle.set_xticks(range(len(tasks)), tasks, rotation=90, fontsize=8)
    middle.set_yticks(range(len(tasks)), tasks, fontsize=8)
    middle.set_title("measured rank correlation")
    figure.colorbar(image, ax=middle, shrink=0.8)
    upper = np.triu_indices(len(tasks), 1)
    right.scatter(distances[upper], correlations[upper], color=COLOURS[1], s=18)
    agreement = similarities["agreement"]
    measured = "" if agreement is None else f": {agreement:.2f}"
    right.set(title=f"agreement over pairs{measured}", xlabel="distance of the anchors' values")
    right.set(ylabel="measured rank correlation")
    return to_svg(figure)
