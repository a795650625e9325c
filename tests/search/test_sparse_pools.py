"""Searches among a few rows of a space that nobody can list."""

from __future__ import annotations

from itertools import starmap

import numpy as np
import pytest
from searching import OneHotRidge

import nasurge
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.registry import make_searcher
from nasurge.search import pools
from nasurge.search.pools import Sparse, remaining
from nasurge.search.searchers import RandomSearch

SPACE = ProductSpace([range(10)] * 20, name="ten-to-the-20")
POOL = SPACE.sample(3000, seed=0, unique=True)
WALKERS = ("evolution", "local", "annealing", "nsga2")


def smooth(codes):
    return -np.abs(codes - np.arange(20) % 10).sum(axis=1).astype(float)


def test_what_walks_finds_better_rows_than_draws_do():
    space = nasurge.Space({f"v{i}": nasurge.ordered(range(10)) for i in range(20)}, name="ordered")
    pool = space.sample(3000, seed=0, unique=True)

    def best(name, seed):
        searcher = make_searcher(name, space, pool=pool, seed=seed)
        for _ in range(100):
            codes = searcher.ask(1)
            searcher.tell(codes, smooth(codes))
        return searcher.best()[1]

    found = {
        name: np.mean([best(name, seed) for seed in range(4)])
        for name in ("random", "evolution", "annealing")
    }
    assert found["evolution"] > found["random"] + 1
    assert found["annealing"] > found["random"] + 1


@pytest.mark.parametrize("name", WALKERS)
def test_nothing_is_drawn_once_there_is_something_to_walk_from(name, monkeypatch):
    searcher = make_searcher(name, SPACE, pool=POOL, seed=0)
    start = searcher.ask(20)
    searcher.tell(start, smooth(start))
    draw, drawn = searcher._draw, []

    def counted(n):
        drawn.append(n)
        return draw(n)

    monkeypatch.setattr(searcher, "_draw", counted)
    for _ in range(10):
        codes = searcher.ask(2)
        searcher.tell(codes, smooth(codes))
    assert sum(drawn) == 0


def conditional():
    stages = {f"stage {i}": nasurge.ordered(range(1, 65)) for i in range(3)}
    return nasurge.Space(
        {
            "depth": nasurge.ordered([1, 2, 4]),
            **stages,
            "width 2": nasurge.ordered([8, 16, 128], active="depth >= 2"),
            "kernel": nasurge.choice("3x3", "5x5", "skip"),
            "width 4": nasurge.choice("a", "b", "c", active="depth >= 4"),
        },
        name="depths",
    )


def distance(space, one, other):
    """Sum over the variables of what two architectures differ by, in 1024ths."""
    active = space.active(np.stack([one, other]))
    total = 0
    for i, numbers in enumerate(space.numbers):
        if active[0, i] != active[1, i]:
            total += 1024
        elif one[i] != other[i]:
            apart = 1 if numbers is None else abs(numbers[one[i]] - numbers[other[i]])
            total += max(1, round(1024 * apart))
    return total


def test_the_nearest_free_row_is_that_of_the_smallest_sum_of_differences(monkeypatch):
    space = conditional()
    assert not space.listed
    assert space.conditional
    keys = np.unique(space.keys(space.sample(60, seed=0)))
    pool = remaining(space, keys, None)
    assert isinstance(pool, Sparse)
    pool.take(keys[::3])
    free = np.setdiff1d(keys, keys[::3])
    away = np.setdiff1d(space.keys(space.sample(40, seed=1)), keys)
    monkeypatch.setattr(pools, "_AT_ONCE", 3 * len(free))  # in several parts
    moved = pool.stand_ins(away)
    rows = space.from_keys(free)
    for own, key in zip(space.from_keys(away), moved, strict=True):
        apart = [distance(space, own, row) for row in rows]
        assert key == free[int(np.argmin(apart))]


