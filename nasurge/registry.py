"""Names of predictors and searchers; plug-ins add theirs by entry point."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    from .benchmarks.studies import Study
    from .data.spaces import Space
    from .predictors.base import Predictor
    from .search.base import Searcher

PREDICTORS = {
    "auto": "nasurge.predictors.ensembles.automatic:Auto",
    "auto-zero-cost": "nasurge.predictors.ensembles.automatic:AutoZeroCost",
    "xgb": "nasurge.predictors.classical.trees:XGBoost",
    "rf": "nasurge.predictors.classical.trees:RandomForest",
    "et": "nasurge.predictors.classical.trees:ExtraTrees",
    "lightgbm": "nasurge.predictors.classical.boosting:LightGBM",
    "ngboost": "nasurge.predictors.classical.boosting:NGBoost",
    "ridge": "nasurge.predictors.classical.linear:BayesianRidge",
    "gp": "nasurge.predictors.processes.kernels:GaussianProcess",
    "gp-rbf": "nasurge.predictors.processes.kernels:RBFGaussianProcess",
    "gp-ard": "nasurge.predictors.processes.kernels:ARDGaussianProcess",
    "gp-soft": "nasurge.predictors.processes.soft_kernels:SoftGaussianProcess",
    "gp-wl": "nasurge.predictors.processes.weisfeiler_lehman:WLGaussianProcess",
    "gpnas-ensemble": "nasurge.predictors.ensembles.combined:GPNASEnsemble",
    "stacking": "nasurge.predictors.ensembles.combined:Stacking",
    "bananas": "nasurge.predictors.ensembles.combined:BANANAS",
    "low-fidelity": "nasurge.predictors.ensembles.low_fidelity:LowFidelity",
    "transfer": "nasurge.predictors.transfer.pooled:Transfer",
    "transfer-graph": "nasurge.predictors.transfer.shared_graph:TransferGraph",
    "mlp": "nasurge.predictors.neural.perceptrons:MLPEnsemble",
    "gin": "nasurge.predictors.graph.predictors:GIN",
    "gcn": "nasurge.predictors.graph.predictors:GCN",
    "gat": "nasurge.predictors.graph.predictors:GAT",
    "gated-gcn": "nasurge.predictors.graph.predictors:GatedGCN",
    "gates": "nasurge.predictors.graph.predictors:GATES",
    "flan": "nasurge.predictors.graph.predictors:FLAN",
    "transformer": "nasurge.predictors.graph.predictors:GraphTransformer",
    "synflow": "nasurge.predictors.zero_cost:SynFlow",
    "nwot": "nasurge.predictors.zero_cost:NWOT",
    "jacov": "nasurge.predictors.zero_cost:JaCov",
    "snip": "nasurge.predictors.zero_cost:SNIP",
    "grasp": "nasurge.predictors.zero_cost:GraSP",
    "fisher": "nasurge.predictors.zero_cost:Fisher",
    "grad-norm": "nasurge.predictors.zero_cost:GradNorm",
    "l2-norm": "nasurge.predictors.zero_cost:L2Norm",
    "plain": "nasurge.predictors.zero_cost:Plain",
    "zen": "nasurge.predictors.zero_cost:Zen",
    "epe-nas": "nasurge.predictors.zero_cost:EPENAS",
    "params": "nasurge.predictors.zero_cost:Parameters",
    "flops": "nasurge.predictors.zero_cost:FLOPs",
    "fourier": "nasurge.predictors.zero_cost:Fourier",
    "genas": "nasurge.predictors.zero_cost:GeNAS",
    "gennas": "nasurge.predictors.zero_cost:GenNAS",
    "brp-nas": "nasurge.predictors.pairwise:BRPNAS",
    "smem-nas": "nasurge.predictors.pairwise:SMEMNAS",
    "arch2vec": "nasurge.predictors.semi_supervised.learners:Arch2Vec",
    "seminas": "nasurge.predictors.semi_supervised.learners:SemiNAS",
    "graph-ensemble": "nasurge.predictors.semi_supervised.graph_ensemble:GraphEnsemble",
    "assessor": "nasurge.predictors.semi_supervised.learners:Assessor",
    "weaknas": "nasurge.predictors.ensembles.weak:WeakNAS",
}
DEFAULT_PREDICTOR = "auto"
SEARCHERS = {
    "random": "nasurge.search.searchers.uniform:RandomSearch",
    "evolution": "nasurge.search.searchers.evolution:RegularisedEvolution",
    "local": "nasurge.search.searchers.local:LocalSearch",
    "annealing": "nasurge.search.searchers.local:SimulatedAnnealing",
    "reinforce": "nasurge.search.searchers.distributions:Reinforce",
    "ddpnas": "nasurge.search.searchers.distributions:DDPNAS",
    "drnas": "nasurge.search.searchers.distributions:DrNAS",
    "balenas": "nasurge.search.searchers.distributions:BaLeNAS",
    "npenas": "nasurge.search.searchers.ranking:NPENAS",
    "brp-nas": "nasurge.search.searchers.ranking:BRPNASLoop",
    "weaknas": "nasurge.search.searchers.ranking:WeakNASLoop",
    "diffusion": "nasurge.search.searchers.diffusion:Diffusion",
    "optuna-tpe": "nasurge.search.searchers.optuna_samplers:OptunaTPE",
    "optuna-gp": "nasurge.search.searchers.optuna_samplers:OptunaGP",
    "prednas": "nasurge.search.searchers.prednas:PredNAS",
    "bo": "nasurge.search.searchers.bayes:BayesianOptimisation",
    "bananas": "nasurge.search.searchers.bayes:BANANASSearch",
    "nsga2": "nasurge.search.searchers.nsga2:NSGA2",
    "smem-nas": "nasurge.search.searchers.assisted:SMEMNAS",
    "nat": "nasurge.search.searchers.assisted:NAT",
}
STUDIES = {
    "latency": "nasurge.search.studies.latency:LatencyStudy",
}
"""Kinds of studies, as ``study.json`` names them."""
# What a searcher's name means when a predictor is given with it.
GUIDED = {"evolution": "nasurge.search.searchers.evolution:GuidedEvolution"}


@cache
def _plugins(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def predictor_names() -> list[str]:
    """Return the names of all predictors, ours and those of plug-ins (``nasurge.predictors``)."""
    return list(PREDICTORS | _plugins("nasurge.predictors"))


def searcher_names() -> list[str]:
    """Return the names of all searchers, ours and those of plug-ins (``nasurge.searchers``)."""
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
    """Return the class of a predictor.

    Raises
    ------
    UnknownNameError
        If there is no such predictor.
    """
    return _load("predictor", name, PREDICTORS, "nasurge.predictors")


def searcher_class(name: str, *, guided: bool = False) -> type[Searcher]:
    """Return the class of a searcher, the predictor-guided one if ``guided``.

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


