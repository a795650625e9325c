"""Studies and makers of predictors by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from .benchmarks.studies import (
    CompareOptions,
    CompareStudy,
    ValidateOptions,
    ValidateStudy,
    chosen,
    listed,
)
from .registry import make_predictor, predictor_names

if TYPE_CHECKING:
    from .benchmarks.studies import Factory
    from .predictors.base import Predictor


def predictor_factories(
    predictors: str | Sequence[str | type[Predictor]],
) -> dict[str, Factory]:
    """Makers of predictors by name, of names and classes; a class has its own name.

    Parameters
    ----------
    predictors : str or sequence of str or type
        ``all`` stands for every registered one, ``-NAME`` leaves one out again.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    ParameterError
        If none is left.

    Examples
    --------
    >>> list(predictor_factories("gp, xgb"))
    ['gp', 'xgb']
    """
    asked = listed(predictors) if isinstance(predictors, str) else predictors
    classes = {cls.__name__: cls for cls in asked if not isinstance(cls, str)}
    names = [one if isinstance(one, str) else one.__name__ for one in asked]
    known = [*predictor_names(), *classes]
    made: dict[str, Factory] = {}
    for name in chosen(names, known, kind="predictor"):
        made[name] = classes.get(name) or partial(make_predictor, name)
    return made


def compare_study(options: CompareOptions) -> CompareStudy:
    """Study of ``compare``, its predictors by name."""
    asked = options.predictors
    names = listed(asked) if isinstance(asked, str) else asked
    return CompareStudy(options, predictor_factories(asked), skip_unfit="all" in names)


def validate_study(options: ValidateOptions) -> ValidateStudy:
    """Study of ``validate``, its predictors by name; without one where none is named."""
    asked = options.predictors
    return ValidateStudy(options, predictor_factories(asked) if asked else {})
