"""What scikit-learn learnt as a skops archive that names our classes by their names in files.

skops finds a class by the module that its archive names. Between it and the file, the archive's
schema is rewritten: places of ours become names when it is written, and places again when it is
read, so that neither a move nor a file of the time before it breaks an archive.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from ...errors import DataFileError
from .names import NAMES, OLD_NAMES, PLACES

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
_SCHEMA = "schema.json"


def write_archive(value: Any) -> tuple[bytes, set[str]]:
    """Archive of a value, and the types in it that reading would refuse."""
    from skops.io import dumps, get_untrusted_types

    data = dumps(value)
    unknown = set(get_untrusted_types(data=data)) - _trusted()
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
    unknown = set(get_untrusted_types(data=data))
    if refused := sorted(unknown - _trusted()):
        raise DataFileError(f"it names {', '.join(refused)}: not on the list")
    return load(io.BytesIO(data), trusted=sorted(unknown))


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
