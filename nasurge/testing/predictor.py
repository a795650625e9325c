"""What every predictor must do; a plug-in's tests call these.

Each check takes ``make``, a callable from ``seed`` to an unfitted predictor, with the codes and
labels of at least 60 architectures of its space, and raises ``AssertionError``.
"""

from __future__ import annotations

import pickle
import random
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone

from ..data.spaces import Codes
from ..data.types import Values
from ..errors import ArchitectureError, DeviceError, LabelError, NotFittedError, ParameterError
from ..predictors.base import Predictor
from ..registry import load_predictor


class Make(Protocol):
    """Makes an unfitted predictor."""

    def __call__(self, *, seed: int) -> Predictor:
        """Unfitted predictor of the space that the codes belong to."""
        ...


def _raises(kind: type[Exception], call: Callable[[], Any], *words: str) -> None:
    """Assert that ``call`` raises ``kind`` with a message that has the words."""
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), f"{error!r} lacks {word!r}"  # noqa: PT017
    else:
        raise AssertionError(f"expected {kind.__name__}")


def check_learns(make: Make, codes: Codes, y: Values) -> None:
    """Check that fit returns self, and scores are finite floats that follow the labels."""
    predictor = make(seed=0)
    assert predictor.fit(codes, y) is predictor
    scores = predictor.predict(codes)
    assert scores.shape == y.shape
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    follow = np.corrcoef(scores, y)[0, 1] > 0.5
    assert follow or not predictor.learns, "the training labels themselves are not learnt"
    assert predictor.predict(codes[:1]).shape == (1,)


def check_repeats(make: Make, codes: Codes, y: Values) -> None:
    """Check that a seed gives the same scores whatever was fitted before, inputs untouched."""
    given = codes.copy(), y.copy()
    first = make(seed=3).fit(codes, y)
    scores = first.predict(codes)
    assert np.array_equal(scores, make(seed=3).fit(codes, y).predict(codes))
    first.fit(codes[::2], y[::2])
    assert np.array_equal(scores, first.fit(codes, y).predict(codes)), "a refit remembers"
    assert np.array_equal(codes, given[0]), "fit changed the codes"
    assert np.array_equal(y, given[1]), "fit changed the labels"


def check_whole_arrays(make: Make, codes: Codes, y: Values) -> None:
    """Check that a score does not depend on what else is predicted, nor on the order."""
    predictor = make(seed=0).fit(codes, y)
    scores = predictor.predict(codes)
    order = np.random.default_rng(0).permutation(len(codes))
    assert np.allclose(predictor.predict(codes[order]), scores[order], rtol=1e-4, atol=1e-4)
    assert np.allclose(predictor.predict(codes[:7]), scores[:7], rtol=1e-4, atol=1e-4)


def check_twins(make: Make, codes: Codes, y: Values) -> None:
    """Check that architectures which compute the same function get the same score."""
    predictor = make(seed=0).fit(codes, y)
    twins = predictor.space.canonical(codes)
    assert np.array_equal(predictor.predict(codes), predictor.predict(twins))


def check_units(make: Make, codes: Codes, y: Values) -> None:
    """Check that scores are in the units of the labels: other units, scores to match."""
    scores = make(seed=0).fit(codes, y).predict(codes)
    scaled = make(seed=0).fit(codes, 100 * y - 3).predict(codes)
    assert np.allclose(scaled, 100 * scores - 3, rtol=1e-3, atol=1e-2 * 100 * float(np.std(y)))


def check_duplicates(make: Make, codes: Codes, y: Values) -> None:
    """Check that one architecture may be told twice with different labels: that is noise."""
    noise = np.random.default_rng(0).normal(0, 0.1 * float(np.std(y)), len(y))
    scores = make(seed=0).fit(np.concatenate([codes, codes]), np.concatenate([y, y + noise]))
    assert np.isfinite(scores.predict(codes)).all()


def check_one_architecture(make: Make, codes: Codes, y: Values) -> None:
    """Check that many labels of one and the same architecture are learnt, contradictory as is."""
    one = np.repeat(codes[:1], len(y), axis=0)
    assert np.isfinite(make(seed=0).fit(one, y).predict(codes)).all()


def check_few(make: Make, codes: Codes, y: Values) -> None:
    """Check that it works with the fewest labels it claims to need, and what it does with fewer."""
    predictor = make(seed=0)
    few = predictor.minimum_labels
    distinct = np.unique(y, return_index=True)[1][:few]
    scores = predictor.fit(codes[distinct], y[distinct]).predict(codes)
    assert np.isfinite(scores).all()
    short = distinct[: few - 1]
    if predictor.needs_labels:
        _raises(LabelError, lambda: make(seed=0).fit(codes[short], y[short]), str(few))
    else:
        assert np.isfinite(make(seed=0).fit(codes[short], y[short]).predict(codes)).all()


