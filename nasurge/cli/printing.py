"""Text and tables for a terminal, a pipe or a file, of any width and encoding.

Names come from users' files and from plug-ins: they are printed as data, never as markup or as
escape sequences.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ..benchmarks.studies.digits import numeric_columns

if TYPE_CHECKING:
    from rich.console import Console

_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")  # categories of what steers a terminal or is nothing
_PADDING = 2  # blanks between two columns
_WORD = 24  # a column of text is not made narrower than its longest word, or this


def printable(text: str, *, encoding: str | None = None) -> str:
    r"""Text with escapes in the place of control characters and of what cannot be encoded.

    Parameters
    ----------
    text : str
    encoding : str, optional
        That of the output; by default any character can be printed.

    Examples
    --------
    >>> print(printable("\x1b[31mred"), printable("\N{GREEK SMALL LETTER TAU}", encoding="ascii"))
    \x1b[31mred \u03c4
    """
    shown = "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char
        for char in text
    )
    if encoding is None:
        return shown
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def say(text: object, *, err: bool = False) -> None:
    """Print lines of text; what came from a file or a user cannot steer the terminal."""
    encoding = (sys.stderr if err else sys.stdout).encoding or "utf-8"
    lines = (printable(line, encoding=encoding) for line in str(text).split("\n"))
    typer.echo("\n".join(lines), err=err)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    best: Sequence[int] = (),
    elsewhere: str = "in a wider terminal and with --json",
) -> None:
    """Print a table, numbers to the right; the rows in ``best`` lead their group.

    Where the terminal, or ``COLUMNS``, is too narrow, text is wrapped between words; then columns
    are left out, and a line says which. No number is ever broken. A file or a pipe without
    ``COLUMNS`` has no width.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of sequences of str
    best : sequence of int
        Numbers of rows.
    elsewhere : str
        Where all columns can be seen.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    encoding = console.encoding
    heads = [printable(column, encoding=encoding) for column in columns]
    cells = [[printable(cell, encoding=encoding) for cell in row] for row in rows]
    words = [not numeric for numeric in numeric_columns(cells, len(heads))]
    sizes = [_Size(heads[k], [row[k] for row in cells], text=words[k]) for k in range(len(heads))]
    width = _width(console)
    same = [
        words[k] and len(cells) > 1 and len({row[k] for row in cells}) == 1
        for k in range(len(heads))
    ]
    shown = _fitting(sizes, same, words, width)
    table = Table(box=box.SIMPLE_HEAD)
    for k, share in _shares([(k, sizes[k]) for k in shown], width):
        justify = "left" if words[k] else "right"
        table.add_column(Text(heads[k]), justify=justify, overflow="fold", width=share)  # type: ignore[arg-type]
    for number, row in enumerate(cells):
        if number in best and number:
            table.add_section()
        table.add_row(*(Text(row[k]) for k in shown), style="bold" if number in best else None)
    if width is None:
        console = Console(width=_total([sizes[k].most for k in shown]))
    console.print(table)
    if missing := [k for k in range(len(heads)) if k not in shown]:
        names = ", ".join(
            f"{heads[k]} ({cells[0][k]})" if same[k] and cells[0][k] else heads[k] for k in missing
        )
        typer.echo(f"left out, as {width} columns are too few: {names}; all are {elsewhere}")


class _Size:
    """Fewest and most characters that a column takes."""

    def __init__(self, head: str, cells: Sequence[str], *, text: bool) -> None:
        from rich.cells import cell_len

        def longest(strings: Sequence[str]) -> int:
            return max(map(cell_len, strings), default=0)

        self.most = longest([head, *cells])
        if text:
            parts = [word for cell in (head, *cells) for word in cell.split()]
            self.least = min(longest(parts), max(_WORD, longest(head.split())))
        else:
            self.least = longest([*head.split(), *cells])


def _width(console: Console) -> int | None:
    """Characters of a line; None where lines may have any length."""
    import os

    if console.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return console.width
    return None


def _total(widths: Sequence[int]) -> int:
    """Characters of a table with columns of these widths."""
    return sum(widths) + _PADDING * len(widths) + len(widths) + 1


def _fitting(
    sizes: Sequence[_Size], same: Sequence[bool], words: Sequence[bool], width: int | None
) -> list[int]:
    """Numbers of the columns that fit, in their order.

    The first text and the first number come first, then the others as they stand, and last the
    text that is the same in all rows.
    """
    every = range(len(sizes))
    if width is None or _total([sizes[k].least for k in every]) <= width:
        return list(every)
    told = [k for k in every if not same[k]] or list(every)
    first = [told[0], *[k for k in told if not words[k]][:1]]
    shown: list[int] = []
    for k in dict.fromkeys([*first, *told, *every]):
        if k in first or _total([sizes[j].least for j in (*shown, k)]) <= width:
            shown.append(k)
    return sorted(shown)


def _shares(columns: Sequence[tuple[int, _Size]], width: int | None) -> list[tuple[int, int]]:
    """Number and width of each column: what is left over goes where the most is missing."""
    shares = {k: size.most if width is None else size.least for k, size in columns}
    spare = 0 if width is None else width - _total(list(shares.values()))
    missing = {k: size.most - shares[k] for k, size in columns}
    while spare > 0 and any(missing.values()):
        neediest = min((k for k in missing if missing[k]), key=lambda k: shares[k])
        shares[neediest] += 1
        missing[neediest] -= 1
        spare -= 1
    return list(shares.items())
