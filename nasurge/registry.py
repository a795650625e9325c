"""Names of predictors and searchers; plug-ins add theirs by entry point."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataFileError, ParameterError, UnknownNameError
from .predictors.saving.names import PREDICTORS, class_path
from .search.searchers.names import GUIDED, SEARCHERS

if TYPE_CHECKING:
    from .benchmarks.studies import Study
    from .data.spaces import Space
    from .predictors.base import Predictor
    from .search.base import Searcher

DEFAULT_PREDICTOR = "auto"
STUDIES = {
    "compare": "nasurge.benchmarks.studies.comparing:CompareStudy",
    "search": "nasurge.search.studies.table:SearchStudy",
    "fronts": "nasurge.search.studies.fronts:FrontsStudy",
    "validate": "nasurge.benchmarks.studies.validating:ValidateStudy",
    "verify": "nasurge.benchmarks.studies.verifying:VerifyStudy",
    "table": "nasurge.benchmarks.studies.building:TableStudy",
    "trained": "nasurge.benchmarks.studies.trained:TrainedStudy",
    "few-shot": "nasurge.search.studies.few_shot:FewShotStudy",
    "meta-tables": "nasurge.search.studies.across_tables:MetaTablesStudy",
    "latency": "nasurge.search.studies.latency:LatencyStudy",
    "transfer": "nasurge.search.studies.transfer:TransferStudy",
    "warm-start": "nasurge.search.studies.warm_start:WarmStartStudy",
}
"""Kinds of studies, as ``study.json`` names them."""


@cache
def _plugins(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def predictor_names() -> list[str]:
    """Names of all predictors, ours and those of plug-ins (``nasurge.predictors``)."""
    return list(PREDICTORS | _plugins("nasurge.predictors"))


def searcher_names() -> list[str]:
    """Names of all searchers, ours and those of plug-ins (``nasurge.searchers``)."""
    return list(SEARCHERS | _plugins("nasurge.searchers"))


def _load(kind: str, name: str, own: dict[str, str], group: str) -> type[Any]:
    if name in own:
        module, _, attribute = own[name].partition(":")
        found: type[Any] = getattr(importlib.import_module(module), attribute)
        return found
    if name in _plugins(group):
        plugin: type[Any] = _plugins(group)[name].load()
        return plugin
    raise UnknownNameError(kind, name, own | _plugins(group))


def predictor_class(name: str) -> type[Predictor]:
    """Class of a predictor.

    Raises
    ------
    UnknownNameError
        If there is no such predictor.
    """
    return _load("predictor", name, PREDICTORS, "nasurge.predictors")


def searcher_class(name: str, *, guided: bool = False) -> type[Searcher]:
    """Class of a searcher, the predictor-guided one if ``guided``.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    if guided and name in GUIDED:
        return _load("searcher", name, GUIDED, "nasurge.searchers")
    return _load("searcher", name, SEARCHERS, "nasurge.searchers")


def study_class(kind: str) -> type[Study[Any]]:
    """Record of a kind of study.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    return _load("kind of study", kind, STUDIES, "nasurge.studies")


def study_of_folder(folder: Path) -> type[Study[Any]]:
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


def can_be_guided(name: str) -> bool:
    """Whether a searcher takes a predictor.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    return "predictor" in inspect.signature(searcher_class(name, guided=True)).parameters


def takes_objectives(name: str) -> bool:
    """Whether a searcher takes several objectives, as ``n_objectives``.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    return searcher_class(name).several_objectives


def _make(cls: type[Any], name: str, space: Space, parameters: dict[str, Any]) -> Any:
    known = [p for p in inspect.signature(cls).parameters if p != "space"]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError("parameter", parameter, known, hint=f"of {name!r}")
    return cls(space, **parameters)


def make_predictor(name: str, space: Space, **parameters: Any) -> Predictor:
    """Unfitted predictor of a name.

    Parameters
    ----------
    name : str
        One of ``nasurge predictors``.
    space : Space
        The space it predicts for, such as ``table.space``.
    **parameters
        As the predictor's class takes them: ``seed`` and others.

    Raises
    ------
    UnknownNameError
        If there is no such predictor, or it has no such parameter.

    Examples
    --------
    >>> import nasurge
    >>> nasurge.make_predictor("xgb", nasurge.make_space("nb201"), seed=0).n_estimators
    400
    """
    predictor: Predictor = _make(predictor_class(name), name, space, parameters)
    return predictor


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

    return read_predictor(Path(path), _saved_class)


def _saved_class(name: str) -> type[Predictor]:
    """Class of a registered predictor by its name in files; ``LookupError`` without one."""
    if name in PREDICTORS:
        return predictor_class(name)
    package = name.partition(":")[0].partition(".")[0]
    for plugin, entry in _plugins("nasurge.predictors").items():
        if entry.module.partition(".")[0] == package and plugin not in PREDICTORS:
            found = predictor_class(plugin)
            if class_path(found) == name:
                return found
    raise LookupError(name)


def make_searcher(
    name: str, space: Space, *, predictor: str | Predictor | None = None, **parameters: Any
) -> Searcher:
    """Searcher that has not asked for anything yet.

    Parameters
    ----------
    name : str
        One of ``nasurge searchers``.
    space : Space
    predictor : str or Predictor, optional
        Guides the search, where the searcher can be guided.
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
        parameters["predictor"] = predictor
    searcher: Searcher = _make(cls, name, space, parameters)
    return searcher
