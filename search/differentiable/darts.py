"""Differentiable search on a supernet and real images, by all rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...benchmarks.supernet import SharedWeights
from ...benchmarks.training import (
    EpochTraining,
    State,
    epochs_shown,
    run_training,
    with_changes,
    with_prefix,
    without_prefix,
)
from ...data.arguments import InShort, checked
from ...data.devices import resolve_device
from ...data.images import Images
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Codes, Space
from ...errors import ParameterError, UnknownNameError
from .options import RULES, DifferentiableOptions, Gate
from .relaxations import MIXTURES, Loss, MixtureRule, no_logits

COLLAPSED = 0.5


@dataclass(frozen=True, repr=False)
class DifferentiableResult(InShort):
    """Architecture that a differentiable search found, and its cost.

    Attributes
    ----------
    code : int array, shape (d,)
        The operation of the largest share everywhere; cuts are left out if they cut everything.
    architecture : str
    logits : float array, shape (d, k)
        To begin another search from.
    shares : float array, shape (d, k)
        Probabilities of the operations.
    losses : tuple of float
        Mean training loss of the mixtures, one per epoch.
    codes : int array, shape (epochs, d)
        The same after each epoch.
    skip_share : float
        Share of the variables that chose a skip.
    collapsed : bool
        Whether more than half did: the known failure of such searches, as skips learn fastest.
    seconds : float
    steps : int
        Steps of the weights, as many of the logits.
    diverged : bool
        Whether the loss became infinite or NaN, which ended the search.
    accepted : bool
        Whether the gate let the donor pass; False without a gate.
    beaten : float
        Share of the random architectures that the donor's equalled or beat; NaN without a gate.
    gate_seconds : float
        Processor time of the gate.
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
    accepted: bool = False
    beaten: float = np.nan
    gate_seconds: float = 0.0


