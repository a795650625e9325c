"""Checkpoints: the state of a training in one file, written whole or not at all, never run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.files import atomic_write
from ...errors import DataFileError, ParameterError, StorageError

State = tuple[dict[str, Tensor], dict[str, Any]]


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description to one safetensors file, in place of an earlier one.

    Raises
    ------
    StorageError
        If it cannot be written; an earlier file is then untouched.
    """
    from safetensors.torch import save

    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as file:
        file.write(save(kept, metadata={"nasurge": json.dumps(about)}))


def read_checkpoint(path: Path) -> State | None:
    """Return tensors (on the CPU) and the description, or None if there is no file.

    Raises
    ------
    DataFileError
        If the file is no checkpoint of ours, or truncated.
    StorageError
        If it cannot be read.

    Examples
    --------
    >>> read_checkpoint(Path("nothing.safetensors")) is None
    True
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["nasurge"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise DataFileError(
            f"{path} is truncated or no checkpoint of NASurge ({error}): delete it, and the "
            "training begins anew"
        ) from error


def optimiser_state(optimiser: torch.optim.Optimizer) -> State:
    """Return an optimiser's tensors, by weight and name, and the rest of its state."""
    found = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for weight, state in found["state"].items():
        for name, value in state.items():
            kept: dict[str, Any] = tensors if isinstance(value, Tensor) else rest
            kept[f"{weight}.{name}"] = value
    return tensors, {"rest": rest, "groups": found["param_groups"]}


def load_optimiser_state(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Bring an optimiser over the same weights to the state that ``optimiser_state`` gave."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **about["rest"]}.items():
        weight, _, name = key.partition(".")
        state.setdefault(int(weight), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": about["groups"]})


def own_checkpoint(path: Path, about: Mapping[str, Any]) -> State | None:
    """Return tensors and state of a checkpoint of the same run, or None if there is no file.

    Raises
    ------
    ParameterError
        If it is of a run with other arguments.
    DataFileError, StorageError
        As ``read_checkpoint``.
    """
    if (found := read_checkpoint(path)) is None:
        return None
    known = found[1].get("about", {})
    if changed := [name for name in about if known.get(name) != about[name]]:
        raise ParameterError(
            f"{path} is the checkpoint of another run: {', '.join(changed)} differ; give the "
            "arguments it had, seed included, or another file"
        )
    return found


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
