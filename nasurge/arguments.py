"""Studies and makers of predictors by name."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
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
from .data.plugins import import_place
from .data.spaces import is_place
from .errors import ParameterError
from .predictors.names import PREDICTORS
from .predictors.saving.names import predictor_name
from .registry import (
    BASES,
    check_class,
    make_predictor,
    predictor_class,
    predictor_names,
    promised,
)
from .search.store import code_digest, function_name
from .search.studies.options import SearchOptions

if TYPE_CHECKING:
    from .benchmarks.studies import Factory
    from .benchmarks.studies.options import Predictors
    from .data.spaces import Space
    from .predictors.base import Predictor

logger = logging.getLogger(__name__)


class OwnPredictor:
    """Maker of predictors of somebody's own class, or by a function of space and seed.

    Parameters
    ----------
    make : callable
        Picklable by value: a class or function of a script, too.
    name : str
        What it is called, for an error.
    """

    def __init__(self, make: Callable[..., Any], name: str) -> None:
        self.make, self.name = make, name

    def __call__(self, space: Space, *, seed: int) -> Predictor:
        """Unfitted predictor for ``space``."""
        return made_by(self.make, "predictor", self.name, space, seed=seed)  # type: ignore[no-any-return]

    @property
    def code(self) -> str | None:
        """Checksum of its code, so that a study is not continued with another."""
        return code_digest(self.make)


def made_by(make: Callable[..., Any], kind: str, name: str, space: Space, **arguments: Any) -> Any:
    """What somebody's own class or function makes for a space: a predictor, or a searcher.

    Raises
    ------
    ParameterError
        If it does not take these arguments, or makes something else.
    """
    takes = f"{name} is called with a space, {', '.join(f'{key}=' for key in arguments)}"
    try:
        inspect.signature(make).bind(space, **arguments)
    except TypeError as error:
        raise ParameterError(f"{takes}: {error}; {promised(kind)}") from None
    made = make(space, **arguments)
    if not isinstance(made, import_place(BASES[kind])):
        raise ParameterError(f"{takes}, and makes {brief(made)}, no {kind}: {promised(kind)}")
    return made


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

    @property
    def code(self) -> str | None:
        """Checksum of the code of a class of somebody's own."""
        return code_digest(type(self.predictor))


def predictor_factories(
    predictors: Predictors,
) -> dict[str, Factory]:
    """Makers of predictors by name, of names, classes and predictors.

    Parameters
    ----------
    predictors : str, type, Predictor, callable, or a sequence or mapping of these
        Of names, ``all`` stands for every registered one whose packages are installed, and
        ``-NAME`` leaves one out again; ``MODULE:CLASS`` is a class that can be imported. A class or
        function of ``space`` and ``seed`` has its own name, a predictor that of its class and its
        parameters; a mapping gives names to what it holds.

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
    for name, one in pairs_of(predictors):
        if isinstance(one, str) and not name and not is_place(one):
            names.append(one)
            continue
        factory, own = _factory(one, name)
        key = name or own
        if key in made or key in names:
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


def pairs_of(these: Any) -> list[tuple[str, Any]]:
    """What is given, each with a name if it has been given one."""
    if isinstance(these, str):
        return [("", name) for name in listed(these)]
    if isinstance(these, Mapping):
        return list(these.items())
    if isinstance(these, Sequence):
        return [("", one) for one in these]
    return [("", these)]


def _factory(one: Any, name: str) -> tuple[Factory, str]:
    """Maker of what is given, and its own name."""
    from .predictors.base import Predictor

    if isinstance(one, str):
        cls = predictor_class(one)
        return OwnPredictor(cls, one) if is_place(one) else partial(make_predictor, one), one
    if isinstance(one, type):
        check_class("predictor", one.__name__, one)
        return OwnPredictor(one, one.__name__), one.__name__
    if isinstance(one, Predictor):
        remade = Remade(one)
        registered = predictor_name(type(one))
        name = registered if registered in PREDICTORS else type(one).__name__
        return remade, name + remade.parameters
    if callable(one):
        own = function_name(one)
        if own is None and not name:
            raise ParameterError(
                "a function without a name makes predictors: give it one, {NAME: function, ...}"
            )
        return OwnPredictor(one, name or str(own)), str(own)
    raise ParameterError(
        f"a predictor is a name of: nasurge predictors, a class of a Predictor, an object of one, "
        f"or a function of space and seed that makes one, not {brief(one)}"
    )


def compare_study(options: CompareOptions) -> CompareStudy:
    """Study of ``compare``, its predictors by name."""
    asked = options.predictors
    every = any(one == "all" for _, one in pairs_of(asked) if isinstance(one, str))
    return CompareStudy(options, predictor_factories(asked), skip_unfit=every)


def validate_study(options: ValidateOptions) -> ValidateStudy:
    """Study of ``validate``, its predictors by name; without one where none is named."""
    asked = options.predictors
    return ValidateStudy(options, predictor_factories(asked) if asked else {})


_SEARCHED: dict[str, Any] = {
    "budget": int,
    "seed": int | None,
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


def installed_of(names: Sequence[str]) -> list[str]:
    """Those of the named predictors whose extra is installed; what is left out is logged.

    Examples
    --------
    >>> installed_of(["xgb", "gp"])
    ['xgb', 'gp']
    """
    extras = {
        name: entry.extra
        for name in names
        if (entry := PREDICTORS.get(name)) is not None
        and entry.extra
        and not all(find_spec(module) for module in predictor_class(name).heavy_imports)
    }
    if extras:
        logger.warning(
            "left out, since they need packages that are not installed: %s; "
            "pip install 'nasurge[%s]'",
            ", ".join(extras),
            ",".join(dict.fromkeys(extras.values())),
        )
    return [name for name in names if name not in extras]
