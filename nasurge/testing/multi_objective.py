"""The contract of a searcher for several objectives, for the tests of whoever writes one.

As ``nasurge.testing.searcher``, which it should keep too; ``make`` is called as
``make(space, n_objectives=..., bounds=..., seed=..., pool=...)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..data.spaces import Codes, Space
from ..errors import LabelError, ParameterError
from ..search.base import Searcher
from .searcher import MakeSearcher, raises, through_files


def _objectives(codes: Codes, k: int = 2) -> NDArray[np.float64]:
    """Made-up conflicting values, shape (n, k); every seventh or so lacks one."""
    phase = np.arange(1.0, codes.shape[1] + 1)
    columns = [np.cos(codes * np.sin(phase + 2.0 * column)).sum(axis=1) for column in range(k)]
    values = np.stack(columns, axis=1)
    values[codes.astype(np.int64).sum(axis=1) % 7 == 3, -1] = np.nan
    return values


def _advance(searcher: Searcher, rounds: int, n: int = 5, k: int = 2) -> Codes:
    """Ask and tell ``k`` columns, and return all that was asked."""
    asked = []
    for _ in range(rounds):
        codes = searcher.ask(n)
        asked.append(codes.copy())
        searcher.tell(codes, _objectives(codes, k))
    return np.concatenate(asked)


def check_front_is_what_none_dominates(make: MakeSearcher, space: Space) -> None:
    """Check the front against all pairs of what was told, and that no single one is best."""
    searcher = make(space, n_objectives=2, seed=0)
    codes, values = searcher.front()
    assert codes.shape == (0, space.n_variables)
    assert values.shape == (0, 2)
    _advance(searcher, 10)
    told = searcher.values_[~np.isnan(searcher.values_).any(axis=1)]
    dominated = [any((b >= a).all() and (b > a).any() for b in told) for a in told]
    codes, values = searcher.front()
    assert np.array_equal(values, told[~np.array(dominated)])
    assert np.array_equal(_objectives(codes), values)
    raises(ParameterError, searcher.best)


def check_takes_as_many_columns_as_it_has(make: MakeSearcher, space: Space) -> None:
    """Check that values of another shape are refused, and nothing of them is kept."""
    searcher = make(space, n_objectives=3, seed=0)
    codes = searcher.ask(4)
    for wrong in (np.zeros(4), np.zeros((4, 2)), np.zeros((4, 4)), np.zeros((3, 3)), np.zeros(12)):
        raises(LabelError, searcher.tell, codes, wrong)
    raises(LabelError, searcher.tell, codes, np.full((4, 3), np.inf))
    assert searcher.values_.shape == (0, 3)
    searcher.tell(codes, np.zeros((4, 3)))
    assert searcher.values_.shape == (4, 3)
    limited = make(space, n_objectives=2, bounds=[-np.inf, -np.inf, 0.0], seed=0)
    raises(LabelError, limited.tell, codes, np.zeros((4, 2)))
    limited.tell(codes, np.zeros((4, 3)))
    for bad in (0, -1, 1.5):
        raises(ParameterError, lambda n=bad: make(space, n_objectives=n, seed=0))
    raises(ParameterError, lambda: make(space, n_objectives=2, bounds=[np.nan], seed=0))


def check_resumes_identically_with_columns(make: MakeSearcher, space: Space) -> None:
    """Check that a seed fixes the sequence, and that one restored from files goes on with it."""
    first, again = (_advance(make(space, n_objectives=2, seed=3), 10) for _ in range(2))
    assert np.array_equal(first, again)
    for rounds in (0, 1, 8):
        searcher = make(space, n_objectives=2, seed=0)
        if rounds:
            _advance(searcher, rounds)
        outstanding = searcher.ask(3)
        restored = make(space, n_objectives=2, seed=99)
        restored.ask(2)
        restored.load_state_dict(through_files(searcher.state_dict()))
        assert np.array_equal(restored.values_, searcher.values_, equal_nan=True)
        for one in (searcher, restored):
            one.tell(outstanding, _objectives(outstanding))
        assert np.array_equal(_advance(restored, 6), _advance(searcher, 6))
    state = searcher.state_dict()
    raises(ParameterError, make(space, n_objectives=3, seed=0).load_state_dict, state)


def check_keeps_within_bounds(make: MakeSearcher, space: Space) -> None:
    """Check that what misses a bound is never on the front, and a search with none goes on."""
    bounds = [-np.inf, -np.inf, 1.0]
    searcher = make(space, n_objectives=2, bounds=bounds, seed=0)
    for _ in range(10):
        codes = searcher.ask(5)
        limited = codes.astype(np.int64)[:, :1] % 2
        searcher.tell(codes, np.concatenate([_objectives(codes), limited], axis=1))
    codes, values = searcher.front()
    assert len(codes)
    assert values.shape[1] == 2
    assert (codes[:, 0] % 2 == 1).all()
    hopeless = make(space, n_objectives=2, bounds=[-np.inf, 1e6], seed=0)
    asked = _advance(hopeless, 12)
    assert len(np.unique(space.keys(asked))) == len(asked)
    assert not len(hopeless.front()[0])


def check_survives_failed_columns(make: MakeSearcher, space: Space) -> None:
    """Check that a search goes on when evaluations fail, and when a column says nothing."""
    searcher = make(space, n_objectives=2, seed=0)
    for _ in range(8):
        codes = searcher.ask(5)
        searcher.tell(codes, np.stack([np.full(5, np.nan), np.arange(5.0)], axis=1))
    assert not len(searcher.front()[0])
    constant = make(space, n_objectives=2, seed=0)
    for _ in range(8):
        codes = constant.ask(5)
        constant.tell(codes, np.stack([_objectives(codes)[:, 0], np.ones(5)], axis=1))
    assert len(constant.front()[0])


def check_keeps_to_its_pool_with_columns(make: MakeSearcher, space: Space) -> None:
    """Check that all of the pool is proposed and nothing else."""
    pool = space.sample(47, seed=2, unique=True)
    searcher = make(space, n_objectives=2, seed=0, pool=pool)
    start = space.sample(30, seed=3, unique=True)
    searcher.tell(start, _objectives(start))
    asked = searcher.ask(47)
    remaining = np.setdiff1d(space.keys(pool), space.keys(start))
    assert np.array_equal(np.sort(space.keys(asked)), remaining)


MULTI_OBJECTIVE_CHECKS: tuple[Callable[[MakeSearcher, Space], None], ...] = (
    check_front_is_what_none_dominates,
    check_takes_as_many_columns_as_it_has,
    check_resumes_identically_with_columns,
    check_keeps_within_bounds,
    check_survives_failed_columns,
    check_keeps_to_its_pool_with_columns,
)


def multi_objective_contract(make: MakeSearcher, space: Space) -> None:
    """Assert every fact that users of a searcher for several objectives rely on.

    Parameters
    ----------
    make : callable
        Called as ``make(space, n_objectives=..., seed=...)``, with ``bounds`` and ``pool`` too;
        returns a new searcher.
    space : Space
        Of at least 200 architectures.

    Raises
    ------
    AssertionError
        Saying which fact does not hold.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.searchers import NSGA2
    >>> multi_objective_contract(NSGA2, make_space("nb201"))
    """
    for check in MULTI_OBJECTIVE_CHECKS:
        check(make, space)
