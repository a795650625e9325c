"""Models of other libraries in files: checked before they are used, since their code trusts them.

A tree is walked by native code that follows whatever node numbers it finds: a file of which one is
wrong would make it read beyond its arrays, or never end. A checksum, which anybody can make, is no
help.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DataFileError

_MOST_THREADS = 1024


def check_nodes(left: ArrayLike, right: ArrayLike, features: ArrayLike, n_features: int) -> None:
    """Refuse a binary tree that does not end, or points outside of itself.

    Parameters
    ----------
    left, right : array_like of int, shape (nodes,)
        Children of each node; below 0 where it is a leaf.
    features : array_like of int, shape (nodes,)
        Number of the feature that a node splits on.
    n_features : int

    Raises
    ------
    DataFileError

    Examples
    --------
    >>> check_nodes([1, -1, 0], [2, -1, 1], [0, 0, 0], 1)
    Traceback (most recent call last):
    nasurge.errors.DataFileError: a tree whose nodes do not form one
    """
    children = np.stack([_integers(left), _integers(right)])
    split = _integers(features)
    leaf = children < 0
    below = children[~leaf]
    count = children.shape[1]
    sound = (
        count > 0
        and split.shape == (count,)
        and np.array_equal(leaf[0], leaf[1])
        and (below < count).all()
        and (below > 0).all()  # nothing leads back to the root
        and len(np.unique(below)) == len(below)  # and one way to every other node
    )
    if not sound:
        raise DataFileError("a tree whose nodes do not form one")
    inner = split[~leaf[0]]
    if len(inner) and not (inner.min() >= 0 and inner.max() < n_features):
        raise DataFileError(f"a tree that splits on a feature beyond its {n_features}")


def _integers(values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise DataFileError("a tree whose nodes are no numbers")
    return array.astype(np.int64)


def check_estimators(value: Any) -> None:
    """Check every tree of scikit-learn, and every support vector machine, within a value.

    Raises
    ------
    DataFileError
        If one could make native code read outside of its arrays, or never end.
    """
    for part in _parts(value):
        name = type(part).__name__
        fields = vars(part) if hasattr(part, "__dict__") else {}
        check_threads(fields)
        if "tree_" in fields:
            _check_tree(fields["tree_"], fields.get("n_features_in_"))
        elif "estimators_" in fields:
            _check_members(fields["estimators_"], fields.get("n_features_in_"))
        elif "support_vectors_" in fields:
            _check_support(name, fields)


def check_threads(parameters: Mapping[str, Any]) -> None:
    """Refuse a model that would start more threads than any machine has.

    Raises
    ------
    DataFileError
    """
    for name in ("n_jobs", "nthread"):
        count = parameters.get(name)
        if isinstance(count, (int, float)) and count > _MOST_THREADS:
            raise DataFileError(f"a model of {count} threads ({name})")


def _parts(value: Any) -> Iterator[Any]:
    """Yield all objects within a value, each once."""
    seen: set[int] = set()
    left = [value]
    while left:
        part = left.pop()
        if id(part) in seen or isinstance(part, (str, bytes, int, float, type)):
            continue
        seen.add(id(part))
        yield part
        if isinstance(part, Mapping):
            left += part.values()
        elif isinstance(part, (list, tuple, set)):
            left += part
        elif isinstance(part, np.ndarray):
            left += part.ravel().tolist() if part.dtype.hasobject else ()
        elif hasattr(part, "__dict__"):
            left += vars(part).values()


def _check_tree(tree: Any, n_features: Any) -> None:
    if type(tree).__name__ != "Tree" or tree.node_count != tree.capacity:
        raise DataFileError("a tree that has more or fewer nodes than it says")
    if tree.n_features != n_features:
        raise DataFileError(f"a tree of {tree.n_features} features for data of {n_features}")
    check_nodes(tree.children_left, tree.children_right, tree.feature, tree.n_features)


def _check_members(members: Any, n_features: Any) -> None:
    """Trees of a forest are not asked again whether the data has their features."""
    flat = members.ravel().tolist() if isinstance(members, np.ndarray) else members
    for member in flat if isinstance(flat, (list, tuple)) else ():
        if hasattr(member, "tree_") and member.n_features_in_ != n_features:
            raise DataFileError(
                f"a tree of {member.n_features_in_} features in a forest of {n_features}"
            )


def _check_support(name: str, fields: Mapping[str, Any]) -> None:
    n = len(fields["support_"])
    expected = {
        "support_": (n,),
        "support_vectors_": (n, fields["n_features_in_"]),
        "_dual_coef_": (1, n),
        "_intercept_": (1,),
    }
    sound = name in ("SVR", "NuSVR") and not fields.get("_sparse", True)
    if not sound or any(np.shape(fields[key]) != shape for key, shape in expected.items()):
        raise DataFileError(f"a support vector machine ({name}) whose parts do not fit together")


def check_xgboost(model: bytes) -> None:
    """Refuse an XGBoost model in JSON whose trees do not end or point outside of themselves.

    Raises
    ------
    DataFileError, KeyError, TypeError, ValueError
    """
    learner = json.loads(model)["learner"]
    n_features = int(learner["learner_model_param"]["num_feature"])
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise DataFileError(f"an XGBoost model of kind {booster['name']!r}, not gbtree")
    trees = booster["model"]["trees"]
    if len(booster["model"]["tree_info"]) != len(trees):
        raise DataFileError("an XGBoost model whose trees are not those that it lists")
    for tree in trees:
        lengths = {len(tree[key]) for key in _TREE_ARRAYS}
        parameters = tree["tree_param"]
        if lengths != {int(parameters["num_nodes"])} or any(tree["categories_nodes"]):
            raise DataFileError("an XGBoost tree whose arrays do not fit together")
        if int(parameters["num_feature"]) > n_features or any(tree["split_type"]):
            raise DataFileError("an XGBoost tree of other features than its model")
        check_nodes(
            tree["left_children"], tree["right_children"], tree["split_indices"], n_features
        )


_TREE_ARRAYS = (
    *("left_children", "right_children", "parents", "split_indices", "split_conditions"),
    *("split_type", "default_left", "base_weights", "loss_changes", "sum_hessian"),
)


def check_lightgbm(model: str) -> None:
    """Refuse a LightGBM model in its text form whose trees are not what they say.

    Raises
    ------
    DataFileError, KeyError, ValueError
    """
    head, _, rest = model.partition("\nTree=")
    about = _lines(head)
    sizes = [int(size) for size in about.get("tree_sizes", "").split()]
    body = "Tree=" + rest if rest else ""
    ends = list(accumulate([0, *sizes]))
    listed = [body[a:b] for a, b in pairwise(ends)]
    whole = body.isascii() and body[ends[-1] :].startswith("end of trees" if sizes else "")
    if not whole or any(size < 1 for size in sizes):
        raise DataFileError("a LightGBM model whose trees are not those that it lists")
    n_features = int(about["max_feature_idx"]) + 1
    if about["num_class"] != "1" or about["num_tree_per_iteration"] != "1":
        raise DataFileError("a LightGBM model of several outputs")
    if len(about["feature_names"].split()) != n_features:
        raise DataFileError("a LightGBM model of other features than it names")
    for number, text in enumerate(listed):
        if not text.startswith(f"Tree={number}\n") or text.count("Tree=") != 1:
            raise DataFileError("a LightGBM model whose trees are not those that it lists")
        _check_leaves(_lines(text), n_features)


def _lines(text: str) -> dict[str, str]:
    """Entries ``name=value``, one a line."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise DataFileError("a LightGBM model that says one thing twice")
    return {name: value for name, _, value in pairs}


