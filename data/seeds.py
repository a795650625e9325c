"""One seed in, independent generators out; global random state is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import ParameterError

Seed = int | np.random.Generator | None


def as_generator(seed: Seed) -> np.random.Generator:
    """NumPy generator of a seed.

    Parameters
    ----------
    seed : int, numpy.random.Generator or None
        ``None`` draws fresh entropy; a generator is returned as it is.

    Raises
    ------
    ParameterError
        If ``seed`` is neither, or negative.

    Examples
    --------
    >>> as_generator(0).integers(10)
    np.int64(8)
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None or (isinstance(seed, (int, np.integer)) and seed >= 0):
        return np.random.default_rng(seed)
    raise ParameterError(f"seed must be an int >= 0, a numpy Generator or None, not {seed!r}")


@contextmanager
def torch_seed(rng: np.random.Generator, device: str = "cpu") -> Iterator[None]:
    """Seed torch from ``rng`` inside the block and restore torch's global state after it.

    Layer initialisation and dropout draw from torch's global state and take no generator; forking
    that state is the way to make them repeatable without touching the caller's.
    """
    import torch

    devices = [torch.device(device).index or 0] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(rng.integers(2**63)))
        yield
