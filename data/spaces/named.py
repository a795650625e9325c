"""What a user names as ``MODULE:NAME``: functions of one's own, and models that are spaces."""

from __future__ import annotations

import importlib
import os
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import NasurgeError, ParameterError, SchemaError, UnknownNameError
from ..plugins import import_place
from .base import Space

_SPACE_OF = "nasurge.data.networks.choices:space_of"


def is_place(text: str) -> bool:
    """Whether a text is ``MODULE:NAME``: Python names, with dots, on both sides of a colon.

    Examples
    --------
    >>> is_place("my_module:Net"), is_place("nb201"), is_place("C:/nets.toml")
    (True, False, False)
    """
    module, _, path = text.partition(":")
    return all(part.isidentifier() for part in [*module.split("."), *path.split(".")])


def object_named(place: str, *, option: str, kind: str = "function") -> Any:
    """Object of a module that can be imported from here; the working folder comes first.

    Parameters
    ----------
    place : str
        ``MODULE:NAME``, such as ``train:accuracy`` of ``train.py`` in the working folder; a module
        in packages, and an attribute of a class or object, have dots.
    option : str
        How it was typed, for an error.
    kind : str
        What it is, for an error.

    Raises
    ------
    ParameterError
        If it is written otherwise, or the module cannot be imported.
    UnknownNameError
        If the module has no such attribute.
    """
    name, _, path = place.partition(":")
    if not is_place(place):
        word = kind.upper()
        hint = f"{name.removesuffix('.py').replace(os.sep, '.')}:{path or word}"
        hint = f"; perhaps {hint}" if name.endswith(".py") else ""
        raise ParameterError(
            f"{option} is MODULE:{word}, such as train:accuracy for accuracy of train.py here, "
            f"not {place!r}{hint}"
        )
    found: Any = _module(name, option)
    for part in path.split("."):
        if not hasattr(found, part):
            held = getattr(found, "__dict__", {})
            known = [k for k, v in held.items() if callable(v) and not k.startswith("_")]
            own = [k for k in known if getattr(held[k], "__module__", None) == name]
            raise UnknownNameError(kind, part, own or known, hint=f"of {name}")
        found = getattr(found, part)
    return found


def model_space(place: str, *, example: Any = None) -> Space:
    """Space of a model that a user names: a module, or a class or function that makes one.

    Never to be called with what a file holds: it imports, and so runs, the module.

    Parameters
    ----------
    place : str
        ``MODULE:NAME``, such as ``my_module:Net``.
    example : Tensor, optional
        As for ``nasurge.nn.space_of``.

    Raises
    ------
    ParameterError
        If it cannot be imported, is no model, or its constructor raises.
    UnknownNameError
        If the module has no such attribute.
    SchemaError
        As ``nasurge.nn.space_of``.
    """
    model = object_named(place, option="space", kind="model")
    if isinstance(model, Space):
        return model
    if not callable(model):
        raise ParameterError(
            f"space: {place} is of type {type(model).__name__}, not a torch.nn.Module or a class "
            "or function that makes one"
        )
    try:
        found: Space = import_place(_SPACE_OF)(model, example=example, name=place)
    except NasurgeError as error:
        raise type(error)(f"space {place}: {error}") from error
    except Exception as error:
        raise ParameterError(
            f"space: {place} cannot be made: {type(error).__name__}: {error}; it is a "
            "torch.nn.Module, or is called without arguments to make one"
        ) from error
    return found


def refuse_place(spec: Any) -> None:
    """Refuse a stored description of a space that would import code.

    Raises
    ------
    SchemaError
    """
    if isinstance(spec, str) and ":" in spec:
        raise SchemaError(
            f"a file describes its space, it does not name code to be run: received {spec!r:.80}"
        )


def _module(name: str, option: str) -> ModuleType:
    """Module of a name, looked for in the working folder first, as ``python -m`` does."""
    here, first = str(Path.cwd()), name.partition(".")[0]
    lies_here = Path(here, first).is_dir() or any(Path(here).glob(f"{first}.*"))
    if lies_here and here not in sys.path:  # and stays there: the workers of this process look, too
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
