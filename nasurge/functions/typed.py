"""Functions named at the command line, as ``MODULE:FUNCTION``."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ParameterError, UnknownNameError


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
    name, _, path = place.partition(":")
    if not path or not all(part.isidentifier() for part in [*name.split("."), *path.split(".")]):
        hint = f"{name.removesuffix('.py').replace(os.sep, '.')}:{path or 'FUNCTION'}"
        hint = f"; perhaps {hint}" if name.endswith(".py") else ""
        raise ParameterError(
            f"{option} is MODULE:FUNCTION, such as train:accuracy for the function accuracy of "
            f"train.py here, not {place!r}{hint}"
        )
    found: Any = _module(name, option)
    for part in path.split("."):
        if not hasattr(found, part):
            known = [k for k, v in vars(found).items() if callable(v) and not k.startswith("_")]
            own = [k for k in known if getattr(vars(found)[k], "__module__", None) == name]
            raise UnknownNameError("function", part, own or known, hint=f"of {name}")
        found = getattr(found, part)
    if not callable(found) or inspect.isclass(found):
        raise ParameterError(
            f"{option}: {place} is a {type(found).__name__}, not a function that can be called "
            "with architectures"
        )
    function: Callable[..., Any] = found
    return function


def _module(name: str, option: str) -> ModuleType:
    """Module of a name, looked for in the working folder first, as ``python -m`` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # it may have been written just now
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and not f"{name}.".startswith(f"{missing}."):
            raise ParameterError(
                f"{option}: module {name!r} imports {missing!r}, which is not installed"
            ) from error
        files = [path.stem for path in Path(here).glob("*.py")]
        near = get_close_matches(name, files, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ParameterError(
            f"{option}: there is no module {name!r} in this folder or among what is installed{hint}"
        ) from None
    except (Exception, SystemExit) as error:
        raise ParameterError(
            f"{option}: module {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
