"""Pictures of results as SVG text, drawn without matplotlib's global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]

# Okabe and Ito's colours: told apart with any colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a", "#b5a900")


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, in order of first appearance."""
    return {n: COLOURS[k % len(COLOURS)] for k, n in enumerate(dict.fromkeys(names))}


def panels(count: int, *, width: float = 4.6, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``count`` panels, at most three in a row."""
    from matplotlib.figure import Figure

    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[count:]:
        axis.set_visible(False)
    for axis in axes[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, alpha=0.25)
    return figure, axes[:count]


def to_svg(figure: Figure) -> str:
    """Return the figure as an ``<svg>`` element."""
    import matplotlib as mpl

    buffer = io.StringIO()
    # A fixed salt and no date: the same results give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "nasurge"}):
        figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def band(
    axis: Axes, x: Sequence[float] | Values, measured: Sequence[Mapping[str, Any]], **style: Any
) -> None:
    """Draw means as a line and their intervals as a band."""
    means = [np.nan if m["mean"] is None else m["mean"] for m in measured]
    low = [mean if m["low"] is None else m["low"] for m, mean in zip(measured, means, strict=True)]
    high = [
        mean if m["high"] is None else m["high"] for m, mean in zip(measured, means, strict=True)
    ]
    axis.plot(x, means, **style)
    axis.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def tau_by_size(summary: Sequence[Mapping[str, Any]]) -> str:
    """Return Kendall's tau against training size, a panel per task, a line per predictor."""
    tasks = list(dict.fromkeys((e["table"], e["task"]) for e in summary))
    colour = colours([e["predictor"] for e in summary])
    figure, axes = panels(len(tasks))
    for axis, (table, task) in zip(axes, tasks, strict=True):
        here = [e for e in summary if (e["table"], e["task"]) == (table, task)]
        for name in colour:
            for unseen, line in ((False, "-"), (True, ":")):
                mine = [
                    e
                    for e in here
                    if e["predictor"] == name and e["unseen_functions_only"] is unseen
                ]
                mine.sort(key=lambda e: e["n_train"])
                band(
                    axis,
                    [e["n_train"] for e in mine],
                    [e["kendall_tau"] for e in mine],
                    color=colour[name],
                    linestyle=line,
                    marker="o",
                    markersize=3.5,
                    label=None if unseen else name,
                )
        ceiling = next((e["ceiling"]["kendall_tau"] for e in here if "ceiling" in e), None)
        if ceiling:
            axis.axhline(ceiling, color="black", linewidth=0.8, linestyle="--")
            axis.annotate(
                "perfect predictor",
                (min(e["n_train"] for e in here), ceiling),
                fontsize=8,
                va="bottom",
            )
        sizes = sorted({e["n_train"] for e in here})
        axis.set_xscale("log")
        axis.set_xticks(sizes, [str(n) for n in sizes])
        axis.set_xticks([], minor=True)
        axis.set(title=f"{table}/{task}", xlabel="training architectures", ylabel="Kendall tau")
    axes[0].legend(frameon=False, fontsize=9)
    return to_svg(figure)


def predicted_against_true(panels_: Mapping[str, tuple[Values, Values]], label: str) -> str:
    """Return predicted against true values, a panel per predictor.

    Axes run over ranks: the ranking is what is judged, and accuracies crowd near the top.
    """
    from scipy.stats import rankdata

    figure, axes = panels(len(panels_), height=3.6)
    colour = colours(list(panels_))
    for axis, (name, (true, predicted)) in zip(axes, panels_.items(), strict=True):
        x, y = rankdata(true) / len(true), rankdata(predicted) / len(true)
        axis.plot([0, 1], [0, 1], color="black", linewidth=0.7)
        axis.scatter(x, y, s=5, alpha=0.4, color=colour[name], linewidths=0, rasterized=True)
        axis.set(title=name, xlabel=f"true rank ({label})", ylabel="predicted rank")
        axis.set_aspect("equal")
    return to_svg(figure)


def tau_by_time(summary: Sequence[Mapping[str, Any]]) -> str:
    """Return Kendall's tau against seconds of fit and prediction, a panel per task."""
    every = [e for e in summary if not e["unseen_functions_only"]]
    tasks = list(dict.fromkeys((e["table"], e["task"]) for e in every))
    colour = colours([e["predictor"] for e in every])
    figure, axes = panels(len(tasks))
    for axis, (table, task) in zip(axes, tasks, strict=True):
        for name in colour:
            mine = [
                e for e in every if (e["table"], e["task"], e["predictor"]) == (table, task, name)
            ]
            mine.sort(key=lambda e: e["n_train"])
            seconds = [e["fit_seconds"]["mean"] + e["predict_seconds"]["mean"] for e in mine]
            taus = [
                np.nan if e["kendall_tau"]["mean"] is None else e["kendall_tau"]["mean"]
                for e in mine
            ]
            axis.plot(seconds, taus, color=colour[name], marker="o", markersize=4, label=name)
            axis.annotate(str(mine[-1]["n_train"]), (seconds[-1], taus[-1]), fontsize=7)
        axis.set_xscale("log")
        axis.set(title=f"{table}/{task}", xlabel="seconds to fit and predict", ylabel="Kendall tau")
    axes[0].legend(frameon=False, fontsize=9)
    return to_svg(figure)
