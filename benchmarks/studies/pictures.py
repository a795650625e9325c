"""Pictures of a comparison of predictors, and the map of tasks that several studies show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...data.types import Values
from ..metrics import kendall_tau
from .cases import grouped
from .digits import interval_text, mean_text
from .journal import Row
from .panels import (
    Key,
    Panel,
    Picture,
    band,
    colours,
    markers,
    plain_ticks,
    scatter_named,
    single_values,
    span,
)
from .points import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tau_by_size(summary: Sequence[Row]) -> Picture:
    """Picture of Kendall's tau against training size, a panel per task, a line per predictor.

    Dotted lines, where they differ, are for architectures whose function was not seen in training;
    a dashed line is what a perfect predictor would reach, where training runs were repeated.
    """
    names = list(dict.fromkeys(e["predictor"] for e in summary))
    colour, marker, unseen = colours(names), markers(names), unseen_differs(summary)
    legend = [Key(name, colour[name], "-", marker[name]) for name in names]
    if unseen:
        legend.append(Key("unseen functions only", line=":"))
    if any("ceiling" in e for e in summary):
        legend.append(Key("perfect predictor", line="--"))
    panels = [
        Panel(
            f"{table}/{task}",
            _tau_words(of_task),
            partial(_draw_taus, of_task=of_task, colour=colour, marker=marker),
        )
        for (table, task), of_task in grouped(summary, "table", "task").items()
    ]
    title = "Kendall's tau against the number of training architectures"
    return Picture("tau-by-size", title, panels, legend)


def _tau_words(of_task: Sequence[Row]) -> str:
    """What the lines of one task say."""
    every = [e for e in of_task if not e["unseen_functions_only"]]
    most = max(e["n_train"] for e in every)
    taus = {e["predictor"]: e["kendall_tau"] for e in every if e["n_train"] == most}
    known = {name: tau for name, tau in taus.items() if tau["mean"] is not None}
    text = (
        f"Kendall's tau from {span(numbers_of(every, 'kendall_tau'))} for "
        f"{span([e['n_train'] for e in every])} training architectures, a line for each of "
        f"{', '.join(dict.fromkeys(e['predictor'] for e in every))}."
    )
    if known:
        best = max(known, key=lambda name: float(known[name]["mean"]))
        text += f" Best with {most}: {best}, {interval_text(known[best])}."
    return text


def numbers_of(entries: Sequence[Row], measure: str) -> Values:
    """Means of a measured quantity, shape (n,); NaN for one that is undefined."""
    return np.array([entry[measure]["mean"] for entry in entries], dtype=float)


def _draw_taus(
    axis: Axes, *, of_task: Sequence[Row], colour: Mapping[str, str], marker: Mapping[str, str]
) -> None:
    """Draw the lines of one task."""
    differs = unseen_differs(of_task)
    for (name, fresh), members in grouped(of_task, "predictor", "unseen_functions_only").items():
        ordered = sorted(members, key=lambda e: int(e["n_train"]))
        sizes = [e["n_train"] for e in ordered]
        taus = numbers_of(ordered, "kendall_tau")
        if not fresh:
            measured = [e["kendall_tau"] for e in ordered]
            band(axis, sizes, measured, color=colour[name])
            single_values(axis, sizes, measured, color=colour[name])
            texts = [
                f"{name}, n={e['n_train']}: tau {interval_text(e['kendall_tau'])}" for e in ordered
            ]
            style: dict[str, Any] = {"s": 14, "color": colour[name], "marker": marker[name]}
            scatter_named(axis, sizes, taus, texts, **style)
        elif differs:
            axis.plot(sizes, taus, linestyle=":", color=colour[name])
    ceiling = next((e["ceiling"]["kendall_tau"] for e in of_task if "ceiling" in e), None)
    if ceiling:
        axis.axhline(ceiling, color="black", linewidth=0.8, linestyle="--")
    ticks = sorted({e["n_train"] for e in of_task})
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.set_xticks([], minor=True)
    axis.set_ylim(top=min(1.0, axis.get_ylim()[1]))
    axis.set(xlabel="training architectures", ylabel="Kendall tau")


def unseen_differs(summary: Sequence[Row]) -> bool:
    """Whether any test architecture had a twin among the training ones."""
    pairs = grouped(summary, "table", "task", "predictor", "n_train").values()
    return any(len({entry["kendall_tau"]["mean"] for entry in pair}) > 1 for pair in pairs)


def predicted_against_true(
    name: str,
    shown: Mapping[str, Points],
    *,
    agreement: tuple[str, Callable[[Values, Values], float]] = ("tau", kendall_tau),
    highest: str = "best",
) -> Picture:
    """Picture of predicted against true ranks, a panel per predictor.

    The ranking is what is judged, and accuracies crowd near the top.

    Parameters
    ----------
    name : str
        As of ``Picture``.
    shown : mapping from str to two arrays
        True and predicted values of each predictor.
    agreement : tuple
        Short name of the correlation, and its function.
    highest : str
        What an architecture of rank 1 is.
    """
    called, measure = agreement
    colour = colours(list(shown))
    panels = []
    for predictor, (true, predicted) in shown.items():
        value = measure(true, predicted)
        words = (
            f"Predicted against true ranks of {len(true)} test architectures, 1 is the {highest}: "
            f"{called} is {value:.3f}. On the diagonal the two ranks are equal."
        )
        draw = partial(
            _draw_ranks, values=(true, predicted), color=colour[predictor], highest=highest
        )
        panels.append(Panel(f"{predictor}: {called} {value:.3f}", words, draw, height=0.92))
    return Picture(name, "Predicted against true ranks", panels)


def _draw_ranks(axis: Axes, *, values: Points, color: str, highest: str) -> None:
    """Draw the ranks of one predictor."""
    from scipy.stats import rankdata

    x, y = (rankdata(each) / len(each) for each in values)
    axis.plot([0, 1], [0, 1], color="black", linewidth=0.7)
    axis.scatter(x, y, s=5, alpha=0.55, color=color, linewidths=0, rasterized=True)
    axis.set(xlabel=f"true rank (1 = {highest})", ylabel="predicted rank", aspect="equal")


def tau_by_time(summary: Sequence[Row]) -> Picture:
    """Picture of Kendall's tau against seconds of fit and prediction, a panel per task."""
    every = [e for e in summary if not e["unseen_functions_only"]]
    names = list(dict.fromkeys(e["predictor"] for e in every))
    colour, marker = colours(names), markers(names)
    panels = []
    for (table, task), of_task in grouped(every, "table", "task").items():
        words = (
            f"Kendall's tau, {span(numbers_of(of_task, 'kendall_tau'))}, against seconds to fit "
            f"and predict, {span([_seconds(e) for e in of_task])}, on a logarithmic scale; a line "
            f"for each of {', '.join(dict.fromkeys(e['predictor'] for e in of_task))}."
        )
        draw = partial(_draw_times, of_task=of_task, colour=colour, marker=marker)
        panels.append(Panel(f"{table}/{task}", words, draw))
    legend = [Key(name, colour[name], "-", marker[name]) for name in names]
    return Picture("tau-by-time", "Kendall's tau against seconds", panels, legend)


