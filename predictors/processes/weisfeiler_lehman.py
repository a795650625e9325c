"""A Gaussian process on the Weisfeiler-Lehman features of the live graphs."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from ...data.parameters import Estimator, check_parameters, whole_number
from ...data.spaces import Space, check_space
from ...data.types import Matrix
from .kernels import GaussianProcess, few_steps

Hashes = NDArray[np.uint64]


def _mix(x: Hashes) -> Hashes:
    """A well-mixed 64-bit number for each (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def subtree_labels(space: Space, codes: ArrayLike, depth: int) -> tuple[Hashes, NDArray[np.bool_]]:
    """Weisfeiler-Lehman labels of the nodes of each graph.

    The label of a node at level ``h`` is a hash of its own label at level ``h - 1`` and of the
    multisets of those that send it data and of those that it sends data to. Nodes that no data
    passes have none.

    Parameters
    ----------
    space : Space
    codes : array_like of int, shape (n, d)
    depth : int
        Levels after the first, which is the node's type.

    Returns
    -------
    labels : ndarray of uint64, shape (depth + 1, n, v)
    alive : ndarray of bool, shape (n, v)

    References
    ----------
    N. Shervashidze et al. Weisfeiler-Lehman graph kernels. JMLR 12, 2011.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> labels, alive = subtree_labels(space, space.sample(3, seed=0), depth=2)
    >>> labels.shape
    (3, 3, 8)
    """
    graphs = space.graphs(codes)
    alive = graphs.mask
    flows = (graphs.adjacency & alive[:, :, None] & alive[:, None, :]).astype(np.uint64)
    labels = [_mix(graphs.nodes.astype(np.uint64) + np.uint64(1))]
    for _ in range(depth):
        last = labels[-1]
        # A sum of mixed labels is a hash of a multiset: it does not depend on the order.
        received = np.einsum("nuv,nu->nv", flows, _mix(last + np.uint64(0x9E3779B97F4A7C15)))
        sent = np.einsum("nuv,nv->nu", flows, _mix(last + np.uint64(0xD1B54A32D192ED03)))
        labels.append(_mix(_mix(last) + _mix(received) * np.uint64(3) + _mix(sent) * np.uint64(5)))
    return np.stack(labels), alive


class WeisfeilerLehman(Estimator, TransformerMixin, BaseEstimator):
    """Counts of the Weisfeiler-Lehman labels seen in ``fit``, one block of columns per level.

    Each block is divided by the length of the graph's whole count vector, so that the product of
    two blocks is the cosine of two graphs at that level. All blocks are equally wide.

    Parameters
    ----------
    space : Space
    depth : int
        Levels after the first.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> features = WeisfeilerLehman(space, depth=1).fit_transform(space.sample(9, seed=0))
    >>> features.shape[1] % 2
    0
    """

    space: Space = field(kw_only=False)
    depth: int = whole_number(3, least=0)

    def fit(self, codes: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 -- scikit-learn's signature
        """Learn which labels there are."""
        check_space(self)
        check_parameters(self)
        labels, alive = subtree_labels(self.space, codes, self.depth)
        self.vocabularies_ = [np.unique(level[alive]) for level in labels]
        self.n_features_in_ = self.space.n_variables
        return self

    def transform(self, codes: ArrayLike) -> Matrix:
        """Normalised counts, shape (n, (depth + 1) * width).

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        """
        labels, alive = subtree_labels(self.space, codes, self.depth)
        n = alive.shape[0]
        width = max(1, *map(len, self.vocabularies_))
        features = np.zeros((n, len(labels), width))
        rows = np.broadcast_to(np.arange(n)[:, None], alive.shape)
        for level, vocabulary in enumerate(self.vocabularies_):
            if not len(vocabulary):
                continue
            place = np.minimum(np.searchsorted(vocabulary, labels[level]), len(vocabulary) - 1)
            known = alive & (vocabulary[place] == labels[level])
            np.add.at(features, (rows[known], level, place[known]), 1.0)
            same = labels[level][:, :, None] == labels[level][:, None, :]
            squares = (same & alive[:, :, None] & alive[:, None, :]).sum(axis=(1, 2))
            features[:, level] /= np.sqrt(np.maximum(squares, 1))[:, None]
        return features.reshape(n, -1)


class BlockLinear(Kernel):
    """A weighted sum of linear kernels, each on one of equally wide blocks of columns.

    Parameters
    ----------
    weights : array of float, shape (b,)
        One per block; learnt by maximising the marginal likelihood.
    weights_bounds : tuple of float
        Of each weight.

    References
    ----------
    M. Gönen and E. Alpaydın. Multiple kernel learning algorithms. JMLR 12, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> BlockLinear(np.array([1.0, 2.0]))(np.array([[1.0, 3.0], [1.0, 0.0]]))
    array([[19.,  1.],
           [ 1.,  1.]])
    """

    def __init__(self, weights: Any, weights_bounds: tuple[float, float] = (1e-3, 1e2)) -> None:
        self.weights = weights
        self.weights_bounds = weights_bounds

    @property
    def hyperparameter_weights(self) -> Hyperparameter:
        """The weights, as scikit-learn finds them."""
        return Hyperparameter("weights", "numeric", self.weights_bounds, len(self.weights))

    def _blocks(self, X: Matrix) -> Matrix:
        return X.reshape(len(X), len(self.weights), -1)

    def __call__(self, X: Matrix, Y: Matrix | None = None, eval_gradient: bool = False) -> Any:
        """Kernel, shape (n, m), and with ``eval_gradient`` its gradient (n, n, b).

        Parameters
        ----------
        X : ndarray, shape (n, f)
        Y : ndarray, shape (m, f), optional
            ``X`` if it is not given.
        eval_gradient : bool
            By the logarithms of the weights.
        """
        weights = np.asarray(self.weights)
        if not eval_gradient:
            other = X if Y is None else Y
            return (X * np.repeat(weights, X.shape[1] // len(weights))) @ other.T
        blocks = self._blocks(X)
        parts = np.stack([w * (blocks[:, k] @ blocks[:, k].T) for k, w in enumerate(weights)], -1)
        return parts.sum(axis=-1), parts

    def diag(self, X: Matrix) -> Matrix:
        """Kernel of each row with itself, shape (n,)."""
        squares = (self._blocks(X) ** 2).sum(axis=2)
        return np.asarray(squares @ np.asarray(self.weights))

    def is_stationary(self) -> bool:
        """Whether it depends on differences alone: it does not."""
        return False

    def __repr__(self) -> str:
        return f"BlockLinear({np.round(self.weights, 3).tolist()})"


class WLGaussianProcess(GaussianProcess):
    """A Gaussian process on the live graphs, with a Weisfeiler-Lehman subtree kernel.

    The kernel is a sum over the levels of the hierarchy, its weights learnt from the labels.

    Parameters
    ----------
    depth : int
        Levels after the first, which counts operations.

    References
    ----------
    B. Ru, X. Wan, X. Dong, M. Osborne. Interpretable neural architecture search via Bayesian
    optimisation with Weisfeiler-Lehman kernels (NAS-BOWL). ICLR 2021, arXiv 2006.07556.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gp = WLGaussianProcess(table.space).fit(table.codes[::150], y[::150])
    >>> gp.predict(table.codes[:5]).shape
    (5,)
    """

    optimiser = staticmethod(few_steps)

    features: tuple[str, ...] | None = field(default=None, init=False)
    depth: int = whole_number(2)  # one level has one weight, which is no vector

    def make_pipeline(self, seed: int) -> Any:  # noqa: ARG002 -- nothing is drawn
        """Pipeline that ``fit`` fits, from codes to transformed labels."""
        from sklearn.pipeline import make_pipeline

        encoder = WeisfeilerLehman(self.space, depth=self.depth)
        return make_pipeline(encoder, self._process(self._kernel(self.depth + 1)))

    def _kernel(self, n_features: int) -> Any:
        return BlockLinear(np.full(n_features, 1.0))
