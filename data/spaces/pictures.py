"""Picture of a space: its variables as boxes, their conditions, and a cell or a graph."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from ..types import Codes
    from .base import Space

_COLUMNS, _WIDTH, _LINE, _GAP = 4, 2.3, 0.15, 0.22  # boxes in a row; inches
_LETTERS = 30  # characters of a line in a box
_MOST_BOXES, _MOST_ARROWS, _MOST_NODES = 40, 12, 45
_SINGLE = 12  # variables of a space that are all shown by themselves
_DARK = "#010101"  # of letters on light boxes, also where a page is dark
_KINDS = {"zero": "0.93", "skip": "#dcefdc", "conv": "#dbe6f5", "pool": "#fbe6cf"}


@dataclass(frozen=True)
class Group:
    """Variables that have the same values and names alike but for numbers."""

    title: str
    block: str
    """What several groups are parts of, such as the stages of a network; empty for none."""
    members: tuple[int, ...]
    lines: tuple[str, ...]
    ordered: bool


def groups_of(space: Space) -> list[Group]:
    """Variables as they are drawn, in their order; alike ones together where they are many."""
    alike: dict[Any, list[int]] = {}
    for k, name in enumerate(space.variables):
        template = re.sub(r"\d+", "#", name)
        few = space.n_variables <= _SINGLE
        alike.setdefault((k if few else template, space.choices[k]), []).append(k)
    return [_group(space, tuple(members)) for members in alike.values()]


def _group(space: Space, members: tuple[int, ...]) -> Group:
    """Group of some variables and what its box says."""
    names = [space.variables[k] for k in members]
    title = names[0] if len(names) == 1 else f"{_ranges(names)} ({len(names)})"
    texts = tuple(map(_brief, space.choices[members[0]]))
    shown = texts if len(texts) <= 9 else (*texts[:5], "...", *texts[-2:])
    count = f" ({len(texts)})" if len(texts) > 9 else ""
    ordered = space.numbers[members[0]] is not None
    joined = (" < " if ordered else ", ").join(shown) + count
    lines = textwrap.wrap(joined, _LETTERS)[:6]
    conditions = [_condition(space, k) for k in members]
    distinct = list(dict.fromkeys(filter(None, conditions)))
    if distinct:
        more = ", ..." if len(distinct) > 1 else ""
        share = "some only " if not all(conditions) else ""
        lines += textwrap.wrap(f"{share}if {distinct[0]}{more}", _LETTERS)[:3]
    block = re.match(r"([^\d#]*)\d+[ _.]\S", names[0])
    return Group(title, block[1].strip() if block else "", members, tuple(lines), ordered)


def _ranges(names: Sequence[str]) -> str:
    """Name of variables alike but for numbers, with the range of each number in braces.

    Examples
    --------
    >>> _ranges(["stage1_op_1", "stage1_op_2", "stage2_op_1"])
    'stage{1..2}_op_{1..2}'
    """
    words = re.split(r"\d+", names[0])
    columns = np.array([[int(n) for n in re.findall(r"\d+", name)] for name in names])
    text = words[0]
    for word, low, high in zip(words[1:], columns.min(axis=0), columns.max(axis=0), strict=True):
        text += (f"{low}" if low == high else f"{{{low}..{high}}}") + word
    return text


def _brief(text: str) -> str:
    """Value as it is drawn: a long number with three digits."""
    return f"{float(text):.3g}" if re.fullmatch(r"-?\d*\.\d{5,}(e-?\d+)?", text) else text


def _condition(space: Space, variable: int) -> str:
    """Condition of a variable in words; empty for none."""
    alternatives = space.conditions[variable] if space.conditions else ()
    return " or ".join(
        " and ".join(_test(space, position, kept) for position, kept in tests)
        for tests in alternatives
    )


def _test(space: Space, position: int, kept: Sequence[int]) -> str:
    """One comparison of a condition in words."""
    name, texts, count = (
        space.variables[position],
        space.choices[position],
        space.cardinalities[position],
    )
    kept = sorted(kept)
    if len(kept) == 1:
        return f"{name} = {texts[kept[0]]}"
    if space.numbers[position] is not None and kept == list(range(kept[0], count)):
        return f"{name} ≥ {texts[kept[0]]}"
    if space.numbers[position] is not None and kept == list(range(kept[-1] + 1)):
        return f"{name} ≤ {texts[kept[-1]]}"
    return f"{name} in {', '.join(texts[k] for k in kept)}"


def draw_space(space: Space) -> Figure:
    """Figure of a space's variables and, where it has one, of its cell or an example's graph."""
    from matplotlib.figure import Figure

    groups = groups_of(space)
    left_out = groups[_MOST_BOXES:]
    places, frames, height = _layout(groups[:_MOST_BOXES])
    graph = _graph(space)
    below = 0.0 if graph is None else max(2.4, 0.55 * graph.rows + 0.8)
    width = _COLUMNS * (_WIDTH + _GAP) + _GAP
    top = 0.55 + (0.3 if left_out else 0.0)
    figure = Figure(figsize=(width, height + below + top))
    whole = height + below + top
    axis = figure.add_axes((0, below / whole, 1, 1 - below / whole))
    axis.set(xlim=(0, width), ylim=(height + (0.3 if left_out else 0.0), -0.55))
    axis.axis("off")
    count = f"{space.size:,}" if space.size < 10**9 else f"{float(space.size):.2g}"
    bound = "" if space.listed else "at most "
    title = f"{space.name}: {space.n_variables} variables, {bound}{count} architectures"
    _write(axis, _GAP, -0.3, title, size=11, weight="bold")
    for x, y, w, h, name in frames:
        _box(axis, (x, y, w, h), color="0.97", edge="0.75")
        _write(axis, x + 0.1, y + 0.14, name, size=8.5, color="0.35")
    for group, place in places:
        _draw_group(axis, group, place)
    _draw_conditions(axis, space, places)
    if left_out:
        _write(axis, _GAP, height + 0.1, f"and {len(left_out)} more kinds of variables", size=9)
    if graph is not None:
        axis = figure.add_axes((0.02, 0.01, 0.96, (below - 0.35) / whole))
        draw_graph(axis, graph, size=7.0 if max(graph.layers) < 9 else 5.0)
        axis.set_title(graph.title, fontsize=8, loc="left", parse_math=False)
    return figure


Place = tuple[float, float, float, float]


def _layout(
    groups: Sequence[Group],
) -> tuple[list[tuple[Group, Place]], list[tuple[float, float, float, float, str]], float]:
    """Box of each group, frames around blocks, and the height of all."""
    parts: dict[str, list[Group]] = {}
    for k, group in enumerate(groups):
        parts.setdefault(group.block or f"\0{k}", []).append(group)
    runs: list[tuple[str, list[Group]]] = []
    for block, members in parts.items():
        framed = not block.startswith("\0") and len(members) > 1
        if framed or not runs or runs[-1][0]:
            runs.append((block if framed else "", [*members]))
        else:
            runs[-1][1].extend(members)
    places: list[tuple[Group, Place]] = []
    frames, y = [], 0.0
    for block, members in runs:
        start, y = y, y + (0.3 if block else 0.0)
        for first in range(0, len(members), _COLUMNS):
            row = members[first : first + _COLUMNS]
            tall = 0.34 + _LINE * max(len(g.lines) for g in row)
            for column, group in enumerate(row):
                x = _GAP + column * (_WIDTH + _GAP)
                own = 0.34 + _LINE * len(group.lines)
                places.append((group, (x, y, _WIDTH, own)))
            y += tall + _GAP
        if block:
            columns = min(_COLUMNS, len(members))
            wide = columns * (_WIDTH + _GAP) + _GAP / 2
            frames.append((_GAP / 2, start, wide - _GAP / 4, y - start - _GAP / 2, block))
            y += _GAP / 2
    return places, frames, y


def _write(axis: Axes, x: float, y: float, text: str, *, size: float, **style: Any) -> None:
    style = {"va": "center", "parse_math": False, **style}
    axis.text(x, y, text, fontsize=size, **style)


def _box(axis: Axes, place: Place, *, color: str, edge: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y, width, height = place
    style = "round,pad=0,rounding_size=0.06"
    patch = FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=color, edgecolor=edge)
    axis.add_patch(patch)


def _draw_group(axis: Axes, group: Group, place: Place) -> None:
    x, y, _, _ = place
    _box(axis, place, color="#eaf2fb" if group.ordered else "#fdf3e3", edge="0.5")
    title = textwrap.shorten(group.title, 2 * _LETTERS)
    small = len(title) > _LETTERS - 3
    _write(axis, x + 0.08, y + 0.15, title, size=6.0 if small else 8.0, weight="bold")
    for k, line in enumerate(group.lines):
        _write(axis, x + 0.08, y + 0.34 + _LINE * k, line, size=7.5)


def _draw_conditions(axis: Axes, space: Space, places: Sequence[tuple[Group, Place]]) -> None:
    """Arrow from each box to those whose variables depend on it."""
    home = {k: number for number, (group, _) in enumerate(places) for k in group.members}
    pairs = {
        (home[position], home[k]): None
        for k, alternatives in enumerate(space.conditions or ())
        for tests in alternatives
        for position, _ in tests
        if k in home and position in home and home[k] != home[position]
    }
    if len(pairs) > _MOST_ARROWS:
        return
    for source, target in pairs:
        (sx, sy, sw, sh), (tx, ty, tw, th) = places[source][1], places[target][1]
        same = abs(sy - ty) < 0.01
        start = (sx + sw, sy + sh / 2) if same else (sx + sw / 2, sy + sh)
        end = (tx, ty + th / 2) if same else (tx + tw / 2, ty)
        neighbour = same and tx - sx < 1.5 * (_WIDTH + _GAP)
        if same and not neighbour:
            start, end = (sx + sw / 2, sy), (tx + tw / 2, ty)
        arched = 0.0 if neighbour or not same else 0.3 / abs(end[0] - start[0])
        bend = f"arc3,rad={arched if start[0] > end[0] else -arched}"
        style = {"arrowstyle": "->", "color": "0.35", "linestyle": "--", "connectionstyle": bend}
        axis.annotate("", end, start, arrowprops=style)


@dataclass(frozen=True)
class Drawn:
    """Graph to draw: names of nodes, their colours, and labelled edges."""

    title: str
    nodes: list[str]
    colours: list[str]
    edges: list[tuple[int, int, str]]
    opened: frozenset[tuple[int, int]] = frozenset()
    """Edges that are there for some values only."""

    @property
    def layers(self) -> list[int]:
        """Longest way from a source to each node."""
        depth = [0] * len(self.nodes)
        for _ in self.nodes:
            for source, target, _label in self.edges:
                depth[target] = max(depth[target], depth[source] + 1)
        return depth

    @property
    def rows(self) -> int:
        """Most nodes of a layer."""
        return int(np.bincount(self.layers).max())


def _graph(space: Space) -> Drawn | None:
    """Cell of a space, or the graph of an architecture; None of a chain."""
    if space.cell is not None:
        count = space.cell.n_nodes
        names = ["input", *map(str, range(1, count - 1)), "output"]
        edges = [
            (source, target, name)
            for (source, target), name in zip(space.cell.edges, space.variables, strict=True)
        ]
        return Drawn("the cell: each edge has an operation", names, ["0.93"] * count, edges)
    if space.wiring is not None:
        return _wired(space)
    code = space.sample(1, seed=0)
    graph = architecture_graph(space, code[0])
    if graph is None or all(source + 1 == target for source, target, _ in graph.edges):
        return None
    text = textwrap.shorten(space.format(code)[0], 110, placeholder=" ...")
    return replace(graph, title=f"the graph of one architecture: {text}")


def architecture_graph(space: Space, code: Codes) -> Drawn | None:
    """Graph of one architecture: its operations and how data flows between them.

    Parameters
    ----------
    space : Space
    code : int array, shape (d,)

    Returns
    -------
    Drawn or None
        None of one without a graph, or of one too large to be looked at.
    """
    graphs = space.graphs(code[None])
    alive = np.flatnonzero(graphs.mask[0])
    if not 2 < len(alive) <= _MOST_NODES:
        return None
    adjacency = graphs.adjacency[0][np.ix_(alive, alive)]
    kinds = {operation.name: operation.kind for operation in space.operations}
    names = [space.node_types[k] for k in graphs.nodes[0, alive]]
    colours = [_KINDS.get(kinds.get(name, ""), "white") for name in names]
    edges = [(int(a), int(b), "") for a, b in np.argwhere(adjacency)]
    return Drawn("", names, colours, edges)


def _wired(space: Space) -> Drawn | None:
    """Flow of data between variables; None of too many, or of a chain."""
    if space.wiring is None:
        return None
    edges, opens = space.wiring
    names = ["input", "output", *space.variables]
    fixed = {(int(a), int(b)) for a, b in edges}
    opened = frozenset((int(s), 2 + int(v)) for v, _, s in opens) - fixed
    if len(names) > _MOST_NODES or (len(fixed) < len(names) and not opened):
        return None
    title = "the flow of data between variables"
    if opened:
        title += "; dashed: where it is chosen"
    elif len(fixed) > 2 * len(names):
        fixed = _reduced(fixed)
        title += ", without shortcuts past others"
    shown = [(a, b, "") for a, b in sorted(fixed | opened)]
    ordered = [number is not None for number in space.numbers]
    colours = ["0.93", "0.93", *("#eaf2fb" if one else "#fdf3e3" for one in ordered)]
    return Drawn(title, names, colours, shown, opened)


def _reduced(edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Edges without those beside a longer way between the same two nodes."""
    count = 1 + max(max(edge) for edge in edges)
    ways = np.zeros((count, count), dtype=bool)
    ways[tuple(np.array(sorted(edges)).T)] = True
    longer = np.zeros_like(ways)
    for _ in range(count):
        longer = longer | ((ways | longer) @ ways)
    return {(a, b) for a, b in edges if not longer[a, b]}


