"""Trees of a file are checked before native code walks them, whatever its checksum says."""

import copy
import io
import json
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from nasurge.errors import DataFileError
from nasurge.predictors.saving import archives, contents
from nasurge.predictors.saving.structure import (
    check_estimators,
    check_lightgbm,
    check_nodes,
    check_xgboost,
)
from nasurge.registry import load_predictor, make_predictor

X = np.random.default_rng(0).random((40, 3))
Y = X @ [1.0, 2.0, 3.0]


@pytest.fixture(scope="module")
def forest(analog, tmp_path_factory):
    """A forest and its file."""
    rows = np.random.default_rng(0).choice(len(analog.codes), 60, replace=False)
    labels = analog.values(task="cifar10", metric="baseline_accuracy")[rows]
    predictor = make_predictor("rf", analog.space, seed=0).fit(analog.codes[rows], labels)
    path = tmp_path_factory.mktemp("forest") / "rf.save"
    predictor.save(path)
    return predictor, path.read_bytes()


def first_skops(value):
    """The first part of a description that is an archive of skops."""
    if isinstance(value, dict) and value.get("kind") == "skops":
        return value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for part in parts if (found := first_skops(part))), None)


def counted(archive: bytes, count: int) -> bytes:
    """An archive whose first tree says that it has so many nodes."""
    with zipfile.ZipFile(io.BytesIO(archive)) as before:
        members = {name: before.read(name) for name in before.namelist()}
    schema = members["schema.json"].decode()
    place = schema.index('"content": "', schema.index('"node_count": {'))
    members["schema.json"] = re.sub(r'"\d+"', f'"{count}"', schema[place:], count=1).encode()
    members["schema.json"] = schema[:place].encode() + members["schema.json"]
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as after:
        for name, content in members.items():
            after.writestr(name, content)
    return changed.getvalue()


def forged(data: bytes, regressor, *, node_count: int | None = None) -> bytes:
    """A saved predictor with another regressor in it and a checksum that fits."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about, arrays = json.loads(header["__metadata__"][contents.KEY]), load(data)
    packed = archives.write_archive(regressor)[0]
    packed = packed if node_count is None else counted(packed, node_count)
    archive = np.frombuffer(packed, np.uint8)
    part = first_skops(about["predictor"])
    arrays[part["data"]["name"]] = archive
    part["data"]["shape"] = list(archive.shape)
    del about["sha256"]
    about["sha256"] = contents.contents_digest(about, arrays)
    return save(arrays, metadata={contents.KEY: json.dumps(about)})


def with_nodes(tree, **changes):
    """Change the nodes of a tree: a column of them at a place."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    for name, (place, value) in changes.items():
        nodes[name][place] = value
    tree.__setstate__({**state, "nodes": nodes})


@pytest.mark.parametrize(
    "changes",
    [
        {"left_child": (0, 0)},  # a walk that never ends
        {"right_child": (1, 0)},
        {"left_child": (1, 1)},
        {"left_child": (0, 2**40)},  # reads far outside
        {"right_child": (0, 5_000_000)},
        {"left_child": (0, -7)},
        {"left_child": (0, -1)},  # a leaf on one side
        {"feature": (0, 10**9)},
        {"feature": (0, -3)},
    ],
    ids=str,
)
def test_a_forest_whose_trees_are_none_is_refused(forest, tmp_path, changes) -> None:
    predictor, data = forest
    regressor = copy.deepcopy(predictor.pipeline_.steps[-1][1])
    with_nodes(regressor.estimators_[0].tree_, **changes)
    path = tmp_path / "rf.save"
    path.write_bytes(forged(data, regressor))
    with pytest.raises(DataFileError, match=r"rf.save cannot be read here .*tree"):
        load_predictor(path)


@pytest.mark.parametrize("count", [0, 1, -1])
def test_a_tree_of_more_or_fewer_nodes_than_it_has_is_refused(forest, tmp_path, count) -> None:
    predictor, data = forest
    path = tmp_path / "rf.save"
    path.write_bytes(forged(data, predictor.pipeline_.steps[-1][1], node_count=count))
    with pytest.raises(DataFileError, match="more or fewer nodes than it says"):
        load_predictor(path)


def test_a_forest_as_it_was_is_read(forest, tmp_path, analog) -> None:
    predictor, data = forest
    path = tmp_path / "rf.save"
    path.write_bytes(forged(data, predictor.pipeline_.steps[-1][1]))
    codes = analog.space.sample(50, seed=1)
    assert np.array_equal(load_predictor(path).predict(codes), predictor.predict(codes))


def test_a_forest_of_trees_over_more_features_is_refused(forest, tmp_path) -> None:
    predictor, data = forest
    regressor = copy.deepcopy(predictor.pipeline_.steps[-1][1])
    regressor.estimators_[0] = DecisionTreeRegressor().fit(np.tile(X, 400), Y)
    path = tmp_path / "rf.save"
    path.write_bytes(forged(data, regressor))
    with pytest.raises(DataFileError, match="a tree of 1200 features in a forest of"):
        load_predictor(path)