def _seconds(entry: Row) -> float:
    """Seconds to fit and predict."""
    return float(entry["fit_seconds"]["mean"] + entry["predict_seconds"]["mean"])


def _draw_times(
    axis: Axes, *, of_task: Sequence[Row], colour: Mapping[str, str], marker: Mapping[str, str]
) -> None:
    """Draw the lines of one task."""
    for name, members in grouped(of_task, "predictor").items():
        ordered = sorted(members, key=lambda e: int(e["n_train"]))
        seconds = [_seconds(e) for e in ordered]
        taus = numbers_of(ordered, "kendall_tau")
        axis.plot(seconds, taus, color=colour[name])
        texts = [
            f"{name}, n={e['n_train']}: tau {mean_text(e['kendall_tau'])} in {s:.3g} s"
            for e, s in zip(ordered, seconds, strict=True)
        ]
        style: dict[str, Any] = {"s": 16, "color": colour[name], "marker": marker[name]}
        scatter_named(axis, seconds, taus, texts, **style)
        for e, x, y in zip(ordered, seconds, taus.tolist(), strict=True):
            place: dict[str, Any] = {"textcoords": "offset points", "fontsize": "small"}
            axis.annotate(str(e["n_train"]), (x, y), (4, -8), **place)
    axis.set_xscale("log")
    plain_ticks(axis)
    axis.set(xlabel="seconds to fit and predict", ylabel="Kendall tau")