def can_be_guided(name: str) -> bool:
    """Return whether a searcher takes a predictor.

    Raises
    ------
    UnknownNameError
        If there is no such searcher.
    """
    return "predictor" in inspect.signature(searcher_class(name, guided=True)).parameters


def takes_objectives(name: str) -> bool:
    """Return whether a searcher takes several objectives, as ``n_objectives``.

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
    """Return an unfitted predictor.

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
    """Return the fitted predictor that ``Predictor.save`` wrote to a file.

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
    from .predictors.saving import read_predictor

    return read_predictor(Path(path), _saved_class)


def _saved_class(where: str) -> type[Predictor]:
    """Return the registered class at ``"module:Class"``; raise ``LookupError`` if there is none."""
    for name, place in PREDICTORS.items():
        if place == where:
            return predictor_class(name)
    package = where.partition(":")[0].partition(".")[0]
    for name, entry in _plugins("nasurge.predictors").items():
        if entry.module.partition(".")[0] == package and name not in PREDICTORS:
            found = predictor_class(name)
            if f"{found.__module__}:{found.__qualname__}" == where:
                return found
    raise LookupError(where)


def make_searcher(
    name: str, space: Space, *, predictor: str | Predictor | None = None, **parameters: Any
) -> Searcher:
    """Return a searcher that has not asked for anything yet.

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
