"""Pictures of searches on tables: regret and hypervolume against evaluations, and fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.studies import Section, band, colours, grouped, panels, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curve_panels(
    curves: Sequence[Mapping[str, Any]], dotted: str
) -> tuple[Figure, dict[str, str], list[tuple[Axes, list[Mapping[str, Any]]]]]:
    """Figure with a panel per task, and a legend of searchers.

    Parameters
    ----------
    curves : sequence of dict
        One per task and searcher: ``table``, ``task``, ``label``.
    dotted : str
        Name of the dotted lines.

    Returns
    -------
    Figure
    dict of str to str
        Colour of each label.
    list of (Axes, list)
        The panel of each task, and its curves.
    """
    from matplotlib.lines import Line2D

    colour = colours([curve["label"] for curve in curves])
    tasks = grouped(curves, "table", "task")
    figure, axes = panels(len(tasks), width=5.0, height=3.6, legend=1.8)
    for axis, task in zip(axes, tasks, strict=True):
        axis.set(title="/".join(task), xlabel="architectures evaluated")
    handles = [Line2D([], [], color=c) for c in colour.values()]
    handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1))
    labels = [*colour, dotted]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return figure, colour, list(zip(axes, tasks.values(), strict=True))


def regret_section(curves: Sequence[Mapping[str, Any]], text: str) -> Section:
    """Section with the regret against queries, a panel per task, a line per searcher.

    Parameters
    ----------
    curves : sequence of dict
        One per task and searcher: ``best``, ``selected`` and ``oracle``.
    text : str
        Its explanation.
    """
    figure, colour, tasks = curve_panels(curves, "oracle")
    for axis, of_task in tasks:
        worst = 0.0
        for curve in of_task:
            own = colour[curve["label"]]
            queries = np.arange(1.0, len(curve["selected"]) + 1)
            regret = [_regret(m, curve["best"]) for m in curve["selected"]]
            worst = max(worst, *(r["mean"] for r in regret if r["mean"] is not None))
            band(axis, queries, regret, color=own)
            oracle = [_regret(m, curve["best"])["mean"] for m in curve["oracle"]]
            axis.plot(queries, np.array(oracle, dtype=float), color=own, linestyle=":", linewidth=1)
        _logarithmic(axis, worst)
        axis.set(ylabel="regret, in units of the reported value")
    return Section("Regret against evaluations", text, [to_svg(figure)])


def _logarithmic(axis: Axes, worst: float) -> None:
    """Scale that is linear next to zero, which is reached, and logarithmic above worst / 100."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    step = 10.0 ** (np.floor(np.log10(worst)) - 2) if worst > 0 else 1.0
    axis.set_yscale("symlog", linthresh=step, linscale=0.5)
    axis.set_yticks([0, *(step * 10.0 ** np.arange(4))])
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(0, worst * 1.3 if worst > 0 else 1)


def _regret(measured: Mapping[str, Any], best: float) -> dict[str, Any]:
    """How far a measured value is below the best; its interval too, cut off at zero."""
    low, high = (
        None if measured[k] is None else max(0.0, best - measured[k]) for k in ("high", "low")
    )
    mean = None if measured["mean"] is None else best - measured["mean"]
    return {"mean": mean, "low": low, "high": high, "n": measured["n"]}


def references(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """Points against which the hypervolume of each task is measured, in words.

    Examples
    --------
    >>> references([{"reference_point": {"accuracy": 9.5}, "ideal": {"accuracy": 94.1},
    ...              "nadir": {"accuracy": 17.2}, "table": "t", "task": "a"}])
    ['t/a: reference point accuracy 9.5 (ideal accuracy 94.1, nadir accuracy 17.2)']
    """
    found: dict[str, None] = {}
    for entry in summary:
        reference, ideal, nadir = (
            ", ".join(f"{name} {value:.4g}" for name, value in entry[key].items())
            for key in ("reference_point", "ideal", "nadir")
        )
        where = f"{entry['table']}/{entry['task']}"
        found[f"{where}: reference point {reference} (ideal {ideal}, nadir {nadir})"] = None
    return list(found)


def fronts_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """True front and those that searches found as SVG, a panel per task and pair of objectives.

    The first objective is drawn against each of the others. Of each searcher it is the trial with
    the median hypervolume.
    """
    from matplotlib.lines import Line2D

    colour, here = colours([c["label"] for c in curves]), grouped(curves, "table", "task")
    shown_pairs = [(task, k) for task in here for k in range(1, len(here[task][0]["objectives"]))]
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
    figure, colour, tasks = curve_panels(curves, "as searched")
    for axis, of_task in tasks:
        floor = 1.0
        for curve in of_task:
            own = colour[curve["label"]]
            queries = np.arange(1.0, len(curve["hypervolume"]) + 1)
            band(axis, queries, curve["selected"], color=own)
            searched = np.array([m["mean"] for m in curve["hypervolume"]], dtype=float)
            axis.plot(queries, searched, color=own, linestyle=":", linewidth=1)
            early = curve["selected"][min(len(queries) - 1, len(queries) // 10)]["mean"]
            floor = min(floor, early)
        axis.set(ylim=(floor - 0.05, 1.02), ylabel="share of the true front's hypervolume")
    return to_svg(figure)
