"""Pictures of measured quantities: by name, and against a number such as that of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import grouped
from .digits import interval_text
from .journal import Row
from .panels import (
    Key,
    Panel,
    Picture,
    band,
    colours,
    markers,
    scatter_named,
    single_values,
    span,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Quantities = Mapping[str, Mapping[str, Any]]
"""Measured quantities by the names of what was measured."""


def by_name(
    name: str,
    title: str,
    groups: Mapping[str, Quantities],
    *,
    quantity: str,
    singles: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
) -> Picture:
    """Picture of means and intervals, a panel per group, a line per name from the top down.

    Where there are too few draws for an interval, each is a pale point.

    Parameters
    ----------
    name, title : str
        As of ``Picture``.
    groups : mapping from str to mapping
        Per title of a panel the measured quantity of each name.
    quantity : str
        What is measured, for the axis.
    singles : mapping, optional
        Per title of a panel and name the pale points instead, each with what it is of.

    Examples
    --------
    >>> tau = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 5}
    >>> by_name("tau", "Kendall's tau", {"all": {"gp": tau}}, quantity="tau").description
    'all: tau: gp 0.500 [0.400, 0.600].'
    """
    names = [each for quantities in groups.values() for each in quantities]
    colour = colours(names)
    panels = []
    for group, quantities in groups.items():
        known = "; ".join(f"{each} {interval_text(m)}" for each, m in quantities.items())
        pale = (singles or {}).get(group, {})
        draw = partial(
            _draw_names, quantities=quantities, quantity=quantity, colour=colour, singles=pale
        )
        height = 0.25 + 0.065 * max(3, len(quantities))
        panels.append(Panel(group, f"{quantity}: {known}.", draw, height))
    return Picture(name, title, panels)


def _draw_names(
    axis: Axes,
    *,
    quantities: Quantities,
    quantity: str,
    colour: Mapping[str, str],
    singles: Mapping[str, Mapping[str, float]],
) -> None:
    """Draw the measured quantities of one group, the first at the top."""
    for place, (name, measured) in enumerate(quantities.items()):
        own: dict[str, Any] = {"color": colour[name]}
        if points := singles.get(name):
            texts = [f"{name}, {of}: {value:.4g}" for of, value in points.items()]
            at = [place] * len(points)
            scatter_named(axis, list(points.values()), at, texts, s=9, alpha=0.6, **own)
        else:
            single_values(axis, [place], [measured], across=True, **own)
        if measured["mean"] is None:
            continue
        if measured["low"] is not None:
            ends = [measured["low"], measured["high"]]
            axis.plot(ends, [place, place], linewidth=1.6, **own)
        text = f"{name}: {quantity} {interval_text(measured)}"
        scatter_named(axis, [measured["mean"]], [place], [text], s=30, **own)
    axis.set_yticks(range(len(quantities)), list(quantities))
    axis.set_ylim(len(quantities) - 0.5, -0.5)
    axis.set(xlabel=quantity)


def by_number(
    name: str,
    title: str,
    entries: Sequence[Row],
    *,
    line: str,
    number: tuple[str, str],
    measures: Mapping[str, str],
) -> Picture:
    """Picture of means and intervals against a number, a panel per measure, a line per name.

    Parameters
    ----------
    name, title : str
        As of ``Picture``.
    entries : sequence of dict
        Each with a name, a number, and measured quantities.
    line : str
        Key of the names.
    number : tuple of str
        Key of the numbers, 0 or more, and what they are in words.
    measures : mapping from str to str
        Key of each quantity and what it is in words.
    """
    names = list(dict.fromkeys(str(entry[line]) for entry in entries))
    colour, marker = colours(names), markers(names)
    key, what = number
    most = max(entry[key] for entry in entries)
    panels = []
    for measure, words in measures.items():
        last = {e[line]: interval_text(e[measure]) for e in entries if e[key] == most}
        text = (
            f"{words} for {span([entry[key] for entry in entries])} {what}. With {most}: "
            f"{'; '.join(f'{each} {value}' for each, value in last.items())}."
        )
        draw = partial(
            _draw_numbers,
            lines=grouped(entries, line),
            number=number,
            measure=(measure, words),
            style={each: (colour[each], marker[each]) for each in names},
        )
        panels.append(Panel(words, text, draw))
    legend = [Key(each, colour[each], "-", marker[each]) for each in names]
    return Picture(name, title, panels, legend)


def _draw_numbers(
    axis: Axes,
    *,
    lines: Mapping[str, Sequence[Row]],
    number: tuple[str, str],
    measure: tuple[str, str],
    style: Mapping[str, tuple[str, str]],
) -> None:
    """Draw one measure of each name against the number."""
    (key, what), (quantity, words) = number, measure
    for name, members in lines.items():
        ordered = sorted(members, key=lambda entry: int(entry[key]))
        ordered = [entry for entry in ordered if entry[quantity]["mean"] is not None]
        if not ordered:
            continue
        color, marker = style[name]
        x, measured = [entry[key] for entry in ordered], [entry[quantity] for entry in ordered]
        band(axis, x, measured, color=color)
        single_values(axis, x, measured, color=color)
        texts = [
            f"{name}, {n} {what}: {interval_text(m)}" for n, m in zip(x, measured, strict=True)
        ]
        means = [m["mean"] for m in measured]
        scatter_named(axis, x, means, texts, s=16, color=color, marker=marker)
    ticks = np.unique([entry[key] for members in lines.values() for entry in members])
    positive = ticks[ticks > 0]
    axis.set_xscale("symlog", linthresh=positive[0] if positive.size else 1.0)
    axis.set_xticks(ticks, [f"{n:g}" for n in ticks])
    axis.set_xticks([], minor=True)
    axis.set(xlabel=what, ylabel=words)
