"""Bayesian optimisation: a probabilistic predictor says where the next best may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ...data.seeds import Seed
from ...data.spaces import Codes, Space
from ...errors import LabelError, ParameterError
from ...predictors.labels import check_labels, make_transform
from ..base import Index, Searcher, Values
from ..guided import Regressor, at_least_one, best_told, fresh_predictor

if TYPE_CHECKING:
    from ...predictors.processes import Groups, Term

ACQUISITIONS = ("ei", "ucb", "thompson")
# Hyperparameters are chosen again when the labels have grown by this share.
_GROWTH = 1.15
_MOST_RANKED = 30_000

# With how many labels the hyperparameters were chosen last, and their logarithms.
Chosen = tuple[int, Values]
_UNCHOSEN: Chosen = (0, np.empty(0))


class PoolModel(Protocol):
    """What a search knows of every architecture of a pool of candidates."""

    pool: Codes
    best: float
    """The best told value, transformed."""

    @property
    def believes(self) -> bool:
        """Whether ``expect`` changes what it says."""

    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Take all told values and return with what hyperparameters."""

    def expect(self, codes: Codes) -> None:
        """Count architectures that are being evaluated as known."""

    def forget_expected(self) -> None:
        """Go back to the told values."""

    def posterior(self) -> tuple[Values, Values]:
        """Return mean and deviation of every candidate, each (m,), in transformed labels."""


def log_expected_improvement(mean: Values, std: Values, best: float) -> Values:
    """Return the logarithm of the expected improvement over ``best``, shape (n,).

    The logarithm keeps an order among candidates whose improvement is too small for a float.

    Parameters
    ----------
    mean, std : ndarray of float, shape (n,)
        Of normal distributions, in the units of ``best``; ``std`` above 0.
    best : float

    References
    ----------
    S. Ament et al. Unexpected improvements to expected improvement for Bayesian optimization.
    NeurIPS 2023 (the logarithm).

    Examples
    --------
    >>> import numpy as np
    >>> log_expected_improvement(np.array([0.0, -2.0]), np.ones(2), 0.0).round(2)
    array([-0.92, -4.77])
    """
    from scipy.special import erfcx, ndtr

    gap = (mean - best) / std
    density = -0.5 * gap**2 - 0.5 * np.log(2 * np.pi)
    near = gap > -1
    found = np.empty_like(gap)
    found[near] = np.log(np.exp(density[near]) + gap[near] * ndtr(gap[near]))
    # Far below, the two summands cancel: the scaled error function keeps their difference.
    far = gap[~near]
    mills = np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2)) * -far
    rest = np.where(far < -1e3, 1 / far**2, np.maximum(1 - mills, 1e-12))
    found[~near] = density[~near] + np.log(rest)
    return np.asarray(np.log(std) + found)


