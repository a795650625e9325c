"""``nasurge.search`` with a function: objectives, directions, bounds, spaces in every form."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nasurge
from nasurge.errors import (
    InfeasibleError,
    NasurgeError,
    ObjectiveError,
    ParameterError,
    UnknownNameError,
)

OWN = {"depth": [2, 3, 4], "width": [16, 32, 64, 128], "op": ["a", "b", "c"]}
WIDE = {f"op{k}": ["a", "b", "c"] for k in range(60)}


def measured(codes: np.ndarray) -> dict[str, np.ndarray]:
    """Made-up accuracy and latency."""
    return {"accuracy": codes.sum(axis=1) + 0.5, "latency": 3.0 * codes[:, 0] + codes[:, 1]}


def trained(architecture: dict[str, object]) -> dict[str, float]:
    """The same of one architecture as a dict."""
    depth = OWN["depth"].index(architecture["depth"])
    width = OWN["width"].index(architecture["width"])
    accuracy = depth + width + OWN["op"].index(architecture["op"]) + 0.5
    return {"accuracy": accuracy, "latency": 3.0 * depth + width}


@pytest.mark.parametrize(("function", "form"), [(measured, "codes"), (trained, "dicts")])
def test_several_objectives_have_a_front_in_their_own_units(function, form) -> None:
    found = nasurge.search(
        function, space=OWN, form=form, objectives="accuracy, latency", budget=36, seed=0
    )
    assert found.names == ("accuracy", "latency")
    front = found.front()
    assert sorted(map(tuple, front.values.tolist()))[0] == (2.5, 0.0)
    assert (front.values >= 0).all(), "latency is minimised, and shown as it is"
    frame = found.to_frame()
    assert list(frame) == ["architecture", *OWN, "accuracy", "latency", "seconds"]
    again = np.array([[*trained(row).values()] for row in frame.to_dict("records")])
    assert np.allclose(frame[["accuracy", "latency"]], again)
    with pytest.raises(ParameterError, match="front"):
        found.best()


def test_columns_are_objectives_in_their_order() -> None:
    found = nasurge.search(
        lambda codes: np.stack([*measured(codes).values()], axis=1),
        space=OWN,
        objectives=["accuracy", "latency"],
        maximise="latency",
        budget=36,
    )
    assert found.front().values.tolist() == [[7.5, 9.0]]


def test_one_objective_may_be_minimised() -> None:
    by_name = nasurge.search(measured, space=OWN, objectives="latency", budget=36, searcher="local")
    assert by_name.best().value == 0
    assert repr(by_name).endswith("best 0>")
    plain = nasurge.search(
        lambda codes: measured(codes)["accuracy"], space=OWN, minimise="value", budget=36
    )
    assert plain.best().value == 0.5
    assert list(plain.to_frame())[-2] == "value"


@pytest.mark.parametrize(
    "constraints", ["latency<=4", ["latency<=4"], {"latency": (None, 4)}, {"latency": (0, 4)}]
)
def test_a_bound_on_what_is_returned_is_kept_by_the_best(constraints) -> None:
    found = nasurge.search(
        measured, space=OWN, objectives=["accuracy"], constraints=constraints, budget=36, seed=1
    )
    frame = found.to_frame()
    assert found.best().value == frame["accuracy"][frame["latency"] <= 4].max() == 5.5
    assert (frame["latency"] > 4).any(), "known after an evaluation only"


def test_what_is_known_before_is_never_proposed_beyond_its_bound() -> None:
    def latency(codes):
        return measured(codes)["latency"]

    bounds = {"constraints": {"latency": (None, 4)}, "costs": {"latency": latency}}
    for searcher in ("bo", "evolution", "nsga2", "random"):
        found = nasurge.search(
            lambda codes: measured(codes)["accuracy"],
            space=OWN,
            searcher=searcher,
            budget=36,
            **bounds,
        )
        assert (latency(found.codes) <= 4).all()
        assert len(found.codes) == 18, "all that keep it, and no others"


@pytest.mark.parametrize("searcher", ["random", "evolution", "local", "bo", "nsga2"])
def test_bounds_hold_in_a_space_that_cannot_be_listed(searcher) -> None:
    space = nasurge.Space(WIDE, name="wide")
    assert not space.listed
    found = nasurge.search(
        lambda codes: codes.sum(axis=1),
        space=space,
        searcher=searcher,
        constraints="late<=15",
        costs={"late": lambda codes: codes[:, 40:].sum(axis=1)},
        budget=25,
        seed=0,
    )
    assert len(found.codes) == 25
    assert (found.codes[:, 40:].sum(axis=1) <= 15).all()


def test_costs_of_cells_are_known() -> None:
    found = nasurge.search(
        lambda codes: (codes == 3).sum(axis=1),
        space="nb201",
        searcher="evolution",
        constraints="flops<=50",
        budget=30,
        seed=0,
    )
    costs = nasurge.data.networks.network_costs(found.space, found.codes, "flops")
    assert costs.max() <= 50


def test_one_training_that_fails_costs_only_itself() -> None:
    def fragile(architecture):
        if architecture["op"] == "b":
            raise RuntimeError("out of memory")
        return trained(architecture)["accuracy"]

    found = nasurge.search(fragile, space=OWN, form="dicts", searcher="random", budget=36, seed=0)
    frame = found.to_frame()
    assert found.failures == 12
    assert (frame["value"].isna() == (frame["op"] == "b")).all()


def test_a_search_with_names_goes_on_where_it_was(tmp_path) -> None:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(nasurge.Space(OWN).spec()), encoding="utf-8")
    call = {
        "space": str(path),
        "objectives": "accuracy,latency",
        "storage": str(tmp_path / "s.db"),
        "study": "mine",
    }
    first = nasurge.search(measured, budget=10, **call)
    more = nasurge.search(measured, budget=20, **call)
    assert np.array_equal(more.codes[:10], first.codes)
    with pytest.raises(ParameterError, match="signs"):
        nasurge.search(measured, budget=20, maximise="latency", **call)


@pytest.mark.parametrize(
    ("error", "words", "given"),
    [
        (InfeasibleError, "n<=3 excludes all .* the smallest n is", {"constraints": "n<=3"}),
        (ParameterError, "written NAME<=NUMBER", {"constraints": "n<3"}),
        (ParameterError, r"'n' is \(low, high\)", {"constraints": {"n": 3}}),
        (ParameterError, "'n': low 4 is above high 3", {"constraints": {"n": (4, 3)}}),
        (ParameterError, r"give costs=\{'q': function\}", {"constraints": "q<=3"}),
        (ParameterError, "searches for one objective", {"objectives": "a,n", "searcher": "local"}),
        (ParameterError, "named twice", {"objectives": "a,a"}),
        (ParameterError, "'q' is none of the objectives", {"minimise": "q"}),
        (ParameterError, "form is one of", {"form": "rows"}),
        (UnknownNameError, "unknown cost 'n'", {}),
        (ObjectiveError, "no 'z', which is named", {"objectives": "z", "costs": {}}),
        (ObjectiveError, "say what is searched", {"costs": {}}),
    ],
)
def test_what_is_wrong_is_said(error, words, given) -> None:
    call = {"costs": {"n": lambda codes: codes.sum(axis=1)}, "searcher": "random", **given}
    with pytest.raises(error, match=words):
        nasurge.search(lambda codes: {"a": codes[:, 0]}, space=WIDE, budget=6, **call)


def test_what_only_a_function_takes_is_refused_on_a_table() -> None:
    with pytest.raises(ParameterError, match="only a search with a function"):
        nasurge.search("nb201-digits", minimise="accuracy")


POOLS = {
    "dicts": [{"depth": 2, "width": 16}, {"depth": 4, "width": 16}],
    "strings": ["depth=2,width=16", "depth=4,width=16"],
    "codes": [[0, 0], [2, 0]],
    "an array": np.array([[0, 0], [2, 0]]),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_only_the_pool_is_searched(pool) -> None:
    space = {"depth": [2, 3, 4], "width": [16, 32, 64]}
    by_dict = {"space": space, "form": "dicts", "pool": pool, "budget": 9}
    trace = nasurge.search(lambda a: a["depth"] + a["width"], **by_dict)
    assert sorted(trace.to_frame()["value"]) == [18, 20]
    bounded = {"costs": {"size": lambda a: a["depth"] * a["width"]}, "constraints": "size<=40"}
    trace = nasurge.search(lambda a: a["depth"] + a["width"], **by_dict, **bounded)
    assert trace.to_frame()["value"].tolist() == [18]


WRONG_POOLS = {
    "nothing": ([], "a sequence of architectures"),
    "text": ("depth=2,width=16", "a sequence of architectures"),
    "a stranger": ([{"depth": 9, "width": 16}], "9 is none of 2, 3, 4"),
    "another width": ([[0, 0, 0]], "codes"),
}


@pytest.mark.parametrize("case", WRONG_POOLS)
def test_a_pool_of_something_else_is_refused(case: str) -> None:
    pool, words = WRONG_POOLS[case]
    space = {"depth": [2, 3, 4], "width": [16, 32, 64]}
    with pytest.raises(NasurgeError, match=words):
        nasurge.search(lambda codes: codes.sum(axis=1), space=space, pool=pool, budget=3)


@pytest.mark.parametrize(
    ("function", "form", "words"),
    [
        (lambda a: a["depth"], "codes", 'form="dicts" with each architecture by itself'),
        (lambda a: a.sum(axis=1), "dicts", "called with one architecture, of depth, width"),
        (lambda a: a.sum(axis=1), "strings", 'with form="codes" with an array'),
    ],
)
def test_a_function_that_wants_another_form_is_told_of_it(function, form, words) -> None:
    space = {"depth": [2, 3, 4], "width": [16, 32, 64]}
    with pytest.raises(ObjectiveError, match=words) as raised:
        nasurge.search(function, space=space, form=form, budget=9)
    assert len(raised.value.trace.values)
