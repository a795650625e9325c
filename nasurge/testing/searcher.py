"""The contract of a searcher, for the tests of whoever writes one.

Parametrise a test over ``SEARCHER_CHECKS``, so that each fact fails by its own name::

    @pytest.mark.parametrize("check", SEARCHER_CHECKS, ids=lambda check: check.__name__)
    def test_my_searcher(check):
        check(MySearcher, make_space("nb201"))

or call ``searcher_contract(MySearcher, space)`` for all of them. ``make`` is called as
``make(space, seed=..., pool=...)``, so a class serves, and so does a lambda that adds a predictor.
"""

from __future__ import annotations

import inspect
import io
import json
import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.spaces import Codes, Space
from ..errors import ArchitectureError, LabelError, NasurgeError, ParameterError
from ..search.base import ExhaustedError, Searcher

MakeSearcher = Callable[..., Searcher]


def _objective(codes: Codes) -> NDArray[np.float64]:
    """Made-up values, shape (n,), all different in practice, with every seventh or so failed."""
    weights = np.sin(np.arange(1.0, codes.shape[1] + 1))
    values = np.cos(codes * weights).sum(axis=1) + 0.01 * (codes @ np.sqrt(weights + 2.0))
    return np.where(codes.astype(np.int64).sum(axis=1) % 7 == 3, np.nan, values)


def _advance(searcher: Searcher, rounds: int, n: int = 5) -> Codes:
    """Ask and tell, and return all that was asked."""
    asked = []
    for _ in range(rounds):
        codes = searcher.ask(n)
        asked.append(codes.copy())
        searcher.tell(codes, _objective(codes))
    return np.concatenate(asked)


