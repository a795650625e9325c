"""Results as tables and for a notebook: what everything that a study finds has in common."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ...errors import ParameterError, UnknownNameError
from .journal import jsonable
from .svg import to_svg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SHOWN = 8  # rows of a table in a notebook
_INTERVAL = {"mean", "low", "high", "n"}


def frame_of(entries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Table with a row per entry and a plain value in every cell.

    A measured quantity is three columns: its mean under its own name, ``NAME low`` and ``NAME
    high``, the ends of its interval; a mapping has a column for each of its keys, ``NAME KEY``;
    a list is text.

    Examples
    --------
    >>> frame = frame_of([{"a": {"mean": 2.0, "low": 1.0, "high": 3.0, "n": 5}, "b": {"x": 1}}])
    >>> frame.to_dict("records")
    [{'a': 2.0, 'a low': 1.0, 'a high': 3.0, 'b x': 1}]
    """
    import pandas as pd

    return pd.DataFrame([dict(_cells(jsonable(entry))) for entry in entries])


def _cells(entry: Mapping[str, Any], start: str = "") -> Iterable[tuple[str, Any]]:
    """Columns and cells of one entry."""
    for key, value in entry.items():
        name = f"{start}{key}"
        if isinstance(value, dict) and set(value) >= _INTERVAL:
            yield name, value["mean"]
            yield f"{name} low", value["low"]
            yield f"{name} high", value["high"]
        elif isinstance(value, dict):
            yield from _cells(value, f"{name} ")
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else value


def html_of(
    heading: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    figure: Figure | None = None,
    description: str = "",
) -> str:
    """Heading, the first rows of a table, and a picture, for a notebook; text is escaped.

    Parameters
    ----------
    heading : str
    columns : sequence of str
    rows : sequence of sequences of str
    figure : Figure, optional
    description : str
        What is to be seen on it, for who does not see it.

    Examples
    --------
    >>> html_of("<Results>", ["a"], [["1 < 2"]])[:64]
    '<div><p><code>&lt;Results&gt;</code></p><table><thead><tr><th sc'
    """
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[:_SHOWN]
    )
    more = f"<p>and {len(rows) - _SHOWN:,} more rows</p>" if len(rows) > _SHOWN else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    # By itself: what is drawn in one cell must not refer to what is drawn in another.
    data = "" if figure is None else base64.b64encode(to_svg(figure).encode()).decode()
    picture = f'<img alt="{escape(description)}" src="data:image/svg+xml;base64,{data}">'
    shown = picture if data else ""
    return f"<div><p><code>{escape(heading)}</code></p>{table}{more}{shown}</div>"


def html_of_frame(
    heading: str, frame: pd.DataFrame, figure: Figure | None = None, description: str = ""
) -> str:
    """As ``html_of``, of the first rows of a table, numbers with six digits."""
    first = frame.head(_SHOWN).to_dict("records")
    rows = [[_cell(value) for value in row.values()] for row in first]
    rows += [[]] * (len(frame) - len(rows))  # only counted
    return html_of(heading, list(map(str, frame.columns)), rows, figure, description)


def _cell(value: Any) -> str:
    """Text of a cell, empty where there is no value."""
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def best_with(
    entries: Sequence[Mapping[str, Any]], measure: str, key: str, number: int | None = None
) -> dict[str, Any]:
    """Entry with the highest mean of a measure among those of one number.

    Parameters
    ----------
    entries : sequence of dict
    measure : str
        Key of a measured quantity.
    key : str
        Key of the numbers.
    number : int, optional
        By default the largest.

    Raises
    ------
    ParameterError
        If no entry has such a number.
    """
    numbers = sorted({entry[key] for entry in entries})
    chosen = numbers[-1] if number is None else number
    if chosen not in numbers:
        raise ParameterError(f"{key} is one of {', '.join(map(str, numbers))}, not {number}")
    among = [entry for entry in entries if entry[key] == chosen]
    return dict(min(among, key=lambda entry: descending(entry[measure])))


def descending(measured: Mapping[str, Any]) -> float:
    """Sort key: the highest mean first, an undefined one last."""
    return float("inf") if measured["mean"] is None else -measured["mean"]


def task_named(entries: Sequence[Mapping[str, Any]], address: str | None) -> str:
    """The one task of some entries, or the one that is named.

    Raises
    ------
    ParameterError
        If there are several and none is named.
    UnknownNameError
        If there is none of that name.
    """
    tasks = list(dict.fromkeys(f"{entry['table']}/{entry['task']}" for entry in entries))
    if address is None:
        if len(tasks) > 1:
            raise ParameterError(f"name one of the tasks: {', '.join(tasks)}")
        return tasks[0]
    if address not in tasks:
        raise UnknownNameError("task", address, tasks)
    return address
