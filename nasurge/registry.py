"""Names of predictors, searchers and studies; plug-ins add theirs by entry point."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data.arguments import as_path, brief, checked
from .data.parameters import check_parameters
from .data.plugins import all_names, first_line, import_place, named_part, plugins
from .errors import DataFileError, ParameterError, PluginError, UnknownNameError
from .predictors.names import PREDICTORS, ListedPredictor
from .predictors.saving.names import class_path
from .search.searchers.names import GUIDED, SEARCHERS, ListedSearcher

if TYPE_CHECKING:
    from .benchmarks.studies import Study
    from .data.spaces import Space
    from .predictors.base import Predictor
    from .search.base import Searcher
    from .search.guided import Regressor

DEFAULT_PREDICTOR = "auto"
STUDIES = {
    "compare": "nasurge.benchmarks.studies.comparing:CompareStudy",
    "search": "nasurge.search.studies.table:SearchStudy",
    "function": "nasurge.functions.study:FunctionStudy",
    "fronts": "nasurge.search.studies.fronts:FrontsStudy",
    "validate": "nasurge.benchmarks.studies.validating:ValidateStudy",
    "verify": "nasurge.benchmarks.studies.verifying:VerifyStudy",
    "table": "nasurge.benchmarks.studies.building:TableStudy",
    "trained": "nasurge.benchmarks.studies.trainings:TrainedStudy",
    "few-shot": "nasurge.search.studies.few_shot:FewShotStudy",
    "meta-tables": "nasurge.search.studies.across_tables:MetaTablesStudy",
    "latency": "nasurge.search.studies.latency:LatencyStudy",
    "transfer": "nasurge.search.studies.transfer:TransferStudy",
    "warm-start": "nasurge.search.studies.warm_start:WarmStartStudy",
}
"""Kinds of studies, as ``study.json`` names them."""
COMMANDS = {
    "few-shot": ("meta few-shot", "nasurge.search.studies.options:FewShotOptions"),
    "latency": ("meta latency", "nasurge.search.studies.options:LatencyOptions"),
    "meta-tables": ("meta tables", "nasurge.search.studies.options:MetaTablesOptions"),
    "transfer": ("meta transfer", "nasurge.search.studies.options:TransferOptions"),
}
"""Commands of kinds whose options are all there is to say: words, and place of the options."""
BASES = {"predictor": "nasurge.predictors:Predictor", "searcher": "nasurge.search:Searcher"}
_PREDICTORS = "nasurge.predictors"
_SEARCHERS = "nasurge.searchers"


def predictor_names() -> list[str]:
    """Names of all predictors: ours, then those of plug-ins (``nasurge.predictors``)."""
    return all_names(PREDICTORS, group=_PREDICTORS)


def searcher_names() -> list[str]:
    """Names of all searchers: ours, then those of plug-ins (``nasurge.searchers``)."""
    return all_names(SEARCHERS, group=_SEARCHERS)


def predictor_class(name: str) -> type[Predictor]:
    """Class of a predictor: of a name, or ``MODULE:CLASS`` of one that can be imported from here.

    Never to be called with what a file holds: a module that is named is imported, and so run.

    Raises
    ------
    UnknownNameError
        If there is no such predictor.
    PluginError
        If that of a plug-in cannot be imported, or is none.
    ParameterError
        If a module cannot be imported, or has no such class.
    """
    places = {own: entry.place for own, entry in PREDICTORS.items()}
    if name not in predictor_names():
        if own_class := _class_at("predictor", name):
            return own_class
        raise _unknown("predictor", name, PREDICTORS, predictor_names())
    cls: type[Predictor] = named_part("predictor", name, places, group=_PREDICTORS)
    if name not in PREDICTORS:
        from .predictors import Predictor as Base

        _check_part("predictor", name, cls, Base)
    return cls


def searcher_class(name: str, *, guided: bool = False) -> type[Searcher]:
    """Class of a searcher, the predictor-guided one if ``guided``; of a name or ``MODULE:CLASS``.

    Never to be called with what a file holds: a module that is named is imported, and so run.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    PluginError
        If that of a plug-in cannot be imported, or is none.
    ParameterError
        If a module cannot be imported, or has no such class.
    """
    places = {own: entry.place for own, entry in SEARCHERS.items()}
    if guided:
        places |= GUIDED
    if name not in searcher_names():
        if own_class := _class_at("searcher", name):
            return own_class
        raise _unknown("searcher", name, SEARCHERS, searcher_names())
    cls: type[Searcher] = named_part("searcher", name, places, group=_SEARCHERS)
    if name not in places:
        from .search import Searcher as Base

        _check_part("searcher", name, cls, Base)
    return cls


def _check_part(kind: str, name: str, cls: Any, base: type[Any]) -> None:
    """Error if the part of a plug-in is not what its entry point says."""
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise PluginError(
            f"{kind} {name!r} of a plug-in is no class of a {base.__name__}, but {cls!r}: its "
            "entry point names something else"
        )


def check_class(kind: str, name: str, cls: Any) -> None:
    """Error if what stands for a predictor or searcher is no class of one.

    Raises
    ------
    ParameterError
        With what it has to be, and the contract that says what it promises.
    """
    base = import_place(BASES[kind])
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise ParameterError(f"{name} is no class of a {kind}, but {brief(cls)}: {promised(kind)}")


def promised(kind: str) -> str:
    """What somebody's own predictor or searcher has to be, for an error."""
    base = BASES[kind].replace(":", ".")
    return f"subclass {base}; nasurge.testing.{kind} checks what one promises"


