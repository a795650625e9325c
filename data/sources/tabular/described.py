"""Architectures of a space that somebody described: a column a variable, strings or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import ArchitectureError, SchemaError
from ...spaces import Space, is_space_file, make_space
from ...types import Codes, Index
from .numbers import is_empty

_LOOK = 50  # rows by which a column of architectures is told


def described_space(space: str | Space | None) -> Space | None:
    """Space that is given as such or as a file; None for a name, which has its own spellings."""
    if isinstance(space, Space):
        return None if set(space.spec()) == {"name"} else space
    return make_space(space) if space is not None and is_space_file(space) else None


def variable_columns(names: Sequence[str], space: str | Space | None) -> list[str]:
    """Columns that are called as the variables of a space, in the order of these."""
    if not isinstance(space, Space):
        return []
    return [name for name in space.variables if name in names]


def reads(space: Space, texts: Sequence[str]) -> bool:
    """Whether most of the first texts are architectures of a space."""
    different = [text for text in dict.fromkeys(texts) if text][:_LOOK]
    return 2 * sum(_fault(space, text) is None for text in different) > len(different)


def _fault(space: Space, text: str | dict[str, Any]) -> str | None:
    try:
        space.parse([text])
    except ArchitectureError as error:
        return error.reason or str(error)
    return None


def check_has_columns(space: Space, names: Sequence[str], path: Path) -> None:
    """Refuse columns that lack a variable which always has an effect.

    Raises
    ------
    SchemaError
        Naming it.
    """
    conditions = space.conditions or ((),) * space.n_variables
    for variable, condition in zip(space.variables, conditions, strict=True):
        if variable not in names and not condition:
            raise SchemaError(
                f"{path}: there is no column of the variable {variable!r} of space {space.name!r}; "
                f"columns of variables are {', '.join(names)}"
            )


def row_texts(space: Space, columns: dict[str, list[str]]) -> list[str]:
    """Each row of the columns of variables as a JSON object, without the cells that are empty."""
    there = {
        name: {text for text in set(texts) if text and not (is_empty(text) and not known(text))}
        for name, texts in columns.items()
        for known in [frozenset(space.choices[space.variables.index(name)]).__contains__]
    }
    names, cells = list(columns), zip(*columns.values(), strict=True)
    return [
        json.dumps(
            {name: text for name, text in zip(names, row, strict=True) if text in there[name]}
        )
        for row in cells
    ]


def read_in_space(space: Space, strings: Sequence[str], *, where: str, lines: Index) -> Codes:
    """Codes of architectures that are written as a space writes them, shape (n, d).

    Parameters
    ----------
    space : Space
    strings : sequence of str
        Strings, or JSON objects.
    where : str
        The file, and the column if it is one, for messages.
    lines : int array, shape (n,)
        Line of the file in which each stands.

    Raises
    ------
    ArchitectureError
        Naming the first row that is not in the space, its variable and its value.
    """
    different = {text: k for k, text in enumerate(dict.fromkeys(strings))}
    try:
        codes = space.parse(list(different))
    except ArchitectureError:
        for row, text in enumerate(strings):
            if (fault := _fault(space, text)) is not None:
                raise ArchitectureError(
                    f"{where}: row {lines[row]} is not in space {space.name!r}: {fault}"
                ) from None
        raise
    return np.asarray(codes[[different[text] for text in strings]])
