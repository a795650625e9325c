"""The loop of every training: steps, checkpoints, and batches that the device has memory for.

A checkpoint is the state of a training in one file, written whole or not at all, never run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ...data.files import DAMAGED, atomic_write, parse_json
from ...data.files.limits import check_limit
from ...data.networks.failures import lacks_memory, said_of
from ...errors import (
    DataFileError,
    LimitError,
    NasurgeError,
    OutOfMemoryError,
    ParameterError,
    StorageError,
)

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and JSON values."""

_ABOUT, _CHECKSUM = "nasurge", "sha256"
_REMEDY = "delete it, and the training begins anew"
# What the first checkpoints of ``train_network`` told runs apart by; it stood beside the state.
_FIRST_IDENTITY = ("recipe", "seed", "images", "weights", "teacher")


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description to one safetensors file, in place of an earlier one.

    A checksum of both stands beside the description.

    Raises
    ------
    StorageError
        If it cannot be written; an earlier file is then untouched.
    """
    from safetensors.torch import save

    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(about)
    with atomic_write(path) as file:
        file.write(save(kept, metadata={_ABOUT: text, _CHECKSUM: _digest(text, kept)}))


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Checksum of a description and of tensors, their names, types and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.reshape(-1).clone(memory_format=torch.contiguous_format)  # of stride 1
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_checkpoint(path: Path) -> State | None:
    """Tensors (on the CPU) and description in a file, or None if there is no file.

    Raises
    ------
    DataFileError
        If the file is no checkpoint of ours, truncated, changed since it was written, or over the
        limits. Files of before there was a checksum are read without one.
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
        check_limit("memory", path.stat().st_size, str(path))
        with safe_open(path, framework="pt") as file:
            kept = dict(file.metadata())
            # Copies: what is mapped ends the process when the file is cut short.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        text, checksum = kept.pop(_ABOUT), kept.pop(_CHECKSUM, None)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except LimitError:
        raise
    except (SafetensorError, *DAMAGED) as error:
        raise DataFileError(
            f"{path} is truncated or no checkpoint of NASurge ({error}): {_REMEDY}"
        ) from error
    if kept or (checksum and checksum != _digest(text, tensors)):
        raise DataFileError(f"{path} was changed or damaged: its checksum does not fit: {_REMEDY}")
    return tensors, parse_json(text, str(path), remedy=_REMEDY)


def read_state(path: Path, identity: Mapping[str, Any]) -> State | None:
    """State of the same run that ``run_training`` kept, or None if there is no file.

    Parameters
    ----------
    path : Path
    identity : mapping
        The arguments of the run, as JSON values.

    Raises
    ------
    ParameterError
        If the file is of a run with other arguments.
    DataFileError, StorageError
        As ``read_checkpoint``.
    """
    if (checkpoint := read_checkpoint(path)) is None:
        return None
    try:
        tensors, about = _in_one_form(*checkpoint)
        # The first checkpoints of supernets did not keep all options: those are not compared.
        known = {"options": identity.get("options"), **about["about"]}
        state = dict(about["state"])
    except DAMAGED as error:
        raise _other_content(path, error) from error
    names = dict.fromkeys((*identity, *known))
    if changed := [name for name in names if known.get(name) != identity.get(name)]:
        raise ParameterError(
            f"{path} is the checkpoint of another run: {', '.join(changed)} differ; give the "
            "arguments it had, seed included, or another file"
        )
    return tensors, state


