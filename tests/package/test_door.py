"""The door: whatever a public function is given by mistake, the error is ours and says the cure."""

import importlib
import inspect
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasurge
from nasurge.arguments import predictor_factories
from nasurge.benchmarks import metrics
from nasurge.data.arguments import accepts, as_path, checked
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.data.tables import Table
from nasurge.errors import NasurgeError, ParameterError, UnknownNameError
from nasurge.predictors import GaussianProcess

FACES = (
    "nasurge",
    "nasurge.data",
    "nasurge.data.images",
    "nasurge.data.networks",
    "nasurge.data.tables",
    "nasurge.benchmarks",
    "nasurge.benchmarks.few_shot",
    "nasurge.benchmarks.supernet",
    "nasurge.search",
    "nasurge.search.across_tables",
    "nasurge.search.at_nas",
    "nasurge.search.differentiable",
)
# Parts of a room that no user calls: rooms share them, and check what they are given themselves.
PARTS = {
    "cell_layers",
    "chain_layers",
    "check_reduction",
    "check_sizes",
    "draw_similarities",
    "no_logits",
    "on_same_data",
    "rank_scores",
    "uniform_codes",
}
# These take the options of a command, or several that belong together, as one value.
PARTS |= {"adapt_file", "check_images", "classify_file", "conversion", "train_search"}
METRICS = ("kendall_tau", "kendall_tau_top", "ndcg", "pearson", "spearman")
WRONG = (None, 3, -1, 0.5, "x", "", [], ["x"], [None], {}, {"x": 1}, object(), int, b"x", np.nan)


def public_functions() -> dict[str, Callable[..., Any]]:
    """Functions that the faces of the rooms offer, by name."""
    found = {}
    for face in FACES:
        module = importlib.import_module(face)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing) and name not in PARTS:
                found.setdefault(name, thing)
    found |= {name: getattr(metrics, name) for name in METRICS}
    return dict(sorted(found.items()))


@cache
def right() -> dict[str, Any]:
    """An argument that will do, by the name of the parameter; cheap ones."""
    space = make_space("nb201")
    codes = space.sample(2, seed=0)
    return {
        "space": space,
        "codes": codes,
        "code": codes[0],
        "values": np.arange(8.0),
        "y_true": np.arange(8.0),
        "y_pred": np.arange(8.0),
        "table": "nb201-analog",
        "tables": "no-such-table",
        "task": "cifar10",
        "predictors": "ridge",
        "n": 2,
        "cost": "flops",
    }


def arguments_of(function: Callable[..., Any], tried: str, value: object) -> dict[str, Any]:
    """Arguments of a call in which one is wrong; others that it needs are right, or wrong too."""
    given = {tried: value}
    for name, parameter in inspect.signature(function).parameters.items():
        several = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        needed = parameter.default is parameter.empty and not several
        if needed and name not in given:
            given[name] = right().get(name, object())
    return given


# A user's function may raise what it likes, and some right arguments begin long work.
UNTRIED = {("bootstrap_interval", "metric", int), ("run", "objective", int)}


@pytest.mark.parametrize("name", public_functions())
def test_a_wrong_argument_ends_in_an_error_of_ours(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function = public_functions()[name]
    for tried, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        for value in WRONG:
            if (name, tried, value) in [one for one in UNTRIED if one[2] is value]:
                continue
            try:
                function(**arguments_of(function, tried, value))
            except NasurgeError:
                continue
            except Exception as error:
                raise AssertionError(f"{name}({tried}={value!r}): {error!r}") from error


@pytest.mark.parametrize("name", [name for name in public_functions() if name not in METRICS])
def test_an_unknown_keyword_is_an_error_of_ours(name: str) -> None:
    function = public_functions()[name]
    with pytest.raises(NasurgeError):
        function(**arguments_of(function, "no_such_argument", 1))


def test_a_space_is_taken_by_its_name(analog: Table) -> None:
    assert make_space(analog.space) is analog.space
    assert nasurge.make_predictor("ridge", "nb201").space == analog.space
    assert nasurge.make_searcher("random", "nb201", seed=0).ask(2).shape == (2, 6)
    assert nasurge.anchors("nb201", 2, seed=0).shape == (2, 6)
    with pytest.raises(UnknownNameError, match="did you mean 'nb201'"):
        nasurge.make_searcher("random", "nb21")
    with pytest.raises(ParameterError, match="make_space makes of its name"):
        GaussianProcess("nb201").fit(analog.codes[:9], np.arange(9.0))


def test_predictors_are_compared_by_name_class_and_object(analog: Table, tmp_path: Path) -> None:
    few = nasurge.make_predictor("rf", "nb201", n_estimators=5)
    found = nasurge.compare(
        analog, ["ridge", GaussianProcess, few], n_train=20, trials=1, jobs=1, out=tmp_path / "a"
    )
    names = ["GaussianProcess", "rf(n_estimators=5)", "ridge"]
    assert sorted({entry["predictor"] for entry in found.summary}) == names
    assert len(repr(found)) < 200
    named = {"few trees": few}
    options = {"n_train": [20], "trials": 1, "jobs": 1, "out": str(tmp_path / "b")}
    found = nasurge.compare([analog], named, **options)
    assert found.summary[0]["predictor"] == "few trees"
    named = {"few trees": nasurge.make_predictor("rf", "nb201", n_estimators=6)}
    with pytest.raises(ParameterError, match=r"another study .*parameters"):
        nasurge.compare([analog], named, **options)


@pytest.mark.parametrize("wrong", [[int], 3, {"a": 3}, [None], object(), int])
def test_what_is_no_predictor_is_refused(wrong: object) -> None:
    with pytest.raises(ParameterError, match="predictor"):
        nasurge.compare("nb201-analog", wrong)


def test_two_predictors_of_one_name_are_told_to_have_names() -> None:
    ridge = nasurge.make_predictor("ridge", "nb201")
    with pytest.raises(ParameterError, match="give them names"):
        predictor_factories([ridge, ridge])


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("random_forest", "'rf'"), ("XGBoost", "'xgb'"), ("gaussian-process", "'gp'")],
)
def test_a_predictor_is_known_by_what_it_is(asked: str, meant: str) -> None:
    for call in (
        lambda: nasurge.make_predictor(asked, "nb201"),
        lambda: nasurge.compare("nb201-analog", asked),
    ):
        with pytest.raises(UnknownNameError, match=f"did you mean {meant}"):
            call()


