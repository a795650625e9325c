"""Methods of ``nasurge meta tables`` as data: what each is, and which learn from tasks.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

_COLD = {
    "gp-ei": "Expected improvement of a plain Gaussian process on structural features.",
    "bo": "The searcher bo, without other tasks.",
    "evolution": "The searcher evolution, without other tasks.",
    "random": "The searcher random, without other tasks.",
}
_WARM = {
    "meta-bo": "Bayesian optimisation that knows earlier tasks, and turns cold where they mislead.",
    "meta-evolution": (
        "Evolution whose population, mutations and pre-screening come from earlier tasks."
    ),
    "catch": "A controller meta-trained over earlier tasks, which adapts by inferring its context.",
}
METHODS = _COLD | _WARM
"""What each method is, in a line."""
COLD = tuple(_COLD)
"""Methods that begin cold."""
WARM = tuple(_WARM)
"""Methods that learn from earlier tasks."""
