"""A described space that others published: known by its name, with strings of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .. import DescribedSpace
from ..base import the_space
from ..vocabulary import read_object


class PublishedSpace(DescribedSpace):
    """A space whose variables are published, made by its name.

    A subclass says its ``name`` and its ``description``, and how its official strings are read and
    written; what is here reads ``name=value`` pairs and the JSON object of the variables.
    """

    description: ClassVar[Mapping[str, Any]]
    """The variables, as ``nasurge.Space`` takes them."""

    def __init__(self) -> None:
        super().__init__(self.description, name=self.name)

    def spec(self) -> dict[str, Any]:
        """JSON values that make this space again: its name."""
        return {"name": self.name}

    def __reduce__(self) -> tuple[Any, ...]:
        return (the_space, (type(self),))

    def _parse(self, string: str) -> list[int]:
        text = string.strip()
        return self._from_mapping(read_object(text)) if text[:1] == "{" else super()._parse(text)


def values_of(given: Mapping[Any, Any], key: str, count: int) -> list[Any]:
    """List of ``count`` values under a key.

    Raises
    ------
    ValueError, TypeError
        If there is no such list.
    """
    found = given.get(key)
    if not isinstance(found, list | tuple):
        raise TypeError(f"{key!r} is a list of {count} values, received {found!r}")
    if len(found) != count:
        raise ValueError(f"{key!r} has {len(found)} values, expected {count}")
    return list(found)
