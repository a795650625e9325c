"""Candidates of AT-NAS: encodings that evolve, then finalists that are trained in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...benchmarks.supernet import uniform_codes
from ...benchmarks.training import State
from ...data.spaces import Codes, Space
from ...data.types import Values
from ..guided import Regressor
from ..searchers import GuidedEvolution, RegularisedEvolution


class Population:
    """Measured encodings, and which of them are the population.

    Weights change while encodings are compared. Each generation measures the members again, on the
    episodes of the newcomers, and what the members gained on average is taken from all: values are
    those that the first generation would have had, means over all measurements of an encoding.

    Parameters
    ----------
    space : Space
    size : int
        Of the population.
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        Screens the offspring: of 200 those with the highest predicted values are measured. None:
        the offspring of tournaments.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> population, rng = Population(make_space("nb201"), 5, None), np.random.default_rng(0)
    >>> for _ in range(20):
    ...     population.evolve(lambda codes: (codes == 3).sum(axis=1), 5, rng)
    >>> len(population.codes), float(population.values.max())
    (100, 6.0)
    """

    def __init__(self, space: Space, size: int, predictor: Regressor | None) -> None:
        self.space, self.size, self.predictor = space, size, predictor
        self.codes: Codes = np.empty((0, space.n_variables), dtype=np.int8)
        self.sums = np.empty(0)
        self.counts = np.empty(0, dtype=np.int64)

    @property
    def values(self) -> Values:
        """Mean value of every measured encoding, shape (n,)."""
        return self.sums / np.maximum(1, self.counts)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers of the members in ``codes``, the best first, shape (size,)."""
        # An encoding that computes nothing is no member, whatever it was measured at.
        alive = self.space.graphs(self.codes).mask[:, 2:].any(axis=1)
        ranks = np.lexsort((-self.values, ~alive))
        members: NDArray[np.int64] = ranks[: min(self.size, int(alive.sum()))]
        return members

    @property
    def members(self) -> Codes:
        """Encodings of the population, the best first, shape (size, d)."""
        return self.codes[self.rows]

    def restart(self, codes: Codes, fitness: Callable[[Codes], Values]) -> None:
        """Forget all measurements, and measure these members instead."""
        self.codes, self.sums = codes.copy(), np.asarray(fitness(codes), dtype=np.float64)
        self.counts = np.ones(len(codes), dtype=np.int64)

    def evolve(self, fitness: Callable[[Codes], Values], n: int, rng: np.random.Generator) -> None:
        """Measure ``n`` newcomers, and the members again."""
        rows, newcomers = self.rows, self._offspring(n, rng)
        together = np.concatenate([self.codes[rows], newcomers])
        measured = np.asarray(fitness(together), dtype=np.float64)
        again, values = measured[: len(rows)], measured[len(rows) :]
        # Weights have learnt since the members were measured: what these gained is no merit.
        gained = float(np.mean(again - self.values[rows])) if len(rows) else 0.0
        self.sums[rows] += again - gained
        self.counts[rows] += 1
        self.codes = np.concatenate([self.codes, newcomers])
        self.sums = np.concatenate([self.sums, values - gained])
        self.counts = np.concatenate([self.counts, np.ones(len(newcomers), dtype=np.int64)])

    def _offspring(self, n: int, rng: np.random.Generator) -> Codes:
        """Encodings that were not measured, shape (n, d); the first ones are drawn uniformly."""
        if not len(self.codes):
            drawn = np.unique(uniform_codes(self.space, 4 * n, rng), axis=0)
            return rng.permutation(drawn)[:n]
        if self.predictor is None:
            aging = RegularisedEvolution(
                self.space, population_size=self.size, tournament_size=5, seed=rng
            )
            best_last = np.argsort(self.values, kind="stable")  # it breeds what was told last
            aging.tell(self.codes[best_last], self.values[best_last])
            return aging.ask(n)
        guided = GuidedEvolution(
            self.space, self.predictor, population_size=1, parents=self.size, seed=rng
        )
        guided.tell(self.codes, self.values)
        return guided.ask(n)

    def state(self) -> State:
        """State for a checkpoint: tensors, and JSON values."""
        arrays = {"codes": self.codes, "sums": self.sums, "counts": self.counts}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}, {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what ``state`` returned."""
        arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
        self.codes, self.sums, self.counts = (arrays[k] for k in ("codes", "sums", "counts"))


class Contest:
    """Finalists that are trained in turn, until one is left.

    Each step is of the finalist that has had the smallest share of the meta-training, so that all
    have had the same time, and a cheaper one more steps. When fewer are to be left, those stay
    whose query loss was lowest in the later half of their steps: every episode is new, so the loss
    before a step is measured on what the weights have not seen.

    Parameters
    ----------
    codes : array of int8, shape (n, d)

    References
    ----------
    Halving: K. Jamieson, A. Talwalkar. Non-stochastic best arm identification and hyperparameter
    optimization. AISTATS 2016. There every arm is trained by itself, here all have shared weights.

    Examples
    --------
    >>> contest = Contest(np.asarray([[0, 1], [2, 3]], dtype=np.int8))
    >>> for step in range(4):
    ...     code = contest.next_code(step / 10, left=2)
    ...     contest.observe(float(code[0]))
    >>> contest.next_code(0.4, left=1).tolist()
    [0, 1]
    """

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self._done, self._turn = 0.0, -1  # when the last step began, and whose it was
        self._begin()

    def _begin(self) -> None:
        self._shares = np.zeros(len(self.codes))
        self._losses: list[list[float]] = [[] for _ in self.codes]

    def next_code(self, done: float, *, left: int) -> Codes:
        """Finalist whose step it is at this share of the training, shape (d,)."""
        if self._turn >= 0:
            self._shares[self._turn] += done - self._done
        if len(self.codes) > left:
            late = [sum(part) / len(part) if part else np.inf for part in map(_late, self._losses)]
            self.codes = self.codes[np.argsort(np.asarray(late), kind="stable")[:left]]
            self._begin()
        self._done, self._turn = done, int(np.argmin(self._shares))
        code: Codes = self.codes[self._turn]
        return code

    def observe(self, loss: float) -> None:
        """Note the query loss of the step."""
        self._losses[self._turn].append(loss)

    def state(self) -> dict[str, Any]:
        """State for a checkpoint, as JSON values."""
        finalists = {"codes": self.codes.tolist(), "shares": self._shares.tolist()}
        return {**finalists, "losses": self._losses, "done": self._done, "turn": self._turn}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Contest:
        """Contest that had this state."""
        contest = cls(np.asarray(state["codes"], dtype=np.int8))
        contest._shares, contest._losses = np.asarray(state["shares"]), [*state["losses"]]
        contest._done, contest._turn = state["done"], state["turn"]
        return contest


def _late(losses: list[float]) -> list[float]:
    """Later half of the losses."""
    return losses[len(losses) // 2 :]