def check_bad_labels(make: Make, codes: Codes, y: Values) -> None:
    """Check that labels which cannot be learnt from are clear errors, and change nothing."""
    predictor = make(seed=0).fit(codes, y)
    scores = predictor.predict(codes)
    for bad in (np.nan, np.inf, -np.inf):
        spoilt = np.where(np.arange(len(y)) == 5, bad, y)
        for learn in (predictor.fit, predictor.update, make(seed=0).fit):
            _raises(LabelError, partial(learn, codes, spoilt), "label 5", str(bad))
    _raises(LabelError, lambda: predictor.fit(codes, np.full(len(y), np.nan)), "label 0")
    if predictor.needs_labels:
        _raises(LabelError, lambda: predictor.fit(codes, np.full(len(y), 7.0)), "7")
        _raises(LabelError, lambda: predictor.fit(codes[:1], y[:1]), "1")
        _raises(LabelError, lambda: predictor.fit(codes[:0], y[:0]), "0")
    for learn in (predictor.fit, predictor.update):
        _raises(LabelError, partial(learn, codes, y[:-1]), str(len(codes)))
        _raises(LabelError, partial(learn, codes, y[:, None]), str(len(codes)))
        _raises(LabelError, partial(learn, codes, ["good"] * len(codes)), "numbers")
    assert np.array_equal(predictor.predict(codes), scores), "refused labels spoilt the model"


def check_foreign_codes(make: Make, codes: Codes, y: Values) -> None:
    """Check that architectures of another space are clear errors, and change nothing."""
    predictor = make(seed=0).fit(codes, y)
    scores = predictor.predict(codes)
    foreign = codes.copy()
    foreign[-1, 0] = predictor.space.cardinalities[0]
    last = f"row {len(codes) - 1}"
    for learn in (predictor.fit, predictor.update, make(seed=0).fit):
        for wrong, words in (
            (codes + 100, "row 0"),
            (-1 - codes, "row 0"),
            (foreign, last),
            (codes[:, :-1], predictor.space.name),
            (np.concatenate([codes, codes], axis=1), predictor.space.name),
            (codes[0], predictor.space.name),
            (codes + 0.5, ".5"),
            (np.full(codes.shape, np.nan), "nan"),
            (codes.astype(str), "integers"),
            (predictor.space.format(codes), "parse"),
        ):
            _raises(ArchitectureError, partial(learn, wrong, y), words)
            _raises(ArchitectureError, partial(predictor.predict, wrong), words)
    if predictor.needs_labels:
        _raises(NotFittedError, lambda: make(seed=0).predict(codes), "fit")
    assert np.array_equal(predictor.predict(codes), scores), "refused codes spoilt the model"
    floats = predictor.predict(codes.astype(float))
    assert np.array_equal(floats, scores), "whole numbers are codes, whatever their type"


def check_absent_device(make: Make, codes: Codes, y: Values) -> None:
    """Check that a device which is not there is a clear error, where a device can be asked for."""
    import torch

    if "device" not in make(seed=0).get_params(deep=False) or torch.cuda.is_available():
        return
    predictor = make(seed=0).fit(codes, y)
    scores = predictor.predict(codes)
    predictor.set_params(device="cuda")
    _raises(DeviceError, lambda: predictor.fit(codes, y), "cuda", "cpu")
    assert np.array_equal(predictor.predict(codes), scores), "a refused device spoilt the model"
    predictor.set_params(device="quantum")
    _raises(ParameterError, lambda: predictor.fit(codes, y), "quantum", "cpu")


def _stopped(call: Callable[[], Any], package: tuple[str, str], at: int) -> bool:
    """Whether ``call`` was stopped by Ctrl-C at the ``at``-th call within the package.

    The interpreter tells of every call, so that the moment is the same in each run.
    """
    seen = 0

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal seen
        if event == "call" and frame.f_globals.get("__name__", "").startswith(package):
            seen += 1
            if seen == at:
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(before)
    return False


def check_interrupted(make: Make, codes: Codes, y: Values) -> None:
    """Check that a fit stopped in the middle (Ctrl-C) leaves what was learnt before, or nothing."""
    half = len(y) // 2
    predictor, fresh = make(seed=0).fit(codes[:half], y[:half]), make(seed=0)
    scores = predictor.predict(codes)
    package = ("nasurge", type(predictor).__module__.partition(".")[0])
    assert _stopped(lambda: predictor.fit(codes, y), package, 3), "fit calls nothing of its own"
    for at in (12, 60, 300):
        if not _stopped(partial(fresh.fit, codes, y), package, at):
            break  # it takes fewer calls
        if fresh.needs_labels:
            _raises(NotFittedError, lambda: fresh.predict(codes), "fit")
        else:
            assert np.array_equal(fresh.predict(codes), make(seed=0).predict(codes))
        assert _stopped(lambda: predictor.fit(codes, y), package, at)
        assert np.array_equal(predictor.predict(codes), scores), "a stopped fit left a mix"
        if not _stopped(lambda: predictor.update(codes[half:], y[half:]), package, at):
            break
        assert np.array_equal(predictor.predict(codes), scores), "a stopped update left a mix"
        assert np.array_equal(predictor.fitted_labels_, y[:half])


