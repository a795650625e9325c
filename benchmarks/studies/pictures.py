"""Pictures of results as SVG text, drawn without matplotlib's global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...data.types import Values
from .cases import grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's colours: told apart with any colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a", "#b5a900")


def colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each name, in order of first appearance."""
    return {n: COLOURS[k % len(COLOURS)] for k, n in enumerate(dict.fromkeys(names))}


def panels(
    count: int, *, width: float = 4.6, height: float = 3.4, legend: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Figure with ``count`` panels, at most three in a row; sizes in inches."""
    from matplotlib.figure import Figure

    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns + legend, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[count:]:
        axis.set_visible(False)
    for axis in axes[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, alpha=0.25)
    return figure, axes[:count]


def to_svg(figure: Figure) -> str:
    """Figure as an ``<svg>`` element."""
    import matplotlib as mpl

    _no_formulas(figure)
    buffer = io.StringIO()
    # A fixed salt and no date: the same results give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "nasurge"}):
        figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _no_formulas(figure: Figure) -> None:
    """Let no name be read as a formula because of its dollar signs; ticks with powers stay some."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter

    numbers = {
        label
        for panel in figure.axes
        for axis in (panel.xaxis, panel.yaxis)
        if not isinstance(axis.get_major_formatter(), FixedFormatter)
        for label in (*axis.get_majorticklabels(), *axis.get_minorticklabels())
    }
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in numbers:
            text.set_parse_math(False)


def plain_ticks(axis: Axes) -> None:
    """Write the ticks of a logarithmic x axis as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def band(
    axis: Axes, x: Sequence[float] | Values, measured: Sequence[Mapping[str, Any]], **style: Any
) -> None:
    """Draw means as a line and their intervals as a band; as error bars where there is one."""
    means = np.array([m["mean"] for m in measured], dtype=float)
    ends = [[m["mean"] if m[end] is None else m[end] for m in measured] for end in ("low", "high")]
    low, high = np.array(ends, dtype=float)
    axis.plot(x, means, **style)
    if len(means) > 1:
        axis.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
    else:
        axis.errorbar(x, means, [means - low, high - means], color=style["color"], capsize=3)


def tau_by_size(summary: Sequence[Mapping[str, Any]]) -> str:
    """Picture of Kendall's tau against training size, a panel per task, a line per predictor.

    Dotted lines, where they differ, are for architectures whose function was not seen in training;
    a dashed line is what a perfect predictor would reach, where training runs were repeated.
    """
    from matplotlib.lines import Line2D

    tasks = list(dict.fromkeys((e["table"], e["task"]) for e in summary))
    colour = colours([e["predictor"] for e in summary])
    figure, axes = panels(len(tasks), legend=1.8)
    for axis, (table, task) in zip(axes, tasks, strict=True):
        here = [e for e in summary if (e["table"], e["task"]) == (table, task)]
        for name in colour:
            mine = sorted(
                (e for e in here if e["predictor"] == name and not e["unseen_functions_only"]),
                key=lambda e: e["n_train"],
            )
            sizes = [e["n_train"] for e in mine]
            band(
                axis,
                sizes,
                [e["kendall_tau"] for e in mine],
                color=colour[name],
                marker="o",
                markersize=3.5,
            )
            if unseen_differs(here):
                fresh = sorted(
                    (e for e in here if e["predictor"] == name and e["unseen_functions_only"]),
                    key=lambda e: e["n_train"],
                )
                taus = np.array([e["kendall_tau"]["mean"] for e in fresh], dtype=float)
                axis.plot(sizes, taus, linestyle=":", color=colour[name])
        ceiling = next((e["ceiling"]["kendall_tau"] for e in here if "ceiling" in e), None)
        if ceiling:
            axis.axhline(ceiling, color="black", linewidth=0.8, linestyle="--")
        ticks = sorted({e["n_train"] for e in here})
        axis.set_xscale("log")
        axis.set_xticks(ticks, [str(n) for n in ticks])
        axis.set_xticks([], minor=True)
        axis.set_ylim(top=min(1.0, axis.get_ylim()[1]))
        axis.set(title=f"{table}/{task}", xlabel="training architectures", ylabel="Kendall tau")
    handles = [Line2D([], [], color=c, marker="o", markersize=3.5) for c in colour.values()]
    labels = list(colour)
    if unseen_differs(summary):
        handles.append(Line2D([], [], color="black", linestyle=":"))
        labels.append("unseen functions only")
    if any("ceiling" in e for e in summary):
        handles.append(Line2D([], [], color="black", linestyle="--", linewidth=0.8))
        labels.append("perfect predictor")
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return to_svg(figure)


def unseen_differs(summary: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any test architecture had a twin among the training ones."""
    pairs = grouped(summary, "table", "task", "predictor", "n_train").values()
    return any(len({entry["kendall_tau"]["mean"] for entry in pair}) > 1 for pair in pairs)


def predicted_against_true(shown: Mapping[str, tuple[Values, Values]]) -> str:
    """Picture of predicted against true ranks, a panel per predictor.

    The ranking is what is judged, and accuracies crowd near the top; 1 is the best.
    """
    from scipy.stats import kendalltau, rankdata

    figure, axes = panels(len(shown), width=4.0, height=3.8)
    colour = colours(list(shown))
    for axis, (name, (true, predicted)) in zip(axes, shown.items(), strict=True):
        x, y = rankdata(true) / len(true), rankdata(predicted) / len(true)
        axis.plot([0, 1], [0, 1], color="black", linewidth=0.7)
        axis.scatter(x, y, s=5, alpha=0.4, color=colour[name], linewidths=0, rasterized=True)
        tau = kendalltau(true, predicted)[0]
        axis.set(title=f"{name}: tau {tau:.3f}", xlabel="true rank (1 = best)")
        axis.set(ylabel="predicted rank", aspect="equal")
    return to_svg(figure)


def tau_by_time(summary: Sequence[Mapping[str, Any]]) -> str:
    """Picture of Kendall's tau against seconds of fit and prediction, a panel per task."""
    every = [e for e in summary if not e["unseen_functions_only"]]
    tasks = list(dict.fromkeys((e["table"], e["task"]) for e in every))
    colour = colours([e["predictor"] for e in every])
    figure, axes = panels(len(tasks), legend=1.8)
    for axis, (table, task) in zip(axes, tasks, strict=True):
        here = [e for e in every if (e["table"], e["task"]) == (table, task)]
        for name in colour:
            mine = sorted(
                (e for e in here if e["predictor"] == name),
                key=lambda e: e["n_train"],
            )
            seconds = [e["fit_seconds"]["mean"] + e["predict_seconds"]["mean"] for e in mine]
            taus = np.array([e["kendall_tau"]["mean"] for e in mine], dtype=float)
            axis.plot(seconds, taus, color=colour[name], marker="o", markersize=4, label=name)
            for e, x, y in zip(mine, seconds, taus, strict=True):
                point = (x, float(y))
                axis.annotate(
                    str(e["n_train"]), point, (4, -8), textcoords="offset points", fontsize=7
                )
        axis.set_xscale("log")
        plain_ticks(axis)
        axis.set(title=f"{table}/{task}", xlabel="seconds to fit and predict", ylabel="Kendall tau")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return to_svg(figure)


_PANELS = (
    ("fisher", "Fisher distance", "viridis_r"),
    ("transport", "transport distance", "viridis_r"),
    ("rank_correlation", "rank correlation", "viridis"),
)


def draw_task_map(found: Mapping[str, Any]) -> str:
    """Picture of three matrices of the same tasks side by side, as SVG text; bright is near.

    Parameters
    ----------
    found : mapping
        ``tasks``, names; the matrices ``fisher``, ``transport`` and ``rank_correlation``; and
        ``agreement``, the rank correlation of each distance with the third, over pairs of tasks.

    Examples
    --------
    >>> matrices = dict.fromkeys(("fisher", "transport", "rank_correlation"), [[0, 1], [1, 0]])
    >>> about = {"tasks": ["a", "b"], "agreement": {"fisher": 0.5, "transport": 0.4}}
    >>> draw_task_map({**about, **matrices})[:4]
    '<svg'
    """
    tasks = [short(name) for name in found["tasks"]]
    order = _order(found["transport"])
    figure, axes = panels(len(_PANELS), width=4.4, height=4.6)
    for axis, (key, title, colours) in zip(axes, _PANELS, strict=True):
        values = np.asarray(found[key], dtype=float)[np.ix_(order, order)]
        shown = np.where(np.eye(len(values), dtype=bool), np.nan, values)
        axis.imshow(shown, cmap=colours)
        axis.grid(visible=False)
        names = [tasks[k] for k in order]
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
        at_left = names if key == "fisher" else [""] * len(names)
        axis.set_yticks(range(len(names)), at_left, fontsize=7)
        known = shown[np.isfinite(shown)]
        middle = float(known.mean()) if known.size else 0.0
        sign = 1 if colours.endswith("_r") else -1
        for (i, j), value in np.ndenumerate(shown):
            if np.isfinite(value):
                colour = "white" if sign * (value - middle) > 0 else "black"
                axis.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7)
        if key in found["agreement"]:
            title += f"\n(follows the ranks: {found['agreement'][key]:.2f})"
        axis.set_title(title)
    return to_svg(figure)


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
