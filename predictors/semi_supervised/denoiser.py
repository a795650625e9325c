"""A small network that undoes noise in architectures: a discrete diffusion model."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.spaces import Codes, Space

Probabilities = NDArray[np.float64]


class Denoiser(nn.Module):
    """Predicts each choice of the clean architecture from a noisy one.

    At step t of ``noise_steps`` a choice is still the clean one with probability
    cos²(π t / 2T), and drawn uniformly otherwise.

    Parameters
    ----------
    space : Space
    noise_steps : int
        Steps from a clean architecture to a random one.
    width : int

    References
    ----------
    J. Austin et al. Structured denoising diffusion models in discrete state-spaces. NeurIPS 2021.
    """

    exists: Tensor

    def __init__(self, space: Space, *, noise_steps: int, width: int = 128) -> None:
        super().__init__()
        cardinalities = np.asarray(space.cardinalities)
        exists = np.arange(cardinalities.max()) < cardinalities[:, None]
        self.noise_steps = noise_steps
        self.register_buffer("exists", torch.as_tensor(exists))
        times = np.arange(noise_steps + 1) / noise_steps
        self.kept: Probabilities = np.cos(0.5 * np.pi * times) ** 2
        self.uniform: Probabilities = exists / exists.sum(axis=1, keepdims=True)
        size = exists.size
        self.layers = nn.Sequential(
            nn.Linear(size + noise_steps, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, size),
        )

    def forward(self, codes: Tensor, steps: Tensor) -> Tensor:
        """Log-probabilities, shape (n, d, k), of the clean choices.

        Parameters
        ----------
        codes : int64 Tensor, shape (n, d)
            Noisy architectures.
        steps : int64 Tensor, shape (n,)
            How noisy, 1 to ``noise_steps``.
        """
        chosen = nn.functional.one_hot(codes, self.exists.shape[1]).flatten(1)
        when = nn.functional.one_hot(steps - 1, self.noise_steps)
        logits = self.layers(torch.cat([chosen, when], dim=1).float())
        masked = logits.reshape(len(codes), *self.exists.shape).masked_fill(~self.exists, -1e9)
        found: Tensor = masked.log_softmax(dim=2)
        return found

    def probabilities(self, codes: Codes, step: int) -> Probabilities:
        """Probabilities of the clean choices, shape (n, d, k)."""
        with torch.no_grad():
            steps = torch.full((len(codes),), step)
            found = self(torch.as_tensor(codes.astype(np.int64)), steps).double().exp()
        return np.asarray(found.numpy())

    def add_noise(self, codes: Codes, steps: NDArray[np.int64], rng: np.random.Generator) -> Codes:
        """Rows with as much noise as the step of each says, shape (n, d)."""
        cardinalities = (self.uniform > 0).sum(axis=1)
        random = rng.integers(0, cardinalities, codes.shape, codes.dtype)
        stays = rng.random(codes.shape) < self.kept[steps][:, None]
        return np.where(stays, codes, random)

    def posterior(self, noisy: Codes, clean: Codes, step: int) -> Probabilities:
        """Distribution of the architectures a step less noisy, shape (n, d, k).

        Parameters
        ----------
        noisy : int array, shape (n, d)
            Architectures at ``step``.
        clean : int array, shape (n, d)
            The clean architectures they come from.
        step : int
        """
        values = np.arange(self.uniform.shape[1])
        before, now = self.kept[step - 1], self.kept[step]
        stays = now / before  # of one step; before is above 0, since only the last one is 0
        forward = stays * (noisy[:, :, None] == values) + (1 - stays) * self.uniform
        reached = before * (clean[:, :, None] == values) + (1 - before) * self.uniform
        joint = forward * reached
        return np.asarray(joint / joint.sum(axis=2, keepdims=True))


def train_denoiser(
    space: Space,
    codes: Codes,
    *,
    noise_steps: int,
    steps: int,
    rng: np.random.Generator,
    batch_size: int = 256,
) -> Denoiser:
    """A denoiser trained on architectures that need no labels.

    Layers are initialised from torch's global state: call it within ``torch_seed``.

    Parameters
    ----------
    space : Space
    codes : int array, shape (n, d)
    noise_steps : int
        Steps from a clean architecture to a random one.
    steps : int
        Gradient steps of Adam.
    rng : Generator
        Draws the batches and the noise.
    batch_size : int
    """
    denoiser = Denoiser(space, noise_steps=noise_steps)
    optimiser = torch.optim.Adam(denoiser.parameters(), lr=3e-3)
    for _ in range(steps):
        clean = codes[rng.integers(len(codes), size=batch_size)]
        when = rng.integers(1, noise_steps + 1, size=batch_size)
        noisy = torch.as_tensor(denoiser.add_noise(clean, when, rng).astype(np.int64))
        found = denoiser(noisy, torch.as_tensor(when))
        target = torch.as_tensor(clean.astype(np.int64))
        loss = nn.functional.nll_loss(found.flatten(0, 1), target.flatten())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return denoiser.eval()