def _class_at(kind: str, place: str) -> type[Any] | None:
    """Class of somebody's own, named ``MODULE:CLASS``; None if that is no such name."""
    from .data.spaces import is_place, object_named

    if not is_place(place):
        return None
    found: type[Any] = object_named(place, option=f"a {kind} of your own", kind="class")
    check_class(kind, place, found)
    return found


def _unknown(
    kind: str,
    name: str,
    entries: Mapping[str, ListedPredictor] | Mapping[str, ListedSearcher],
    known: Sequence[str],
) -> UnknownNameError:
    """Error on a name, with what has it as its class's name, in its summary, or as a command."""
    from .search.methods import PREDICTING, SEARCHING

    methods = PREDICTING if kind == "predictor" else SEARCHING
    wanted = _letters(name)
    near = [own for own, entry in entries.items() if wanted == _letters(entry.place.split(":")[1])]
    near = near or get_close_matches(name, known, n=3, cutoff=0.6)
    if not near and len(wanted) > 3:
        near = [own for own, entry in entries.items() if wanted in _letters(entry.summary)][:3]
    if usages := [method.usage for method in methods if method.name == name]:
        hint = f"{name} is a method of: {usages[0]}"
        return UnknownNameError(kind, name, known, hint=hint, near=())
    return UnknownNameError(kind, name, known, near=near or None)


def _letters(text: str) -> str:
    """Letters and digits of a text, in small letters."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def predictor_entry(name: str) -> ListedPredictor:
    """What a list says of a predictor; of ours no class is imported.

    Raises
    ------
    UnknownNameError
        If there is no such predictor.
    """
    if name in PREDICTORS:
        return PREDICTORS[name]
    cls = predictor_class(name)
    return ListedPredictor(
        name, class_path(cls), first_line(cls), cls.minimum_labels, cls.offers_std
    )


def searcher_entry(name: str) -> ListedSearcher:
    """What a list says of a searcher; of ours no class is imported.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    if name in SEARCHERS:
        return SEARCHERS[name]
    cls = searcher_class(name)
    guided = "predictor" in inspect.signature(cls).parameters
    return ListedSearcher(name, class_path(cls), first_line(cls), guided, cls.several_objectives)


def can_be_guided(name: str) -> bool:
    """Whether a searcher takes a predictor.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    return searcher_entry(name).guided


def takes_objectives(name: str) -> bool:
    """Whether a searcher takes several objectives, as ``n_objectives``.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    return searcher_entry(name).several_objectives