def draw_graph(axis: Axes, graph: Drawn, *, size: float, downward: bool = False) -> None:
    """Draw nodes from left to right, or downward, by their distance from the input.

    Parameters
    ----------
    axis : Axes
    graph : Drawn
    size : float
        Of letters, in points.
    downward : bool
    """
    layers = np.array(graph.layers)
    across = _heights(graph, layers)
    axis.axis("off")
    last = max(1, int(layers.max()))
    along, aside = (-0.5, last + 0.5), (-graph.rows / 2 - 0.4, graph.rows / 2 + 0.6)
    places = np.column_stack([across, -layers] if downward else [layers, across]).astype(float)
    if downward:
        axis.set(xlim=(aside[0] - 0.2, aside[1]), ylim=(-along[1], -along[0]))
    else:
        axis.set(xlim=along, ylim=aside)
    drawn = []
    for name, color, (x, y) in zip(graph.nodes, graph.colours, places.tolist(), strict=True):
        shown = re.sub(r"_|(?<=:)|(?<=\.)(?=[a-z])", " ", name)
        shown = "\n".join(textwrap.wrap(shown, 11))
        box = {"boxstyle": "round,pad=0.3", "facecolor": color, "edgecolor": "0.4"}
        style: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False, "zorder": 5}
        drawn.append(axis.text(x, y, shown, fontsize=size, bbox=box, color=_DARK, **style))
    _size_boxes_first(axis, drawn)
    window = axis.get_window_extent()
    scale = np.array(
        [window.width / np.ptp(axis.get_xlim()), window.height / np.ptp(axis.get_ylim())]
    )
    for source, target, label in graph.edges:
        start, end = places[source], places[target]
        far = layers[target] - layers[source] > 1
        turns = bool(label) or graph.rows == 1  # by turns above and below
        up = source % 2 == 0 if turns else across[source] + across[target] >= 0
        bow = 0.25 if turns else 0.35 if downward else 0.12
        bend = (-1 if up else 1) * bow if far else 0.0
        arrow = {
            "arrowstyle": "-|>",
            "color": "0.45",
            "linewidth": 0.8,
            "linestyle": "--" if (source, target) in graph.opened else "-",
            "patchA": drawn[source].get_bbox_patch(),
            "patchB": drawn[target].get_bbox_patch(),
            "shrinkA": 0,
            "shrinkB": 1,
            "connectionstyle": f"arc3,rad={bend}",
        }
        axis.annotate("", end.tolist(), start.tolist(), arrowprops=arrow, zorder=4)
        if label:
            dx, dy = (end - start) * scale
            x, y = (start + end) / 2 + bend / 2 * np.array([dy, -dx]) / scale
            white = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            style = {"ha": "center", "bbox": white, "zorder": 7, "color": _DARK}
            _write(axis, x, y, label, size=size + 0.5, **style)


def _size_boxes_first(axis: Axes, texts: Sequence[Text]) -> None:
    """Give boxes their sizes before arrows are drawn, which end at them and pass behind others."""
    from matplotlib.artist import Artist

    class Sizes(Artist):
        def draw(self, renderer: Any) -> None:
            for text in texts:
                text.update_bbox_position_size(renderer)

    axis.add_artist(Sizes()).set_zorder(3)


def _heights(graph: Drawn, layers: Any) -> Any:
    """Height of each node: those of a layer one above the other, near what they come from."""
    heights = np.zeros(len(graph.nodes))
    for layer in range(int(layers.max()) + 1):
        members = np.flatnonzero(layers == layer)
        before = {int(t): [heights[s] for s, to, _ in graph.edges if to == t] for t in members}
        order = sorted(members, key=lambda t: float(np.mean(before[int(t)] or [0.0])))
        for place, node in enumerate(order):
            heights[node] = place - (len(order) - 1) / 2 + (0.2 if layer % 2 else 0.0)
    return heights
