"""Methods of ``nasurge meta tables`` as data: their names, what each is, which learn from tasks.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from typing import NamedTuple


class TaskMethod(NamedTuple):
    """One method by which a held-out task is searched.

    Attributes
    ----------
    description : str
        One line for lists of methods.
    learns_tasks : bool
        Whether it learns from earlier tasks; the others begin cold.
    """

    description: str
    learns_tasks: bool


METHODS = {
    "gp-ei": TaskMethod(
        "Expected improvement of a plain Gaussian process on structural features.",
        learns_tasks=False,
    ),
    "bo": TaskMethod("The searcher bo, without other tasks.", learns_tasks=False),
    "evolution": TaskMethod("The searcher evolution, without other tasks.", learns_tasks=False),
    "random": TaskMethod("The searcher random, without other tasks.", learns_tasks=False),
    "meta-bo": TaskMethod(
        "Bayesian optimisation that knows earlier tasks, and turns cold where they mislead.",
        learns_tasks=True,
    ),
    "meta-evolution": TaskMethod(
        "Evolution whose population, mutations and pre-screening come from earlier tasks.",
        learns_tasks=True,
    ),
    "catch": TaskMethod(
        "A controller meta-trained over earlier tasks, which adapts by inferring its context.",
        learns_tasks=True,
    ),
}
"""By name, the cold ones first."""

COLD = tuple(name for name, method in METHODS.items() if not method.learns_tasks)
WARM = tuple(name for name, method in METHODS.items() if method.learns_tasks)
