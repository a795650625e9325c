"""Pictures of searches on tables: regret and hypervolume against evaluations, and fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...benchmarks.studies import (
    CLOUD,
    Key,
    Panel,
    Picture,
    Row,
    Section,
    band,
    colours,
    grouped,
    markers,
    mean_text,
    scatter_named,
    span,
)
from ...data.types import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _curve_legend(curves: Sequence[Row], dotted: str) -> list[Key]:
    """Line of each searcher, and what the dotted ones are."""
    keys = [Key(name, colour) for name, colour in colours([c["label"] for c in curves]).items()]
    return [*keys, Key(dotted, line=":")]


def regret_section(curves: Sequence[Row], text: str) -> Section:
    """Section with the regret against queries, a panel per task, a line per searcher.

    Parameters
    ----------
    curves : sequence of dict
        One per task and searcher: ``best``, ``selected`` and ``oracle``.
    text : str
        Its explanation.
    """
    colour = colours([curve["label"] for curve in curves])
    panels = []
    for task, of_task in grouped(curves, "table", "task").items():
        last = {c["label"]: _regret(c["selected"][-1], c["best"]) for c in of_task}
        ends = ", ".join(f"{label} {mean_text(regret)}" for label, regret in last.items())
        queries = max(len(c["selected"]) for c in of_task)
        words = (
            f"Mean regret, on a logarithmic scale above zero, over {queries} architectures "
            f"evaluated. At the end: {ends}."
        )
        draw = partial(_draw_regret, of_task=of_task, colour=colour)
        panels.append(Panel("/".join(task), words, draw))
    title = "Regret against architectures evaluated"
    picture = Picture("regret", title, panels, _curve_legend(curves, "oracle"))
    return Section("Regret against evaluations", text, [picture])


def _draw_regret(axis: Axes, *, of_task: Sequence[Row], colour: Mapping[str, str]) -> None:
    """Draw the curves of one task."""
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
    axis.set(xlabel="architectures evaluated", ylabel="regret, in units of the reported value")


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


def fronts_picture(curves: Sequence[Row]) -> Picture:
    """Picture of true fronts and those that searches found, a panel per task and two objectives.

    The first objective is drawn against each of the others. Of each searcher it is the trial with
    the median hypervolume.
    """
    labels = list(dict.fromkeys(c["label"] for c in curves))
    colour, marker = colours(labels), markers(labels)
    panels = []
    for task, of_task in grouped(curves, "table", "task").items():
        for k in range(1, len(of_task[0]["objectives"])):
            names = of_task[0]["objectives"]
            truth = np.array(of_task[0]["true_front"], dtype=float)
            found = ", ".join(f"{c['label']} {len(c['front'])}" for c in of_task)
            words = (
                f"{names[0]}, {span(truth[:, 0])} on the true front of {len(truth)} architectures, "
                f"against {names[k]}, {span(truth[:, k])}. Points on the front that each searcher "
                f"found: {found}."
            )
            draw = partial(_draw_fronts, of_task=of_task, k=k, colour=colour, marker=marker)
            panels.append(Panel("/".join(task), words, draw))
    legend = [Key("true front", line="", marker=".")]
    legend += [Key(n, colour[n], "", marker[n], filled=False) for n in labels]
    return Picture("fronts", "Pareto fronts", panels, legend)


def _draw_fronts(
    axis: Axes,
    *,
    of_task: Sequence[Row],
    k: int,
    colour: Mapping[str, str],
    marker: Mapping[str, str],
) -> None:
    """Draw the fronts of one task by the first objective and another."""
    first = of_task[0]
    cloud, truth = (np.array(first[key], dtype=float)[:, [k, 0]] for key in ("cloud", "true_front"))
    axis.set_xlim(_range(truth[:, 0], cloud[:, 0]))
    axis.set_ylim(_range(truth[:, 1], cloud[:, 1]))
    x, y = cloud.T
    axis.scatter(x, y, s=3, color=CLOUD, linewidths=0, alpha=0.5, rasterized=True)
    ordered = truth[np.argsort(truth[:, 0])]
    line = "-" if len(first["objectives"]) == 2 else "none"
    axis.plot(*ordered.T, linestyle=line, color="black", marker=".", linewidth=0.8)
    for curve in of_task:
        found = np.array(curve["front"], dtype=float).reshape(-1, len(first["objectives"]))
        names = curve.get("front_names") or [""] * len(found)  # folders of before have none
        values = [
            ", ".join(f"{n} {v:.6g}" for n, v in zip(first["objectives"], point, strict=True))
            for point in found.tolist()
        ]
        texts = [
            ": ".join(filter(None, (curve["label"], name, value)))
            for name, value in zip(names, values, strict=True)
        ]
        own: dict[str, Any] = {
            "s": 24,
            "facecolors": "none",
            "linewidths": 1.3,
            "marker": marker[curve["label"]],
        }
        place = (found[:, k], found[:, 0])
        scatter_named(axis, *place, texts, edgecolors=colour[curve["label"]], **own)
    axis.set(xlabel=first["objectives"][k], ylabel=first["objectives"][0])


def _range(front: Values, cloud: Values) -> tuple[float, float]:
    """Limits of an axis that show the whole front, and of the cloud what is not far from it."""
    low, high = front.min(), front.max()
    extent = high - low if high > low else 1.0
    low, high = low - extent, high + extent
    inside = cloud[(cloud >= low) & (cloud <= high)]
    every = np.concatenate([front, inside])
    margin = 0.05 * (np.ptp(every) or 1.0)
    return float(every.min() - margin), float(every.max() + margin)


def volumes_picture(curves: Sequence[Row]) -> Picture:
    """Picture of the share of the true front's hypervolume against queries, a panel per task."""
    colour = colours([curve["label"] for curve in curves])
    panels = []
    for task, of_task in grouped(curves, "table", "task").items():
        ends = ", ".join(f"{c['label']} {mean_text(c['selected'][-1])}" for c in of_task)
        queries = max(len(c["selected"]) for c in of_task)
        words = (
            "Mean share of the true front's hypervolume by the reported values of the selected "
            f"front, over {queries} architectures evaluated. At the end: {ends}."
        )
        draw = partial(_draw_volumes, of_task=of_task, colour=colour)
        panels.append(Panel("/".join(task), words, draw))
    title = "Hypervolume against architectures evaluated"
    return Picture("hypervolume", title, panels, _curve_legend(curves, "as searched"))


def _draw_volumes(axis: Axes, *, of_task: Sequence[Row], colour: Mapping[str, str]) -> None:
    """Draw the curves of one task."""
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
    axis.set(xlabel="architectures evaluated")
