"""A picture of how near tasks are: embedding distances beside how alike they rank architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .pictures import panels, to_svg

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
