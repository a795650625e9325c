"""Searches, predictors, tables and studies in spaces that nobody can list."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from searching import OneHotRidge, smem

from nasurge.data.encoders import Common, Paths, Structure
from nasurge.data.spaces import PathSet, ProductSpace, Space, make_space
from nasurge.data.tables import Column, Table
from nasurge.errors import ArchitectureError, ParameterError
from nasurge.predictors.processes.anchoring import anchors
from nasurge.registry import make_predictor, make_searcher, searcher_names
from nasurge.search.across_tables import learn_tasks
from nasurge.search.searchers import RandomSearch
from nasurge.search.store import run_stored
from nasurge.testing.searcher import SEARCHER_CHECKS

GUIDE = {"predictor": OneHotRidge()}
SPACES = {n: ProductSpace([range(10)] * n, name=f"ten-to-the-{n}") for n in (12, 20, 40)}
CHEAP = ("random", "evolution", "local", "annealing", "reinforce", "ddpnas", "drnas", "balenas")
MODELS = (
    "bo",
    "npenas",
    "brp-nas",
    "weaknas",
    "diffusion",
    "nsga2",
    "nat",
    "smem-nas",
    "optuna-tpe",
)
NO_GUIDE = ("bo", "prednas", "bananas", "nsga2", "optuna-tpe", "optuna-gp", *CHEAP)
QUICK = {
    "prednas": {"restarts": 8, "steps": 2},
    "diffusion": {"samples": 8, "clean": 2, "noise_steps": 3, "training_steps": 3},
    "bo": {"candidates": 80},
    "optuna-tpe": {"startup": 3, "retries": 2},
}


def objective(codes):
    return np.cos(codes * np.sin(np.arange(1.0, codes.shape[1] + 1))).sum(axis=1)


def make_quick(name, space, **parameters):
    """Searcher that does the least it can, guided by a predictor of milliseconds if it may."""
    if name == "smem-nas":
        return smem(space, **parameters)
    guide = {} if name in NO_GUIDE else GUIDE
    return make_searcher(name, space, **guide, **QUICK.get(name, {}), **parameters)


@pytest.mark.parametrize("check", SEARCHER_CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("variables", SPACES)
@pytest.mark.parametrize("name", CHEAP)
def test_the_contract_of_what_learns_no_model(name, variables, check):
    check(partial(make_quick, name), SPACES[variables])


@pytest.mark.parametrize("check", SEARCHER_CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("name", MODELS)
def test_the_contract_of_those_whose_model_is_cheap(name, check):
    """Of the others (prednas, bananas, optuna-gp) it takes minutes."""
    check(partial(make_quick, name), SPACES[12])


@pytest.mark.parametrize("variables", SPACES)
@pytest.mark.parametrize("name", [name for name in searcher_names() if name not in CHEAP])
def test_every_searcher_searches_and_goes_on(name, variables):
    """Asks are new and in the space, values are taken, a state goes on as the search does."""
    space, make = SPACES[variables], partial(make_quick, name)
    start = space.sample(12, seed=1, unique=True)
    first, again = make(space, seed=0), make(space, seed=5)
    values = objective(start)
    first.tell(start, values)
    asked = first.ask(2)
    assert asked.dtype == space.dtype
    assert space.is_valid(asked).all()
    assert len(np.unique(space.keys(np.concatenate([start, asked])))) == 14
    again.load_state_dict(first.state_dict())
    assert np.array_equal(again.pending_, asked)
    for one in (first, again):
        one.tell(asked, values[:2])
    if name != "optuna-gp":  # takes a second and more for a proposal
        assert np.array_equal(first.ask(2), again.ask(2))


@pytest.mark.parametrize("variables", SPACES)
@pytest.mark.parametrize("name", ["gp", "xgb", "gp-soft", "ridge"])
def test_predictors_learn_and_say_of_a_row_the_same_whatever_stands_beside_it(name, variables):
    space = SPACES[variables]
    codes = space.sample(60, seed=0, unique=True)
    labels = (codes == 3).sum(axis=1) - (codes == 5).sum(axis=1) + 0.1 * objective(codes)
    fitted = make_predictor(name, space, seed=0).fit(codes, labels)
    scores = fitted.predict(codes)
    assert np.corrcoef(scores, labels)[0, 1] > 0.5
    assert np.allclose(fitted.predict(codes[7:9]), scores[7:9])


@pytest.mark.parametrize("variables", SPACES)
def test_anchors_are_different_architectures(variables):
    space = SPACES[variables]
    assert len(np.unique(space.keys(anchors(space, 5, seed=0)))) == 5


def test_earlier_tasks_need_a_space_that_is_listed():
    space = SPACES[20]
    codes = space.sample(30, seed=0)
    with pytest.raises(ParameterError, match="needs a space that is listed"):
        learn_tasks(space, {"one": (codes, objective(codes))}, seed=0)


@pytest.mark.parametrize("variables", SPACES)
def test_a_stored_search_goes_on_where_it_was(variables, tmp_path):
    space = SPACES[variables]
    stored = partial(run_stored, storage=str(tmp_path / "runs.db"), study="one", batch=3)
    for budget in (5, 9):
        trace = stored(RandomSearch(space, seed=0), objective, budget=budget)
    whole = RandomSearch(space, seed=0)
    asked = []
    for n in (3, 2, 3, 1):
        asked.append(whole.ask(n))
        whole.tell(asked[-1], objective(asked[-1]))
    assert np.array_equal(trace.codes, np.concatenate(asked))
    assert np.array_equal(trace.values, objective(trace.codes))


class Tails(Space):
    """Twenty-five words of ten letters; what follows the first ``0`` is written, and does nothing.

    Paths are as long as the longest of the rows, and twins are known.
    """

    name = "tails"
    cardinalities = (10,) * 25

    def _parse(self, string):
        return [int(letter) for letter in string]

    def format(self, codes):
        return ["".join(map(str, row)) for row in self.check(codes).tolist()]

    def _ended(self, codes):
        return np.maximum.accumulate(codes == 0, axis=1)

    def canonical(self, codes):
        codes = self.check(codes)
        return np.where(self._ended(codes), codes.dtype.type(0), codes)

    def paths(self, codes):
        codes = self.check(codes)
        ended = self._ended(codes)
        longest = max(1, int((~ended).sum(axis=1).max(initial=1)))
        steps = np.where(ended, -1, codes.astype(np.int16))[:, None, :longest]
        variables = np.where(steps < 0, -1, np.arange(longest, dtype=np.int16))
        return PathSet(steps, variables, np.ones((len(codes), 1), dtype=bool))

    @property
    def choices(self):
        return (tuple("0123456789"),) * 25

    @property
    def fields(self):
        return ("letter",) * 25


@pytest.mark.parametrize("encoder", [Paths, Structure, Common])
def test_features_have_one_width_where_paths_differ_in_theirs(encoder):
    space = Tails()
    codes = space.sample(400, seed=0)
    features = encoder(space).transform(codes)
    assert features.shape[1] == len(encoder(space).get_feature_names_out())
    for one in (slice(0, 1), slice(5, 9)):
        assert np.array_equal(encoder(space).transform(codes[one]), features[one])


@pytest.mark.parametrize("name", ["gp", "xgb"])
def test_predictors_learn_where_paths_differ_in_width(name):
    space = Tails()
    codes = space.sample(40, seed=0)
    fitted = make_predictor(name, space, seed=0).fit(codes, objective(codes))
    assert np.allclose(fitted.predict(codes[:1]), fitted.predict(codes)[:1])
    searcher = make_searcher("bo", space, candidates=80, seed=0)
    searcher.tell(codes, objective(codes))
    assert space.is_valid(searcher.ask(3)).all()


def test_a_table_finds_what_computes_the_same():
    space = Tails()
    codes = np.unique(space.canonical(space.sample(30, seed=0)), axis=0)
    column = Column("t", "accuracy")
    table = Table("tails", space, codes, (column,), (objective(codes),), {}, "made up")
    twins = codes.copy()
    after = np.cumsum(codes == 0, axis=1) > 1
    twins[after] = 7
    assert not np.array_equal(twins, codes)
    assert np.array_equal(table.rows(twins), np.arange(len(codes)))
    with pytest.raises(ArchitectureError, match="not among"):
        table.rows(np.full((1, 25), 9))


@pytest.mark.parametrize("name", ["random", "evolution", "bo"])
def test_twins_are_asked_for_once_where_nothing_is_listed(name):
    space = make_space("nb101")
    searcher = make_searcher(name, space, seed=0)
    for _ in range(8):
        codes = searcher.ask(5)
        searcher.tell(codes, codes.sum(axis=1) + 0.1 * codes[:, 0])
    functions = space.keys(space.canonical(searcher.codes_))
    assert len(np.unique(functions)) == 40
    loose = space.sample(1, seed=7)
    searcher.tell(loose, [1.0])
    assert not searcher._unseen(space.canonical(loose)).size


@pytest.mark.parametrize("name", ["nsga2", "smem-nas", "nat"])
def test_a_pool_is_walked_where_few_children_are_in_it(name):
    space = ProductSpace([list("abcd")] * 6)
    pool = space.sample(80, seed=0, unique=True)
    searcher = make_searcher(name, space, n_objectives=2, pool=pool, seed=0)
    while len(searcher.codes_) < len(pool):
        codes = searcher.ask(10)
        rivals = codes.sum(axis=1) + 0.1 * codes[:, 0]
        searcher.tell(codes, np.stack([rivals, -rivals], axis=1))
    assert np.array_equal(np.unique(searcher.codes_, axis=0), np.unique(pool, axis=0))
