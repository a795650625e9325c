"""The default predictor: a committee that needs nothing but the labels given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.devices import resolve_device
from ...data.networks import ZeroCost
from ...data.parameters import device_name, job_count, some_of
from ...data.spaces import Codes
from ...errors import ParameterError
from ..base import Predictor, Scores
from ..labels import Labels, NormalScores
from ..processes import FAMILIES, GroupedGP, Groups, Term, feature_groups

PROCESSES = ("joint", "additive", "linear", "random")
MEMBERS = (*PROCESSES, "trees", "graphs")
# From this many labels on, two graph networks were measured to serve better than one.
_LABELS_FOR_TWO = 100


class Auto(Predictor):
    """A committee of Gaussian processes, boosted trees and graph networks.

    Its members see structure, paths, connections, the one-hot code where positions matter and, for
    cells, what untrained networks do to random inputs, all scaled over the whole space instead of
    the few labelled rows. No labels of other tasks are used. The members' scores are averaged. What
    each part adds is on the page "The default predictor" of the documentation.

    With blended labels, leave-one-out errors of the first process decide whether normal scores,
    which forget all distances, order the labels better.

    The deviation is the Gaussian processes', scaled by their leave-one-out errors on the labels.

    Parameters
    ----------
    members : tuple of str
        Some of ``"joint"`` (a Matern process over all features, a length scale per group),
        ``"additive"`` (a sum of one process per group), ``"linear"`` (a Matern and linear kernels),
        ``"random"`` (a Matern over structure and untrained networks; cells only; without it nothing
        uses untrained networks), ``"trees"`` (XGBoost) and ``"graphs"`` (gated graph networks:
        one from 5 labels on, two from 100 on, with a vote each); at least one of the first four.
    labels : {"blended", "normal-scores", "standardised"}
    n_jobs : int
        Threads of the trees.
    device : str
        Of the graph networks: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams. Gaussian processes for machine learning. 2006. Committees
    of predictors: GP-NAS-ensemble, arXiv 2301.09231.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> auto = Auto(table.space, members=("joint", "trees"), seed=0)
    >>> auto = auto.fit(table.codes[::400], y[::400])
    >>> scores, std = auto.predict(table.codes, return_std=True)
    >>> scores.shape, bool((std > 0).all())
    ((15625,), True)
    """

    minimum_labels = 3
    offers_std = True
    heavy_imports = ("scipy.optimize", "xgboost", "nasurge.predictors.graph.predictors")

    members: tuple[str, ...] = some_of(MEMBERS, MEMBERS)
    labels: str = "blended"
    n_jobs: int = job_count(1)
    device: str = device_name("auto")

    @property
    def _untrained(self) -> bool:
        """Whether features of untrained networks are asked for and there are any."""
        return "random" in self.members and self.space.cell is not None

    def _features(self, codes: Codes) -> Groups:
        return feature_groups(self.space, codes, untrained=self._untrained)

    def _processes(self, groups: Groups) -> dict[str, GroupedGP]:
        """Unfitted Gaussian processes, by name, of the members that the space allows."""
        everything = tuple(name for name in groups if name != "untrained")
        base = tuple(name for name in everything if name not in FAMILIES)
        kernels = {
            "joint": [Term(everything, 1.5)],
            "additive": [Term((name,), 2.5) for name in base],
            "linear": [Term(base, 2.5), *(Term((name,), 0) for name in base if name != "paths")],
        }
        if self._untrained:
            kernels["random"] = [Term(("structure", "untrained"), 1.5)]
        return {name: GroupedGP(kernels[name]) for name in self.members if name in kernels}

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        from ..graph import GatedGCN

        resolve_device(self.device)  # one that is absent is an error whoever the members are
        groups = self._features(codes)
        processes = self._processes(groups)
        if not processes:
            raise ParameterError(
                f"members must have at least one of {', '.join(PROCESSES)} (the last in spaces of "
                f"cells only), not {list(self.members)}"
            )
        first, fitted = next(iter(processes)), {}
        self.inner_ = None
        if self.labels == "blended":
            self.inner_, fitted[first] = self._inner(groups, z)
        if self.inner_ is not None:
            z = self.inner_.transform(z)
        processes = {
            name: fitted.get(name) or process.fit(groups, z) for name, process in processes.items()
        }
        self.processes_ = processes
        error = np.mean([p.left_out_error_ for p in processes.values()], axis=0)
        variance = np.mean([p.left_out_variance_ for p in processes.values()], axis=0)
        # A prior of ten errors as large as expected keeps a handful of labels from ruling it.
        self.spread_ = float(np.sqrt(((error**2 / variance).sum() + 10) / (len(z) + 10)))
        self.trees_ = None
        if "trees" in self.members:
            self.trees_ = self._trees(int(rng.integers(2**31))).fit(_side_by_side(groups), z)
        self.graphs_, self.votes_ = None, {}
        if "graphs" in self.members and len(z) >= GatedGCN.minimum_labels:
            count, seed = 1 if len(z) < _LABELS_FOR_TWO else 2, int(rng.integers(2**31))
            graphs = GatedGCN(
                self.space, members=count, labels="standardised", device=self.device, seed=seed
            )
            self.graphs_, self.votes_ = graphs.fit(codes, z), {"graphs": count}

    def _inner(self, groups: Groups, z: Labels) -> tuple[NormalScores | None, GroupedGP]:
        """Transform to normal scores if they rank left-out labels better; the first process too."""
        from scipy.stats import kendalltau

        found, normal = [], NormalScores().fit(z)
        for labels in (z, normal.transform(z)):
            process = next(iter(self._processes(groups).values())).fit(groups, labels)
            found.append((kendalltau(labels - process.left_out_error_, z).statistic, process))
        (plain, process), (ranked, other) = found
        return (normal, other) if ranked > plain else (None, process)

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

    def _members(self, codes: Codes) -> tuple[dict[str, Scores], Scores]:
        """Transformed scores of every member, and the processes' mean deviation."""
        groups = self._features(codes)
        found = {name: process.predict(groups) for name, process in self.processes_.items()}
        means = {name: mean for name, (mean, _) in found.items()}
        if self.trees_ is not None:
            means["trees"] = self.trees_.predict(_side_by_side(groups)).astype(np.float64)
        if self.graphs_ is not None:
            means["graphs"] = self.graphs_.predict(codes)
        return means, np.sqrt(np.mean([std**2 for _, std in found.values()], axis=0))

    def member_scores(self, codes: ArrayLike) -> dict[str, Scores]:
        """Prediction of every member, in transformed labels, each shape (n,).

        The score is their mean, with ``votes_`` as weights of those that have more than one.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        """
        return self._members(self.space.canonical(codes))[0]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        means, deviation = self._members(codes)
        deviation = deviation * self.spread_
        votes = [self.votes_.get(name, 1) for name in means]
        scores = np.average(list(means.values()), axis=0, weights=votes)
        if self.inner_ is None:
            return scores, deviation
        above, below = (self.inner_.inverse(scores + side * deviation) for side in (1, -1))
        return self.inner_.inverse(scores), (above - below) / 2


