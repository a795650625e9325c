"""NSGA-II with predictors of every objective: NAT's online predictors, SMEM-NAS's relation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np

from ...data.parameters import probability, whole_number
from ...data.spaces import Codes
from ...data.types import Index, Values
from ...errors import LabelError, ParameterError
from ..guided import Regressor
from ..pareto import Scale, non_dominated
from .columns import column_guides
from .nsga2 import NSGA2, survivors, tournaments

# Candidates of which the gain in hypervolume is computed at each step of a choice.
_MOST_RIVALS = 100


class Assisted(NSGA2):
    """NSGA-II whose children are picked among many by a model of every told column.

    Models are fitted to everything observed. A column that cannot be learnt yet (``LabelError``:
    too few labels, or all equal) counts as constant; while that is so for all, children are those
    of NSGA-II.
    """

    predictor: Regressor | None = field(default=None, kw_only=False)
    candidates: int = whole_number(100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.predictor is None:
            self.predictor = self._default_predictor()
        seed_of_guides = int(self._rng.integers(2**31))
        self._guides = column_guides(self.predictor, seed_of_guides, n_columns=len(self.bounds))

    @abstractmethod
    def _default_predictor(self) -> Regressor:
        """Guide of the search when none is given."""

    @abstractmethod
    def _propose(self, n: int, models: Sequence[Any]) -> Codes:
        """At least ``n`` unseen architectures where there are, the most wanted first."""

    def _children(self, n: int) -> Codes:
        models = self._fit()
        if all(model is None for model in models):
            return super()._children(n)
        return self._propose(n, models)

    def _fit(self) -> list[Any]:
        """Model of each column, None for one that cannot be learnt yet."""
        columns = self._columns()
        known = ~np.isnan(columns).any(axis=1)
        models: list[Any] = []
        for guide, labels in zip(self._guides, columns[known].T, strict=True):
            try:
                models.append(guide.fitted(self.codes_[known], labels))
            except LabelError:
                models.append(None)
        return models

    def _predicted(self, codes: Codes, models: Sequence[Any]) -> Values:
        """Predicted columns, shape (n, k); a column without a model is constant."""
        columns = np.zeros((len(codes), len(models)))
        for k, model in enumerate(models):
            if model is not None:
                columns[:, k] = model.predict(codes)
            elif len(self._population):
                columns[:, k] = self._columns()[self._population[0], k]
        return columns

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), **self._guides[0].state()}

    def _load_state(self, state: dict[str, Any]) -> None:
        super()._load_state(state)
        for guide in self._guides:
            guide.load_state(state)


class NAT(Assisted):
    """Searches by online predictors of all objectives, as Neural Architecture Transfer does.

    Before each batch a predictor per objective is fitted to the archive of everything observed, and
    NSGA-II runs on the predicted objectives for a few generations, from the best observed ones on.
    Of the unseen architectures that it met, those are evaluated that add most to the hypervolume of
    the archive by their predictions, one after the other.

    The paper proposes candidates by NSGA-III and picks those that fill gaps of the front; its
    supernet, which is fine-tuned meanwhile, is not part of this: evaluations are the objective's.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        Cloned for each objective; by default ``gp``.
    population_size : int
        How many are drawn uniformly before predictors take over; at least 2.
    candidates : int
        Children a generation.
    generations : int
        Generations of the inner NSGA-II.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = NAT(make_space("nb201"), n_objectives=2, generations=2, seed=0)
    >>> for _ in range(8):
    ...     codes = searcher.ask(5)
    ...     convolutions, skips = (codes == 3).sum(axis=1), (codes == 1).sum(axis=1)
    ...     searcher.tell(codes, np.stack([convolutions, skips], axis=1))
    >>> bool((searcher.front()[1].max(axis=0) >= 4).all())
    True

    References
    ----------
    Z. Lu, G. Sreekumar, E. Goodman, W. Banzhaf, K. Deb, V. N. Boddeti. Neural architecture
    transfer. TPAMI 2021, arXiv 2005.05859.
    """

    candidates: int = whole_number(60)
    generations: int = whole_number(8)

    def _default_predictor(self) -> Regressor:
        from ...predictors.processes import GaussianProcess

        return GaussianProcess(self.space)

    def _propose(self, n: int, models: Sequence[Any]) -> Codes:
        codes = self.codes_[self._population]
        columns = self._columns()[self._population]
        met: list[Codes] = []
        predictions: list[Values] = []
        for _ in range(self.generations):
            ranked = survivors(*self._split(columns), self.candidates, self._rng)
            codes, columns = codes[ranked.get("row")], columns[ranked.get("row")]
            ranked.set("row", np.arange(len(ranked)))
            pairs = tournaments(ranked, self.candidates, self._rng)
            children = self._vary(codes[pairs[:, 0]], codes[pairs[:, 1]])
            known = self.space.keys(np.concatenate([codes, *met]))
            children = self._unseen(children)
            children = children[~np.isin(self.space.keys(children), known)]
            if not len(children):
                continue
            met.append(children)
            predictions.append(self._predicted(children, models))
            codes = np.concatenate([codes, children])
            columns = np.concatenate([columns, predictions[-1]])
        if not met:
            return codes[:0]
        found = np.concatenate(met)
        return found[self._choice(np.concatenate(predictions), n)]

    def _choice(self, predicted: Values, n: int) -> Index:
        """Rows of candidates, those first that add most to the archive's hypervolume."""
        values, violations = self._split(predicted)
        observed, broken = self._split(self._columns()[self._population])
        front = observed[(broken == 0).all(axis=1)]
        front = front[non_dominated(front)]
        possible = np.flatnonzero((violations == 0).all(axis=1))
        possible = possible[non_dominated(values[possible])]
        if len(possible) > _MOST_RIVALS:
            possible = np.sort(self._rng.choice(possible, _MOST_RIVALS, replace=False))
        chosen: list[int] = []
        if len(possible):
            scale = Scale.of(np.concatenate([front, values[possible]]))
            front = scale(front)
            while len(chosen) < n and len(possible):
                gains = _gains(front, scale(values[possible]))
                if gains.max() <= 0:
                    break
                best = int(np.argmax(gains))
                chosen.append(int(possible[best]))
                front = np.concatenate([front, scale(values[possible[best]])[None]])
                possible = np.delete(possible, best)
        rest = np.setdiff1d(np.arange(len(values)), chosen)
        if not len(rest):  # few candidates are in a pool that is a small part of a large space
            return np.array(chosen, dtype=np.int64)
        ranked = survivors(values[rest], violations[rest], n, self._rng)
        return np.concatenate([chosen, rest[ranked.get("row")]]).astype(np.int64)


