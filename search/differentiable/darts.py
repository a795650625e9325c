"""Differentiable search on a supernet and real images: one loop for all relaxations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...benchmarks.supernet import Supernet, image_batches
from ...benchmarks.training import (
    below,
    load_optimiser_state,
    optimiser_state,
    own_checkpoint,
    write_checkpoint,
)
from ...data.images import Images
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Codes, Space
from ...errors import ParameterError, UnknownNameError
from .relaxations import METHODS, Relaxation, no_logits

COLLAPSED = 0.5


@dataclass(frozen=True)
class DifferentiableResult:
    """What a differentiable search found, and at what cost.

    Attributes
    ----------
    code : int8 array, shape (d,)
        The operation of the largest share everywhere; cuts are left out if they cut everything.
    architecture : str
    logits : float array, shape (d, k)
        To begin another search from.
    shares : float array, shape (d, k)
        Probabilities of the operations.
    losses : tuple of float
        Mean training loss of the mixtures, one per epoch.
    codes : int8 array, shape (epochs, d)
        What ``code`` would have been after each epoch.
    skip_share : float
        Share of the variables that chose a skip.
    collapsed : bool
        Whether more than half did: the known failure of such searches, as skips learn fastest.
    seconds : float
    steps : int
        Steps of the weights, as many of the logits.
    diverged : bool
        Whether the loss became infinite or NaN, which ended the search.
    """

    code: Codes
    architecture: str
    logits: NDArray[np.float64]
    shares: NDArray[np.float64]
    losses: tuple[float, ...]
    codes: Codes
    skip_share: float
    collapsed: bool
    seconds: float
    steps: int
    diverged: bool


class Watch(Protocol):
    """Looks at a search after each of its epochs but the last, and may give it other logits.

    Attributes
    ----------
    about : dict
        ``gate`` and ``donor``: what it is, in JSON values. Checkpoints of others are refused.
    found : dict
        What it has found, in JSON values. A checkpoint keeps it and gives it back.
    """

    about: dict[str, Any]
    found: dict[str, Any]

    def __call__(self, done: int) -> ArrayLike | None:
        """Return logits, shape (d, k), in place of those learnt in the epochs done, or None."""


def search_supernet(
    supernet: Supernet,
    images: Images,
    method: str = "drnas",
    *,
    logits: ArrayLike | None = None,
    epochs: int = 10,
    until: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 0.05,
    logit_rate: float = 0.01,
    weight_decay: float = 5e-4,
    clip: float = 5.0,
    flip: bool | None = None,
    shift: int | None = None,
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
) -> DifferentiableResult:
    """Learn the operations by gradient, with the weights of a supernet that learns beside them.

    A step of the weights on a batch of training images follows each step of the logits on a batch
    of validation images. The test part is not looked at.

    Parameters
    ----------
    supernet : Supernet
        Ends on ``device``, trained for the mixtures of this search.
    images : Images
    method : {"darts", "darts-2", "gdas", "drnas", "balenas", "ddpnas"}
        ``darts-2`` is DARTS of second order. ``gdas`` and ``ddpnas`` compute one path a step, the
        others all operations.
    logits : array_like, shape (d, k), optional
        To begin from, such as those of an earlier search: a warm start. By default all alike.
    epochs : int
        For which the schedules are made.
    until : int, optional
        End after so many of them: for searches of which a part may be enough.
    batch_size : int
    learning_rate, weight_decay : float
        Of the weights; cosine schedule, momentum 0.9.
    logit_rate : float
        Learning rate of the logits; ``ddpnas`` takes 30 times as much.
    clip : float
        The norm to which longer gradients of the weights are cut; 0 cuts none.
    flip, shift, device, seed
        As for ``train_supernet``.
    checkpoint : Path, optional
        File in which the state is kept after every epoch; a search that was killed goes on there
        and ends as if it had not been.
    progress : callable, optional
        Called with (epochs done, ``epochs``) after every epoch.
    watch : Watch, optional
        Called with the epochs done after every epoch but the last of ``epochs``. Logits that it
        returns take the place of those learnt so far.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    ParameterError
        If a number is outside its range, logits have another shape, or the checkpoint is of
        another search.
    DeviceError
        If ``device`` is not there.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=100), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
    >>> found = search_supernet(supernet, images, "gdas", epochs=1, seed=0, device="cpu")
    >>> found.logits.shape, found.steps, space.format([found.code]) == [found.architecture]
    ((6, 5), 2, True)
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    for name, value in {"learning_rate": learning_rate, "logit_rate": logit_rate}.items():
        if value <= 0:
            raise ParameterError(f"{name} must be above 0, not {value}")
    if min(epochs, until or 1) < 1 or batch_size < 2 or weight_decay < 0 or clip < 0:
        raise ParameterError(
            "epochs and until must be at least 1, batch_size at least 2, weight_decay and clip at "
            f"least 0, not {epochs}, {until}, {batch_size}, {weight_decay} and {clip}"
        )
    start = _start(supernet.space, logits)
    rng = as_generator(seed)
    drawn = int(rng.integers(2**63))
    order = int(rng.integers(2**63))
    batches = image_batches(supernet, images, batch_size, flip, shift, device, order)
    where = batches.y.device
    valid = torch.tensor(images.valid_x, device=where), torch.tensor(images.valid_y, device=where)
    rate = logit_rate * (30 if method == "ddpnas" else 1)
    relaxation = METHODS[method](start.to(where), steps=epochs * batches.steps, learning_rate=rate)
    loop = _Loop(supernet, relaxation, batches, valid, learning_rate, weight_decay, clip, epochs)
    about = {"method": method, "epochs": epochs, "batch_size": batch_size, "drawn": drawn}
    about |= {"rates": [learning_rate, logit_rate, weight_decay, clip], "images": images.name}
    about |= {"network": {"space": supernet.space.name, **supernet.sizes}}
    about |= {"start": np.nan_to_num(start.numpy(), neginf=-1e9).tolist()}
    about |= {"gate": None, "donor": None} | (watch.about if watch else {})
    found = watch.found if watch else {}
    with torch_seed(np.random.default_rng(drawn)):
        if checkpoint:
            loop.resume(checkpoint, about, found)
        while not loop.diverged and len(loop.losses) < min(epochs, until or epochs):
            loop.epoch()
            done = len(loop.losses)
            if watch and done < epochs and (given := watch(done)) is not None:
                relaxation.begin(_start(supernet.space, given))
            if checkpoint and not loop.diverged:
                loop.keep(checkpoint, about, found)
            if progress:
                progress(len(loop.losses), epochs)
    return loop.result()


