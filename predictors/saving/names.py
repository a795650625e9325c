"""Names of our classes in files, and where each class is now.

A file names a registered predictor as users do (``gp``) and every other class of ours by an alias
(``nasurge:OneHot``). Who moves or renames a class changes its place in ``names.json`` and
nothing else; a name that has been written stays.
"""

from ..names import PREDICTORS, TABLES

PLACES: dict[str, str] = {
    **{name: entry.place for name, entry in PREDICTORS.items()},
    **{f"nasurge:{alias}": place for alias, place in TABLES["classes"].items()},
}
"""The ``"module:Class"`` of every name in files: of predictors, and what else they may hold."""

NAMES = {place: name for name, place in PLACES.items()}
"""The name in files of every ``"module:Class"``."""

# Files of format 1 named the places of that time. This table does not change.
OLD_NAMES: dict[str, str] = TABLES["format 1"]
"""The name in files of every ``"module:Class"`` of format 1."""

# Of two classes that were called the same, the predictor was named.
_OLD = sorted(OLD_NAMES.items(), key=lambda item: item[1] in PREDICTORS)
OLD_CLASS_NAMES = {place.partition(":")[2]: name for place, name in _OLD}
"""Names by the class names that studies and searches held at first."""


def class_path(cls: type[object]) -> str:
    """Place of a class: ``"module:Class"``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def predictor_name(cls: type[object]) -> str:
    """Name in files of a predictor of ours; the class name of another one.

    Examples
    --------
    >>> from nasurge.predictors import GaussianProcess
    >>> predictor_name(GaussianProcess)
    'gp'
    """
    return NAMES.get(class_path(cls), cls.__name__)


def old_class_name(cls: type[object]) -> str:
    """Class name of a predictor when files came to hold it, whatever it is called now."""
    names = {name: old for old, name in OLD_CLASS_NAMES.items()}
    return names.get(predictor_name(cls), cls.__name__)