def _gains(front: Values, candidates: Values) -> Values:
    """Hypervolume that each candidate adds to a front, shape (n,), both in units of a scale."""
    unit = Scale(np.ones(candidates.shape[1]), np.zeros(candidates.shape[1]))
    volumes = [unit.hypervolume(np.concatenate([front, row[None]])) for row in candidates]
    return np.array(volumes) - unit.hypervolume(front)


class SMEMNAS(Assisted):
    """SMEM-NAS: a pairwise relation ranks the children of two populations.

    The main population survives by rank and crowding distance; the vice population is what
    survives, by the same rules, of the others told. Children of the main population refine it;
    those of a main and a vice parent bring in what it has lost. A relation per objective, fitted to
    all observed pairs, says how likely each child beats the members of the main population; its
    mean probability is its score. The best by rank and crowding of the scores are evaluated, from
    both kinds of children.

    Parameters
    ----------
    predictor : PairwisePredictor, optional
        The relation, ``smem-nas`` by default, or ``brp-nas``.
    bounds : sequence of float, optional
        The least feasible value of each observed column; see ``Searcher``. By the relation's
        scores, in the labels' units, children are held against them.
    population_size : int
        Of the main and of the vice population, and how many are drawn uniformly before the relation
        takes over; at least 2.
    candidates : int
        Children of each kind that are scored for a batch.
    vice : float
        Share of the evaluated children that come from the vice population.

    Raises
    ------
    ParameterError
        If a parameter is outside its values, or the predictor compares no pairs.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = SMEMNAS(make_space("nb201"), n_objectives=2, seed=0)
    >>> for _ in range(8):
    ...     codes = searcher.ask(5)
    ...     convolutions, skips = (codes == 3).sum(axis=1), (codes == 1).sum(axis=1)
    ...     searcher.tell(codes, np.stack([convolutions, skips], axis=1))
    >>> bool((searcher.front()[1].max(axis=0) >= 4).all())
    True

    References
    ----------
    Y. Xue, P. Jiang, C. Zhu, M. Zhou, M. Wahib, M. Gabbouj. A pairwise comparison relation-assisted
    multi-objective evolutionary neural architecture search method with multi-population mechanism.
    arXiv 2407.15600.
    """

    candidates: int = whole_number(50)
    vice: float = probability(0.4)

    def __post_init__(self) -> None:
        from ...predictors.pairwise import PairwisePredictor

        if not isinstance(self.predictor, PairwisePredictor | None):
            raise ParameterError(
                "smem-nas needs a predictor that compares pairs: smem-nas or brp-nas, not "
                f"{type(self.predictor).__name__}"
            )
        super().__post_init__()

    def _default_predictor(self) -> Regressor:
        from ...predictors.pairwise import SMEMRelation

        return SMEMRelation(self.space)

    def _propose(self, n: int, models: Sequence[Any]) -> Codes:
        main = self._unseen(self._breed(self.candidates))
        vice = self._unseen(self._vice_children(self.candidates))
        vice = vice[~np.isin(self.space.keys(vice), self.space.keys(main))]
        n_vice = min(len(vice), int(np.floor(self.vice * n + self._rng.random())))
        best = [self._best(main, n, models), self._best(vice, n, models)]
        return np.concatenate([best[0][: n - n_vice], best[1], best[0][n - n_vice :]])

    def _vice_children(self, n: int) -> Codes:
        """Children of a main and a vice parent."""
        columns = self._columns()
        others = np.flatnonzero(~np.isnan(columns).any(axis=1))
        others = others[~np.isin(others, self._population)]
        if not len(others):
            return self.codes_[:0]
        chosen = survivors(*self._split(columns[others]), self.population_size, self._rng)
        rows = others[chosen.get("row")]
        first = self._population[self._rng.integers(len(self._population), size=n)]
        second = rows[self._rng.integers(len(rows), size=n)]
        return self._vary(self.codes_[first], self.codes_[second])

    def _best(self, children: Codes, n: int, models: Sequence[Any]) -> Codes:
        """The ``n`` best children by rank and crowding of their scores."""
        if not len(children):
            return children
        scores = np.zeros((len(children), self.n_objectives))
        rivals = self.codes_[self._population]
        first = np.repeat(children, len(rivals), axis=0)
        second = np.tile(rivals, (len(children), 1))
        for k, model in enumerate(models[: self.n_objectives]):
            if model is not None:
                won = model.compare(first, second)
                scores[:, k] = won.reshape(len(children), -1).mean(axis=1)
        violations = np.zeros((len(children), 0))
        if np.isfinite(self.bounds).any():
            violations = self._split(self._predicted(children, models))[1]
        ranked = survivors(scores, violations, n, self._rng)
        best: Codes = children[ranked.get("row")]
        return best