def _start(space: Space, logits: ArrayLike | None) -> Tensor:
    """Return the logits to begin from."""
    empty = no_logits(space.cardinalities)
    if logits is None:
        return torch.from_numpy(empty)
    given = np.asarray(logits, dtype=np.float32)
    if given.shape != empty.shape or not np.isfinite(given[np.isfinite(empty)]).all():
        raise ParameterError(
            f"logits of space {space.name!r} are finite numbers of shape {empty.shape}, received "
            f"shape {given.shape}"
        )
    return torch.from_numpy(np.where(np.isfinite(empty), given, empty))


class _Loop:
    """One search at some epoch: supernet, relaxation, optimiser and what was measured so far."""

    def __init__(
        self,
        supernet: Supernet,
        relaxation: Relaxation,
        batches: Any,
        valid: tuple[Tensor, Tensor],
        learning_rate: float,
        weight_decay: float,
        clip: float,
        epochs: int,
    ) -> None:
        self.supernet, self.relaxation, self.batches = supernet, relaxation, batches
        self.valid, self.clip = valid, clip
        self.optimiser = torch.optim.SGD(
            supernet.parameters(), learning_rate, momentum=0.9, weight_decay=weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, epochs * batches.steps
        )
        self.losses: list[float] = []
        self.codes: list[list[int]] = []
        self.seconds, self.diverged = 0.0, False

    def loss(self, batch: tuple[Tensor, Tensor], mixture: Tensor, code: Codes | None) -> Tensor:
        """Return the loss of a mixture on a batch; the logits and their draws are on the CPU."""
        images, labels = batch
        logits = self.supernet(images, code, mixture=mixture.to(images.device))
        return functional.cross_entropy(logits, labels)

    def epoch(self) -> None:
        """Take as many steps as there are batches of training images."""
        start = time.perf_counter()
        self.supernet.train()
        weights = list(self.supernet.parameters())
        total = torch.zeros((), device=self.batches.y.device)
        for batch in self.batches.epoch():
            rows = torch.randint(len(self.valid[1]), (len(batch[1]),)).to(batch[1].device)
            held = self.valid[0][rows], self.valid[1][rows]
            if self.relaxation.second_order:
                self._look_ahead(batch, held)
            else:
                self.relaxation.learn(partial(self.loss, held))
            with torch.no_grad():
                mixture, code = self.relaxation.draw()
            loss = self.loss(batch, mixture, code)
            self.optimiser.zero_grad()
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            if self.clip:
                nn.utils.clip_grad_norm_(weights, self.clip)
            self.optimiser.step()
            self.schedule.step()
            total += loss.detach()
        mean = float(total) / self.batches.steps
        self.diverged = not np.isfinite(mean)
        self.losses.append(mean)
        self.codes.append(best_code(self.supernet.space, self.shares()).tolist())
        self.seconds += time.perf_counter() - start

    def shares(self) -> NDArray[np.float64]:
        """Return the probabilities of the operations."""
        found: NDArray[np.float64] = self.relaxation.shares().detach().double().cpu().numpy()
        return found

    def _look_ahead(self, batch: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]) -> None:
        """Learn the logits by the loss after one step of the weights (DARTS, equations 6 to 8)."""
        relaxation, rate = self.relaxation, float(self.optimiser.param_groups[0]["lr"])
        logits, weights = relaxation.logits, list(self.supernet.parameters())
        statistics = [buffer.clone() for buffer in self.supernet.buffers()]
        before = [weight.detach().clone() for weight in weights]
        ahead = self._gradients(batch, weights)
        _move(weights, ahead, -rate)
        direct, *pull = _filled(self.loss(held, *relaxation.draw()), [logits, *weights])
        norm = float(torch.stack([g.square().sum() for g in pull]).sum().sqrt())
        small = 0.01 / max(norm, 1e-12)
        sides = []
        for sign in (1.0, -1.0):
            _restore(weights, before)
            _move(weights, pull, sign * small)
            sides.append(self._gradients(batch, [logits])[0])
        _restore(weights, before)
        _restore(list(self.supernet.buffers()), statistics)
        relaxation.apply(direct - rate * (sides[0] - sides[1]) / (2 * small))

    def _gradients(self, batch: tuple[Tensor, Tensor], by: Sequence[Tensor]) -> list[Tensor]:
        """Return gradients of the training loss; zeros by what it does not depend on."""
        return _filled(self.loss(batch, *self.relaxation.draw()), by)

    def keep(self, path: Path, about: dict[str, Any], watched: dict[str, Any]) -> None:
        """Write all that the epochs left depend on, and what was found by watching."""
        tensors, rest = optimiser_state(self.optimiser)
        kept = {
            "batches": self.batches.generator.get_state(),
            "random": torch.get_rng_state(),
            **{f"network.{name}": value for name, value in self.supernet.state_dict().items()},
            **{f"optimiser.{name}": value for name, value in tensors.items()},
            **{f"relaxation.{name}": value for name, value in self.relaxation.state().items()},
        }
        state = {"about": about, "losses": self.losses, "seconds": self.seconds}
        state |= {"codes": self.codes, "watched": watched}
        state |= {"optimiser": rest, "schedule": self.schedule.state_dict()}
        write_checkpoint(path, kept, state)

    def resume(self, path: Path, about: dict[str, Any], watched: dict[str, Any]) -> None:
        """Go to where the checkpoint was written, if there is one, and fill in ``watched``."""
        if (found := own_checkpoint(path, about)) is None:
            return
        tensors, state = found
        self.batches.generator.set_state(tensors["batches"])
        torch.set_rng_state(tensors["random"])
        self.supernet.load_state_dict(below(tensors, "network."))
        load_optimiser_state(self.optimiser, below(tensors, "optimiser."), state["optimiser"])
        self.relaxation.load(below(tensors, "relaxation."))
        self.schedule.load_state_dict(state["schedule"])
        self.losses, self.seconds = list(state["losses"]), state["seconds"]
        self.codes = list(state["codes"])
        watched.update(state.get("watched", {}))  # files of before have none

    def result(self) -> DifferentiableResult:
        """Return what was found."""
        space = self.supernet.space
        shares = self.shares()
        code = best_code(space, shares)
        kinds = np.array([operation.kind for operation in space.operations])
        skips = float((kinds[code] == "skip").mean())
        return DifferentiableResult(
            code=code,
            architecture=space.format([code])[0],
            logits=self.relaxation.logits.detach().double().cpu().numpy(),
            shares=shares,
            losses=tuple(self.losses),
            codes=np.array(self.codes, dtype=np.int8).reshape(-1, len(code)),
            skip_share=skips,
            collapsed=skips > COLLAPSED,
            seconds=self.seconds,
            steps=len(self.losses) * self.batches.steps,
            diverged=self.diverged,
        )


def _filled(loss: Tensor, by: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of a loss; zeros by what it does not depend on."""
    found = torch.autograd.grad(loss, by, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(by, found, strict=True)]


@torch.no_grad()
def _move(weights: Sequence[Tensor], directions: Sequence[Tensor], by: float) -> None:
    for weight, direction in zip(weights, directions, strict=True):
        weight.add_(direction, alpha=by)


@torch.no_grad()
def _restore(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)


def best_code(space: Space, shares: NDArray[np.float64]) -> Codes:
    """Return the operation of the largest share everywhere, without cuts if they cut everything.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> best_code(make_space("nb201"), np.tile([0.4, 0.1, 0.3, 0.2, 0.0], (6, 1))).tolist()
    [2, 2, 2, 2, 2, 2]
    """
    code: Codes = shares.argmax(axis=1).astype(np.int8)
    if space.graphs(code[None]).mask[0, 2:].any():
        return code
    cuts = np.array([operation.kind == "zero" for operation in space.operations])
    live: Codes = np.where(cuts, -np.inf, shares).argmax(axis=1).astype(np.int8)
    return live
