"""Pictures of searches for several objectives: fronts, and hypervolume against evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.studies import band, colours, panels, to_svg
from .table_page import curve_panels


def reference_text(entry: Mapping[str, Any]) -> str:
    """Points against which the hypervolume of a task is measured, in words.

    Examples
    --------
    >>> reference_text({"reference_point": {"accuracy": 9.5}, "ideal": {"accuracy": 94.1},
    ...                 "nadir": {"accuracy": 17.2}, "table": "t", "task": "a"})
    't/a: reference point accuracy 9.5 (ideal accuracy 94.1, nadir accuracy 17.2)'
    """
    points = (
        ", ".join(f"{name} {value:.4g}" for name, value in entry[key].items())
        for key in ("reference_point", "ideal", "nadir")
    )
    reference, ideal, nadir = points
    where = f"{entry['table']}/{entry['task']}"
    return f"{where}: reference point {reference} (ideal {ideal}, nadir {nadir})"


def references(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """Reference point of each task in words."""
    return list(dict.fromkeys(map(reference_text, summary)))


def fronts_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """True front and those that searches found as SVG, a panel per task and pair of objectives.

    The first objective is drawn against each of the others. Of each searcher it is the trial with
    the median hypervolume.
    """
    from matplotlib.lines import Line2D

    tasks = list(dict.fromkeys((c["table"], c["task"]) for c in curves))
    colour = colours([c["label"] for c in curves])
    here = {task: [c for c in curves if (c["table"], c["task"]) == task] for task in tasks}
    shown_pairs = [(task, k) for task in tasks for k in range(1, len(here[task][0]["objectives"]))]
    figure, axes = panels(len(shown_pairs), width=5.0, height=3.8, legend=1.8)
    for axis, (task, k) in zip(axes, shown_pairs, strict=True):
        first = here[task][0]
        cloud, truth = (np.array(first[key])[:, [k, 0]] for key in ("cloud", "true_front"))
        x, y = cloud.T
        axis.scatter(x, y, s=3, color="#bbbbbb", linewidths=0, alpha=0.5, rasterized=True)
        two = len(first["objectives"]) == 2
        ordered = truth[np.argsort(truth[:, 0])]
        line = "-" if two else "none"
        axis.plot(*ordered.T, linestyle=line, color="black", marker=".", linewidth=0.8)
        for curve in here[task]:
            found = np.array(curve["front"])
            if len(found):
                x, y = found[:, k], found[:, 0]
                own = colour[curve["label"]]
                axis.scatter(x, y, s=22, facecolors="none", edgecolors=own, linewidths=1.3)
        axis.set(title="/".join(task), xlabel=first["objectives"][k])
        axis.set(ylabel=first["objectives"][0], ylim=_range(truth[:, 1], cloud[:, 1]))
        axis.set_xlim(_range(truth[:, 0], cloud[:, 0]))
    handles = [Line2D([], [], color="black", linestyle="", marker=".")]
    handles += [
        Line2D([], [], color=c, linestyle="", marker="o", markerfacecolor="none")
        for c in colour.values()
    ]
    labels = ["true front", *colour]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return to_svg(figure)


def _range(front: NDArray[np.float64], cloud: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of an axis that show the whole front, and of the cloud what is not far from it."""
    low, high = front.min(), front.max()
    extent = high - low if high > low else 1.0
    low, high = low - extent, high + extent
    inside = cloud[(cloud >= low) & (cloud <= high)]
    every = np.concatenate([front, inside])
    margin = 0.05 * (np.ptp(every) or 1.0)
    return float(every.min() - margin), float(every.max() + margin)


def volumes_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """Share of the true front's hypervolume against queries as SVG, a panel per task."""
    figure, tasks = curve_panels(curves, "as searched")
    for axis, of_task in tasks:
        floor = 1.0
        for curve, own in of_task:
            queries = np.arange(1.0, len(curve["hypervolume"]) + 1)
            band(axis, queries, curve["selected"], color=own)
            searched = np.array([m["mean"] for m in curve["hypervolume"]], dtype=float)
            axis.plot(queries, searched, color=own, linestyle=":", linewidth=1)
            early = curve["selected"][min(len(queries) - 1, len(queries) // 10)]["mean"]
            floor = min(floor, early)
        axis.set(ylim=(floor - 0.05, 1.02), ylabel="share of the true front's hypervolume")
    return to_svg(figure)
