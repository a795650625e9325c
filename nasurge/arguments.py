"""Studies and makers of predictors by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .benchmarks.studies import (
    CompareOptions,
    CompareStudy,
    ValidateOptions,
    ValidateStudy,
    chosen,
    listed,
)
from .data.arguments import argument, brief, check_bounds, misfit
from .errors import ParameterError
from .predictors.names import PREDICTORS
from .predictors.saving.names import predictor_name
from .registry import installed_of, make_predictor, predictor_class, predictor_names
from .search.studies.options import SearchOptions

if TYPE_CHECKING:
    from .benchmarks.studies import Factory
    from .benchmarks.studies.options import Predictors
    from .data.spaces import Space
    from .predictors.base import Predictor


class Remade:
    """Maker of predictors with the parameters of one, for other spaces and seeds.

    Parameters
    ----------
    predictor : Predictor
        Fitted or not; what it has learnt is not taken over.
    """

    def __init__(self, predictor: Predictor) -> None:
        from sklearn.base import clone

        self.predictor = clone(predictor)

    def __call__(self, space: Space, *, seed: int) -> Predictor:
        """Unfitted predictor for ``space``."""
        from sklearn.base import clone

        made: Predictor = clone(self.predictor).set_params(space=space, seed=seed)
        return made

    @property
    def parameters(self) -> str:
        """Parameters that differ from their defaults, such as ``(n_estimators=50)``."""
        defaults = inspect.signature(type(self.predictor)).parameters
        changed = {
            key: value
            for key, value in self.predictor.get_params(deep=False).items()
            if key not in ("space", "seed") and repr(value) != repr(defaults[key].default)
        }
        return f"({', '.join(f'{k}={v!r}' for k, v in changed.items())})" if changed else ""


def predictor_factories(
    predictors: Predictors,
) -> dict[str, Factory]:
    """Makers of predictors by name, of names, classes and predictors.

    Parameters
    ----------
    predictors : str, type, Predictor, or a sequence or mapping of these
        Of names, ``all`` stands for every registered one whose packages are installed, and
        ``-NAME`` leaves one out again. A class has its own name, a predictor that of its class and
        its parameters; a mapping gives names to what it holds.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    ParameterError
        If none is left, something else is given, or two have one name.

    Examples
    --------
    >>> list(predictor_factories("gp, xgb"))
    ['gp', 'xgb']
    >>> xgb = make_predictor("xgb", "nb201", n_estimators=50)
    >>> list(predictor_factories(["gp", xgb])), list(predictor_factories({"few trees": xgb}))
    (['gp', 'xgb(n_estimators=50)'], ['few trees'])
    """
    made: dict[str, Factory] = {}
    names: list[str] = []
    for name, one in _pairs(predictors):
        if isinstance(one, str) and not name:
            names.append(one)
            continue
        factory, own = _factory(one)
        key = name or own
        if key in made:
            raise ParameterError(
                f"two predictors are called {key!r}: give them names, {{NAME: predictor, ...}}"
            )
        made[key] = factory
        names.append(key)
    known = [*predictor_names(), *made]
    for name in names:
        if name.removeprefix("-") not in (*known, "all"):
            predictor_class(name.removeprefix("-"))  # an error that knows other words for it
    asked = chosen(names, known, kind="predictor")
    if "all" in names:
        kept = {*names, *installed_of(asked)}
        asked = [name for name in asked if name in kept]
    return {name: made.get(name) or partial(make_predictor, name) for name in asked}


def _pairs(predictors: Predictors) -> list[tuple[str, Any]]:
    """What is given, each with a name if it has been given one."""
    if isinstance(predictors, str):
        return [("", name) for name in listed(predictors)]
    if isinstance(predictors, Mapping):
        return list(predictors.items())
    if isinstance(predictors, Sequence):
        return [("", one) for one in predictors]
    return [("", predictors)]


def _factory(one: Any) -> tuple[Factory, str]:
    """Maker of what is given, and its own name."""
    from .predictors.base import Predictor

    if isinstance(one, str):
        predictor_class(one)
        return partial(make_predictor, one), one
    if isinstance(one, type) and issubclass(one, Predictor):
        return one, one.__name__
    if isinstance(one, Predictor):
        remade = Remade(one)
        registered = predictor_name(type(one))
        name = registered if registered in PREDICTORS else type(one).__name__
        return remade, name + remade.parameters
    raise ParameterError(
        f"a predictor is a name of: nasurge predictors, a class of a Predictor or an object of "
        f"one, not {brief(one)}"
    )


def compare_study(options: CompareOptions) -> CompareStudy:
    """Study of ``compare``, its predictors by name."""
    asked = options.predictors
    every = any(one == "all" for _, one in _pairs(asked) if isinstance(one, str))
    return CompareStudy(options, predictor_factories(asked), skip_unfit=every)


def validate_study(options: ValidateOptions) -> ValidateStudy:
    """Study of ``validate``, its predictors by name; without one where none is named."""
    asked = options.predictors
    return ValidateStudy(options, predictor_factories(asked) if asked else {})


_SEARCHED: dict[str, Any] = {
    "budget": int,
    "seed": int,
    "timeout": float | None,
    "study": str | None,
    "callback": Callable[..., Any] | None,
    "progress": bool | Callable[..., Any] | None,
}
_DIRECTIONS = ("direction", "directions", "maximize", "minimize")


def check_search(objective: Any, tables: Mapping[str, Any], **given: Any) -> None:
    """Refuse arguments of ``nasurge.search`` that nothing takes, or of other types.

    Parameters
    ----------
    objective : object
        A function, or what names tasks of tables.
    tables : mapping
        Arguments that only a search on tables may have.
    **given
        The others, as far as they are of a plain type.

    Raises
    ------
    ParameterError
        With what is allowed.
    """
    for name, value in given.items():
        if name in _SEARCHED:
            argument(f"search: {name}", value, _SEARCHED[name])
    check_bounds("search: budget", given["budget"], 0 if callable(objective) else 1, None)
    for name in tables:
        if name in _DIRECTIONS:
            raise ParameterError(
                f"search has no argument {name!r}: bigger is better, but for what minimise= names; "
                "a table says itself which of its columns are minimised"
            )
        if name in ("searchers", "predictors"):
            raise ParameterError(f"search has no argument {name!r}: it is {name[:-1]}, for several")
        if callable(objective) and name not in SearchOptions.__dataclass_fields__:
            raise ParameterError(misfit("search", inspect.signature(SearchOptions), [name]))
