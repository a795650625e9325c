"""Names of our searchers in states and studies, and where each class is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...predictors.saving.names import OLD_CLASS_NAMES, class_path

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
"""Where the registered searchers are, by name."""

GUIDED = {"evolution": "nasurge.search.searchers.evolution:GuidedEvolution"}
"""What a searcher's name means when a predictor is given with it."""

# Those that learn from earlier tasks are made from what they learnt, not by name.
_LEARNT = {
    "meta-bo": "nasurge.search.across_tables.bayes:MetaBayes",
    "meta-evolution": "nasurge.search.across_tables.evolution:MetaEvolution",
    "catch": "nasurge.search.across_tables.catch:CATCH",
}
_NAMES = {place: name for name, place in (SEARCHERS | _LEARNT).items()}
_NAMES |= {place: f"guided-{name}" for name, place in GUIDED.items()}
# States and studies held class names at first. This table does not change.
_OLD_NAMES = {
    "GuidedEvolution": "guided-evolution",
    "MetaBayes": "meta-bo",
    "MetaEvolution": "meta-evolution",
    "CATCH": "catch",
    "RandomSearch": "random",
    "RegularisedEvolution": "evolution",
    "LocalSearch": "local",
    "SimulatedAnnealing": "annealing",
    "Reinforce": "reinforce",
    "DDPNAS": "ddpnas",
    "DrNAS": "drnas",
    "BaLeNAS": "balenas",
    "NPENAS": "npenas",
    "BRPNASLoop": "brp-nas",
    "WeakNASLoop": "weaknas",
    "Diffusion": "diffusion",
    "OptunaTPE": "optuna-tpe",
    "OptunaGP": "optuna-gp",
    "PredNAS": "prednas",
    "BayesianOptimisation": "bo",
    "BANANASSearch": "bananas",
    "NSGA2": "nsga2",
    "SMEMNAS": "smem-nas",
    "NAT": "nat",
}


def searcher_name(cls: type[object]) -> str:
    """Name of a registered searcher; the class name of another one.

    Examples
    --------
    >>> from nasurge.search import RandomSearch
    >>> searcher_name(RandomSearch)
    'random'
    """
    return _NAMES.get(class_path(cls), cls.__name__)


def with_names(about: Mapping[str, Any]) -> dict[str, Any]:
    """Put names in the place of class names in the description of a search.

    Examples
    --------
    >>> with_names({"searcher": "RegularisedEvolution", "predictor": None})
    {'searcher': 'evolution', 'predictor': None}
    """
    old = {"searcher": _OLD_NAMES, "predictor": OLD_CLASS_NAMES}
    return {
        key: old[key].get(value, value) if key in old and isinstance(value, str) else value
        for key, value in about.items()
    }
