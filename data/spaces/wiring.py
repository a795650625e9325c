"""How data flows between the variables of a described space, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import SchemaError
from ..arguments import brief
from .flat import Wiring
from .variables import Variable

_ENDS = ("input", "output")


def written_wiring(graph: Any) -> dict[str, list[list[Any]]]:
    """JSON values of a graph: its ``edges``, and its ``opens`` if there are any.

    Raises
    ------
    SchemaError
        If it is no graph.
    """
    if not isinstance(graph, Mapping) or "edges" not in graph or set(graph) - {"edges", "opens"}:
        raise SchemaError(
            'the graph of a space has edges, such as {"edges": [["input", "op1"], ["op1", '
            f'"output"]]}}, and perhaps opens; received {brief(graph)}'
        )
    try:
        written = {
            key: [list(item) for item in graph[key]] for key in ("edges", "opens") if graph.get(key)
        }
    except TypeError:
        raise SchemaError("edges and opens of a graph are lists of lists of names") from None
    for key, length in (("edges", 2), ("opens", 3)):
        wrong = next((item for item in written.get(key, []) if len(item) != length), None)
        if wrong is not None:
            raise SchemaError(f"{key} of a graph are lists of {length}, received {wrong}")
    return {"edges": [], **written}


def read_wiring(graph: Mapping[str, list[list[Any]]], variables: Mapping[str, Variable]) -> Wiring:
    """Wiring of a graph over variables by name.

    Raises
    ------
    SchemaError
        Naming what is no variable, no value, or part of a cycle; or if the output is not reached.
    """
    nodes = {name: k for k, name in enumerate((*_ENDS, *variables))}

    def node(name: Any) -> int:
        if name not in nodes:
            raise SchemaError(
                f"{name!r} in the graph is no variable; it has input, output, "
                f"{', '.join(variables)}"
            )
        return nodes[name]

    edges = [(node(source), node(target)) for source, target in graph["edges"]]
    opens = []
    for name, value, source in graph.get("opens", []):
        if node(name) < len(_ENDS):
            raise SchemaError(f"{name!r} chooses nothing: opens name a variable first")
        try:
            number = variables[name].position(value)
        except ValueError as error:
            raise SchemaError(f"opens of {name!r}: {error}") from None
        opens.append((nodes[name] - len(_ENDS), number, node(source)))
    _check_flow([*edges, *((source, 2 + v) for v, _, source in opens)], list(nodes))
    return Wiring(
        np.array(edges, dtype=np.int64).reshape(-1, 2),
        np.array(opens, dtype=np.int64).reshape(-1, 3),
    )


def _check_flow(pairs: list[tuple[int, int]], names: list[str]) -> None:
    """Refuse a graph with a cycle, or one whose output does not follow from its input."""
    left = set(range(len(names)))
    while left:
        free = {node for node in left if not any(t == node and s in left for s, t in pairs)}
        if not free:
            raise SchemaError(
                f"the graph has a cycle among {', '.join(names[node] for node in sorted(left))}"
            )
        left -= free
    reached = {0}
    while more := {t for s, t in pairs if s in reached} - reached:
        reached |= more
    if 1 not in reached:
        raise SchemaError("the output of the graph is not reached from its input")
