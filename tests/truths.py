"""Made-up tasks in one space, of which the truth is known everywhere."""

import numpy as np

import nasurge
from nasurge.data.encoders import Structure

SPACE = nasurge.make_space("nb201")
CODES = SPACE.all_codes()
FEATURES = Structure(SPACE).transform(SPACE.canonical(CODES))


def truth(seed: int) -> np.ndarray:
    """A label that structure tells, another for each seed."""
    scaled = FEATURES / np.maximum(FEATURES.std(axis=0), 1e-9)
    return scaled @ np.random.default_rng(seed).normal(size=scaled.shape[1])


def costs(seed: int) -> np.ndarray:
    """Latencies of a device on which an operation costs the same everywhere."""
    rng = np.random.default_rng(seed)
    each = np.array([0, 0.2, 1.5, 3, 1]) * rng.uniform(0.5, 2, 5)
    return (2 + each[CODES].sum(axis=1)) * np.exp(rng.normal(0, 0.01, len(CODES)))