@checked
def search_supernet(
    supernet: SharedWeights,
    images: Images,
    method: str = "drnas",
    options: DifferentiableOptions | None = None,
    *,
    logits: ArrayLike | None = None,
    gate: Gate | None = None,
    until: int | None = None,
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> DifferentiableResult:
    """Architecture whose operations are learnt by gradient, beside the weights of a supernet.

    A step of the weights on a batch of training images follows each step of the logits on a batch
    of validation images. The test part is not looked at.

    Parameters
    ----------
    supernet : Supernet or ModuleSupernet
        Ends on ``device``, trained for the mixtures of this search.
    images : Images
    method : {"darts", "darts-2", "gdas", "drnas", "balenas", "ddpnas"}
        ``darts-2`` is DARTS of second order. ``gdas`` and ``ddpnas`` compute one path a step, the
        others all operations.
    options : DifferentiableOptions, optional
        Epochs, batches and learning rates.
    logits : array_like, shape (d, k), optional
        To begin from, such as ``transferred_logits`` of earlier searches: a warm start. By default
        all alike.
    gate : Gate, optional
        To begin cold, and to take the logits in place of those learnt if they pass it. By default
        they are trusted from the first step on.
    until : int, optional
        End after so many of the epochs: for searches of which a part may be enough.
    device, seed
        As for ``train_supernet``.
    checkpoint : Path, optional
        As for ``run_training``; written after every epoch.
    progress : callable, optional
        Called with (epochs done, ``epochs``) after every epoch.
    **changes
        Fields of the options to have other values, such as ``epochs=2``.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    ParameterError
        If a number is outside its range, logits have another shape, the gate would come after the
        last epoch, and never be asked, the images are not those of the network, or the method
        mixes values and a model has a variable whose values cannot be mixed, naming it.
    NasurgeError
        As ``run_training``.

    Examples
    --------
    >>> from nasurge.benchmarks.supernet import Supernet
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=100), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
    >>> found = search_supernet(supernet, images, "gdas", epochs=1, seed=0, device="cpu")
    >>> found.logits.shape, found.steps, space.format([found.code]) == [found.architecture]
    ((6, 5), 2, True)
    >>> donor = np.log([[0.1, 0.1, 0.1, 0.6, 0.1]] * 6)
    >>> settings = {"logits": donor, "gate": Gate(after=1, beaten=0), "epochs": 2}
    >>> found = search_supernet(supernet, images, "gdas", seed=0, device="cpu", **settings)
    >>> found.accepted, found.architecture.count("nor_conv_3x3")
    (True, 6)
    """
    if method not in RULES:
        raise UnknownNameError("method", method, RULES)
    options = with_changes(options or DifferentiableOptions(), changes, "a differentiable search")
    if until is not None and until < 1:
        raise ParameterError(f"until must be at least 1, not {until}")
    supernet.check_images(images)
    if MIXTURES[method].mixes:
        supernet.require_mixable()
    donor = None if gate is None else _Donor(gate, supernet, images, logits, options.epochs, seed)
    start, rng = _start_logits(supernet.space, logits if gate is None else None), as_generator(seed)
    drawn, order = int(rng.integers(2**63)), int(rng.integers(2**63))
    device = resolve_device(device)
    supernet.to(device)
    first = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    labels = torch.tensor(images.valid_y, device=device)
    valid = torch.tensor(images.valid_x, device=device), labels
    rates = [options.learning_rate, options.logit_rate, options.weight_decay, options.clip]
    identity = {"method": method, "epochs": options.epochs, "batch_size": options.batch_size}
    identity |= {"drawn": drawn, "rates": rates, "images": images.name}
    identity |= {"network": {"space": supernet.space.name, **supernet.sizes}}
    identity |= {"start": np.nan_to_num(start.numpy(), neginf=-1e9).tolist()}
    names = ("flip", "shift", "channels_last")
    identity |= {"options": {name: getattr(options, name) for name in names}}
    identity |= {"gate": gate and asdict(gate), "donor": donor and donor.about}

    with torch_seed(np.random.default_rng(drawn)):
        random = torch.get_rng_state()

        def make(size: int) -> DifferentiableTraining:
            supernet.load_state_dict(first)
            torch.set_rng_state(random)
            training = DifferentiableTraining(
                supernet, images, options, size, clip=options.clip, seed=order, device=device
            )
            rate = options.logit_rate * (30 if method == "ddpnas" else 1)
            steps = options.epochs * training.batches.steps
            training.mixture = MIXTURES[method](start.to(device), steps=steps, learning_rate=rate)
            training.valid, training.donor = valid, donor
            training.until = until or options.epochs
            return training

        training = run_training(
            make,
            identity=identity,
            batch_size=options.batch_size,
            device=device,
            checkpoint=checkpoint,
            checkpoint_seconds=0.0,
            progress=epochs_shown(progress),
        )
    return training.result()


def _start_logits(space: Space, logits: ArrayLike | None) -> Tensor:
    """Logits to begin from, shape (d, k)."""
    empty = no_logits(space.cardinalities)
    if logits is None:
        return torch.from_numpy(empty)
    values = np.asarray(logits, dtype=np.float32)
    if values.shape != empty.shape or not np.isfinite(values[np.isfinite(empty)]).all():
        raise ParameterError(
            f"logits of space {space.name!r} are finite numbers of shape {empty.shape}, received "
            f"shape {values.shape}"
        )
    return torch.from_numpy(np.where(np.isfinite(empty), values, empty))


class _Donor:
    """Logits of other tasks that a search is offered at a gate."""

    def __init__(
        self,
        gate: Gate,
        supernet: SharedWeights,
        images: Images,
        logits: ArrayLike | None,
        epochs: int,
        seed: Seed,
    ) -> None:
        if logits is None:
            raise ParameterError("a gate tests the logits of a donor: give logits=")
        if gate.after >= epochs:
            raise ParameterError(
                f"a gate after {gate.after} epochs is never asked in a search of {epochs}: give "
                "the gate a lower after, or the search more epochs"
            )
        self.gate, self.supernet, self.images = gate, supernet, images
        self.start = _start_logits(supernet.space, logits)
        values = np.asarray(logits, dtype=np.float64)
        self.about = np.nan_to_num(values, neginf=-1e9).tolist()
        # The order of the logits is all that an architecture takes of them.
        own = best_code(supernet.space, np.exp(values))
        rivals = supernet.space.sample(gate.rivals, seed=seed)
        self.codes = np.concatenate([own[None], rivals])
        self.verdict: dict[str, Any] = {"accepted": False, "beaten": np.nan, "gate_seconds": 0.0}

    def passes(self) -> bool:
        """Whether the donor's architecture beats enough random ones with the weights so far."""
        begin = time.process_time()
        ranked = self.supernet.evaluate(
            self.codes, self.images, limit=self.gate.limit, calibration=0
        )
        beaten = float((ranked.accuracy[1:] <= ranked.accuracy[0]).mean())
        accepted = beaten >= self.gate.beaten
        self.verdict |= {"accepted": accepted, "beaten": beaten}
        self.verdict["gate_seconds"] = time.process_time() - begin
        return accepted


class DifferentiableTraining(EpochTraining):
    """One search at some epoch: supernet, mixture, optimisers and losses so far."""

    nesterov = False
    network: SharedWeights
    mixture: MixtureRule
    valid: tuple[Tensor, Tensor]
    until: int
    donor: _Donor | None

    def __init__(self, *network: Any, **options: Any) -> None:
        super().__init__(*network, **options)
        self.codes: list[list[int]] = []

    @property
    def over(self) -> bool:
        """Whether no epoch is left."""
        return super().over or len(self.losses) >= self.until

    def loss(self, batch: tuple[Tensor, Tensor], weights: Tensor, code: Codes | None) -> Tensor:
        """Loss of a mixture on a batch."""
        images, labels = batch
        logits = self.network(images, code, mixture=weights.to(images.device))
        return functional.cross_entropy(logits, labels)

    def batch_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """Loss of a step of the weights, after one of the logits on validation images."""
        rows = torch.randint(len(self.valid[1]), (len(y),)).to(y.device)
        held = self.valid[0][rows], self.valid[1][rows]
        if self.mixture.second_order:
            rate = float(self.optimiser.param_groups[0]["lr"])
            losses = partial(self.loss, (x, y)), partial(self.loss, held)
            self.mixture.apply(gradient_ahead(self.network, self.mixture, *losses, rate=rate))
        else:
            self.mixture.learn(partial(self.loss, held))
        with torch.no_grad():
            weights, code = self.mixture.draw()
        yield self.loss((x, y), weights, code)

    def step(self) -> None:
        """Take as many steps as there are batches of training images, and test a donor then."""
        super().step()
        self.codes.append(best_code(self.network.space, self.shares()).tolist())
        done = len(self.losses)
        if self.donor and done == self.donor.gate.after and self.donor.passes():
            self.mixture.restart(self.donor.start)

    def shares(self) -> NDArray[np.float64]:
        """Probabilities of the operations, shape (d, k)."""
        shares: NDArray[np.float64] = self.mixture.shares().detach().double().cpu().numpy()
        return shares

    def state(self) -> State:
        """All that the epochs left depend on, and the verdict on a donor."""
        tensors, about = super().state()
        tensors |= {"random": torch.get_rng_state()}
        tensors |= with_prefix("relaxation.", self.mixture.state())
        return tensors, {
            **about,
            "codes": self.codes,
            "watched": self.donor.verdict if self.donor else {},
        }

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""
        super().load(tensors, about)
        torch.set_rng_state(tensors["random"])
        self.mixture.load(without_prefix("relaxation.", tensors))
        self.codes = list(about["codes"])
        if self.donor:
            self.donor.verdict.update(about.get("watched", {}))  # the first files have none

    def result(self) -> DifferentiableResult:
        """Architecture of the largest shares, and the cost of the search."""
        space = self.network.space
        shares = self.shares()
        code = best_code(space, shares)
        active = space.active(code[None])[0]
        skips = float(_passing(space)[np.arange(len(code)), code][active].mean())
        return DifferentiableResult(
            code=code,
            architecture=space.format([code])[0],
            logits=self.mixture.logits.detach().double().cpu().numpy(),
            shares=shares,
            losses=tuple(self.losses),
            codes=np.array(self.codes, dtype=code.dtype).reshape(-1, len(code)),
            skip_share=skips,
            collapsed=skips > COLLAPSED,
            seconds=self.seconds,
            steps=self.steps,
            diverged=self.diverged,
            **(self.donor.verdict if self.donor else {}),
        )


def gradient_ahead(
    network: nn.Module, mixture: MixtureRule, loss: Loss, valid_loss: Loss, *, rate: float
) -> Tensor:
    """Gradient of the validation loss after a step of the weights by the logits, shape (d, k).

    Parameters
    ----------
    network : torch.nn.Module
        Left as it was.
    mixture : MixtureRule
    loss, valid_loss : callable
        Of a training and a validation batch, from a mixture and a path.
    rate : float
        Learning rate of the step.

    References
    ----------
    H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable architecture search. ICLR 2019, equations
    6 to 8.
    """
    logits, weights = mixture.logits, list(network.parameters())
    statistics = [buffer.clone() for buffer in network.buffers()]
    before = [weight.detach().clone() for weight in weights]
    _move(weights, _gradients(loss(*mixture.draw()), weights), -rate)
    direct, *pull = _gradients(valid_loss(*mixture.draw()), [logits, *weights])
    # The product with the Hessian is the difference between gradients at weights a little to
    # either side; the distance is that of the paper.
    norm = float(torch.stack([g.square().sum() for g in pull]).sum().sqrt())
    small = 0.01 / max(norm, 1e-12)
    sides = []
    for sign in (1.0, -1.0):
        _restore(weights, before)
        _move(weights, pull, sign * small)
        sides.append(_gradients(loss(*mixture.draw()), [logits])[0])
    _restore(weights, before)
    _restore(list(network.buffers()), statistics)
    return direct - rate * (sides[0] - sides[1]) / (2 * small)


def _gradients(loss: Tensor, by: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a loss by some tensors; zeros where it does not depend on one."""
    gradients = torch.autograd.grad(loss, by, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(by, gradients, strict=True)]


@torch.no_grad()
def _move(weights: Sequence[Tensor], directions: Sequence[Tensor], by: float) -> None:
    for weight, direction in zip(weights, directions, strict=True):
        weight.add_(direction, alpha=by)


@torch.no_grad()
def _restore(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)


@checked
def best_code(space: Space, shares: NDArray[np.float64]) -> Codes:
    """Operation of the largest share everywhere, without cuts if they cut everything, shape (d,).

    Variables that have no effect under these values have their one value.

    Raises
    ------
    ParameterError
        If the shares are not of shape (d, k).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> best_code(make_space("nb201"), np.tile([0.4, 0.1, 0.3, 0.2, 0.0], (6, 1))).tolist()
    [2, 2, 2, 2, 2, 2]
    """
    shares, shape = np.asarray(shares), (space.n_variables, max(space.cardinalities))
    if shares.shape != shape:
        raise ParameterError(
            f"shares have shape {shape}, a row for each variable of space {space.name!r}; received "
            f"{shares.shape}"
        )
    code: Codes = space.without_inactive(shares.argmax(axis=1).astype(space.dtype)[None])[0]
    if space.cell is None or space.graphs(code[None]).mask[0, 2:].any():
        return code
    cuts = np.array([operation.kind == "zero" for operation in space.operations[: shape[1]]])
    live: Codes = np.where(cuts, -np.inf, shares).argmax(axis=1).astype(space.dtype)
    return live


def _passing(space: Space) -> NDArray[np.bool_]:
    """Whether each value of each variable is a skip, shape (d, k)."""
    most = max(space.cardinalities)
    if space.model is None:
        kinds = [operation.kind == "skip" for operation in space.operations[:most]]
        return np.tile(kinds, (space.n_variables, 1))
    return np.array(
        [
            [k < len(values) and values[k] in skips for k in range(most)]
            for values, skips in zip(space.choices, space.skips, strict=True)
        ]
    )
