"""Fitted predictors as one file: JSON and arrays in a safetensors container, never a pickle.

What a predictor learnt is written value by value; each kind of value is named in the JSON and is
read back by the code for that kind. Classes are only those with a name in ``names``, of a plug-in's
own package, of torch's layers and of a short list; scikit-learn's estimators go through ``skops``,
which builds none that is not on its list or ours.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...data.files import atomic_write
from ...data.spaces import Space, stored_space
from ...errors import DataFileError, DeviceError, LimitError, ParameterError
from .archives import read_archive, write_archive
from .contents import (
    FORMAT,
    KEY,
    contents_digest,
    installed_versions,
    read_contents,
    versions_text,
)
from .names import NAMES, OLD_NAMES, PLACES, class_path
from .structure import check_threads, check_xgboost

if TYPE_CHECKING:  # predictors save themselves: their base imports this module
    pass

_LAYERS = ("torch.nn.modules", "torch_geometric.nn")
# Containers of scikit-learn that may hold encoders of ours, which know a space.
_COMPOSITES = (
    "sklearn.pipeline:FeatureUnion",
    "sklearn.pipeline:Pipeline",
    "sklearn.ensemble._stacking:StackingRegressor",
)
_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_PROBES = 16
_VALUE_KINDS = frozenset(
    (
        *("array", "scalar", "list", "tuple", "record", "dict", "generator", "space", "class"),
        *("predictor", "object", "xgboost", "tensor", "parameter", "module", "skops"),
    )
)


class Savable:
    """A scikit-learn estimator over a space whose learnt state a file can hold.

    Predictors inherit it: what is written and read is told by this class, so that this module needs
    none of theirs.
    """

    space: Space

    if TYPE_CHECKING:

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Parameters by name, as scikit-learn's estimators have it."""

    def _state(self) -> dict[str, Any]:
        """What ``fit`` learnt, by name: values that a writer knows."""
        return {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.startswith("_")
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        """Take back what ``_state`` returned."""
        self.__dict__.update(state)


Found = TypeVar("Found", bound=Savable)


def write_predictor(path: Path, predictor: Any) -> None:
    """Write a fitted predictor to one file, whole or not at all.

    Raises
    ------
    ParameterError
        If a parameter or something learnt is of a kind that cannot be saved.
    StorageError
        If the file cannot be written; an earlier one is then untouched.
    """
    from safetensors.numpy import save

    writer = _Writer(_packages(class_path(type(predictor))))
    probes = predictor.space.sample(_PROBES, seed=0)
    about = {
        "format": FORMAT,
        "made_with": installed_versions(),
        "predictor": writer.write(predictor, type(predictor).__name__),
        "probes": writer.array(np.asarray(predictor.predict(probes))),
    }
    about["sha256"] = contents_digest(about, writer.arrays)
    with atomic_write(path) as file:
        file.write(save(writer.arrays, metadata={KEY: json.dumps(about)}))


def read_predictor(path: Path, find: Callable[[str], type[Found]]) -> Found:
    """Predictor in a file.

    Parameters
    ----------
    path : Path
    find : callable
        From a name in files to a predictor's class; raises ``LookupError`` if there is none.

    Raises
    ------
    DataFileError
        If the file is none of ours, truncated, changed, of another format, names a class that is
        not here, or scores otherwise here than where it was saved.
    DeviceError
        If it was saved with a device by name that is not here.
    StorageError
        If it cannot be read.
    """
    about, arrays = read_contents(path)
    made_with = versions_text(about["made_with"])
    name = _current(about["predictor"]["class"])
    try:
        cls = find(name)
    except LookupError:
        raise DataFileError(
            f"{path} holds a predictor {name}, which is not among: nasurge predictors; install "
            f"the package it comes from (it was saved with {made_with})"
        ) from None
    try:
        predictor: Any = _Reader(arrays, _packages(class_path(cls))).read(about["predictor"])
        expected = arrays[about["probes"]["name"]]
        found = predictor.predict(predictor.space.sample(len(expected), seed=0))
        # One that transfers may be saved before it has labels of its own.
        tolerance = 1e-3 * float(np.std(getattr(predictor, "fitted_labels_", expected)))
    except (DeviceError, LimitError):
        raise
    except Exception as error:
        raise DataFileError(
            f"{path} cannot be read here ({type(error).__name__}: {error}); it was saved with "
            f"{made_with}, here are {versions_text(installed_versions())}"
        ) from error
    if not np.allclose(found, expected, rtol=1e-5, atol=tolerance):
        raise DataFileError(
            f"{path} scores otherwise than when it was saved, with {made_with}; "
            f"here are {versions_text(installed_versions())}: fit it again"
        )
    found_again: Found = predictor
    return found_again


def _packages(where: str) -> tuple[str, ...]:
    """Package of a plug-in, whose classes its files may name; of ours they name only aliases."""
    own = where.partition(":")[0].partition(".")[0]
    return () if own == "nasurge" else (own,)


def _is_within(where: str, packages: tuple[str, ...]) -> bool:
    module = where.partition(":")[0]
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _name(cls: type[Any], packages: tuple[str, ...]) -> str | None:
    """Name of a class in files; None of one that no file may hold."""
    where = class_path(cls)
    allowed = where in _COMPOSITES or _is_within(where, packages)
    return NAMES.get(where, where if allowed else None)


def _current(name: str) -> str:
    """Name of a class in files of this format."""
    return OLD_NAMES.get(name, name)


class _Writer:
    """Turns values into JSON; arrays are put aside."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._packages = packages

    def array(self, value: NDArray[Any]) -> dict[str, Any]:
        """Reference to an array that is put aside."""
        name = f"a{len(self.arrays)}"
        # The layout decides in which order a product is summed, so that it is kept.
        turned = value.flags.f_contiguous and not value.flags.c_contiguous
        self.arrays[name] = np.ascontiguousarray(value.T if turned else value)
        return {"kind": "array", "name": name, "shape": list(value.shape), "turned": turned}

    def write(self, value: Any, place: str) -> Any:
        """JSON of a value; ``place`` is its name in an error."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
            items = [self.write(item, f"{place}[{k}]") for k, item in enumerate(value)]
            return {"kind": type(value).__name__, "items": items}
        name = _name(type(value), self._packages)
        if name and isinstance(value, tuple) and hasattr(value, "_fields"):
            items = [self.write(item, f"{place}[{k}]") for k, item in enumerate(value)]
            return {"kind": "record", "class": name, "items": items}
        if isinstance(value, dict):
            pairs = [
                [self.write(key, place), self.write(item, f"{place}[{key!r}]")]
                for key, item in value.items()
            ]
            return {"kind": "dict", "items": pairs}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            return self.array(value)
        if isinstance(value, np.generic) and value.dtype.kind in "biuf":
            return {**self.array(np.asarray(value)), "kind": "scalar"}
        if isinstance(value, np.random.Generator):
            return {"kind": "generator", "state": self.write(value.bit_generator.state, place)}
        if isinstance(value, Space):
            return {"kind": "space", "spec": value.spec()}
        learner = isinstance(value, type) and issubclass(value, Savable)
        if learner and (named := _name(value, self._packages)):
            return {"kind": "class", "class": named}
        return self._object(value, name, place)

    def _object(self, value: Any, name: str | None, place: str) -> dict[str, Any]:
        cls = type(value)
        if isinstance(value, Savable):
            if name is None or "<locals>" in name:
                raise ParameterError(
                    f"{place} is a {cls.__name__}, which cannot be found again by name: register "
                    "it as a plug-in (entry point nasurge.predictors)"
                )
            return {
                "kind": "predictor",
                "class": name,
                "parameters": self._fields(value.get_params(deep=False), place),
                "state": self._fields(value._state(), place),  # noqa: SLF001 -- our base class
            }
        if cls.__module__.startswith("xgboost."):
            return self._xgboost(value, place)
        if _is_torch(cls):
            return self._torch(value, place)
        if name is not None:
            return {"kind": "object", "class": name, "state": self._fields(vars(value), place)}
        return self._foreign(value, place)

    def _fields(self, fields: Mapping[str, Any], place: str) -> dict[str, Any]:
        return {name: self.write(item, f"{place}.{name}") for name, item in fields.items()}

    def _xgboost(self, value: Any, place: str) -> dict[str, Any]:
        parameters = {
            name: item
            for name, item in value.get_params().items()
            if item is None or type(item) in (bool, int, float, str)
        }
        if type(value).__name__ != "XGBRegressor":
            raise ParameterError(f"{place} is a {type(value).__name__}: only XGBRegressor is saved")
        fitted = hasattr(value, "_Booster")
        model = np.frombuffer(value.get_booster().save_raw("json"), np.uint8) if fitted else None
        return {
            "kind": "xgboost",
            "parameters": self._fields(parameters, place),
            "model": None if model is None else self.array(model),
        }

    def _torch(self, value: Any, place: str) -> dict[str, Any]:
        import torch

        if isinstance(value, torch.Tensor):
            array = self.array(value.detach().cpu().numpy())
            learnt = isinstance(value, torch.nn.Parameter)
            return {**array, "kind": "parameter" if learnt else "tensor"}
        name = _name(type(value), (*self._packages, *_LAYERS))
        if name is None or not isinstance(value, torch.nn.Module):
            raise ParameterError(f"{place} is a {class_path(type(value))}, which cannot be saved")
        fields = {
            name: item
            for name, item in vars(value).items()
            if name not in vars(torch.nn.Module()) or name == "training"
        }
        parts = {part: dict(vars(value)[part]) for part in _PARTS}
        return {"kind": "module", "class": name, "state": self._fields(fields | parts, place)}

    def _foreign(self, value: Any, place: str) -> dict[str, Any]:
        try:
            data, unknown = write_archive(value)
        except Exception as error:
            raise ParameterError(
                f"{place} is a {class_path(type(value))}, which cannot be saved: {error}"
            ) from error
        if unknown:
            raise ParameterError(
                f"{place} holds what cannot be saved: {', '.join(sorted(unknown))}"
            )
        return {"kind": "skops", "data": self.array(np.frombuffer(data, np.uint8))}


_PARTS = ("_parameters", "_buffers", "_modules")


def _is_torch(cls: type[Any]) -> bool:
    """Whether a class is a tensor or a layer, without importing torch for the answer."""
    return any(parent.__module__.startswith("torch.") for parent in cls.__mro__) or (
        cls.__module__ == "torch" and cls.__name__ == "Tensor"
    )


class _Reader:
    """Turns JSON and arrays back into values; nothing that is not on a list is built."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], packages: tuple[str, ...]) -> None:
        self._arrays = arrays
        self._packages = packages

    def read(self, value: Any) -> Any:
        """Value that a writer wrote."""
        if not isinstance(value, dict):
            return value
        kind = value["kind"]
        if kind not in _VALUE_KINDS:
            raise DataFileError(f"it holds a value of kind {kind!r}")
        read: Callable[[dict[str, Any]], Any] = getattr(self, f"_read_{kind}")
        return read(value)

    def _fields(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.read(item) for name, item in value.items()}

    def _class(self, name: str, packages: tuple[str, ...]) -> type[Any]:
        where = PLACES.get(_current(name), name)
        if where not in NAMES and where not in _COMPOSITES and not _is_within(where, packages):
            raise DataFileError(f"it names {name}, which is not on the list")
        module, _, attribute = where.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, type) or class_path(found) != where:
            raise DataFileError(f"it names {name}, which is no class of its module")
        return found

    def _read_array(self, value: dict[str, Any]) -> NDArray[Any]:
        array = self._arrays[value["name"]]
        return (array.T if value["turned"] else array).reshape(value["shape"])

    def _read_scalar(self, value: dict[str, Any]) -> Any:
        return self._read_array(value)[()]

    def _read_list(self, value: dict[str, Any]) -> list[Any]:
        return [self.read(item) for item in value["items"]]

    def _read_tuple(self, value: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(self.read(item) for item in value["items"])

    def _read_record(self, value: dict[str, Any]) -> tuple[Any, ...]:
        cls = self._class(value["class"], self._packages)
        if not issubclass(cls, tuple):
            raise DataFileError(f"{value['class']} is no named tuple")
        record: tuple[Any, ...] = cls(*(self.read(item) for item in value["items"]))
        return record

    def _read_dict(self, value: dict[str, Any]) -> dict[Any, Any]:
        return {self.read(key): self.read(item) for key, item in value["items"]}

    def _read_generator(self, value: dict[str, Any]) -> np.random.Generator:
        state = self.read(value["state"])
        if state["bit_generator"] not in _BIT_GENERATORS:
            raise DataFileError(f"it names a random generator {state['bit_generator']!r}")
        bits = getattr(np.random, state["bit_generator"])()
        bits.state = state
        return np.random.Generator(bits)

    def _read_space(self, value: dict[str, Any]) -> Space:
        return stored_space(value["spec"])

    def _read_class(self, value: dict[str, Any]) -> type[Any]:
        return self._class(value["class"], self._packages)

    def _read_predictor(self, value: dict[str, Any]) -> Savable:
        cls = self._class(value["class"], self._packages)
        if not issubclass(cls, Savable):
            raise DataFileError(f"{value['class']} is no predictor")
        predictor: Savable = cls(**self._fields(value["parameters"]))
        state = self._fields(value["state"])
        if "device_" in state:
            state = _on_device(state, predictor)
        predictor._set_state(state)  # noqa: SLF001 -- our base class
        return predictor

    def _read_object(self, value: dict[str, Any]) -> Any:
        cls = self._class(value["class"], self._packages)
        made = object.__new__(cls)
        vars(made).update(self._fields(value["state"]))
        return made

    def _read_xgboost(self, value: dict[str, Any]) -> Any:
        from xgboost import XGBRegressor

        parameters = self._fields(value["parameters"])
        check_threads(parameters)
        made = XGBRegressor(**parameters)
        if value["model"] is not None:
            model = self.read(value["model"]).tobytes()
            check_xgboost(model)
            made.load_model(bytearray(model))
        return made

    def _read_tensor(self, value: dict[str, Any]) -> Any:
        import torch

        return torch.from_numpy(self._read_array(value).copy())

    def _read_parameter(self, value: dict[str, Any]) -> Any:
        import torch

        tensor = self._read_tensor(value)
        return torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point())

    def _read_module(self, value: dict[str, Any]) -> Any:
        import torch

        cls = self._class(value["class"], (*self._packages, *_LAYERS))
        if not issubclass(cls, torch.nn.Module):
            raise DataFileError(f"{value['class']} is no layer")
        fields = self._fields(value["state"])
        module = object.__new__(cls)
        torch.nn.Module.__init__(module)
        for part in _PARTS:
            vars(module)[part].update(fields.pop(part))
        vars(module).update(fields)
        return module

    def _read_skops(self, value: dict[str, Any]) -> Any:
        return read_archive(self.read(value["data"]).tobytes())


def _on_device(state: dict[str, Any], predictor: Any) -> dict[str, Any]:
    """State with its tensors and layers on a device of this machine."""
    import torch

    from ...data.devices import resolve_device

    device = resolve_device(getattr(predictor, "device", "auto"))
    moved = {
        name: item.to(device) if isinstance(item, (torch.Tensor, torch.nn.Module)) else item
        for name, item in state.items()
    }
    return {**moved, "device_": device}
