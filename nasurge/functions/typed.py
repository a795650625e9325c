"""Functions named at the command line, as ``MODULE:FUNCTION``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..data.spaces import object_named
from ..errors import ParameterError


def function_named(place: str, *, option: str = "--objective") -> Callable[..., Any]:
    """Function of a module that can be imported from here.

    Parameters
    ----------
    place : str
        ``MODULE:FUNCTION``, such as ``train:accuracy`` of ``train.py`` in the working folder; a
        module in packages, and an attribute of a class or object, have dots.
    option : str
        How it was typed, for an error.

    Raises
    ------
    ParameterError
        If it is written otherwise, the module cannot be imported, or it is no function.
    UnknownNameError
        If the module has no such function.

    Examples
    --------
    >>> function_named("math:sqrt")(9)
    3.0
    """
    found = object_named(place, option=option)
    if not callable(found) or inspect.isclass(found):
        raise ParameterError(
            f"{option}: {place} is a {type(found).__name__}, not a function that can be called "
            "with architectures"
        )
    function: Callable[..., Any] = found
    return function
