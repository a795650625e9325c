"""Pictures of searches on tables: regret against evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...benchmarks.studies import Section, band, colours, panels, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curve_panels(
    curves: Sequence[Mapping[str, Any]], dotted: str
) -> tuple[Figure, list[tuple[Axes, list[tuple[Mapping[str, Any], str]]]]]:
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
    list of (Axes, list)
        The panel of each task, and its curves with their colours.
    """
    from matplotlib.lines import Line2D

    colour = colours([curve["label"] for curve in curves])
    tasks: dict[tuple[str, str], list[tuple[Mapping[str, Any], str]]] = {}
    for curve in curves:
        of_task = tasks.setdefault((curve["table"], curve["task"]), [])
        of_task.append((curve, colour[curve["label"]]))
    figure, axes = panels(len(tasks), width=5.0, height=3.6, legend=1.8)
    for axis, task in zip(axes, tasks, strict=True):
        axis.set(title="/".join(task), xlabel="architectures evaluated")
    handles = [Line2D([], [], color=c) for c in colour.values()]
    handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1))
    labels = [*colour, dotted]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return figure, list(zip(axes, tasks.values(), strict=True))


def regret_section(curves: Sequence[Mapping[str, Any]], text: str) -> Section:
    """Section with the regret against queries, a panel per task, a line per searcher.

    Parameters
    ----------
    curves : sequence of dict
        One per task and searcher: ``best``, ``selected`` and ``oracle``.
    text : str
        Its explanation.
    """
    figure, tasks = curve_panels(curves, "oracle")
    for axis, of_task in tasks:
        worst = 0.0
        for curve, own in of_task:
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