def _check_leaves(tree: Mapping[str, str], n_features: int) -> None:
    """A LightGBM tree: inner nodes are numbered from 0, leaves from -1 downwards."""
    leaves = int(tree["num_leaves"])
    if leaves < 1 or tree["num_cat"] != "0" or tree.get("is_linear", "0") != "0":
        raise DataFileError("a LightGBM tree of categories or linear leaves")
    if len(tree["leaf_value"].split()) != leaves:
        raise DataFileError("a LightGBM tree of other leaves than it says")
    if leaves == 1:
        return
    names = ("left_child", "right_child", "split_feature", "threshold", "decision_type")
    columns = [tree[name].split() for name in names]
    if {len(column) for column in columns} != {leaves - 1}:
        raise DataFileError("a LightGBM tree of other nodes than it says")
    if any(int(kind) & 1 for kind in columns[4]):
        raise DataFileError("a LightGBM tree that splits on categories")
    inner = leaves - 1
    left, right = (_numbered([int(n) for n in column], inner) for column in columns[:2])
    ends = [-1] * leaves
    features = [int(n) for n in columns[2]] + [0] * leaves
    check_nodes([*left, *ends], [*right, *ends], features, n_features)


def _numbered(children: Sequence[int], inner: int) -> list[int]:
    """Numbers of children where leaves come after the inner nodes."""
    return [child if child >= 0 else inner + ~child for child in children]
