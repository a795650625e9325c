"""Searches that learn a distribution over each choice: REINFORCE, DDPNAS, DrNAS and BaLeNAS.

Those made for weight-sharing networks (the last three) are here fed with values of whole
architectures, so that each is a rule by which samples and their values move a distribution.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from ...data.networks import rank_scores
from ...data.parameters import positive_number, whole_number
from ...data.spaces import Codes
from ...data.types import Values
from ..guided import draw_choices
from ..parameters import DeclaredSearcher

# A number for each value of each variable, shape (d, most values); those that are not: 0.
Table = NDArray[np.float64]


class DistributionSearcher(DeclaredSearcher):
    """Draws each variable from a categorical distribution of its own, which values move.

    Samples known already, or outside the pool, are drawn again; where nearly all are known, from
    the distribution mixed with the uniform one. Subclasses say what is drawn from and how they
    learn.
    """

    def __post_init__(self) -> None:
        cardinalities = np.asarray(self.space.cardinalities)
        self._exists = np.arange(cardinalities.max()) < cardinalities[:, None]
        super().__post_init__()

    @abstractmethod
    def _distribution(self) -> Table:
        """Probabilities to draw from in this round, rows sum to 1."""

    @abstractmethod
    def _learn(self, chosen: Table, utilities: Values) -> None:
        """Move the distribution.

        ``chosen`` are one-hot, shape (n, d, k); utilities are normal scores of the values' ranks
        among all observed ones, shape (n,): the best have about 2, the median 0.
        """

    def _ask(self, n: int) -> Codes:
        learnt = self._distribution()
        uniform = self._exists / self._exists.sum(axis=1, keepdims=True)
        shares = (0.0, 0.0, 0.1, 0.3)
        mixed = ((1 - share) * learnt + share * uniform for share in shares)
        return self._collect((self._sample(table, 4 * n + 8) for table in mixed), n)

    def _sample(self, probabilities: Table, n: int) -> Codes:
        """Up to ``n`` drawn architectures, shape (m, d), without invalid ones."""
        codes = draw_choices(self.space, n, probabilities, self._rng)
        return codes[self.space.is_valid(codes)]

    def _tell(self, codes: Codes, values: Values) -> None:
        super()._tell(codes, values)
        known = ~np.isnan(values)
        if not known.any():
            return
        scores = rank_scores(self.values_[~np.isnan(self.values_)])
        chosen = codes[known][:, :, None] == np.arange(self._exists.shape[1])
        self._learn(chosen.astype(np.float64), scores[-int(known.sum()) :])

    def _softmax(self, logits: Table) -> Table:
        """Probabilities of the values that exist, for logits (..., d, k)."""
        masked = np.where(self._exists, logits, -np.inf)
        raised = np.exp(masked - masked.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)


class Reinforce(DistributionSearcher):
    """A REINFORCE controller: the policy is a categorical distribution of each variable.

    Policy gradient with a moving baseline and an entropy bonus. The reward is the normal score of a
    value's rank among all observed values, so that a failed training's 10 % does not drown the
    rest. Samples that were evaluated before are drawn again, not rewarded again.

    Parameters
    ----------
    learning_rate : float
        Above 0.
    decay : float
        Of the baseline, above 0 and at most 1.
    entropy : float
        Weight of the entropy bonus, above 0.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = Reinforce(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=240, batch=4)
    <Trace: 240 evaluations, 0 failed, best 6>

    References
    ----------
    B. Zoph and Q. V. Le. Neural architecture search with reinforcement learning. ICLR 2017; the
    policy without a recurrent network as in X. Dong and Y. Yang. NAS-Bench-201. ICLR 2020.
    """

    _kept = ("logits", "baseline")

    learning_rate: float = positive_number(0.5)
    decay: float = positive_number(0.9, most=1.0)
    entropy: float = positive_number(0.01)

    def _reset(self) -> None:
        super()._reset()
        self._logits = np.zeros(self._exists.shape)
        self._baseline = 0.0

    def _distribution(self) -> Table:
        return self._softmax(self._logits)

    def _learn(self, chosen: Table, utilities: Values) -> None:
        policy = self._softmax(self._logits)
        gradient = ((utilities - self._baseline)[:, None, None] * (chosen - policy)).sum(axis=0)
        surprise = np.log(np.where(policy > 0, policy, 1.0))
        entropy = -(policy * surprise).sum(axis=1, keepdims=True)
        gradient -= self.entropy * len(utilities) * policy * (surprise + entropy)
        self._logits += self.learning_rate * gradient
        for utility in utilities.tolist():
            self._baseline = self.decay * self._baseline + (1 - self.decay) * utility


class DDPNAS(DistributionSearcher):
    """Dynamic distribution pruning: the choices that did worst are given up, one after another.

    The utility of a choice is the mean utility of all architectures observed that made it, shrunk
    to 0 where they are few; a softmax of the utilities is the distribution. After every ``every``
    observed values, each variable loses the least probable of its choices, until ``keep`` are left.

    Parameters
    ----------
    every : int
        At least 1.
    keep : int
        At least 1.
    sharpness : float
        By what the utilities are multiplied before the softmax; above 0.
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed; by default the whole space. When all that
        the pruned choices allow is known, the others come back.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = DDPNAS(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=240, batch=4)
    <Trace: 240 evaluations, 0 failed, best 6>

    References
    ----------
    X. Zheng et al. DDPNAS: Efficient neural architecture search via dynamic distribution pruning.
    IJCV 2023; first as Dynamic distribution pruning for efficient network architecture search,
    arXiv 1905.13543.
    """

    _kept = ("left", "told")

    every: int = whole_number(25)
    keep: int = whole_number(2)
    sharpness: float = positive_number(3.0)

    def _reset(self) -> None:
        super()._reset()
        self._left = self._exists.copy()
        self._told = 0

    def _utilities(self) -> Table:
        """Mean utility of each choice over everything observed."""
        known = ~np.isnan(self.values_)
        values, codes = self.values_[known], self.codes_[known]
        if not len(values):
            return np.zeros(self._exists.shape)
        scores = rank_scores(values)
        chosen = codes[:, :, None] == np.arange(self._exists.shape[1])
        # One more architecture of utility 0 for each choice: a single lucky one proves little.
        return np.asarray(np.tensordot(scores, chosen, axes=1) / (chosen.sum(axis=0) + 1.0))

    def _distribution(self) -> Table:
        weights = np.exp(self.sharpness * self._utilities()) * self._left
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def _learn(self, chosen: Table, utilities: Values) -> None:
        del chosen
        before, self._told = self._told // self.every, self._told + len(utilities)
        for _ in range(self._told // self.every - before):
            worst = np.where(self._left, self._utilities(), np.inf).argmin(axis=1)
            rows = np.flatnonzero(self._left.sum(axis=1) > self.keep)
            self._left[rows, worst[rows]] = False


class DrNAS(DistributionSearcher):
    """DrNAS: a Dirichlet distribution over the probabilities of each variable.

    Every round draws probabilities from the Dirichlet distributions and architectures from these.
    The concentrations, elu + 1 of free parameters, follow the gradient of the expected utility
    (through the likelihood of a choice with the drawn probabilities integrated out), held back by
    the squared distance of the concentrations from 1, as in the paper.

    Parameters
    ----------
    learning_rate : float
        Above 0.
    anchor : float
        Weight of the squared distance from 1; above 0.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = DrNAS(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=240, batch=4)
    <Trace: 240 evaluations, 0 failed, best 6>

    References
    ----------
    X. Chen, R. Wang, M. Cheng, X. Tang, C.-J. Hsieh. DrNAS: Dirichlet neural architecture search.
    ICLR 2021, arXiv 2006.10355. There the gradient goes through a weight-sharing network and the
    drawn probabilities; here it is estimated from values.
    """

    _kept = ("free",)

    learning_rate: float = positive_number(1.0)
    anchor: float = positive_number(1e-3)

    def _reset(self) -> None:
        super()._reset()
        self._free = np.zeros(self._exists.shape)

    @property
    def concentrations_(self) -> Table:
        """Concentration of each choice, shape (d, k); 1 all over is the uniform distribution."""
        # elu + 1, kept above 0: a choice with a concentration of 0 could not be drawn again
        risen = np.where(self._free > 0, self._free + 1.0, np.exp(np.minimum(self._free, 0.0)))
        return np.asarray(np.maximum(risen, 1e-3) * self._exists)

    def _distribution(self) -> Table:
        drawn = np.maximum(self._rng.standard_gamma(self.concentrations_), 1e-9) * self._exists
        return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))

    def _learn(self, chosen: Table, utilities: Values) -> None:
        beta = self.concentrations_
        share = self._exists / beta.sum(axis=1, keepdims=True)
        likelihood = chosen / np.where(self._exists, beta, 1.0) - share
        gradient = np.tensordot(utilities, likelihood, axes=1)
        gradient -= len(utilities) * self.anchor * 2.0 * (beta - 1.0) * self._exists
        slope = np.where(self._free > 0, 1.0, beta)  # of elu + 1, which is the exponential below 0
        self._free += self.learning_rate * slope * gradient


class BaLeNAS(DistributionSearcher):
    """BaLeNAS: a Gaussian over the logits of each variable, moved by the Bayesian learning rule.

    Every round draws logits from the Gaussians and architectures from their softmax. The means
    follow the natural gradient of the expected utility, that is the gradient divided by the
    precision; the precisions follow the squared gradients, so that what is settled is explored
    less. Expectations over the Gaussians are means over ``samples`` draws.

    Parameters
    ----------
    learning_rate : float
        Of the means; above 0.
    rate : float
        How fast the precisions follow; above 0 and at most 1.
    prior : float
        Precision of the logits before anything is known; above 0.
    samples : int
        At least 1.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = BaLeNAS(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=240, batch=4)
    <Trace: 240 evaluations, 0 failed, best 6>

    References
    ----------
    M. Zhang et al. BaLeNAS: Differentiable architecture search via the Bayesian learning rule.
    CVPR 2022, arXiv 2111.13204. There the gradient comes from a weight-sharing network.
    """

    _kept = ("mean", "precision")

    learning_rate: float = positive_number(1.0)
    rate: float = positive_number(0.02, most=1.0)
    prior: float = positive_number(1.0)
    samples: int = whole_number(8)

    def _reset(self) -> None:
        super()._reset()
        self._mean = np.zeros(self._exists.shape)
        self._precision = np.full(self._exists.shape, self.prior)

    def _logits(self, n: int) -> Table:
        """Draws of all logits, shape (n, d, k)."""
        noise = self._rng.standard_normal((n, *self._mean.shape))
        return np.asarray(self._mean + noise / np.sqrt(self._precision))

    def _distribution(self) -> Table:
        return self._softmax(self._logits(1)[0])

    def _learn(self, chosen: Table, utilities: Values) -> None:
        policies = self._softmax(self._logits(self.samples))[:, None]
        gradients = (utilities[:, None, None] * (chosen - policies)).sum(axis=1)
        curvature = (gradients**2).mean(axis=0) + self.prior
        # The rate is that of five values, whatever the batch.
        self._precision += self.rate * len(utilities) / 5 * (curvature - self._precision)
        step = gradients.mean(axis=0) - 0.01 * self.prior * self._mean
        self._mean += self.learning_rate * step / self._precision