_MATRICES = (
    ("fisher", "Fisher distance", "viridis_r"),
    ("transport", "transport distance", "viridis_r"),
    ("rank_correlation", "rank correlation", "viridis"),
)


def draw_task_map(found: Mapping[str, Any]) -> Picture:
    """Picture of three matrices of the same tasks, a panel each; bright is near.

    Parameters
    ----------
    found : mapping
        ``tasks``, names; the matrices ``fisher``, ``transport`` and ``rank_correlation``; and
        ``agreement``, the rank correlation of each distance with the third, over pairs of tasks.

    Examples
    --------
    >>> matrices = dict.fromkeys(("fisher", "transport", "rank_correlation"), [[0, 1], [1, 0]])
    >>> about = {"tasks": ["a", "b"], "agreement": {"fisher": 0.5, "transport": 0.4}}
    >>> draw_task_map({**about, **matrices}).panels[0].title
    'Fisher distance (follows the ranks: 0.50)'
    """
    order = _order(found["transport"])
    names = [short(found["tasks"][k]) for k in order]
    panels = []
    for key, title, palette in _MATRICES:
        values = np.asarray(found[key], dtype=float)[np.ix_(order, order)]
        shown = np.where(np.eye(len(values), dtype=bool), np.nan, values)
        if key in found["agreement"]:
            title += f" (follows the ranks: {found['agreement'][key]:.2f})"
        words = f"{span(shown.ravel())} between each two of {', '.join(names)}."
        draw = partial(draw_matrix, values=shown, names=names, palette=palette)
        panels.append(Panel(title, words, draw, height=1.0))
    return Picture("task-map", "How near the tasks are", panels)


def draw_matrix(
    axis: Axes,
    *,
    values: Values,
    names: Sequence[str],
    palette: str,
    ends: tuple[float, float] | None = None,
) -> None:
    """Draw a matrix of tasks with its numbers, as vectors, not as a picture of points.

    Parameters
    ----------
    axis : Axes
    values : array of float, shape (n, n)
    names : sequence of str
        Of rows and columns.
    palette : str
        Name of a colour map of matplotlib.
    ends : tuple of float, optional
        Values of its first and last colour.
    """
    low, high = ends or (None, None)
    places = np.arange(len(values) + 1) - 0.5
    mesh = axis.pcolormesh(places, places, values, cmap=palette, vmin=low, vmax=high)
    axis.set(aspect="equal", ylim=(len(values) - 0.5, -0.5))
    axis.grid(visible=False)
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize="small")
    axis.set_yticks(range(len(names)), names, fontsize="small")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value) and len(values) <= 12:
            red, green, blue, _ = mesh.to_rgba(np.asarray(value))
            bright = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5
            # Not quite black: it stays so where the letters of a page are light.
            style: dict[str, Any] = {"color": "#010101" if bright else "#fefefe"}
            text = f"{value:.2f}".replace("0.", ".")
            axis.text(j, i, text, ha="center", va="center", fontsize="small", **style)


def short(name: str) -> str:
    """Name of a task without the part that all its kind have.

    Examples
    --------
    >>> short("cifar10_subset#bird+cat+deer"), short("glyphs#GREEK")
    ('cifar10_subset#bird+2', 'glyphs#GREEK')
    """
    first, *others = name.split("+")
    return first + (f"+{len(others)}" if others else "")


def _order(distances: ArrayLike) -> Sequence[int]:
    """Order of tasks in which near ones stand side by side."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    found = np.array(distances, dtype=float)
    np.fill_diagonal(found, 0.0)
    order: list[int] = leaves_list(linkage(squareform(found, checks=False), "average")).tolist()
    return order
