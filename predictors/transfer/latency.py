"""Latencies on a new device from a handful of measurements, after devices that are known."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from ...data.encoders import OneHot
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes, Space
from ...data.types import Matrix
from ...errors import LabelError
from ..labels import finite_labels
from ..processes import linear_posterior
from ..processes.anchoring import candidates
from .base import require_learnt

# Half of what the known devices say about how costs of operations go together is believed.
_SHRINKAGE = 0.5
# A device may differ from all known ones by this share of the mean cost of an operation.
_OWN_SHARE = 0.1
CANDIDATES = 500
"""Architectures of which those to measure are chosen."""


class LatencyTransfer:
    """A linear model of what operations cost, whose prior is learnt from known devices.

    A latency is close to a sum over operations, also over those that no data passes: what differs
    between devices is what an operation costs, and on similar devices the costs are similar. The
    costs on the known devices, each in units of its mean latency, give mean and covariance of a
    normal prior, and what the sums leave unexplained there gives the noise; measurements on a new
    device give its scale, then the posterior. Which architectures to measure is chosen by the same
    prior (``anchors``): those that together say most about the costs.

    Parameters
    ----------
    space : Space

    References
    ----------
    The task: H. Lee, S. Lee, S. Chong, S. J. Hwang. HELP: hardware-adaptive efficient latency
    prediction for NAS via meta-learning. NeurIPS 2021. The choice: V. V. Fedorov. Theory of optimal
    experiments. 1972 (D-optimality, here one architecture after another).

    Examples
    --------
    >>> import numpy as np, nasurge
    >>> space = nasurge.make_space("nb201")
    >>> codes = space.all_codes()
    >>> costs = np.array([[0, 0.1, 1, 3, 0.5], [0, 0.1, 2, 2, 1], [0, 0.2, 3, 9, 1]]).T
    >>> known = 5 + np.stack([costs[:, d][codes].sum(axis=1) for d in range(3)], axis=1)
    >>> model = LatencyTransfer(space).fit_devices(codes, known)
    >>> anchors = model.anchors(10, seed=0)
    >>> new = lambda codes: 2 + np.array([0, 0.3, 2, 5, 2])[codes].sum(axis=1)
    >>> found = model.fit(anchors, new(anchors)).predict(codes)
    >>> bool(np.corrcoef(found, new(codes))[0, 1] > 0.99)
    True
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def features(self, codes: ArrayLike) -> Matrix:
        """Terms that a latency is a sum of: a constant, then counts, shape (n, f).

        In cells, how often every operation occurs; elsewhere what stands where, since layers are
        unequal and what an operation costs depends on its place.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        checked = self.space.check(codes)
        if self.space.cell is not None:
            each = range(len(self.space.operations))
            found = np.stack([(checked == k).sum(axis=1) for k in each], axis=1).astype(float)
        else:
            found = np.asarray(OneHot(self.space).transform(checked), dtype=np.float64)
        return np.concatenate([np.ones((len(checked), 1)), found], axis=1)

    def fit_devices(self, codes: ArrayLike, latencies: ArrayLike) -> Self:
        """Learn from devices on which all these architectures were measured.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        latencies : array_like of float, shape (n, devices)
            In any unit, above 0; each device may have its own unit.

        Raises
        ------
        LabelError
            If the shape is another, or a latency is not a number above 0.
        ArchitectureError
            If a row is not in the space.
        """
        features = self.features(codes)
        known = np.asarray(latencies, dtype=np.float64)
        if known.ndim != 2 or len(known) != len(features) or known.size == 0:
            raise LabelError(
                f"latencies of {len(features)} architectures have shape ({len(features)}, "
                f"devices), received {known.shape}"
            )
        if not (np.isfinite(known) & (known > 0)).all():
            raise LabelError("latencies of known devices are finite and above 0: leave others out")
        relative = known / known.mean(axis=0)
        # Features depend on each other (operations fill a cell): the smallest solution is taken.
        costs = np.linalg.lstsq(features, relative, rcond=None)[0]
        # Devices whose latencies are exact sums would leave no noise, and a new one no doubt.
        self.noise_ = max(float(np.median((relative - features @ costs).std(axis=0))), 1e-3)
        self.mean_ = costs.mean(axis=1)
        away = (costs - self.mean_[:, None]) / np.sqrt(costs.shape[1])
        spread = away @ away.T
        own = np.full(len(spread), (_OWN_SHARE**2) * (self.mean_[1:] ** 2).mean())
        own[0] = _OWN_SHARE**2
        self.covariance_ = (1 - _SHRINKAGE) * spread + np.diag(_SHRINKAGE * np.diag(spread) + own)
        return self

    def anchors(self, n: int = 10, *, among: ArrayLike | None = None, seed: Seed = None) -> Codes:
        """Different architectures to measure on a new device, shape (n, d).

        One after another is chosen from a few hundred, drawn at random: the one of which the costs
        learnt so far know least.

        Parameters
        ----------
        n : int
        among : array_like of int, shape (m, d), optional
            Those that can be measured; by default all of the space.
        seed : int, Generator or None
            The same seed and known devices give the same anchors.

        Raises
        ------
        NotFittedError
            Before ``fit_devices``.
        ParameterError
            If ``n`` is not between 1 and a few hundred, or more than there are.
        ArchitectureError
            If a row of ``among`` is not in the space.
        """
        require_learnt(self, "covariance_", "devices", "fit_devices(codes, latencies)")
        rng = as_generator(seed)
        pool = candidates(self.space, n, among=among, most=CANDIDATES, rng=rng)
        features, left = self.features(pool), self.covariance_.copy()
        chosen: list[int] = []
        for _ in range(n):
            gain = ((features @ left) * features).sum(axis=1)
            gain[chosen] = -1
            chosen.append(int(gain.argmax()))
            row = left @ features[chosen[-1]]
            left -= np.outer(row, row) / (features[chosen[-1]] @ row + self.noise_**2)
        return pool[chosen]

    def fit(self, codes: ArrayLike, latencies: ArrayLike) -> Self:
        """Adapt to a new device.

        Parameters
        ----------
        codes : array_like of int, shape (m, d)
            One architecture is enough for a scale; see ``anchors`` for which.
        latencies : array_like of float, shape (m,)
            In the unit that ``predict`` then answers in.

        Raises
        ------
        NotFittedError
            Before ``fit_devices``.
        LabelError
            If there are none, or a latency is not a number above 0.
        ArchitectureError
            If a row is not in the space.
        """
        require_learnt(self, "covariance_", "devices", "fit_devices(codes, latencies)")
        features = self.features(codes)
        y = finite_labels(latencies, len(features))
        if not len(y) or (y <= 0).any():
            raise LabelError("a new device is learnt from at least one latency, all above 0")
        expected = features @ self.mean_
        self.scale_ = float(y @ expected / (expected @ expected))
        self.costs_, self.left_, _ = linear_posterior(
            features, y / self.scale_ - expected, self.mean_, self.covariance_, self.noise_**2
        )
        return self

    def predict(
        self, codes: ArrayLike, *, return_std: bool = False
    ) -> Matrix | tuple[Matrix, Matrix]:
        """Latency of each architecture on the new device, shape (n,).

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        return_std : bool
            Return the standard deviation of a measurement as well.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ArchitectureError
            If a row is not in the space.
        """
        require_learnt(self, "costs_", "measurements of the new device", "fit(codes, latencies)")
        features = self.features(codes)
        found: Matrix = self.scale_ * (features @ self.costs_)
        if not return_std:
            return found
        variance = ((features @ self.left_) * features).sum(axis=1)
        return found, self.scale_ * np.sqrt(np.maximum(variance, 0) + self.noise_**2)