def test_a_method_of_a_command_is_said_to_be_one() -> None:
    with pytest.raises(UnknownNameError, match="nasurge supernet search --method"):
        nasurge.make_searcher("darts", "nb201")


def test_a_keyword_that_is_near_is_said() -> None:
    with pytest.raises(ParameterError, match="did you mean 'n_train'"):
        nasurge.compare("nb201-analog", n=20)
    with pytest.raises(ParameterError, match="did you mean 'seed'"):
        nasurge.anchors("nb201", 3, sed=0)


def test_a_table_says_its_tasks_and_metrics(analog: Table) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: analog["cifar10"],
        lambda: analog.values("cifar10"),
        lambda: analog.values(task="cifar10"),
        lambda: list(analog),
    ]
    for call in calls:
        with pytest.raises(ParameterError, match="tasks: cifar10; metrics: baseline_accuracy"):
            call()


def test_predicting_nothing_gives_nothing(analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    gp = nasurge.make_predictor("gp", analog.space).fit(analog.codes[::150], y[::150])
    scores, std = gp.predict(analog.codes[:0], return_std=True)
    assert scores.shape == std.shape == (0,)


@pytest.mark.parametrize("name", ["random", "evolution", "nsga2"])
def test_whoever_asks_for_more_than_there_are_gets_all(name: str) -> None:
    searcher = nasurge.make_searcher(name, "nb201", seed=0)
    codes = searcher.ask(20)
    values = np.arange(20.0)
    width = searcher.n_objectives
    searcher.tell(codes, values if width == 1 else np.stack([values] * width, axis=1))
    assert len(searcher.ask(20_000)) == 15_605
    assert len(repr(searcher)) < 100


def test_a_space_of_choices_with_names() -> None:
    space = ProductSpace({"op": ["conv", "pool"], "width": [8, 16]})
    assert space.variables == ("op", "width")
    assert space.choices == (("conv", "pool"), ("8", "16"))
    assert ProductSpace([["conv"], [8, 16.5]]).choices == (("conv",), ("8", "16.5"))
    for again in (make_space(space.spec()), pickle.loads(pickle.dumps(space))):
        assert again == space
        assert again.variables == space.variables


@pytest.mark.parametrize("wrong", ["abc", ["abc"], 3, [3], [[None]], {"op": "conv"}, None])
def test_choices_that_are_none_are_refused(wrong: Any) -> None:
    with pytest.raises(NasurgeError, match="received"):
        ProductSpace(wrong)


def test_a_path_may_be_text_with_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    @checked
    def parent(path: Path) -> Path:
        return path.parent

    assert parent("~/one") == tmp_path
    assert as_path("~/one") == as_path(tmp_path / "one")


def test_numbers_of_numpy_are_numbers_and_truths_are_not() -> None:
    assert accepts(np.int64(3), int)
    assert accepts(np.float32(3), float)
    assert accepts(3, float)
    assert not accepts(np.bool_(1), int)
    assert not accepts(3.0, int)


def objective(codes: np.ndarray) -> np.ndarray:
    return codes.sum(axis=1)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"direction": "minimize"}, "minimise= names"),
        ({"searchers": "bo"}, "it is searcher"),
        ({"bugdet": 3}, "did you mean 'budget'"),
        ({"progress": 3}, "progress must be True or False or a function"),
        ({"callback": 3}, "callback must be a function"),
        ({"budget": "3"}, "budget must be a whole number"),
        ({"budget": -1}, "budget must be at least 0"),
        ({"space": 3}, "space|spec"),
    ],
)
def test_a_search_says_what_it_takes(argument: dict[str, Any], words: str) -> None:
    call: Callable[..., Any] = nasurge.search
    with pytest.raises(ParameterError, match=words):
        call(objective, **{"space": "nb201", "searcher": "random", "budget": 3, **argument})
