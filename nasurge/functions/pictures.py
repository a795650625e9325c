"""Pictures of searches of a function: the incumbent after each evaluation, or all values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..benchmarks.studies import Key, Panel, Picture, Row, colours, grouped, markers, scatter_named
from ..data.types import Values
from ..search.pareto import non_dominated

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def failed(row: Row, names: Sequence[str]) -> bool:
    """Whether an evaluation has no value."""
    return any(row[name] is None or np.isnan(row[name]) for name in names)


def incumbents(rows: Sequence[Row], name: str, sign: float) -> list[float]:
    """Best value so far of one search, after each query; NaN before the first."""
    ordered = sorted(rows, key=lambda row: int(row["query"]))
    values = [sign * float(row[name]) if row["feasible"] else np.nan for row in ordered]
    return [sign * float(value) for value in np.fmax.accumulate(values)]


def searcher_label(entry: Mapping[str, Any]) -> str:
    """Searcher and predictor of an entry."""
    guide = f" + {entry['predictor']}" if entry["predictor"] else ""
    return f"{entry['searcher']}{guide}"


def searches_picture(rows: Sequence[Row], about: Mapping[str, Any]) -> Picture:
    """Picture of the incumbent of each search after each query, or of all values and fronts.

    Parameters
    ----------
    rows : sequence of dict
        A ``FunctionRow`` per evaluation.
    about : mapping
        ``objectives`` and ``signs`` of the study.
    """
    names, signs = about["objectives"], np.asarray(about["signs"])
    searches = grouped(rows, "searcher", "predictor", "trial")
    labels = list(dict.fromkeys(searcher_label(of[0]) for of in searches.values()))
    colour, marker = colours(labels), markers(labels)
    if len(names) == 1:
        best: list[tuple[str, list[float]]] = [
            (searcher_label(of[0]), incumbents(of, names[0], signs[0])) for of in searches.values()
        ]
        ends = ", ".join(f"{label} {values[-1]:.6g}" for label, values in best)
        words = f"Best {names[0]} so far against architectures evaluated. At the end: {ends}."
        panel = Panel("", words, partial(_draw_incumbents, best=best, name=names[0], colour=colour))
        legend = [Key(label, colour[label]) for label in labels]
        return Picture("incumbents", f"Best {names[0]} on the way", [panel], legend)
    kept = {key: [row for row in of if row["feasible"]] for key, of in searches.items()}
    panels = []
    for other in names[1:]:
        count = sum(map(len, kept.values()))
        words = f"{names[0]} against {other} of {count} evaluations; a line joins each front."
        draw = partial(
            _draw_values,
            searches=[of for of in kept.values() if of],
            names=names,
            pair=(names[0], other),
            signs=signs[: len(names)],
            style={label: (colour[label], marker[label]) for label in labels},
        )
        panels.append(Panel(f"{names[0]} and {other}" if len(names) > 2 else "", words, draw))
    legend = [Key(label, colour[label], "-", marker[label]) for label in labels]
    return Picture("fronts", "What was evaluated, and the fronts", panels, legend)


def _draw_incumbents(
    axis: Axes,
    *,
    best: Sequence[tuple[str, Sequence[float]]],
    name: str,
    colour: Mapping[str, str],
) -> None:
    """Draw the best value so far of each search."""
    for label, values in best:
        axis.step(range(1, len(values) + 1), values, where="post", color=colour[label])
    axis.set(xlabel="architectures evaluated", ylabel=f"best {name}")


def _draw_values(
    axis: Axes,
    *,
    searches: Sequence[Sequence[Row]],
    names: Sequence[str],
    pair: tuple[str, str],
    signs: Values,
    style: Mapping[str, tuple[str, str]],
) -> None:
    """Draw all values of each search by two objectives, and its front."""
    for of_search in searches:
        color, marker = style[searcher_label(of_search[0])]
        values = np.array([[row[name] for name in names] for row in of_search], dtype=float)
        on_front = np.asarray(non_dominated(signs * values))
        x, y = (values[:, names.index(name)] for name in pair)
        axis.plot(x, y, ".", color=color, alpha=0.3)
        order = on_front[np.argsort(x[on_front])]
        texts = [
            f"{of_search[k]['architecture']}: "
            + ", ".join(f"{name} {of_search[k][name]:.6g}" for name in names)
            for k in order
        ]
        if len(names) == 2:
            axis.plot(x[order], y[order], "-", color=color)
        scatter_named(axis, x[order], y[order], texts, color=color, marker=marker, s=20)
    axis.set(xlabel=pair[0], ylabel=pair[1])
