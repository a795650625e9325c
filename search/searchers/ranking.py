"""Loops in which a predictor ranks candidates: NPENAS, that of BRP-NAS, and WeakNAS."""

from __future__ import annotations

import numpy as np

from ...data.parameters import positive_number, whole_number
from ...data.spaces import Codes
from ..guided import GuidedSearcher, Regressor, best_observed, rank_codes


class NPENAS(GuidedSearcher):
    """NPENAS-NP: each of the best architectures has many mutants, and a predictor picks of them.

    After ``initial`` uniform draws every round breeds ``candidates`` unseen mutants, evenly from
    the ``parents`` best architectures observed, and proposes those with the highest predicted
    values.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        By default XGBoost, which fits in a tenth of a second; the paper's is a graph isomorphism
        network (``gin``).
    parents : int
        How many of the best observed architectures breed; at least 1.
    candidates : int
        How many mutants are scored in a round; at least 1.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> searcher = NPENAS(make_space("nb201"), RandomForestRegressor(10), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=100, batch=10)
    <Trace: 100 evaluations, 0 failed, best 6>

    References
    ----------
    C. Wei, C. Niu, Y. Tang, Y. Wang, H. Hu, J. Liang. NPENAS: Neural predictor guided evolution
    for neural architecture search. TNNLS 2022, arXiv 2003.12857.
    """

    parents: int = whole_number(10)
    candidates: int = whole_number(100)

    def _propose(self, fitted: Regressor, n: int) -> Codes:
        wanted = max(self.candidates, 2 * n)
        best = best_observed(self, self.parents)
        found = best[:0]
        mutants = np.repeat(best, -(-wanted // len(best)), axis=0)
        for _ in range(4):  # where most mutants are known, mutants of mutants
            mutants = self.space.mutate(mutants, seed=self._rng)
            new = self._unseen(np.concatenate([found, mutants]))
            found = np.concatenate([found, self._rng.permutation(new[len(found) :])])[:wanted]
            if len(found) == wanted:
                break
        return rank_codes(fitted, found)


class RankingSearcher(GuidedSearcher):
    """A loop that ranks everything unseen, or a large sample of it where that is too much.

    Parameters
    ----------
    candidates : int
        How many unseen architectures are ranked in a round, drawn uniformly, and half as many in a
        space that cannot be listed, where each takes longer; all where there are no more. At
        least 1.
    """

    candidates: int = whole_number(20_000)

    def _ranking(self, fitted: Regressor, n: int) -> Codes:
        """Unseen architectures, the best predicted first; twins tie, in random order."""
        count = self.candidates if self._allowed is not None else -(-self.candidates // 2)
        return rank_codes(fitted, self._draw(max(n, count)))


class BRPNASLoop(RankingSearcher):
    """The loop of BRP-NAS: the best predicted, and some of an ever smaller top of the ranking.

    After ``initial`` uniform draws a share ``alpha`` of each batch is the best predicted; the rest
    is drawn uniformly from the best half of the ranking, from the best quarter after ``round``
    more evaluations, and so on.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        By default XGBoost, which fits in a tenth of a second; the paper's is a graph network that
        compares pairs (the predictor ``brp-nas``).
    alpha : float
        Above 0 and at most 1.
    round : int
        Evaluations after which the top is halved; at least 1.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> searcher = BRPNASLoop(make_space("nb201"), RandomForestRegressor(10), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=100, batch=10)
    <Trace: 100 evaluations, 0 failed, best 6>

    References
    ----------
    L. Dudziak, T. Chau, M. S. Abdelfattah, R. Lee, H. Kim, N. D. Lane. BRP-NAS: Prediction-based
    NAS using GCNs. NeurIPS 2020, arXiv 2007.08668.
    """

    alpha: float = positive_number(0.5, most=1.0)
    round: int = whole_number(20)

    def _propose(self, fitted: Regressor, n: int) -> Codes:
        ranking = self._ranking(fitted, n)
        halvings = 1 + max(0, len(self.values_) - self.initial) // self.round
        top = max(n, len(ranking) >> min(halvings, 62))
        best = int(self.alpha * n + self._rng.random())  # its expectation is the share
        others = best + self._rng.permutation(max(0, min(top, len(ranking)) - best))
        return np.concatenate([ranking[:best], ranking[others], ranking[top:]])


class WeakNASLoop(RankingSearcher):
    """The loop of WeakNAS: a sample of the predicted best, then a better predictor of those.

    After ``initial`` uniform draws each batch is drawn uniformly from the ``top`` best predicted
    architectures, those known among them left out. Each predictor is weak over the whole space, but
    the sample moves to where the good ones are, and there the next is better.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        By default XGBoost, which fits in a tenth of a second; the paper's is an MLP (``mlp``).
    top : int
        At least 1; 1 takes the best predicted always. In the paper 100, with batches of 10.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> searcher = WeakNASLoop(make_space("nb201"), RandomForestRegressor(10), seed=0)
    >>> for _ in range(10):
    ...     codes = searcher.ask(10)
    ...     searcher.tell(codes, (codes == 3).sum(axis=1))
    >>> searcher.best()[1] >= 5.0
    True

    References
    ----------
    J. Wu et al. Stronger NAS with weaker predictors. NeurIPS 2021, arXiv 2102.10490.
    """

    top: int = whole_number(100)

    def _propose(self, fitted: Regressor, n: int) -> Codes:
        ranking = self._ranking(fitted, n)
        top = ranking[: self.top]
        return np.concatenate([self._rng.permutation(top), ranking[self.top :]])
