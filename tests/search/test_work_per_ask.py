"""What an ask takes in a space that nobody can list, counted as work instead of timed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nasurge.data.encoders import OneHot, Paths, Structure
from nasurge.data.spaces import ProductSpace
from nasurge.predictors.graph.reader import GraphReader
from nasurge.predictors.relaxed import Relaxation
from nasurge.registry import make_searcher

SPACE = ProductSpace([range(10)] * 40)
ENCODERS = (OneHot, Paths, Structure)
OBSERVED, BATCH = 28, 4


def counting(kind: type, method: str, calls: list[tuple[str, int]]):
    """The method, which also notes how many rows it was called with."""
    real = getattr(kind, method)

    def counted(self, rows):
        calls.append((f"{kind.__name__}.{method}", len(rows)))
        return real(self, rows)

    return counted


def asked(name: str, monkeypatch: pytest.MonkeyPatch, methods) -> list[tuple[str, int]]:
    """Method and number of rows of each call during the second ask of a search."""
    codes = SPACE.sample(OBSERVED, seed=0, unique=True)
    values = codes @ np.random.default_rng(0).normal(size=SPACE.n_variables)
    searcher = make_searcher(name, SPACE, seed=0)
    searcher.tell(codes, values)
    first = searcher.ask(BATCH)  # what is computed once per space is paid here
    searcher.tell(first, first @ np.ones(SPACE.n_variables))
    calls: list[tuple[str, int]] = []
    for kind, method in methods:
        monkeypatch.setattr(kind, method, counting(kind, method, calls))
    assert len(searcher.ask(BATCH)) == BATCH
    return calls


def test_bo_encodes_each_candidate_and_each_observed_architecture_once(monkeypatch) -> None:
    calls = asked("bo", monkeypatch, [(kind, "_features") for kind in ENCODERS])
    rows = Counter()
    for who, n in calls:
        rows[who] += n
    most = 4000 + OBSERVED + 2 * BATCH  # its candidates, at most
    assert set(rows) == {f"{kind.__name__}._features" for kind in ENCODERS}
    assert 1000 < max(rows.values()) <= most
    assert len(calls) <= len(ENCODERS) * (2 + BATCH)


def test_prednas_scores_no_more_than_it_visits_and_makes_no_graph(monkeypatch) -> None:
    reads = [(GraphReader, "relaxed_sums"), (GraphReader, "sums"), (Relaxation, "graphs")]
    calls = asked("prednas", monkeypatch, reads)
    rows = Counter()
    for who, n in calls:
        rows[who] += n
    restarts, steps, around, considered = 128, 10, 500, 100
    climbed = restarts * steps
    scored = restarts * (steps + 1) + 2 * around + BATCH * considered
    assert climbed <= rows["GraphReader.relaxed_sums"] <= climbed + scored
    assert rows["GraphReader.sums"] <= BATCH * (OBSERVED + 3 * BATCH)
    assert rows["Relaxation.graphs"] == 0  # of 17,000 shares for each, nearly all of them 0


def test_rankings_encode_a_part_of_their_sample_at_once(monkeypatch) -> None:
    calls = asked("weaknas", monkeypatch, [(kind, "_features") for kind in ENCODERS])
    assert max(n for _, n in calls) <= 2048
