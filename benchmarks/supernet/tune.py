"""A few steps of training from inherited weights: how fast a sub-network goes on from there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional

from ...data.images import Images
from ...errors import ParameterError
from .network import Supernet
from .train import image_batches

_WARM = 5  # steps in which the learning rate rises


def tuned_losses(
    supernet: Supernet,
    codes: ArrayLike,
    images: Images,
    *,
    steps: int = 120,
    batch_size: int = 32,
    learning_rate: float = 0.05,
    weight_decay: float = 5e-4,
    flip: bool | None = None,
    shift: int | None = None,
    channels_last: bool = False,
    device: str = "auto",
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the mean training loss of sub-networks over a few steps from inherited weights.

    Inherited weights suit all paths a little and none well. A hundred steps let each sub-network
    show how fast it learns with its own; the sum of training losses is known to rank networks
    sooner than their accuracy does. All see the same batches. Stochastic gradient descent with
    Nesterov momentum 0.9; the learning rate rises over five steps and then falls to nothing. The
    supernet is left as it was.

    Parameters
    ----------
    supernet : Supernet
        Ends on ``device``.
    codes : array_like of int, shape (n, d)
    images : Images
    steps, batch_size : int
    learning_rate, weight_decay : float
    flip, shift, channels_last, device, seed
        As for ``train_supernet``.

    Returns
    -------
    float array, shape (n,)
        Smaller is better; NaN where it became infinite.

    Raises
    ------
    ArchitectureError
        If a row of ``codes`` is not in the space.
    ParameterError
        If a number is outside its range.
    DeviceError
        If ``device`` is not there.

    References
    ----------
    B. Ru, C. Lyle, L. Schut, M. Fil, M. van der Wilk, Y. Gal. Speedy performance estimation for
    neural architecture search. NeurIPS 2021.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=100), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
    >>> tuned_losses(supernet, space.sample(3, seed=0), images, steps=2, device="cpu").shape
    (3,)
    """
    rows = supernet.space.check(codes)
    if steps < 1 or batch_size < 2 or learning_rate <= 0 or weight_decay < 0:
        raise ParameterError(
            "steps must be at least 1, batch_size at least 2, learning_rate above 0 and "
            f"weight_decay at least 0, not {steps}, {batch_size}, {learning_rate} and "
            f"{weight_decay}"
        )
    batches = image_batches(supernet, images, batch_size, flip, shift, device, seed, channels_last)
    found = np.empty(len(rows))
    for row, code in enumerate(rows):
        batches.generator.manual_seed(seed)
        network = supernet.extract(code).to(memory_format=batches.layout).train()  # type: ignore[call-overload]
        optimiser = torch.optim.SGD(
            network.parameters(),
            learning_rate,
            momentum=0.9,
            nesterov=True,
            weight_decay=weight_decay,
        )
        total = torch.zeros((), device=batches.y.device)
        taken = 0
        while taken < steps:
            for x, y in batches.epoch():
                rising, falling = min(1.0, (taken + 1) / _WARM), 1 - taken / steps
                optimiser.param_groups[0]["lr"] = learning_rate * rising * falling
                loss = functional.cross_entropy(network(x), y)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.detach()
                taken += 1
                if taken == steps:
                    break
        found[row] = float(total) / steps
    found[~np.isfinite(found)] = np.nan
    return found