def study_class(kind: str) -> type[Study[Any, Any]]:
    """Record of a kind of study.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    cls: type[Study[Any, Any]] = named_part("kind of study", kind, STUDIES, group="nasurge.studies")
    return cls


def study_of_folder(folder: Path) -> type[Study[Any, Any]]:
    """Record of the kind of study that a folder holds.

    Raises
    ------
    StorageError, DataFileError
        If it holds no study, or one that does not say its kind.
    UnknownNameError
        If there is no such kind.
    """
    from .benchmarks.studies import read_about

    kind = read_about(folder).get("kind")
    if not isinstance(kind, str):
        raise DataFileError(
            f'{folder / "study.json"} does not say of what kind the study is (no "kind"): give '
            f"the folder that one printed; kinds: {', '.join(STUDIES)}"
        )
    try:
        return study_class(kind)
    except UnknownNameError as error:
        raise UnknownNameError(
            "kind of study", kind, error.known, hint=f"in {folder / 'study.json'}"
        ) from None


@dataclass(frozen=True)
class StudyDescription:
    """A kind of study for a reference page.

    Attributes
    ----------
    kind, title, command : str
        The command is without ``nasurge``, and empty where only Python runs the study.
    options : list of tuple
        Option as it is typed, type, default, and help, of each that can be typed.
    summary, rows : dict
        What each key of a summary's entry and each column of ``rows.parquet`` means.
    """

    kind: str
    title: str
    command: str
    options: list[tuple[str, str, str, str]]
    summary: dict[str, str]
    rows: dict[str, str]


def study_descriptions() -> list[StudyDescription]:
    """All kinds of studies as a reference page shows them, in the order of ``STUDIES``."""
    from .benchmarks.studies import described_fields, type_text

    found = []
    for kind in STUDIES:
        study = study_class(kind)
        options = [
            (
                field.option,
                type_text(field.type),
                "" if field.required else field.default_text,
                field.flag.help,
            )
            for field in described_fields(study.options_type)
        ]
        found.append(
            StudyDescription(
                kind,
                study.title,
                study.command,
                options if study.command else [],
                study.summary_columns(),
                study.columns(),
            )
        )
    return found


def _make(cls: type[Any], name: str, space: str | Space, parameters: dict[str, Any]) -> Any:
    from .data.spaces import make_space

    known = [p for p in inspect.signature(cls).parameters if p != "space"]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError("parameter", parameter, known, hint=f"of {name!r}")
    return cls(make_space(space), **parameters)


@checked
def make_predictor(name: str, space: str | Space, **parameters: Any) -> Predictor:
    """Unfitted predictor of a name.

    Parameters
    ----------
    name : str
        One of ``nasurge predictors``.
    space : Space or str
        The space it predicts for, such as ``table.space``, or its name.
    **parameters
        As the predictor's class takes them: ``seed`` and others.

    Raises
    ------
    UnknownNameError
        If there is no such predictor, or it has no such parameter.
    ParameterError
        If a parameter is outside its range.

    Examples
    --------
    >>> import nasurge
    >>> nasurge.make_predictor("xgb", nasurge.make_space("nb201"), seed=0).n_estimators
    400
    """
    predictor: Predictor = _make(predictor_class(name), name, space, parameters)
    check_parameters(predictor, who=name)
    return predictor


@checked
def load_predictor(path: str | Path) -> Predictor:
    """Fitted predictor that ``Predictor.save`` wrote to a file.

    It predicts what the saved one predicts. Nothing in the file is unpickled or run; only the
    classes of predictors known here are made.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    DataFileError
        If the file is no saved predictor, truncated, changed, of another format, or names a
        predictor that is not installed here.
    DeviceError
        If it was saved with a device by name that is not here.
    StorageError
        If it cannot be read.

    Examples
    --------
    >>> import nasurge, pathlib, tempfile
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gp = nasurge.make_predictor("gp", table.space).fit(table.codes[::150], y[::150])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     gp.save(pathlib.Path(folder) / "gp.nasurge")
    ...     again = nasurge.load_predictor(pathlib.Path(folder) / "gp.nasurge")
    >>> bool((again.predict(table.codes) == gp.predict(table.codes)).all())
    True
    """
    from .predictors.saving.objects import read_predictor

    return read_predictor(as_path(path), _saved_class)


def _saved_class(name: str) -> type[Predictor]:
    """Class of a registered predictor by its name in files; ``LookupError`` without one."""
    if name in PREDICTORS:
        return predictor_class(name)
    package = name.partition(":")[0].partition(".")[0]
    for plugin, entry in plugins(_PREDICTORS).items():
        if entry.module.partition(".")[0] == package and plugin not in PREDICTORS:
            found = predictor_class(plugin)
            if class_path(found) == name:
                return found
    raise LookupError(name)


@checked
def make_searcher(
    name: str, space: str | Space, *, predictor: str | Regressor | None = None, **parameters: Any
) -> Searcher:
    """Searcher of a name that has not asked for anything yet.

    Parameters
    ----------
    name : str
        One of ``nasurge searchers``.
    space : Space or str
        A space, or its name.
    predictor : str, Predictor or regressor, optional
        Guides the search, where the searcher can be guided: a name, or what has ``fit`` and
        ``predict`` as a regressor of scikit-learn.
    **parameters
        As the searcher's class takes them: ``seed`` and others.

    Raises
    ------
    UnknownNameError
        If there is no such searcher or predictor, or the searcher has no such parameter.
    ParameterError
        If a predictor is given to a searcher that uses none.

    Examples
    --------
    >>> import nasurge
    >>> searcher = nasurge.make_searcher("evolution", nasurge.make_space("nb201"), seed=0)
    >>> searcher.ask(3).shape
    (3, 6)
    """
    cls = searcher_class(name, guided=predictor is not None)
    if predictor is None:
        wanted = inspect.signature(cls).parameters.get("predictor")
        if wanted is not None and wanted.default is inspect.Parameter.empty:
            raise ParameterError(f"searcher {name!r} needs a predictor that guides it: give one")
    else:
        if not can_be_guided(name):
            guided = ", ".join(filter(can_be_guided, searcher_names()))
            raise ParameterError(
                f"searcher {name!r} uses no predictor; leave it out, or take one of: {guided}"
            )
        if isinstance(predictor, str):
            predictor = make_predictor(predictor, space)  # its seed follows the searcher's
        if isinstance(predictor, type) or not hasattr(predictor, "fit"):
            raise ParameterError(
                "a predictor that guides a search is a name of: nasurge predictors, or an object "
                f"with fit and predict, not {brief(predictor)}"
            )
        parameters["predictor"] = predictor
    searcher: Searcher = _make(cls, name, space, parameters)
    return searcher
