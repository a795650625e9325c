"""What scikit-learn learnt as a skops archive that names our classes by their names in files.

skops finds a class by the module that its archive names. Between it and the file, the archive's
schema is rewritten: places of ours become names when it is written, and places again when it is
read, so that neither a move nor a file of the time before it breaks an archive.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from ...data.files.limits import check_limit
from ...errors import DataFileError
from .names import NAMES, OLD_NAMES, PLACES
from .structure import check_estimators, check_lightgbm

# What skops does not trust by itself; none of these runs anything when it is built.
_TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMRegressor",
        "ngboost.api.NGBRegressor",
        "ngboost.distns.normal.Normal",
        "ngboost.scores.LogScore",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.DotProduct",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.RationalQuadratic",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.model_selection._split.KFold",
        "sklearn.tree._tree.Tree",
    }
)
# Of ours, what scikit-learn's estimators may hold.
_OURS = ("nasurge:BlockLinear", "nasurge:few_steps")
# Estimators whose learnt arrays only NumPy reads, or whose structure is checked.
_READ = (
    *("builtins.", "collections.", "numpy.ndarray", "numpy.float", "numpy.int", "numpy.uint"),
    *("numpy.bool", "numpy.dtype", "numpy.random.mtrand.RandomState", "numpy.random._generator."),
    *("sklearn.compose.", "sklearn.cross_decomposition.", "sklearn.decomposition._pca."),
    *("sklearn.dummy.", "sklearn.ensemble._bagging.", "sklearn.ensemble._forest."),
    *("sklearn.ensemble._gb.", "sklearn.ensemble._stacking.", "sklearn.ensemble._voting."),
    *("sklearn.ensemble._weight_boosting.", "sklearn.feature_selection."),
    *("sklearn.gaussian_process.", "sklearn.isotonic.", "sklearn.kernel_ridge."),
    *("sklearn.linear_model.", "sklearn.neural_network.", "sklearn.pipeline."),
    *("sklearn.preprocessing.", "sklearn.svm._classes.", "sklearn.tree._classes."),
    *("sklearn.utils._bunch.", "sklearn._loss."),
)
_TREE = ("sklearn.tree._tree.Tree", "TreeNode")
_SCHEMA = "schema.json"


def write_archive(value: Any) -> tuple[bytes, set[str]]:
    """Archive of a value, and the types in it that reading would refuse."""
    from skops.io import dumps, get_untrusted_types

    data = dumps(value)
    unknown = set(get_untrusted_types(data=data)) - _trusted() | _unread(_schema(data))
    return _renamed(data, lambda place: NAMES.get(place, place)), unknown


def read_archive(data: bytes) -> Any:
    """Value in an archive; nothing that is not on a list is built.

    Raises
    ------
    DataFileError
        If it names another type.
    """
    from skops.io import get_untrusted_types, load

    data = _renamed(data, _place)
    schema = _schema(data)
    unknown = set(get_untrusted_types(data=data))
    if refused := sorted(unknown - _trusted() | _unread(schema)):
        raise DataFileError(f"it names {', '.join(refused)}: not on the list")
    for node in _nodes(schema):
        content = node.get("content")
        if isinstance(content, str) and content.startswith('"tree'):
            check_lightgbm(json.loads(content))
    found = load(io.BytesIO(data), trusted=sorted(unknown))
    check_estimators(found)
    return found


def _schema(data: bytes) -> dict[str, Any]:
    """Description in an archive whose members are within the limits, however often it names one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        check_limit("memory", sum(sizes.values()), "the archive in it")
        schema: dict[str, Any] = json.loads(archive.read(_SCHEMA))
    read = sum(sizes.get(str(node.get("file")), 0) for node in _nodes(schema))
    check_limit("memory", read, "the archive in it")
    return schema


def _unread(schema: dict[str, Any]) -> set[str]:
    """Types of an archive that are not read: native code would trust what the file says."""
    allowed = (*_READ, *_trusted())
    named = {
        f"{node['__module__']}.{node['__class__']}": node.get("__loader__")
        for node in _nodes(schema)
        if "__class__" in node and node.get("__loader__") != _TREE[1]
    }
    refused = {name for name in named if not name.startswith(allowed)}
    return refused | ({_TREE[0]} & set(named))


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within JSON values."""
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node
            left += node.values()
        elif isinstance(node, list):
            left += node


def _trusted() -> frozenset[str]:
    return _TRUSTED | {PLACES[name].replace(":", ".") for name in _OURS}


def _place(name: str) -> str:
    """Place of what a file names, now or in format 1."""
    current = OLD_NAMES.get(name, name)
    return PLACES.get(current, current)


def _renamed(data: bytes, rename: Callable[[str], str]) -> bytes:
    """Archive with other names of what is ours, each ``"module:Class"``."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = archive.read(_SCHEMA)
        if b'"nasurge' not in schema:
            return data
        members = [(info, archive.read(info)) for info in archive.infolist()]
    text = json.dumps(_with_names(json.loads(schema), rename))
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for info, content in members:
            archive.writestr(info, text if info.filename == _SCHEMA else content)
    return changed.getvalue()


def _with_names(node: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(node, list):
        return [_with_names(item, rename) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _with_names(item, rename) for key, item in node.items()}
    module, name = node.get("__module__"), node.get("__class__")
    if isinstance(module, str) and isinstance(name, str):
        module, _, name = rename(f"{module}:{name}").partition(":")
        found |= {"__module__": module, "__class__": name}
    return found
