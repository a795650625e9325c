"""Spaces by name, ours and those of plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import NasurgeError, ParameterError, SchemaError, UnknownNameError
from ..arguments import brief, checked
from ..files import parse_toml, read_document, read_text
from ..plugins import all_names, named_part
from .base import Space, the_space
from .dags import NodeCell
from .described import DescribedSpace, from_spec
from .genotypes import Genotypes
from .named import is_place, model_space, refuse_place
from .names import SPACES
from .product import ProductSpace
from .vocabulary import made_of

_KINDS: dict[str, type[Space]] = {"node-cell": NodeCell, "genotypes": Genotypes}
"""Classes of the spaces that are described by their arguments."""

GROUP = "nasurge.spaces"


def space_names() -> list[str]:
    """Names of all spaces: ours, then those of plug-ins (entry points ``nasurge.spaces``)."""
    return all_names(SPACES, group=GROUP)


@checked
def make_space(spec: str | Path | Mapping[str, Any] | Space) -> Space:
    """Space of a name, of a file, or of a description.

    Functions that take a space take its name, too.

    Parameters
    ----------
    spec : str, Path, mapping or Space
        A name, such as ``"nb201"`` (``space_names()`` lists them); the path of a description that
        ends in ``.toml`` or ``.json``; a model, ``"my_module:Net"``, as for
        ``nasurge.nn.space_of``, which imports the module; what ``Space.spec`` returned; or what
        ``nasurge.Space`` takes: a mapping from variables to their values, a
        ``ConfigSpace.ConfigurationSpace``, or Optuna distributions by name. A space is returned as
        it is.

    Raises
    ------
    UnknownNameError
        If no space has that name.
    ParameterError
        If a description names none, or an argument of it is none.
    StorageError, DataFileError
        If a file cannot be read.
    SchemaError
        Naming the variable that is wrong, and the file.

    Examples
    --------
    >>> make_space("nb201").size
    15625
    >>> make_space({"depth": [2, 3, 4], "op": ["conv", "pool"]}).size
    6
    """
    if isinstance(spec, Space):
        return spec
    if isinstance(spec, str) and is_place(spec):
        return model_space(spec)
    if isinstance(spec, Path) or (isinstance(spec, str) and is_space_file(spec)):
        return read_space(Path(spec))
    if isinstance(spec, Mapping) and isinstance(spec.get("kind"), str):
        return _of_kind(spec)
    if isinstance(spec, Mapping) and _is_described(spec):
        whole = isinstance(spec.get("variables"), Mapping)
        return from_spec(spec) if whole else DescribedSpace(spec)
    if isinstance(spec, Mapping) and "choices" in spec:
        return ProductSpace(
            spec["choices"], name=spec.get("name", "product"), written=spec.get("written", ())
        )
    name = spec if isinstance(spec, str) else spec.get("name")
    if not isinstance(name, str):
        raise ParameterError(
            f'a description of a space has a "name", and "choices" if it is your own; received '
            f"{brief(spec)}"
        )
    places = {own: entry.place for own, entry in SPACES.items()}
    cls: type[Space] = named_part("space", name, places, group=GROUP)
    return the_space(cls)


def stored_space(spec: Any) -> Space:
    """Space of a description that a file holds: code is never imported for it.

    Raises
    ------
    NasurgeError
        As ``make_space``.
    """
    refuse_place(spec)
    return make_space(spec)


def is_space_file(name: str) -> bool:
    """Whether a name is that of a file which describes a space: it ends in .toml or .json."""
    return name.lower().endswith((".toml", ".json"))


def _is_described(spec: Mapping[str, Any]) -> bool:
    """Whether a mapping describes variables, and not a space of a name or of plain choices."""
    plain = set(spec) <= {"name", "choices", "written"}
    named = isinstance(spec.get("name"), str)
    return not plain and ("variables" in spec or not named)


def _of_kind(spec: Mapping[str, Any]) -> Space:
    """Space that is described by the arguments of its class."""
    if spec["kind"] not in _KINDS:
        raise UnknownNameError("kind of space", spec["kind"], _KINDS)
    return made_of(_KINDS[spec["kind"]], spec)


def read_space(path: Path) -> Space:
    """Space that a TOML or JSON file describes.

    The file has ``name``, a section ``[variables]`` with a line for each variable, and perhaps
    ``forbidden``; a variable is a list of values, or a table such as ``{ordered = [2, 3, 4]}``,
    ``{choice = ["conv", "pool"], active = "depth >= 3"}`` or ``{ordered = [1, 64], steps = 4}``.
    Or it has ``kind``, ``"node-cell"`` or ``"genotypes"``, and the arguments of such a cell.

    Parameters
    ----------
    path : Path
        Ends in ``.toml`` or ``.json``.

    Raises
    ------
    StorageError, DataFileError
        If it cannot be read.
    SchemaError
        Naming the file and the variable that is wrong.
    """
    path = path.expanduser()
    if not is_space_file(path.name):
        raise ParameterError(f"the file of a space ends in .toml or .json, not {path.name!r}")
    remedy = "write the description again"
    if path.name.lower().endswith(".json"):
        spec = read_document(path, remedy=remedy)
    else:
        spec = parse_toml(read_text(path, remedy=remedy), str(path))
    of_kind = isinstance(spec.get("kind"), str)
    if not of_kind and not isinstance(spec.get("variables"), dict):
        raise SchemaError(
            f"{path} describes no space: it has no section [variables], with lines such as "
            'width = [16, 32] or op = ["conv", "pool"]'
        )
    spec = {"name": path.name.split(".")[0], **spec}
    try:
        return _of_kind(spec) if of_kind else from_spec(spec)
    except NasurgeError as error:
        raise SchemaError(f"{path}: {error}") from None


def check_space(owner: Any) -> None:
    """Refuse an estimator whose ``space``, which its constructor only stores, is not one.

    Raises
    ------
    ParameterError
        If it is something else, such as a name.
    """
    if not isinstance(owner.space, Space):
        raise ParameterError(
            f"{type(owner).__name__} is for a space, such as table.space or what "
            f"nasurge.make_space makes of its name; received {brief(owner.space)}"
        )
