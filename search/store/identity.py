"""What tells a search in a database from another one, as JSON values."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...data.spaces import Space
from ...predictors.saving.names import predictor_name
from ..base import Searcher
from ..searchers.names import searcher_name, with_names
from .code import code_digest, code_of

UNKNOWN = "unknown"
CODE = "code of the objective"
_NOT_SETTINGS = ("space", "seed", "predictor")
_PLAIN = (bool, int, float, str, type(None))


def identity(searcher: Searcher, objective: Callable[..., Any]) -> dict[str, Any]:
    """Entries of a study that say what searches, with which settings, for what.

    A setting that cannot be described, such as a function without a name, is ``{"unknown": its
    type}``. A seed counts if it is a number: a generator has moved on, and None is drawn afresh.
    """
    predictor = getattr(searcher, "predictor", None)
    return {
        "space": searcher.space.spec(),
        "searcher": searcher_name(type(searcher)),
        "predictor": None if predictor is None else predictor_name(type(predictor)),
        "settings": settings_of(searcher),
        "objective": function_name(objective),
        CODE: code_of(objective),
    }


def settings_of(searcher: Searcher) -> dict[str, Any]:
    """Settings of a searcher by the names of its parameters."""
    found: dict[str, Any] = {"n_objectives": searcher.n_objectives, "bounds": searcher.bounds}
    for name, parameter in inspect.signature(type(searcher)).parameters.items():
        if name not in _NOT_SETTINGS and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            found[name] = getattr(searcher, name, {UNKNOWN: "not kept under its name"})
    found["pool"] = searcher.pool_digest
    if isinstance(searcher.seed, int | np.integer):
        found["seed"] = searcher.seed
    limits: Any = getattr(searcher, "limits", None)
    if hasattr(limits, "costs"):
        costs = {name: function_name(cost) for name, cost in limits.costs.items()}
        found |= {"constraints": limits.bounds, "costs": costs, "penalties": limits.penalties}
    predictor = getattr(searcher, "predictor", None)
    if hasattr(predictor, "get_params"):
        found |= {f"predictor {k}": v for k, v in _without_seeds(predictor).items()}
    for part in (searcher, predictor):
        if digest := code_digest(type(part)):  # of a class of somebody's own, under this Python
            python = ".".join(map(str, sys.version_info[:2]))
            found[f"code of {type(part).__qualname__} in Python {python}"] = digest
    return {name: described(value) for name, value in found.items()}


def _without_seeds(predictor: Any) -> dict[str, Any]:
    """Parameters of a predictor but its seed and its space, which the study has."""
    try:
        parameters = predictor.get_params(deep=False)
    except AttributeError:  # it does not keep what it was given
        return {"parameters": {UNKNOWN: type(predictor).__qualname__}}
    return {k: v for k, v in parameters.items() if k not in ("seed", "random_state", "space")}


def function_name(function: Callable[..., Any]) -> str | None:
    """Name of a function without its module, or of a callable's class.

    None of a lambda or a function inside another: those have no name of their own.

    Examples
    --------
    >>> function_name(np.linalg.norm), function_name(lambda codes: codes)
    ('norm', None)
    """
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return None if "<" in name else name


def described(value: Any) -> Any:
    """JSON value that is the same for equal settings.

    Examples
    --------
    >>> described((1, None, np.float64(0.5)))
    [1, None, 0.5]
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
        return f"{value.dtype} {value.shape} {digest}"
    if isinstance(value, Mapping):
        return {str(k): described(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [described(v) for v in value]
    if isinstance(value, Space):
        return value.spec()
    if isinstance(value, np.random.Generator):
        return "generator"
    if hasattr(value, "get_params"):
        return {"class": type(value).__qualname__, **described(_without_seeds(value))}
    if callable(value) and (name := function_name(value)) is not None:
        return name
    return {UNKNOWN: type(value).__qualname__}


def differences(found: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    """What a study says otherwise than a search, in its own words; entries by name.

    The first studies have no settings and no objective, and lambdas have no name: what either side
    does not know is passed over. So is the objective's code, which may be mended on the way.
    """
    # Studies held class names at first. Both sides: another's class may be called like ours.
    found, about = dict(with_names(dict(found))), dict(with_names(dict(about)))
    found[CODE] = about[CODE] = None
    kept, settings = found.pop("settings", {}), about.pop("settings", {})
    shared = [name for name in settings if name in kept]
    # Through JSON, as the study has them.
    changed = [name for name in shared if json.dumps(kept[name]) != json.dumps(settings[name])]
    if found.get("objective") is None or about.get("objective") is None:
        found["objective"] = about["objective"] = None
    others = [k for k in sorted({*found, *about}) if found.get(k) != about.get(k)]
    return list(dict.fromkeys([*others, *changed]))


def unknown_parts(about: Mapping[str, Any]) -> list[str]:
    """What cannot be told from another search: names of settings, and the objective."""
    parts = [] if about.get("objective") else ["the objective (a function without a name)"]
    return parts + [k for k, v in about.get("settings", {}).items() if UNKNOWN in repr(v)]