def through_files(state: dict[str, Any]) -> dict[str, Any]:
    """State of a searcher as it comes back from a JSON and an npz file."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    text = json.dumps({key: value for key, value in state.items() if key not in arrays})
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {**json.loads(text), **{key: loaded[key] for key in loaded.files}}


def raises(kind: type[Exception], call: Callable[..., object], *args: object) -> None:
    """Assert that the call raises that error, with a message."""
    message = None
    try:
        call(*args)
    except kind as error:
        message = str(error)
    assert message is not None, f"{call} did not raise {kind.__name__} for {args}"
    assert message, f"{kind.__name__} without a message"


def check_asks_valid_architectures(make: MakeSearcher, space: Space) -> None:
    """Check that ``ask(n)`` returns ``n`` rows of the space, of its ``dtype``."""
    searcher = make(space, seed=0)
    for n in (1, 7, 1, 30, 3):
        codes = searcher.ask(n)
        assert codes.shape == (n, space.n_variables), f"asked {n}, received {codes.shape}"
        assert codes.dtype == space.dtype
        assert space.is_valid(codes).all()
        searcher.tell(codes, _objective(codes))


def check_never_asks_twice(make: MakeSearcher, space: Space) -> None:
    """Check that nothing is asked for twice, nor after it was told."""
    searcher = make(space, seed=0)
    told = space.sample(30, seed=1, unique=True)
    searcher.tell(told, _objective(told))
    asked = [searcher.ask(20) for _ in range(3)]
    searcher.tell(asked[1], _objective(asked[1]))
    everything = np.concatenate([told, *asked, _advance(searcher, 10)])
    assert len(np.unique(space.keys(everything))) == len(everything)


def check_same_seed_same_sequence(make: MakeSearcher, space: Space) -> None:
    """Check that a seed fixes the sequence, and another one gives another."""
    first, again, other = (_advance(make(space, seed=seed), 12) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def check_leaves_global_randomness_alone(make: MakeSearcher, space: Space) -> None:
    """Check that the global states of random, NumPy and torch are neither written nor read."""
    import torch

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002 - the global state is what is looked at
        torch.random.set_rng_state(tensor)

    python, tensor = random.getstate(), torch.random.get_rng_state()
    legacy = np.random.get_state()  # noqa: NPY002
    try:
        first = _advance(make(space, seed=0), 8)
        assert random.getstate() == python, "random's global state was written"
        assert str(np.random.get_state()) == str(legacy), "NumPy's global state was written"  # noqa: NPY002
        assert torch.equal(torch.random.get_rng_state(), tensor), "torch's was written"
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.random.manual_seed(1)
        assert np.array_equal(_advance(make(space, seed=0), 8), first), "global state was read"
    finally:
        restore()


def check_resumes_identically(make: MakeSearcher, space: Space) -> None:
    """Check that a searcher restored from files goes on as the uninterrupted one."""
    for rounds in (0, 1, 8):
        searcher = make(space, seed=0)
        if rounds:
            _advance(searcher, rounds)
        outstanding = searcher.ask(3)
        restored = make(space, seed=99)
        restored.ask(4)
        restored.load_state_dict(through_files(searcher.state_dict()))
        assert np.array_equal(restored.pending_, outstanding)
        assert np.array_equal(restored.codes_, searcher.codes_)
        assert np.array_equal(restored.values_, searcher.values_, equal_nan=True)
        for one in (searcher, restored):
            one.tell(outstanding, _objective(outstanding))
        assert np.array_equal(_advance(restored, 6), _advance(searcher, 6))
    raises(ParameterError, make(space, seed=0).load_state_dict, {"version": -1})


def check_learns_from_what_it_is_told(make: MakeSearcher, space: Space) -> None:
    """Check that told values are kept in order, asked for or not, and wrong ones are refused."""
    searcher = make(space, seed=0)
    raises(LabelError, searcher.best)
    start = space.sample(20, seed=1, unique=True)
    searcher.tell(start, np.arange(20.0))
    searcher.tell(start[:3], [5.0, 19.0, -1.0])
    assert np.array_equal(searcher.codes_, np.concatenate([start, start[:3]]))
    assert np.array_equal(searcher.values_, [*range(20), 5.0, 19.0, -1.0])
    code, value = searcher.best()
    assert np.array_equal(code, start[19]), "the incumbent is the first told of the best"
    assert value == 19.0
    first, second = searcher.ask(2), searcher.ask(2)
    searcher.tell(second, [1.0, 2.0])
    assert np.array_equal(searcher.pending_, first)
    searcher.tell(first[::-1], [1.0, 2.0])
    assert not len(searcher.pending_)
    raises(LabelError, searcher.tell, first, [1.0])
    raises(LabelError, searcher.tell, first, [1.0, float("inf")])
    raises(ArchitectureError, searcher.tell, first[:, :-1], [1.0, 2.0])
    raises(ArchitectureError, searcher.tell, first + 100, [1.0, 2.0])
    raises(ParameterError, searcher.ask, 0)
    assert len(searcher.values_) == 27, "a refused observation was recorded"


def check_survives_failures(make: MakeSearcher, space: Space) -> None:
    """Check that a search goes on when every evaluation fails, and takes the first success."""
    searcher = make(space, seed=0)
    for _ in range(12):
        codes = searcher.ask(5)
        searcher.tell(codes, np.full(5, np.nan))
    raises(LabelError, searcher.best)
    codes = searcher.ask(2)
    searcher.tell(codes, [np.nan, -3.0])
    assert np.array_equal(searcher.best()[0], codes[1])
    assert searcher.best()[1] == -3.0
    _advance(searcher, 6)


def check_keeps_to_its_pool(make: MakeSearcher, space: Space) -> None:
    """Check that all of the pool is proposed and nothing else, and then the error says so."""
    pool = space.sample(47, seed=2, unique=True)
    searcher = make(space, seed=0, pool=pool)
    outside = space.sample(40, seed=3, unique=True)
    outside = outside[~np.isin(space.keys(outside), space.keys(pool))]
    searcher.tell(outside, _objective(outside))
    asked = _advance(searcher, 10)
    assert np.array_equal(np.sort(space.keys(asked)), np.sort(space.keys(pool)))
    raises(ExhaustedError, searcher.ask, 1)
    assert issubclass(ExhaustedError, NasurgeError)


def check_an_interrupted_ask_changes_nothing(make: MakeSearcher, space: Space) -> None:
    """Check that Ctrl-C anywhere inside ``ask`` leaves the searcher as it was before."""
    calm, stopped = make(space, seed=0), make(space, seed=0)
    assert np.array_equal(_advance(calm, 8), _advance(stopped, 8))
    for share in (0.0, 0.4, 0.8, 0.99):
        before = through_files(stopped.state_dict())
        expected, calls = _ask_until(calm, np.inf)
        assert expected is not None
        asked, _ = _ask_until(stopped, share * calls)
        if asked is None:
            after = through_files(stopped.state_dict())
            changed = [key for key in before if not _same(before[key], after[key])]
            assert not changed, f"an interrupted ask changed {', '.join(changed)}"
            asked = stopped.ask(5)
        assert np.array_equal(asked, expected), "an interruption changed what is asked later"
        for searcher in (calm, stopped):
            searcher.tell(asked, _objective(asked))


def _ask_until(searcher: Searcher, limit: float) -> tuple[Codes | None, int]:
    """Codes that are asked, and the calls that took; None where ``limit`` was exceeded.

    Counted, and interrupted, are functions of this package and of those of searcher and predictor.
    """
    parts = (searcher, getattr(searcher, "predictor", None))
    packages = {"nasurge", *(type(part).__module__.partition(".")[0] for part in parts)}
    calls = 0

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        name = str(frame.f_globals.get("__name__")).partition(".")[0]
        # An error at the entry of a generator would keep it from cleaning up behind itself.
        generator = frame.f_code.co_flags & inspect.CO_GENERATOR
        if event == "call" and name in packages and not generator and frame.f_code is not here:
            calls += 1
            if calls > limit:
                raise KeyboardInterrupt

    here, old = watch.__code__, sys.getprofile()
    sys.setprofile(watch)
    try:
        return searcher.ask(5), calls
    except KeyboardInterrupt:
        return None, calls
    finally:
        sys.setprofile(old)


def _same(a: Any, b: Any) -> bool:
    """Whether two entries of a state are equal, NaN like NaN."""
    if isinstance(a, np.ndarray) and a.dtype.kind == "f":
        return np.array_equal(a, b, equal_nan=True)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


SEARCHER_CHECKS: tuple[Callable[[MakeSearcher, Space], None], ...] = (
    check_asks_valid_architectures,
    check_never_asks_twice,
    check_same_seed_same_sequence,
    check_leaves_global_randomness_alone,
    check_resumes_identically,
    check_learns_from_what_it_is_told,
    check_survives_failures,
    check_keeps_to_its_pool,
    check_an_interrupted_ask_changes_nothing,
)


def searcher_contract(make: MakeSearcher, space: Space) -> None:
    """Assert every fact that users of a searcher rely on.

    Parameters
    ----------
    make : callable
        Called as ``make(space, seed=...)`` and ``make(space, seed=..., pool=...)``; returns a new
        searcher.
    space : Space
        Of at least 200 architectures.

    Raises
    ------
    AssertionError
        Saying which fact does not hold.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.searchers import RandomSearch
    >>> searcher_contract(RandomSearch, make_space("nb201"))
    """
    for check in SEARCHER_CHECKS:
        check(make, space)
