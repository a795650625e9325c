"""Cheap values of architectures, such as accuracies after few epochs, beside their structure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.spaces import Codes
from ...data.types import Matrix
from ...errors import ArchitectureError, ParameterError
from ..base import Predictor, Scores
from ..labels import Labels, NormalScores
from ..processes import FAMILIES, GroupedGP, Groups, Term, feature_groups


class LowFidelity(Predictor):
    """Gaussian processes on structure and on cheap values known for every architecture asked for.

    A network trained for 12 epochs says much of the same network after 200, and what it does not
    say is often told by the structure. The cheap values are one more group of features, as normal
    scores. Two processes are averaged: a Matern over all groups plus a linear kernel on the cheap
    values, and a Matern plus linear kernels on all groups but paths.

    Architectures that compute the same function share the mean of their cheap values.

    Parameters
    ----------
    cheap : array_like of float, shape (N,) or (N, k), or callable from codes (n, d) to such values
        NaN where not measured. A callable is asked for the canonical codes of what is learnt and
        what is predicted; a predictor with one cannot be saved. Without, the predictor refuses.
    cheap_codes : array_like of int, shape (N, d), optional
        The architectures of an array ``cheap``.
    labels : {"blended", "normal-scores", "standardised"}
    seed : int, Generator or None
        Not used: the fit is deterministic. Accepted as by every predictor.

    References
    ----------
    B. Baker, O. Gupta, R. Raskar, N. Naik. Accelerating neural architecture search using
    performance prediction. 2017, arXiv 1705.10823. C. White, A. Zela, B. Ru, Y. Liu, F. Hutter. How
    powerful are performance predictors in neural architecture search? NeurIPS 2021.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> cheap = table.values(task="cifar10", metric="ptq_accuracy")
    >>> model = LowFidelity(table.space, cheap=cheap, cheap_codes=table.codes)
    >>> model.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    minimum_labels = 3
    offers_std = True
    heavy_imports = ("scipy.optimize",)

    cheap: ArrayLike | Callable[[Codes], ArrayLike] | None = None
    cheap_codes: ArrayLike | None = None
    labels: str = "blended"

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve: there are no cheap values."""
        if self.cheap is None:
            return (
                "low-fidelity needs values that are cheap to measure: give cheap=..., or name "
                "columns of the table with --cheap"
            )
        return None

    def _known(self) -> tuple[NDArray[np.int64], Matrix]:
        """Sorted indices of the measured functions, and their mean cheap values."""
        if self.cheap_codes is None:
            raise ParameterError("an array of cheap values needs the architectures: cheap_codes")
        codes = self.space.canonical(self.cheap_codes)
        values = _columns(self.cheap, len(codes))
        measured = np.isfinite(values).all(axis=1)
        if not measured.any():
            raise ParameterError("no architecture has a cheap value: all of them are NaN")
        index, inverse = np.unique(self.space.keys(codes[measured]), return_inverse=True)
        sums = np.zeros((len(index), values.shape[1]))
        np.add.at(sums, inverse, values[measured])
        return index, sums / np.bincount(inverse, minlength=len(index))[:, None]

    def _cheap_values(self, codes: Codes) -> Matrix:
        """Cheap values of canonical codes, shape (n, k)."""
        if callable(self.cheap):
            values = _columns(self.cheap(codes), len(codes))
            missing = ~np.isfinite(values).all(axis=1)
        else:
            index, known = self.known_
            wanted = self.space.keys(codes)
            missing = ~np.isin(wanted, index)
            values = known[np.searchsorted(index, np.where(missing, index[:1], wanted))]
        if missing.any():
            first = int(np.argmax(missing))
            raise ArchitectureError(
                f"{int(missing.sum())} of {len(codes)} architectures have no cheap value, the "
                f"first is {self.space.format(codes[first : first + 1])[0]!r}: measure them first"
            )
        return values

    def _features(self, codes: Codes) -> Groups:
        """Groups of features, scaled; the cheap values are one."""
        columns = zip(self.scores_, self._cheap_values(codes).T, strict=True)
        cheap = np.stack([scores.transform(column) for scores, column in columns], axis=1)
        groups = feature_groups(self.space, codes, untrained=False)
        return {**groups, "cheap": cheap / np.sqrt(2 * cheap.shape[1])}

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        if not callable(self.cheap):
            self.known_ = self._known()
        known = self._cheap_values(codes) if callable(self.cheap) else self.known_[1]
        self.scores_ = []
        for position, column in enumerate(known.T):
            if np.ptp(column) == 0:
                raise ParameterError(
                    f"all known cheap values in column {position} are {column[0]:g}: they tell "
                    "nothing, leave them out"
                )
            self.scores_.append(NormalScores().fit(column))
        groups = self._features(codes)
        base = tuple(name for name in groups if name not in FAMILIES)
        kernels = (
            [Term(tuple(groups), 1.5), Term(("cheap",), 0)],
            [Term(base, 2.5), *(Term((name,), 0) for name in base if name != "paths")],
        )
        self.processes_ = [GroupedGP(terms).fit(groups, z) for terms in kernels]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        groups = self._features(codes)
        found = [process.predict(groups) for process in self.processes_]
        variance = np.mean([std**2 for _, std in found], axis=0)
        return np.mean([mean for mean, _ in found], axis=0), np.sqrt(variance)


def _columns(values: object, n: int) -> Matrix:
    """Cheap values as floats, shape (n, k).

    Raises
    ------
    ParameterError
        If they are no numbers or not ``n`` rows.
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"cheap values are numbers: {error}") from error
    if found.ndim not in (1, 2) or len(found) != n or found.size == 0:
        raise ParameterError(
            f"cheap values of {n} architectures have shape ({n},) or ({n}, k), received "
            f"{found.shape}"
        )
    return found[:, None] if found.ndim == 1 else found
