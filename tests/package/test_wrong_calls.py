"""Calls that users get wrong, on objects of every room: each ends in an error of ours."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasurge
from nasurge.data import OneHot, Paths, Structure, Table
from nasurge.errors import NasurgeError
from nasurge.predictors import GaussianProcess
from nasurge.search import ArchitectureProblem, NASurgeSampler, RandomSearch


@cache
def fitted() -> Any:
    table = nasurge.load_table("nb201-analog")
    y = table.values(task="cifar10", metric="baseline_accuracy")
    return nasurge.make_predictor("ridge", table.space).fit(table.codes[::150], y[::150])


SPACE = nasurge.make_space("nb201")
CODES = SPACE.sample(3, seed=0)

PREDICTORS = {
    "predict text": lambda: fitted().predict("abc"),
    "predict None": lambda: fitted().predict(None),
    "predict strings": lambda: fitted().predict(["|none~0|"]),
    "predict a list of nothing": lambda: fitted().predict([]),
    "fit nothing": lambda: fitted().fit(None, None),
    "fit without labels": lambda: fitted().fit(CODES, None),
    "fit labels that are text": lambda: fitted().fit(CODES, ["a"] * 3),
    "fit an object": lambda: fitted().fit(CODES, object()),
    "fit for the name of a space": lambda: GaussianProcess("nb201").fit(CODES, [1, 2, 3]),
    "seed that is text": lambda: GaussianProcess(SPACE, seed="x").fit(CODES, [1, 2, 3]),
    "save to a number": lambda: fitted().save(3),
    "save to a folder": lambda: fitted().save("."),
    "unknown parameter": lambda: nasurge.make_predictor("rf", "nb201", trees=3),
    "encode for a name": lambda: OneHot("nb201").fit_transform(CODES),
    "encode for a number": lambda: Paths(3).fit(CODES),
    "encode for nothing": lambda: Structure(None).transform(CODES),
    "encode text": lambda: OneHot(SPACE).transform("x"),
}
SEARCHERS = {
    "ask for less than one": lambda: searcher().ask(-1),
    "ask for text": lambda: searcher().ask("3"),
    "ask for a fraction": lambda: searcher().ask(2.5),
    "tell nothing": lambda: searcher().tell(None, None),
    "tell text": lambda: searcher().tell("a", "b"),
    "tell too few values": lambda: searcher().tell(CODES, [1, 2]),
    "best of nothing": lambda: searcher().best(),
    "load an empty state": lambda: searcher().load_state_dict({}),
    "load a number": lambda: searcher().load_state_dict(3),
    "reserve text": lambda: searcher().reserve("x"),
    "seed that is text": lambda: nasurge.make_searcher("random", "nb201", seed="x"),
    "pool that is text": lambda: nasurge.make_searcher("random", "nb201", pool="x"),
    "objectives that are text": lambda: nasurge.make_searcher("nsga2", "nb201", n_objectives="2"),
    "bounds that are one": lambda: nasurge.make_searcher("nsga2", "nb201", bounds=3),
    "guided by a number": lambda: nasurge.make_searcher("evolution", "nb201", predictor=3),
    "guided by a class": lambda: nasurge.make_searcher(
        "evolution", "nb201", predictor=GaussianProcess
    ),
    "population that is text": lambda: nasurge.make_searcher("evolution", "nb201", population="x"),
    "unknown parameter": lambda: nasurge.make_searcher("evolution", "nb201", popsize=3),
    "search of a number": lambda: RandomSearch(3),
    "sampler of text": lambda: NASurgeSampler("x"),
    "problem of a number": lambda: ArchitectureProblem("nb201", 3),
}
SPACES = {
    "parse a number": lambda: SPACE.parse(3),
    "parse nothing": lambda: SPACE.parse([None]),
    "format text": lambda: SPACE.format("x"),
    "index nothing": lambda: SPACE.index(None),
    "architecture of no number": lambda: SPACE.from_index("a"),
    "mutate text": lambda: SPACE.mutate("x"),
    "neighbours of nothing": lambda: SPACE.neighbours(None),
    "cross unequal numbers": lambda: SPACE.crossover(CODES[:2], CODES),
    "what is not in the space": lambda: SPACE.canonical([[9] * 6]),
    "paths of text": lambda: SPACE.paths("x"),
    "graphs of an object": lambda: SPACE.graphs(object()),
    "sample less than none": lambda: SPACE.sample(-1),
    "a space of a number": lambda: nasurge.make_space({"name": 3}),
    "a space of nothing": lambda: nasurge.make_space({}),
    "choices that are none": lambda: nasurge.make_space({"name": "x", "choices": 3}),
}
TABLES = {
    "rows of text": lambda table: table.rows("x"),
    "values of nothing": lambda table: table.lookup(CODES),
    "an unknown task": lambda table: table.lookup(CODES, task="x", metric="y"),
    "a task that is a number": lambda table: table.find(task=3, metric="x"),
    "columns of no task": lambda table: table.default(None),
    "runs of text": lambda table: table.runs("x"),
    "runs of no column": lambda table: table.runs(99),
    "a table of nothing": lambda _: nasurge.load_table(None),
    "a table of a path": lambda _: nasurge.load_table(Path("x")),
    "a table outside": lambda _: nasurge.load_table("../x"),
    "import what is not there": lambda _: nasurge.import_table("nowhere.csv"),
    "load what is not there": lambda _: nasurge.load_predictor("~/nowhere"),
    "validate so many as text": lambda table: nasurge.validate(table, top="x"),
    "validate a number": lambda _: nasurge.validate(space=3),
    "verify nothing": lambda _: nasurge.verify("nb201-digits", n=0),
    "images that are a number": lambda table: nasurge.validate(table, images=3),
}


def searcher() -> Any:
    return nasurge.make_searcher("random", SPACE, seed=0)


@pytest.mark.parametrize("call", [*PREDICTORS.values()], ids=PREDICTORS)
def test_predictors(call: Any) -> None:
    with pytest.raises(NasurgeError):
        call()


@pytest.mark.parametrize("call", [*SEARCHERS.values()], ids=SEARCHERS)
def test_searchers(call: Any) -> None:
    with pytest.raises(NasurgeError):
        call()


@pytest.mark.parametrize("call", [*SPACES.values()], ids=SPACES)
def test_spaces(call: Any) -> None:
    with pytest.raises(NasurgeError):
        call()


@pytest.mark.parametrize("call", [*TABLES.values()], ids=TABLES)
def test_tables(call: Any, analog: Table) -> None:
    with pytest.raises(NasurgeError):
        call(analog)


def test_wrong_calls_change_nothing() -> None:
    assert fitted().predict(CODES).shape == (3,)
    assert np.isfinite(fitted().predict(CODES)).all()
