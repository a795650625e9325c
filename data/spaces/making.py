"""Spaces by name, ours and those of plug-ins."""

from __future__ import annotations

from typing import Any

from ...errors import ParameterError
from ..arguments import brief, checked
from ..plugins import all_names, named_part
from .base import Space, the_space
from .described import from_spec
from .names import SPACES
from .product import ProductSpace

GROUP = "nasurge.spaces"


def space_names() -> list[str]:
    """Names of all spaces: ours, then those of plug-ins (entry points ``nasurge.spaces``)."""
    return all_names(SPACES, group=GROUP)


@checked
def make_space(spec: str | dict[str, Any] | Space) -> Space:
    """Space of a name, or the one that ``Space.spec`` described.

    Functions that take a space take its name, too.

    Parameters
    ----------
    spec : str, dict or Space
        ``"nb201"``, ``"nbgraph"``, ``"transnas-micro"``, ``"transnas-macro"``, ``"mobile"``, the
        name of a plug-in's, or a description; a space is returned as it is.

    Raises
    ------
    UnknownNameError
        If no space has that name.
    ParameterError
        If a description names none.

    Examples
    --------
    >>> make_space("nb201").size
    15625
    """
    if isinstance(spec, Space):
        return spec
    if isinstance(spec, dict) and "variables" in spec:
        return from_spec(spec)
    if isinstance(spec, dict) and "choices" in spec:
        return ProductSpace(
            spec["choices"], name=spec.get("name", "product"), written=spec.get("written", ())
        )
    name = spec if isinstance(spec, str) else spec.get("name")
    if not isinstance(name, str):
        raise ParameterError(
            f'a description of a space has a "name", and "choices" if it is your own; received '
            f"{brief(spec)}"
        )
    places = {own: entry.place for own, entry in SPACES.items()}
    cls: type[Space] = named_part("space", name, places, group=GROUP)
    return the_space(cls)


def check_space(owner: Any) -> None:
    """Refuse an estimator whose ``space``, which its constructor only stores, is not one.

    Raises
    ------
    ParameterError
        If it is something else, such as a name.
    """
    if not isinstance(owner.space, Space):
        raise ParameterError(
            f"{type(owner).__name__} is for a space, such as table.space or what "
            f"nasurge.make_space makes of its name; received {brief(owner.space)}"
        )
