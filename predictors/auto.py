"""The default predictor: a committee that needs nothing but the labels given."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.connections import Connections
from ..data.encoders import OneHot, Paths, Structure
from ..data.random_networks import RandomNetworks
from ..data.seeds import Seed
from ..data.spaces import CellSpace, Codes, Space
from ..errors import ParameterError
from .base import Predictor, Scores
from .grouped import GroupedGP, Term
from .labels import Labels

Matrix = NDArray[np.float64]

_REFERENCE_ROWS = 4000
_MOST_KINDS = 20
MEMBERS = ("joint", "additive", "linear", "random", "trees", "network")


def feature_groups(space: Space, codes: Codes) -> list[Matrix]:
    """Return groups of raw features: structure, paths, and what more the space offers.

    Connections are left out where a space knows no structure (every choice its own operation), and
    the one-hot code where paths already tell everything.
    """
    groups = [Structure(space).transform(codes), np.sqrt(Paths(space).transform(codes))]
    if len(space.operations) <= _MOST_KINDS:
        encoder = Connections(space)
        connections = encoder.transform(codes)
        groups += [connections[:, : encoder.n_pairs], connections[:, encoder.n_pairs :]]
    if space.positional:
        groups.append(OneHot(space).transform(codes))
    if isinstance(space, CellSpace):
        groups.append(RandomNetworks(space).transform(codes))
    return groups


@cache
def _scales(space: Space) -> list[tuple[Matrix, Matrix]]:
    """Return centre and scale of the columns of every group, over architectures of the space.

    Unlabelled architectures are free: scales from them are right with any number of labels. A
    constant column gets scale 0. Structural numbers have a scale each; counts of rare events share
    one, so that the rarest do not rule the distances.
    """
    count = min(space.n_codes, _REFERENCE_ROWS)
    rows = np.unique(space.canonical(space.sample(count, seed=0)), axis=0)
    found = []
    for position, group in enumerate(feature_groups(space, rows)):
        deviation = group.std(axis=0)
        varies = deviation > 1e-9
        own = position == 0 or position == 3
        scale = np.where(varies, 1 / np.where(varies & own, deviation, 1), 0)
        total = float(((deviation * scale) ** 2).sum())
        found.append((group.mean(axis=0), scale / np.sqrt(max(2 * total, 1e-12))))
    return found


class Auto(Predictor):
    """A committee of Gaussian processes, boosted trees and small networks.

    Its members see the same features: structure, paths, connections and, where positions matter,
    the one-hot code, scaled over the whole space instead of the few labelled rows. Their scores are
    averaged. See the page "The default predictor" of the documentation for what each part adds.

    The deviation is the Gaussian processes', scaled by their leave-one-out errors on the labels.

    Parameters
    ----------
    space : Space
    members : tuple of str
        Some of ``"joint"`` (a Matern process over all features, a length scale per group),
        ``"additive"`` (a sum of one process per group), ``"linear"`` (a Matern and linear kernels),
        ``"trees"`` (XGBoost) and ``"network"`` (multilayer perceptrons); at least one of the first
        three.
    labels : {"blended", "normal-scores", "standardised"}
    n_jobs : int
        Threads of the trees.
    seed : int, Generator or None

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams. Gaussian processes for machine learning. 2006. Committees
    of predictors: GP-NAS-ensemble, arXiv 2301.09231.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> auto = Auto(table.space, seed=0).fit(table.codes[::150], y[::150])
    >>> scores, std = auto.predict(table.codes, return_std=True)
    >>> scores.shape, bool((std > 0).all())
    ((15625,), True)
    """

    minimum_labels = 3
    offers_std = True
    heavy_imports = ("sklearn.neural_network", "xgboost")

    def __init__(
        self,
        space: Space,
        *,
        members: tuple[str, ...] = MEMBERS,
        labels: str = "blended",
        n_jobs: int = 1,
        seed: Seed = None,
    ) -> None:
        self.space = space
        self.members = members
        self.labels = labels
        self.n_jobs = n_jobs
        self.seed = seed

    def _features(self, codes: Codes) -> list[Matrix]:
        """Return the scaled groups."""
        pairs = zip(feature_groups(self.space, codes), _scales(self.space), strict=True)
        return [(group - centre) * scale for group, (centre, scale) in pairs]

    def _processes(self, n_groups: int) -> list[GroupedGP]:
        """Return the unfitted Gaussian processes that were asked for."""
        cells = isinstance(self.space, CellSpace)
        everything = tuple(range(n_groups - cells))
        linear = tuple(Term((g,), 0) for g in everything if g != 1)
        kernels = {
            "joint": [Term(everything, 1.5)],
            "additive": [Term((g,), 2.5) for g in everything],
            "linear": [Term(everything, 2.5), *linear],
        }
        if cells:
            kernels["random"] = [Term((0, n_groups - 1), 1.5)]
        return [GroupedGP(kernels[name]) for name in self.members if name in kernels]

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        unknown = [name for name in self.members if name not in MEMBERS]
        groups = self._features(codes)
        processes = self._processes(len(groups))
        if unknown or not processes:
            raise ParameterError(
                f"members are some of {', '.join(MEMBERS)}, and one of the first three at least; "
                f"received {list(self.members)}"
            )
        self.processes_ = [process.fit(groups, z) for process in processes]
        error = np.mean([p.left_out_error_ for p in processes], axis=0)
        variance = np.mean([p.left_out_variance_ for p in processes], axis=0)
        # A prior of ten errors as large as expected keeps a handful of labels from ruling it.
        self.spread_ = float(np.sqrt(((error**2 / variance).sum() + 10) / (len(z) + 10)))
        seeds = rng.integers(2**31, size=2)
        self.regressors_ = []
        wide = _side_by_side(groups)
        for name, make in (("trees", self._trees), ("network", _network)):
            if name in self.members:
                regressor = make(int(seeds[len(self.regressors_)]))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a network stopped early is what is wanted
                    self.regressors_.append(regressor.fit(wide, z))

    def _trees(self, seed: int) -> Any:
        from xgboost import XGBRegressor

        return XGBRegressor(
            n_estimators=500,
            max_depth=3,
            learning_rate=0.04,
            subsample=0.8,
            colsample_bytree=0.2,
            n_jobs=self.n_jobs,
            random_state=seed,
        )

    def _members(self, codes: Codes) -> tuple[list[Scores], Scores]:
        """Return the transformed scores of every member, and the processes' mean deviation."""
        groups = self._features(codes)
        found = [process.predict(groups) for process in self.processes_]
        wide = _side_by_side(groups)
        means = [mean for mean, _ in found]
        means += [np.asarray(r.predict(wide), dtype=np.float64) for r in self.regressors_]
        return means, np.sqrt(np.mean([std**2 for _, std in found], axis=0))

    def member_scores(self, codes: ArrayLike) -> list[Scores]:
        """Return what every member predicts, in transformed labels, for ablations.

        The processes that were asked for come first, then trees and networks.
        """
        return self._members(self.space.canonical(codes))[0]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        means, deviation = self._members(codes)
        return np.mean(means, axis=0), deviation * self.spread_


def _side_by_side(groups: list[Matrix]) -> NDArray[np.float32]:
    """Return all features in one matrix, of about unit variance each."""
    wide = np.concatenate(groups, axis=1) * np.sqrt(2 * groups[0].shape[1])
    return wide.astype(np.float32)


def _network(seed: int) -> Any:
    """Return four small networks that are averaged."""
    from sklearn.ensemble import VotingRegressor
    from sklearn.neural_network import MLPRegressor

    return VotingRegressor(
        [
            (
                f"network{k}",
                MLPRegressor(
                    hidden_layer_sizes=(64, 64),
                    activation="tanh",
                    solver="lbfgs",
                    alpha=3.0,
                    max_iter=150,
                    random_state=(seed + k) % 2**31,
                ),
            )
            for k in range(4)
        ]
    )
