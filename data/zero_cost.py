"""Zero-cost proxies as features: each network computed once, then looked up."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError, StorageError
from .encoders import Features, _Encoder
from .files import atomic_write, home
from .seeds import as_generator
from .spaces import Space

Values = NDArray[np.float64]

# Proxies of one group are computed together: the first has a forward and backward pass in common.
_GROUPS = (
    ("epe_nas", "fisher", "grad_norm", "jacov", "l2_norm", "nwot", "plain", "snip"),
    ("grasp",),
    ("synflow",),
    ("zen",),
    ("params", "flops"),
)
PROXIES = tuple(sorted(name for group in _GROUPS for name in group))
"""Names of the proxies."""

_VERSION = 1  # of the values: raise it when a proxy is computed otherwise
_REFERENCE = 200
_CHUNK = 128
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of proxies as a tuple.

    Raises
    ------
    ParameterError
        If one is unknown, or none is given.
    """
    if isinstance(names, str) or not names or not set(names) <= set(PROXIES):
        raise ParameterError(f"proxies are some of {', '.join(PROXIES)}; received {names!r}")
    return tuple(names)


def default_batch(
    batch: int = 16, size: int = 8, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return random images, shape (batch, 3, size, size), and their labels, four images a class.

    Noise whose amplitude falls with the frequency, as that of photographs does: networks that
    differ on photographs differ more on it than on white noise.
    """
    noise = as_generator(seed).standard_normal((batch, 3, size, size))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    images = np.fft.ifft2(np.fft.fft2(noise) / np.maximum(frequency, 1 / size)).real
    return (images / images.std()).astype(np.float32), _classes(batch)


def _classes(batch: int) -> NDArray[np.int64]:
    """Return labels of at least two classes, about four images each."""
    return np.arange(batch) * max(2, batch // 4) // batch


@cache
def _batch(
    images: str | None, batch: int, size: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the batch that an encoder's parameters mean."""
    if images is None:
        return default_batch(batch, size, seed)
    from .images import load_images

    loaded = load_images(images, size=size, seed=seed)
    # As many classes as among random images, or all there are, and of each the first images.
    wanted = np.bincount(_classes(batch) % len(loaded.classes))
    rows = [np.flatnonzero(loaded.train_y == label)[:n] for label, n in enumerate(wanted)]
    chosen = np.concatenate(rows)
    return loaded.train_x[chosen], loaded.train_y[chosen]


class ZeroCost(_Encoder):
    """Zero-cost proxies of the untrained networks, as normal scores.

    A network is computed when it is first asked for (some 50 ms with the default size), once for
    all architectures of its function, and kept in the process and in a file below the folder of
    tables (``$NASURGE_HOME/zero-cost``). Values become normal scores among 200 architectures
    drawn from the space, so that a feature does not depend on what else is transformed.

    Parameters
    ----------
    space : Space
        One whose networks ``build_network`` builds.
    names : tuple of str
        Some of ``PROXIES``; one column each.
    width, cells : int
        Channels of the first stage and cells per stage.
    batch, size : int
        Number of images, and their height and width in pixels.
    images : str, optional
        Images as ``load_images`` names them; by default random ones, so that nothing is needed.
    seed : int
        Draws weights and images.
    jobs : int
        Processes that compute, as joblib counts them.

    Raises
    ------
    ParameterError
        By ``transform``, if the space has no networks or a name is unknown.

    References
    ----------
    A. Krishnakumar et al. NAS-Bench-Suite-Zero: Accelerating research on zero cost proxies.
    NeurIPS 2022.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> encoder = ZeroCost(space, names=("params", "flops"), width=2, batch=4, size=8)
    >>> encoder.fit_transform(space.sample(3, seed=0)).shape
    (3, 2)
    """

    def __init__(
        self,
        space: Space,
        *,
        names: tuple[str, ...] = PROXIES,
        width: int = 8,
        cells: int = 2,
        batch: int = 16,
        size: int = 8,
        images: str | None = None,
        seed: int = 0,
        jobs: int = 1,
    ) -> None:
        super().__init__(space)
        self.names = names
        self.width = width
        self.cells = cells
        self.batch = batch
        self.size = size
        self.images = images
        self.seed = seed
        self.jobs = jobs

    def _names(self) -> list[str]:
        return [f"zero_cost:{name}" for name in self.names]

    def values(self, codes: ArrayLike) -> Values:
        """Return the proxies as they are, shape (n, k), of each architecture's function."""
        names = check_names(self.names)
        canonical = self.space.canonical(codes)
        images, labels = _batch(self.images, self.batch, self.size, self.seed)
        parameters: dict[str, Any] = {
            "width": self.width,
            "cells": self.cells,
            "seed": self.seed,
        }
        about = {
            **parameters,
            "version": _VERSION,
            "space": self.space.spec(),
            "images": hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
            "shape": images.shape,
        }

        def compute(ids: NDArray[np.int64], names: Sequence[str]) -> Values:
            from .proxies import zero_cost

            return zero_cost(
                self.space,
                self.space.from_index(ids),
                names=names,
                images=images,
                labels=labels,
                device="cpu",
                jobs=self.jobs,
                **parameters,
            )

        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        file = home() / "zero-cost" / f"{self.space.name}-{digest[:16]}.npz"
        found = _cached(file).get(self.space.index(canonical), names, compute)
        return found[:, [PROXIES.index(name) for name in names]]

    def transform(self, codes: ArrayLike) -> Features:
        """Return the normal score of each proxy, shape (n, k)."""
        reference = self.space.sample(min(_REFERENCE, self.space.size), seed=0, unique=True)
        return normal_scores(self.values(codes), self.values(reference))


def normal_scores(values: Values, reference: Values) -> Values:
    """Return values (n, k) as normal scores of their places in ``reference``, shape (m, k).

    Straight between two reference values; beyond the outermost by at most a half. Strictly
    increasing in each column, unless the reference is constant.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.zeros_like(values)
    for column, (x, known) in enumerate(zip(values.T, reference.T, strict=True)):
        xs, first = np.unique(known, return_index=True)
        zs = ndtri((rankdata(known)[first] - 0.5) / len(known))
        scale = np.subtract(*np.quantile(known, [0.75, 0.25])) or np.ptp(known) or 1.0
        beyond = (x - np.clip(x, xs[0], xs[-1])) / scale
        scores[:, column] = np.interp(x, xs, zs) + beyond / (1 + np.abs(beyond)) / 2
    return scores


class _Cache:
    """Values that were computed, by index of architecture; NaN where a proxy was not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids = np.empty(0, dtype=np.int64)
        self.values = np.empty((0, len(PROXIES)))

    def get(
        self,
        ids: NDArray[np.int64],
        names: Sequence[str],
        compute: Callable[[NDArray[np.int64], Sequence[str]], Values],
    ) -> Values:
        """Return the values of architectures, shape (n, all proxies), ``names`` among them."""
        names = [name for group in _GROUPS if set(group) & set(names) for name in group]
        if len(self._missing(ids, names)):
            self._read()
        # In an order of its own and looking again before each chunk, so that processes which need
        # the same architectures share the work.
        todo = np.random.default_rng().permutation(self._missing(ids, names))
        for first in range(0, len(todo), _CHUNK):
            chunk = self._missing(todo[first : first + _CHUNK], names)
            if len(chunk):
                values = np.full((len(chunk), len(PROXIES)), np.nan)
                values[:, [PROXIES.index(name) for name in names]] = compute(chunk, names)
                self._add(chunk, values)
                self._write()
        return self.values[np.searchsorted(self.ids, ids)]

    def _missing(self, ids: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
        """Return the architectures, each once, of which some of ``names`` is not known."""
        ids = np.unique(ids)
        columns = [PROXIES.index(name) for name in names]
        known = self.ids[~np.isnan(self.values[:, columns]).any(axis=1)]
        return ids[~np.isin(ids, known)]

    def _add(self, ids: NDArray[np.int64], values: Values) -> None:
        every = np.union1d(self.ids, ids)
        merged = np.full((len(every), len(PROXIES)), np.nan)
        for some, known in ((self.ids, self.values), (ids, values)):
            rows = np.searchsorted(every, some)
            merged[rows] = np.where(np.isnan(known), merged[rows], known)
        self.ids, self.values = every, merged

    def _read(self) -> None:
        """Add what the file holds; one that cannot be read is as good as none."""
        try:
            with self.path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                ids, values = file["ids"], file["values"]
            if values.shape == (len(ids), len(PROXIES)):
                self._add(ids, values)
        except _UNREADABLE:
            return

    def _write(self) -> None:
        """Write all that is known, here or in the file."""
        import filelock

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.path.with_suffix(".lock"), timeout=300):
                self._read()
                with atomic_write(self.path) as file:
                    np.savez(file, ids=self.ids, values=self.values)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error}") from error


@cache
def _cached(path: Path) -> _Cache:
    return _Cache(path)