class Restored(Protocol):
    """What takes back its state."""

    def load(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Go on from a state."""


def restore(training: Restored, kept: State, path: Path) -> None:
    """Bring a training to the state that was read from a file.

    Raises
    ------
    DataFileError
        If it is the state of something else.
    """
    try:
        training.load(*kept)
    except torch.OutOfMemoryError:
        raise
    except NasurgeError:
        raise
    except DAMAGED as error:
        if lacks_memory(error):
            raise
        raise _other_content(path, error) from error


def _other_content(path: Path, error: BaseException) -> DataFileError:
    reason = f"{type(error).__name__}: {str(error)[:200]}"
    return DataFileError(f"{path} does not hold what this training keeps ({reason}): {_REMEDY}")


def _in_one_form(tensors: dict[str, Tensor], about: dict[str, Any]) -> State:
    """Checkpoint as ``run_training`` writes it, of one in a training's own form, as there were."""
    if "state" in about:
        return tensors, about
    identity = about.get("about", {k: about[k] for k in _FIRST_IDENTITY if k in about})
    renamed = {"generator" if name == "batches" else name: value for name, value in tensors.items()}
    return renamed, {"about": identity, "state": about.get("meta", about)}


def optimiser_state(optimiser: torch.optim.Optimizer) -> State:
    """Tensors of an optimiser, by weight and name, and the rest of its state."""
    state = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for weight, values in state["state"].items():
        for name, value in values.items():
            kept: dict[str, Any] = tensors if isinstance(value, Tensor) else rest
            kept[f"{weight}.{name}"] = value
    return tensors, {"rest": rest, "groups": state["param_groups"]}


def load_optimiser_state(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Bring an optimiser over the same weights to the state that ``optimiser_state`` gave."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **about["rest"]}.items():
        weight, _, name = key.partition(".")
        state.setdefault(int(weight), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": about["groups"]})


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under names that begin with ``prefix``."""
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


class Training(Protocol):
    """Something that is trained step by step, and whose state can be kept in a file.

    Attributes
    ----------
    diverged : bool
        Whether the loss became infinite or NaN, after which no step is left.
    """

    diverged: bool

    @property
    def over(self) -> bool:
        """Whether no step is left."""

    def step(self) -> None:
        """Take the next step, such as an epoch."""

    def state(self) -> State:
        """All that the steps left depend on."""

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""


Trained = TypeVar("Trained", bound=Training)


def run_training(
    make: Callable[[int], Trained],
    *,
    identity: Mapping[str, Any],
    batch_size: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Callable[[Trained], object] | None = None,
    rank: int | None = None,
) -> Trained:
    """Training after its last step, begun anew or gone on with from its checkpoint.

    A device that is out of memory is given the training again from its start with half the batch
    size, as often as it takes.

    Parameters
    ----------
    make : callable
        From a batch size to the training at its start, whatever was trained before.
    identity : mapping
        The arguments of the run, as JSON values: a checkpoint of others is refused.
    batch_size : int
        To begin with; 0 for a training without batches, of which nothing can be halved.
    device : str
        Whose memory it is.
    checkpoint : Path, optional
        File in which the state is kept. A training that was killed goes on from it and ends as if
        it had not been; it must be given the same arguments. One that is done is only read.
    checkpoint_seconds : float
        The state is written after a step when so long has passed, and after the last one; that of a
        training that diverged stays as it was before.
    progress : callable, optional
        Called with the training after every step.
    rank : int, optional
        Of this process, where several share every batch: the first one writes, and none halves its
        part of the batch alone.

    Raises
    ------
    ParameterError
        If the checkpoint is of another run.
    DataFileError, StorageError
        If the checkpoint is damaged, or cannot be written.
    OutOfMemoryError
        If the device has no memory for a batch of two images, naming the module.
    """
    kept = read_state(checkpoint, identity) if checkpoint else None
    begin = kept[1].get("batch_size", batch_size) if kept else batch_size
    file = checkpoint if not rank else None

    def attempt(size: int) -> Trained:
        training = make(size)
        if kept and checkpoint and size == begin:
            restore(training, kept, checkpoint)
        written = time.perf_counter()
        while not training.over:
            training.step()
            due = training.over or time.perf_counter() - written >= checkpoint_seconds
            if file and due and not training.diverged:
                tensors, state = training.state()
                write_checkpoint(file, tensors, {"about": identity, "state": state})
                written = time.perf_counter()
            if progress:
                progress(training)
        return training

    try:
        if not begin or rank is not None:
            return attempt(begin)
        return _in_memory(attempt, begin, device)
    except KeyboardInterrupt as stop:
        if checkpoint and checkpoint.exists():
            stop.add_note(f"{checkpoint} is kept; the same command again goes on from there")
        raise


def _in_memory(attempt: Callable[[int], Trained], batch_size: int, device: str) -> Trained:
    """What an attempt gives, with half the batch size whenever memory is short."""
    while True:
        try:
            return attempt(batch_size)
        except (RuntimeError, MemoryError) as error:
            if not lacks_memory(error):
                raise
            if batch_size < 4:
                raise OutOfMemoryError(
                    f"{device} has no memory to train this network on a batch of {batch_size} "
                    f"images{said_of(error)}: take a smaller network or another device"
                ) from error
        # Outside of the handler: the error holds on to what filled the memory.
        batch_size //= 2
        if device.startswith("cuda"):
            torch.cuda.empty_cache()


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """Checksum of tensors and their names, in 16 characters."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]
