"""Pictures of results as objects that draw themselves at any width, for screen and for paper."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.types import Values

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# After Okabe and Ito, told apart with any colour vision; the light ones darkened until each stands
# out from white paper by 3:1.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c2609a", "#b97700", "#2f8fcb", "#5a5a5a", "#8a8000")
INK = "#000000"
"""Colour of what is no line of a name; a page shows it in that of its text."""
CLOUD = "#8c8c8c"
"""Colour of points that are many and have no name."""
_MARKERS = "osD^vPXd"


def colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each name, in order of first appearance."""
    return {n: COLOURS[k % len(COLOURS)] for k, n in enumerate(dict.fromkeys(names))}


def markers(names: Sequence[str]) -> dict[str, str]:
    """Marker of each name, in order of first appearance; with ``colours`` 64 are told apart."""
    return {
        n: _MARKERS[(k + k // len(COLOURS)) % len(_MARKERS)]
        for k, n in enumerate(dict.fromkeys(names))
    }


@dataclass(frozen=True)
class Key:
    """Line of a legend."""

    label: str
    color: str = INK
    line: str = "-"
    """``-``, ``:``, ``--`` or nothing."""
    marker: str = ""
    filled: bool = True

    @property
    def handle(self) -> Line2D:
        """Line as matplotlib's legends take it."""
        from matplotlib.lines import Line2D

        face = self.color if self.filled else "none"
        style: dict[str, Any] = {"linestyle": self.line or "none", "marker": self.marker or "none"}
        return Line2D([], [], color=self.color, markerfacecolor=face, markersize=4, **style)


@dataclass(frozen=True)
class Panel:
    """One pair of axes of a picture."""

    title: str
    description: str
    """What the axes are and what the data say, in words, for who does not see it."""
    draw: Callable[[Axes], None]
    """Draws the data on axes that have neither title nor legend."""
    height: float = 0.75
    """Height as a share of the width."""
    text: str = ""
    """What stands below it on a page."""
    wide: bool = False
    """Whether it needs the width of several."""


@dataclass(frozen=True)
class Picture:
    """A picture of results: panels that share a legend, not drawn before it is asked for.

    Parameters
    ----------
    name : str
        Stem of its file, such as ``tau-by-size``.
    title : str
        What it shows, in a few words.
    panels : sequence of Panel
    legend : sequence of Key
    """

    name: str
    title: str
    panels: Sequence[Panel]
    legend: Sequence[Key] = ()

    @property
    def description(self) -> str:
        """What is to be seen on all panels, in words."""
        return " ".join(
            f"{panel.title}: {panel.description}" if panel.title else panel.description
            for panel in self.panels
        )

    def figures(self, width: float = 4.0, *, size: float = 10.0) -> list[Figure]:
        """Figure of each panel, without title and legend.

        Parameters
        ----------
        width : float
            Of each figure, in inches; a wide one has 2.4 times as much.
        size : float
            Of its letters, in points.
        """
        import matplotlib as mpl
        from matplotlib.figure import Figure

        drawn = []
        for panel in self.panels:
            own = width * (2.4 if panel.wide else 1.0)
            with mpl.rc_context({"font.size": size}):
                figure = Figure(figsize=(own, own * panel.height), layout="constrained")
                _fill(figure.subplots(), panel, size)
                _no_formulas(figure)
            drawn.append(figure)
        return drawn

    def sheet(
        self, width: float = 10.0, *, size: float = 9.0, columns: int | None = None
    ) -> Figure:
        """Figure of all panels with their titles, the legend below them.

        Parameters
        ----------
        width : float
            Of the whole, in inches.
        size : float
            Of its letters, in points.
        columns : int, optional
            Panels in a row; by default so many that each has two and a half inches, at most three.
        """
        import matplotlib as mpl

        from ...data.spaces import ShownFigure

        count = len(self.panels)
        columns = min(count, columns or max(1, min(3, int(width / 2.5))))
        rows = -(-count // columns)
        each = width / columns
        with mpl.rc_context({"font.size": size}):
            tall = each * max(panel.height for panel in self.panels) + size / 40
            longest = max((len(key.label) for key in self.legend), default=0)
            across = max(1, min(len(self.legend), int(72 * width / (size * (0.6 * longest + 4)))))
            lines = -(-len(self.legend) // across)
            below = lines * size * 1.8 / 72
            figure = ShownFigure(figsize=(width, tall * rows + below), layout="constrained")
            axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
            for axis in axes[count:]:
                axis.set_visible(False)
            for axis, panel in zip(axes[:count], self.panels, strict=True):
                _fill(axis, panel, size)
                axis.set_title(panel.title, fontsize=size)
            if self.legend:
                labels, handles = zip(*((k.label, k.handle) for k in self.legend), strict=True)
                place: dict[str, Any] = {"loc": "outside lower center", "ncols": across}
                figure.legend(handles, labels, frameon=False, fontsize=0.95 * size, **place)
            _no_formulas(figure)
        return figure


def _fill(axis: Axes, panel: Panel, size: float) -> None:
    """Draw a panel on its axes."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, alpha=0.25)
    # Ticks are made when they are needed, which is after this size has ended.
    axis.tick_params(which="both", labelsize=0.9 * size)
    panel.draw(axis)


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


def scatter_named(
    axis: Axes,
    x: Sequence[float] | Values,
    y: Sequence[float] | Values,
    names: Sequence[str],
    **style: Any,
) -> None:
    """Draw points and keep what each of them is, for who points at it.

    Points that are not numbers, or not within limits of the axes that were set, are left out.
    """
    places = np.column_stack([x, y]).astype(float)
    kept = np.isfinite(places).all(axis=1)
    for column, limits, free in (
        (0, axis.get_xlim(), axis.get_autoscalex_on()),
        (1, axis.get_ylim(), axis.get_autoscaley_on()),
    ):
        if not free:
            kept &= (places[:, column] >= min(limits)) & (places[:, column] <= max(limits))
    if kept.any():
        artist = axis.scatter(*places[kept].T, **{"zorder": 3, **style})
        artist.set_label(json.dumps([names[k] for k in np.flatnonzero(kept).tolist()]))


def names_of_points(artist: Artist) -> list[str]:
    """What ``scatter_named`` has kept; empty for other artists."""
    label = str(artist.get_label() or "")
    return list(json.loads(label)) if label.startswith("[") else []


def plain_ticks(axis: Axes) -> None:
    """Write the ticks of a logarithmic x axis as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_xlim()
    subs = (1.0, 2.0, 5.0) if high < 40 * low else (1.0, 3.0) if high < 1000 * low else (1.0,)
    axis.xaxis.set_major_locator(LogLocator(subs=subs))
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


def single_values(
    axis: Axes,
    places: Sequence[float] | Values,
    measured: Sequence[Mapping[str, Any]],
    *,
    across: bool = False,
    **style: Any,
) -> None:
    """Draw each value of measured quantities that have too few for an interval, as pale points.

    Parameters
    ----------
    axis : Axes
    places : sequence of float
        Where each quantity stands.
    measured : sequence of mapping
    across : bool
        Whether the places are those of the y axis.
    **style
        Of the points.
    """
    points = [(at, v) for at, m in zip(places, measured, strict=True) for v in m.get("values", ())]
    if points:
        x, y = zip(*(point[::-1] if across else point for point in points), strict=True)
        axis.scatter(x, y, s=9, alpha=0.45, linewidths=0, rasterized=True, **style)


def span(values: Sequence[float] | Values) -> str:
    """Range of some numbers in words.

    Examples
    --------
    >>> span([0.25, 1 / 3, 2.0]), span([4, 4]), span([float("nan")])
    ('0.25 to 2', '4', 'no values')
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return "no values"
    low, high = f"{known.min():.3g}", f"{known.max():.3g}"
    return low if low == high else f"{low} to {high}"