def check_std(make: Make, codes: Codes, y: Values) -> None:
    """Check that standard deviations, where offered, are finite; elsewhere the error."""
    predictor = make(seed=0).fit(codes, y)
    if not predictor.has_std:
        _raises(ParameterError, lambda: predictor.predict(codes, return_std=True), "standard")
        return
    scores, std = predictor.predict(codes, return_std=True)
    assert np.array_equal(scores, predictor.predict(codes))
    assert std.shape == scores.shape
    assert np.isfinite(std).all()
    assert (std >= 0).all()


def check_scikit_learn(make: Make, codes: Codes, y: Values) -> None:
    """Check the conventions of scikit-learn: the constructor only stores; clone, pickle, score."""
    predictor = make(seed=0)
    stored = predictor.get_params(deep=False)
    copied = clone(predictor)
    assert copied is not predictor
    assert set(copied.get_params(deep=False)) == set(stored)
    assert not [name for name in vars(predictor) if name.endswith("_")], "constructor learns"
    predictor.fit(codes, y)
    assert predictor.n_features_in_ == codes.shape[1]
    for name, value in predictor.get_params(deep=False).items():
        assert value is stored[name], f"fit changed the parameter {name}"
    again = pickle.loads(pickle.dumps(predictor))  # noqa: S301 -- our own object
    assert np.array_equal(again.predict(codes), predictor.predict(codes))
    assert predictor.score(codes, y) <= 1


def check_global_state(make: Make, codes: Codes, y: Values) -> None:
    """Check that random state which belongs to the process is neither read nor written."""
    import torch

    results: list[Values] = []
    for start in (1, 2):
        random.seed(start)
        np.random.seed(start)  # noqa: NPY002 -- the global state is what is checked
        torch.manual_seed(start)
        before = _global_state()
        results.append(make(seed=0).fit(codes, y).predict(codes))
        assert _global_state() == before, "global random state was used"
    assert np.array_equal(results[0], results[1]), "scores follow the global random state"


def _global_state() -> tuple[Any, ...]:
    """Random state of the process."""
    import torch

    numbers = np.random.get_state(legacy=False)  # noqa: NPY002
    return random.getstate(), repr(numbers), torch.get_rng_state().tolist()


def check_saves(make: Make, codes: Codes, y: Values) -> None:
    """Check that a saved predictor, loaded again, predicts and learns bit for bit the same."""
    predictor = make(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictor.nasurge"
        if predictor.needs_labels:
            _raises(NotFittedError, lambda: predictor.save(path), "fit")
        predictor.fit(codes, y).save(path)
        again = load_predictor(path)
    assert type(again) is type(predictor)
    assert again.space == predictor.space
    before, after = predictor.get_params(deep=False), again.get_params(deep=False)
    assert repr(before) == repr(after), "the parameters changed"
    assert np.array_equal(again.predict(codes), predictor.predict(codes))
    if predictor.offers_std:
        means = predictor.predict(codes, return_std=True)
        assert np.array_equal(again.predict(codes, return_std=True), means)
    assert np.array_equal(again.fitted_labels_, predictor.fitted_labels_)


def check_updates(make: Make, codes: Codes, y: Values) -> None:
    """Check that labels told after ``fit`` are learnt, that bad ones are refused without harm."""
    half = len(y) // 2
    predictor = make(seed=0)
    assert predictor.update(codes[:half], y[:half]) is predictor, "without a fit, update is fit"
    first = make(seed=0).fit(codes[:half], y[:half]).predict(codes)
    assert np.array_equal(predictor.predict(codes), first)
    _raises(LabelError, lambda: predictor.update(codes[:2], [1.0, np.nan]), "label 1")
    _raises(LabelError, lambda: predictor.update(codes[:2], [1.0]), "2")
    _raises(ArchitectureError, lambda: predictor.update(codes[:1] + 100, [1.0]), "row 0")
    assert np.array_equal(predictor.predict(codes), first), "a refused update spoilt the model"
    predictor.update(codes[half : half + 1], y[half : half + 1])
    predictor.update(codes[half + 1 :], y[half + 1 :])
    assert np.array_equal(predictor.fitted_labels_, y)
    scores = predictor.predict(codes[half:])
    follow = np.corrcoef(scores, y[half:])[0, 1] > 0.5
    assert follow or not predictor.learns, "the labels of an update are not learnt"


PREDICTOR_CHECKS = (
    check_learns,
    check_repeats,
    check_whole_arrays,
    check_twins,
    check_units,
    check_duplicates,
    check_one_architecture,
    check_few,
    check_bad_labels,
    check_foreign_codes,
    check_absent_device,
    check_interrupted,
    check_std,
    check_scikit_learn,
    check_global_state,
    check_saves,
    check_updates,
)
"""All checks, to parametrise a test with."""


def predictor_contract(make: Make, codes: Codes, y: Values) -> None:
    """Run every check.

    Parameters
    ----------
    make : callable
        From ``seed`` to an unfitted predictor.
    codes : int array, shape (n, d)
        At least 60 architectures of its space.
    y : float array, shape (n,)
        Their labels.

    Raises
    ------
    AssertionError
        By the first check that fails.
    """
    for check in PREDICTOR_CHECKS:
        check(make, codes, y)