class BayesianOptimisation(Searcher):
    """Bayesian optimisation over all architectures, or over a sample of a space too large to list.

    The first ``initial`` architectures are drawn uniformly. After that a Gaussian process, the
    ``joint`` member of the predictor ``auto`` with a linear kernel of structural features beside
    it, gives every architecture a mean and a deviation of its value, and those of the highest
    acquisition are proposed. Of a batch, each is proposed as if the ones before had returned what
    was expected of them. Cells of one function share a mean; the deviation counts the noise between
    them, since the measured value is what is searched.

    Parameters
    ----------
    space : Space
    predictor : object with ``fit(codes, y)`` and ``predict(codes, return_std=True)``, optional
        In the place of the Gaussian process. Cloned before every fit where it has ``get_params``;
        parameters ``seed`` and ``random_state`` that are None follow from the searcher's seed.
    acquisition : {"ei", "ucb", "thompson"}
        Expected improvement; mean plus ``beta`` deviations; or an independent draw for each
        architecture.
    beta : float
        Of ``"ucb"``.
    initial : int
        Architectures drawn uniformly before the first fit; at least 1.
    labels : {"blended", "normal-scores", "standardised"}
        What the Gaussian process learns.
    candidates : int
        How many are drawn for every batch, half of them near the best, where more than 30,000
        architectures may be proposed; of fewer, all are ranked.
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed; by default the whole space.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a number is too small, the acquisition is unknown or the predictor has no deviation.

    References
    ----------
    D. R. Jones, M. Schonlau, W. J. Welch. Efficient global optimization of expensive black-box
    functions. 1998. Independent draws: C. White, W. Neiswanger, Y. Savani. BANANAS. AAAI 2021.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = BayesianOptimisation(make_space("nb201"), seed=0)
    >>> for _ in range(8):
    ...     codes = searcher.ask(4)
    ...     searcher.tell(codes, (codes == 3).sum(axis=1))  # as many 3x3 convolutions as can be
    >>> searcher.best()[1]
    6.0
    """

    def __init__(
        self,
        space: Space,
        *,
        predictor: Regressor | None = None,
        acquisition: str = "ei",
        beta: float = 1.0,
        initial: int = 3,
        labels: str = "blended",
        candidates: int = 4000,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, pool=pool, seed=seed)
        if acquisition not in ACQUISITIONS:
            raise ParameterError(
                f"acquisition is one of {', '.join(ACQUISITIONS)}, not {acquisition!r}"
            )
        if predictor is not None and not getattr(predictor, "has_std", True):
            raise ParameterError(
                f"{type(predictor).__name__} offers no standard deviations with these parameters: "
                "take one that does (see: nasurge predictors), or more than one member"
            )
        make_transform(labels)
        self.predictor = predictor
        self.acquisition = acquisition
        self.beta = float(beta)
        self.initial = at_least_one("initial", initial)
        self.labels = labels
        self.candidates = at_least_one("candidates", candidates)
        self._predictor_seed = int(self._rng.integers(2**31))
        self._model: PoolModel | None = None
        self._chosen = _UNCHOSEN

    def _ask(self, n: int) -> Codes:
        known = np.flatnonzero(~np.isnan(self.values_))
        missing = max(0, self.initial - len(known) - len(self._pending))
        if missing >= n:
            return self._first(n)
        drawn = self._unseen(self._first(missing))[:missing] if missing else self.codes_[:0]
        try:
            z = check_labels(self.values_[known], len(known), minimum=3, who="a search")
            model = self._fitted(self.codes_[known], z)
            proposed = self._proposals(model, n - missing, drawn)
        except LabelError:  # too few values, or all the same
            return self._draw(n)
        return np.concatenate([drawn, proposed])

    def _first(self, n: int) -> Codes:
        """Return ``n`` architectures to begin with."""
        return self._draw(n)

    def _process(self, pool: Codes) -> PoolModel:
        """Return the Gaussian process over a pool of candidates."""
        return FunctionProcess(self.space, pool, self.labels)

    def _fitted(self, codes: Codes, values: Values) -> PoolModel:
        """Return the model of the told values over the candidates."""
        if self._model is None or not self._lists:
            pool = self._candidates()
            if self.predictor is None:
                self._model = self._process(pool)
            else:
                self._model = _Guide(self.predictor, pool, self._predictor_seed)
        self._chosen = self._model.learn(codes, values, self._chosen)
        return self._model

    @property
    def _lists(self) -> bool:
        """Whether all architectures that may be proposed are candidates in every batch."""
        return self._allowed is not None and len(self._allowed) <= _MOST_RANKED

    def _candidates(self) -> Codes:
        """Return what is ranked: all allowed, or a fresh sample and neighbours of the best."""
        if self._allowed is not None and self._lists:
            return self.space.from_index(self._allowed)
        half = self.candidates // 2
        best = best_told(self, 10)
        near = self.space.mutate(best[self._rng.integers(len(best), size=half)], seed=self._rng)
        near = np.concatenate([near, self.space.mutate(near[: half // 2], seed=self._rng)])
        return np.unique(self._unseen(np.concatenate([self._draw(half), near])), axis=0)

    def _proposals(self, model: PoolModel, n: int, drawn: Codes) -> Codes:
        """Return the ``n`` unseen candidates of the highest acquisition, one after the other."""
        keys = self.space.index(model.pool)
        open_ = self._remaining.free(keys)
        open_[np.isin(keys, self.space.index(drawn))] = False
        chosen: list[int] = []
        model.expect(np.concatenate([self.pending_, drawn]))
        # Twins have equal scores: which of them comes first is drawn.
        order = self._rng.permutation(len(keys))
        while len(chosen) < n and open_.any():
            scores = np.where(open_, self._scores(*model.posterior(), model.best), -np.inf)
            if model.believes:
                ranked = order[np.argmax(scores[order])][None]
            else:
                ranked = order[np.argsort(-scores[order], kind="stable")[: n - len(chosen)]]
                ranked = ranked[open_[ranked]]
            chosen += ranked.tolist()
            open_[ranked] = False
            if len(chosen) < n:
                model.expect(model.pool[ranked])
        model.forget_expected()
        return model.pool[np.array(chosen, dtype=np.int64)]

    def _scores(self, mean: Values, std: Values, best: float) -> Values:
        """Return the acquisition of every candidate, shape (m,)."""
        if self.acquisition == "ucb":
            return mean + self.beta * std
        if self.acquisition == "thompson":
            return mean + std * self._rng.standard_normal(len(mean))
        return log_expected_improvement(mean, std, best)

    def _state(self) -> dict[str, Any]:
        count, theta = self._chosen
        return {"predictor_seed": self._predictor_seed, "chosen_at": count, "theta": theta}

    def _load_state(self, state: dict[str, Any]) -> None:
        self._predictor_seed, self._model = int(state["predictor_seed"]), None
        self._chosen = int(state["chosen_at"]), np.asarray(state["theta"], dtype=np.float64)


class BANANASSearch(BayesianOptimisation):
    """BANANAS: independent draws from an ensemble of perceptrons on path encodings.

    Ranks all architectures where the paper ranks mutants of the best. Parameters as
    ``BayesianOptimisation``.

    Parameters
    ----------
    space : Space
    predictor : object with ``fit(codes, y)`` and ``predict(codes, return_std=True)``, optional
        The predictor ``bananas`` if there is none.
    acquisition : {"ei", "ucb", "thompson"}
    beta : float
    initial : int
    candidates : int
    pool : array_like of int, shape (m, d), optional
    seed : int, Generator or None

    References
    ----------
    C. White, W. Neiswanger, Y. Savani. BANANAS: Bayesian optimization with neural architectures
    for neural architecture search. AAAI 2021.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = BANANASSearch(make_space("nb201"), seed=0)
    >>> codes = searcher.ask(10)
    >>> searcher.tell(codes, codes.sum(axis=1))
    >>> searcher.ask(5).shape
    (5, 6)
    """

    def __init__(
        self,
        space: Space,
        *,
        predictor: Regressor | None = None,
        acquisition: str = "thompson",
        beta: float = 1.0,
        initial: int = 10,
        candidates: int = 4000,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        from ...predictors.ensembles import BANANAS

        super().__init__(
            space,
            predictor=BANANAS(space) if predictor is None else predictor,
            acquisition=acquisition,
            beta=beta,
            initial=initial,
            candidates=candidates,
            pool=pool,
            seed=seed,
        )


def cold_terms(groups: Groups) -> list[Term]:
    """Return a Matern kernel over all groups of features, and a linear one of the structure.

    The linear kernel extrapolates: the best architectures lie in a corner of the space.
    """
    from ...predictors.processes import Term

    return [Term(tuple(groups), 1.5), Term(("structure",), 0)]


class FunctionProcess:
    """The Gaussian process of a search, over the functions of a pool of candidates.

    Parameters
    ----------
    space : Space
    pool : int8 array, shape (m, d)
    labels : str
        The transform of the told values.
    further : callable, optional
        Groups of features of canonical codes, beside those of ``feature_groups``.
    terms : callable, optional
        From all groups to the kernel; by default ``cold_terms``.
    prior : tuple of two float arrays, optional
        Means and deviations of the log hyperparameters.
    """

    believes = True

    def __init__(
        self,
        space: Space,
        pool: Codes,
        labels: str,
        *,
        further: Callable[[Codes], Groups] | None = None,
        terms: Callable[[Groups], Sequence[Term]] | None = None,
        prior: tuple[Values, Values] | None = None,
    ) -> None:
        from ...predictors.processes import GroupedGP, SequentialGP, function_groups

        self.pool, self._space, self._labels, self._further = pool, space, labels, further
        self._function, groups = function_groups(space, pool)
        first = np.unique(self._function, return_index=True)[1]
        canonical = space.canonical(pool[first])
        self._keys = space.index(canonical)
        if further is not None:
            groups = {**groups, **further(canonical)}
        process = GroupedGP((terms or cold_terms)(groups), learnt=prior)
        self._gp = SequentialGP(process, groups)
        self._told: Index = np.empty(0, dtype=np.int64)

    def _groups(self, codes: Codes) -> dict[str, Values]:
        from ...predictors.processes import feature_groups

        canonical = self._space.canonical(codes)
        keys = self._space.index(canonical)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        if np.array_equal(self._keys[rows], keys):  # nearly always: told ones come from the pool
            return {name: group[rows] for name, group in self._gp.candidates.items()}
        groups = feature_groups(self._space, canonical, untrained=False)
        return groups if self._further is None else {**groups, **self._further(canonical)}

    @property
    def n_hyperparameters(self) -> int:
        """How many logarithms of hyperparameters the kernel has."""
        return self._gp.process.n_hyperparameters

    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Take all told values and return with what hyperparameters.

        What is known from last time is not computed again.
        """
        self._z = make_transform(self._labels).fit(values).transform(values)
        self.best = float(self._z.max())
        keys = self._space.index(codes)
        if len(codes) >= _GROWTH * chosen[0]:
            self._gp.refit(self._groups(codes), self._z)
            chosen = len(codes), self._gp.process.theta_
        else:
            known = len(self._told)
            if not known or not np.array_equal(self._told, keys[:known]):
                known = chosen[0]  # a loaded state, or fresh candidates
                self._gp.process.take(chosen[1])
                self._gp.restart(self._groups(codes[:known]))
            self._append(codes[known:])
        self._told = keys
        return chosen

    def _append(self, codes: Codes) -> None:
        groups = self._groups(codes) if len(codes) else {}
        for row in range(len(codes)):
            self._gp.append({name: group[row : row + 1] for name, group in groups.items()})

    def expect(self, codes: Codes) -> None:
        """Count architectures that are being evaluated as known: their deviation falls."""
        self._append(codes)

    def forget_expected(self) -> None:
        """Go back to the told values."""
        self._gp.forget(len(self._told))

    def left_out_density(self) -> float:
        """Return the log density of the told values, each told by all the others, summed."""
        return self._gp.left_out_density(self._z)

    def posterior(self) -> tuple[Values, Values]:
        """Return mean and deviation of every candidate, in transformed labels."""
        mean, std = self._gp.posterior(self._z)
        return mean[self._function], std[self._function]


class _Guide:
    """Any predictor with deviations, over a pool of candidates."""

    believes = False

    def __init__(self, predictor: Regressor, pool: Codes, seed: int) -> None:
        self.pool, self._predictor, self._seed = pool, predictor, seed
        self._fitted: Any = None
        self._learnt = 0

    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Learn all told values: by ``update`` where that takes milliseconds.

        What is learnt depends on the values and on how many the last whole fit had, which is
        returned: a restored search goes on as this one.
        """
        from ...predictors.processes import grown

        n, base = len(values), chosen[0]
        if n == self._learnt:
            return chosen
        if grown(n, base) or not getattr(self._predictor, "quick_update", False):
            base, self._fitted = n, None
        if self._fitted is None:
            self._fitted = fresh_predictor(self._predictor, self._seed)
            self._fitted.fit(codes[:base], values[:base])
            self._learnt = base
        if n > self._learnt:
            self._fitted.update(codes[self._learnt :], values[self._learnt :])
        self._found = self._fitted.predict(self.pool, return_std=True)
        self.best, self._learnt = float(values.max()), n
        return base, chosen[1]

    def expect(self, codes: Codes) -> None:
        """Do nothing: a predictor cannot be told what is only expected."""

    def forget_expected(self) -> None:
        """Do nothing."""

    def posterior(self) -> tuple[Values, Values]:
        """Return mean and deviation of every candidate, in the units of the values."""
        mean, std = self._found
        return mean, np.maximum(std, 1e-12)