class AutoZeroCost(Auto):
    """The committee of ``auto`` with zero-cost proxies beside its other features.

    All thirteen proxies of untrained networks are one more group of
    features. They are computed once for a space and kept (see ``ZeroCost``): a whole
    NAS-Bench-201 takes minutes the first time.

    Parameters
    ----------
    space : Space
        One of cells, ``nb201`` or ``transnas-micro``, or of a model from images to classes.
    n_jobs : int
        Threads of the trees, and processes that compute proxies.

    Examples
    --------
    >>> import nasurge
    >>> AutoZeroCost(nasurge.make_space("nbgraph")).refusal is None
    False
    """

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve its space; None if networks can be built."""
        from ...data.networks import why_no_scores

        return why_no_scores(self.space)

    def _features(self, codes: Codes) -> Groups:
        proxies = ZeroCost(self.space, jobs=self.n_jobs).transform(codes)
        # Normal scores: the mean squared distance in one of them is about 2.
        return {
            **super()._features(codes),
            "zero-cost": proxies / np.sqrt(2 * proxies.shape[1]),
        }


def _side_by_side(groups: Groups) -> NDArray[np.float32]:
    """All features in one matrix, of about unit variance each."""
    wide = np.concatenate(list(groups.values()), axis=1)
    wide *= np.sqrt(2 * groups["structure"].shape[1])
    return np.asarray(wide, dtype=np.float32)