@pytest.mark.parametrize("key", ["predictor", "made_with", "probes", "format", "sha256"])
@pytest.mark.parametrize("value", [None, [], {}, "x", 3, "missing"])
def test_a_malformed_description_is_one_error(forest, tmp_path, key, value) -> None:
    _, data = forest
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about, arrays = json.loads(header["__metadata__"][contents.KEY]), load(data)
    del about["sha256"]
    about[key] = value
    if value == "missing":
        del about[key]
    if key != "sha256":
        about["sha256"] = contents.contents_digest(about, arrays)
    path = tmp_path / "rf.save"
    path.write_bytes(save(arrays, metadata={contents.KEY: json.dumps(about)}))
    if (key, value) == ("made_with", {}):
        load_predictor(path)
        return
    with pytest.raises(DataFileError, match=r"rf\.save"):
        load_predictor(path)


@given(st.lists(st.integers(-2, 9), min_size=1, max_size=9), st.data())
def test_nodes_that_pass_form_a_tree(left, data) -> None:
    """Every walk from the root ends within the array."""
    right = data.draw(st.lists(st.integers(-2, 9), min_size=len(left), max_size=len(left)))
    try:
        check_nodes(left, right, [0] * len(left), 1)
    except DataFileError:
        return
    level, seen = [0], 0
    while level:
        seen += len(level)
        assert seen <= len(left)
        level = [child for node in level for child in (left[node], right[node]) if child >= 0]


def test_every_tree_that_scikit_learn_grows_passes() -> None:
    for depth in (1, 3, None):
        check_estimators(DecisionTreeRegressor(max_depth=depth, max_leaf_nodes=20).fit(X, Y))
    check_estimators({"within": [SVR().fit(X, Y), Ridge().fit(X, Y)]})


def test_a_support_vector_machine_whose_parts_differ_is_refused() -> None:
    machine = SVR().fit(X, Y)
    machine._dual_coef_ = machine._dual_coef_[:, :1]
    with pytest.raises(DataFileError, match="support vector machine"):
        check_estimators(machine)


def test_a_model_of_a_million_threads_is_refused(forest) -> None:
    regressor = copy.deepcopy(forest[0].pipeline_.steps[-1][1]).set_params(n_jobs=10**6)
    with pytest.raises(DataFileError, match="1000000 threads"):
        check_estimators([regressor])


def test_an_estimator_whose_arrays_native_code_trusts_is_not_saved() -> None:
    neighbours = KNeighborsRegressor(algorithm="kd_tree").fit(X, Y)
    assert archives.write_archive(neighbours)[1]


def xgboost_model() -> dict:
    from xgboost import XGBRegressor

    model = XGBRegressor(n_estimators=3, max_depth=3).fit(X, Y)
    return json.loads(model.get_booster().save_raw("json"))


@pytest.mark.parametrize(
    ("key", "place", "value"),
    [
        ("left_children", 0, 0),
        ("right_children", 0, 10**6),
        ("left_children", 1, 1),
        ("split_indices", 0, 99),
        ("split_indices", 0, -1),
        ("split_type", 0, 1),
        ("categories_nodes", None, [1]),
        ("parents", None, []),
        ("split_conditions", None, [0.5]),
        ("base_weights", None, 3),
    ],
)
def test_an_xgboost_model_whose_trees_are_none_is_refused(key, place, value) -> None:
    model = xgboost_model()
    check_xgboost(json.dumps(model).encode())
    tree = model["learner"]["gradient_booster"]["model"]["trees"][1]
    if place is None:
        tree[key] = value
    else:
        tree[key][place] = value
    with pytest.raises((DataFileError, TypeError)):
        check_xgboost(json.dumps(model).encode())


def lightgbm_model() -> str:
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(n_estimators=3, min_child_samples=3, verbose=-1, n_jobs=1).fit(X, Y)
    return model.booster_.model_to_string()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("left_child=1 ", "left_child=0 "),
        ("left_child=1 ", "left_child=9 "),
        ("left_child=1 ", "left_child=-9"),
        ("split_feature=", "split_feature=9"),
        ("num_leaves=", "num_leaves=9"),
        ("num_cat=0", "num_cat=1"),
        ("is_linear=0", "is_linear=1"),
        ("decision_type=2", "decision_type=1"),
        ("tree_sizes=", "tree_sizes=9"),
        ("max_feature_idx=2", "max_feature_idx=9"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=7"),
        ("\nnum_class=1", "\nnum_class=1\nnum_class=8"),
    ],
)
def test_a_lightgbm_model_whose_trees_are_none_is_refused(before, after) -> None:
    model = lightgbm_model()
    check_lightgbm(model)
    assert before in model
    with pytest.raises(DataFileError):
        check_lightgbm(model.replace(before, after, 1))