def test_only_what_is_no_row_is_moved():
    searcher = RandomSearch(SPACE, pool=POOL, seed=0)
    asked = searcher.ask(3)
    assert not len(searcher._unseen(asked))
    other = POOL[[5, 9]]
    assert np.array_equal(searcher._unseen(other), other)
    away = asked.copy()
    away[:, 0] = (away[:, 0] + 1) % 10
    moved = searcher._unseen(away)
    assert len(moved) == 3
    assert np.isin(SPACE.keys(moved), SPACE.keys(POOL)).all()
    assert not searcher._can_propose(away).any()
    assert not np.isin(SPACE.keys(moved), SPACE.keys(asked)).any()


def test_a_twin_in_the_pool_stands_for_a_row_and_is_dropped_once_asked():
    space = make_space("nb101")
    draws = space.sample(300, seed=0, unique=True)
    twins = space.canonical(draws)
    other = (draws != twins).any(axis=1)
    assert other.any()
    searcher = RandomSearch(space, pool=twins, seed=0)
    found = searcher._unseen(draws[other][:1])
    assert np.array_equal(found, twins[other][:1])
    searcher.tell(found, [1.0])
    assert not len(searcher._unseen(draws[other][:1]))


def test_many_rows_and_spaces_that_are_listed_are_walked_as_they_are(monkeypatch):
    listed = make_space("nb201")
    keys = listed.keys(listed.sample(20, seed=0, unique=True))
    assert not isinstance(remaining(listed, np.unique(keys), None), Sparse)
    monkeypatch.setattr(pools, "_MOST_ROWS", 100)
    assert not isinstance(remaining(SPACE, np.unique(SPACE.keys(POOL)), None), Sparse)


def test_no_more_proposals_are_moved_than_a_moment_allows(monkeypatch):
    pool = remaining(SPACE, np.unique(SPACE.keys(POOL)), None)
    monkeypatch.setattr(pools, "_MOST_PAIRS", 5 * len(POOL))
    moved = pool.stand_ins(SPACE.keys(SPACE.sample(20, seed=3)))
    assert list(pool.free(moved)) == [True] * 5 + [False] * 15


@pytest.mark.parametrize("name", [*WALKERS, "reinforce", "npenas", "optuna-tpe"])
def test_a_search_among_rows_goes_on_and_ends_with_all_of_them(name):
    pool = POOL[:40]
    guide = {"predictor": OneHotRidge()} if name == "npenas" else {}
    first, again = (make_searcher(name, SPACE, pool=pool, seed=s, **guide) for s in (0, 1))
    told = first.ask(24)
    first.tell(told, smooth(told))
    first.ask(2)  # pending
    again.load_state_dict(first.state_dict())
    while len(first.codes_) < 36:
        codes, same = starmap(lambda s, n: s.ask(n), ((first, 3), (again, 3)))
        assert np.array_equal(codes, same)
        first.tell(codes, smooth(codes))
        again.tell(codes, smooth(codes))
    first.ask(4)
    everything = np.concatenate([first.codes_, first.pending_])
    assert np.array_equal(np.unique(everything, axis=0), np.unique(pool, axis=0))


def test_an_interrupted_ask_leaves_the_rows_as_they_were(monkeypatch):
    searcher, same = (make_searcher("evolution", SPACE, pool=POOL, seed=0) for _ in range(2))
    for made in (searcher, same):
        codes = made.ask(30)
        made.tell(codes, smooth(codes))
    moved = Sparse.stand_ins

    def interrupted(self, keys):
        moved(self, keys)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Sparse, "stand_ins", interrupted)
        with pytest.raises(KeyboardInterrupt):
            searcher.ask(3)
    assert np.array_equal(searcher.ask(3), same.ask(3))


def test_optuna_learns_what_was_asked_in_place_of_its_suggestion():
    searcher = make_searcher("optuna-tpe", SPACE, pool=POOL, seed=0, startup=5)
    for _ in range(3):
        codes = searcher.ask(5)
        searcher.tell(codes, smooth(codes))
    trials = zip(searcher._proposed, searcher._outcomes, strict=True)
    complete = [row for row, (state, _) in trials if state == 1]
    assert len(complete) == 15
    assert np.isin(SPACE.keys(np.array(complete)), SPACE.keys(POOL)).all()
    assert not searcher._running
