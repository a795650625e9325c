"""Zero-cost proxies of architectures: computed, or computed once and then looked up as features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ParameterError
from ..arguments import checked
from ..devices import one_thread, parallel, resolve_device
from ..encoders import Encoder, Features
from ..files import home
from ..images import Images
from ..parameters import job_count, some_of, text, whole_number
from ..seeds import as_generator, torch_seed
from ..spaces import Codes, Space
from ..types import Index, Keys, Pixels, Values
from .computed import Computed, Groups, kept_values
from .names import PROXIES, PROXY_GROUPS, SYNTHETIC, SYNTHETIC_GROUPS
from .ranks import normal_scores

if TYPE_CHECKING:
    from torch import nn

    from .choices import ModuleSpace

Shape = tuple[int, int, int]
"""Channels, height and width of images."""

# Values of models as long as these live.
_OF_MODELS: WeakKeyDictionary[Any, dict[str, Computed]] = WeakKeyDictionary()
_VERSION = 1  # of the values: raise it when a proxy is computed otherwise
_REFERENCE = 200
_PIECE = 64  # architectures given to a process at a time


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of proxies as a tuple, all of them known.

    Raises
    ------
    ParameterError
        If one is unknown, or none is given.
    """
    if isinstance(names, str) or not names or not set(names) <= {*PROXIES, *SYNTHETIC}:
        known = ", ".join((*PROXIES, *SYNTHETIC))
        raise ParameterError(f"proxies are some of {known}; received {names!r}")
    return tuple(names)


def default_batch(
    batch: int = 16, size: int = 8, seed: int = 0, *, shape: Shape | None = None
) -> tuple[Pixels, Index]:
    """Random images, shape (batch, 3, size, size), and their labels, four images a class.

    Images are of ``shape``, (channels, height, width), if it is given.

    Noise whose amplitude falls with the frequency, as that of photographs does: networks that
    differ on photographs differ more on it than on white noise.

    Raises
    ------
    ParameterError
        If there are fewer than two images, or no pixels.
    """
    if batch < 2 or size < 1:
        raise ParameterError(
            f"a batch has at least 2 images of at least 1 pixel, not {batch} of {size}"
        )
    channels, height, width = shape or (3, size, size)
    noise = as_generator(seed).standard_normal((batch, channels, height, width))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(height)))
    lowest = 1 / max(height, width)
    images = np.fft.ifft2(np.fft.fft2(noise) / np.maximum(frequency, lowest)).real
    return (images / images.std()).astype(np.float32), _classes(batch)


def _classes(batch: int) -> Index:
    """Labels of at least two classes, about four images each."""
    return np.arange(batch) * max(2, batch // 4) // batch


@cache
def image_batch(
    images: str | None,
    batch: int = 16,
    size: int = 8,
    seed: int = 0,
    shape: Shape | None = None,
) -> tuple[Pixels, Index]:
    """Images and labels of the batch that an encoder's parameters mean.

    Four images of each of ``batch / 4`` classes, or of all classes if there are fewer. ``shape`` is
    that of the images which a model takes, instead of ``size``.
    """
    if images is None:
        return default_batch(batch, size, seed, shape=shape)
    from ..images import load_images

    return first_images(load_images(images, size=shape[1] if shape else size, seed=seed), batch)


@checked
def why_no_scores(space: Space, names: Sequence[str] = PROXIES) -> str | None:
    """Reason why some proxies cannot score the networks of a space; None if they can."""
    from .cells import why_no_network

    if space.model is None:
        return why_no_network(space)
    if synthetic := [name for name in names if name in SYNTHETIC]:
        return (
            f"{synthetic[0]} knows the stages of networks of ours only, not those of a model: name "
            f"others, {', '.join(PROXIES)}"
        )
    space = cast("ModuleSpace", space)
    if space.image_shape is None or space.classes is None:
        return (
            f"proxies score networks from images to classes; {space.name} takes or gives something "
            "else: leave them out"
        )
    return None


@checked
def first_images(images: Images, batch: int = 16) -> tuple[Pixels, Index]:
    """First training images of each of some classes, about four each, and labels."""
    # As many classes as among random images, or all there are.
    wanted = np.bincount(_classes(batch) % len(images.classes))
    rows = [np.flatnonzero(images.train_y == label)[:n] for label, n in enumerate(wanted)]
    chosen = np.concatenate(rows)
    return images.train_x[chosen], images.train_y[chosen]


@checked
def zero_cost(
    space: Space,
    codes: ArrayLike,
    *,
    names: Sequence[str] = PROXIES,
    images: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    width: int = 8,
    cells: int = 2,
    reduction: str = "residual",
    steps: int = 20,
    seed: int = 0,
    device: str = "auto",
    jobs: int = 1,
) -> Values:
    """Zero-cost proxies of each architecture's untrained network, shape (n, k).

    Parameters
    ----------
    space : Space
        One whose networks ``build_network`` builds.
    codes : array_like of int, shape (n, d)
        Networks are built as they are written: dead edges count among ``params`` and
        ``l2_norm``. Give ``space.canonical(codes)`` for equal values of equal functions.
    names : sequence of str
        Some of ``PROXIES`` and ``SYNTHETIC``; the columns of the result.
    images : array_like of float, shape (b, channels, height, width), optional
        One batch, of at least two. By default random ones: nothing has to be downloaded.
    labels : array_like of int, shape (b,), optional
        Classes from 0 on; needed with ``images``, and only with them.
    width, cells : int
        Size of the network, as for ``build_network``.
    reduction : str
        Between its stages, as for ``build_network``.
    steps : int
        Steps of training, for ``genas`` and ``gennas``.
    seed : int
        Draws the weights, the same for an architecture whatever stands beside it.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    jobs : int
        Processes over the architectures, as joblib counts them.

    Returns
    -------
    ndarray of float, shape (n, k)
        Finite; bigger promises a better network. ``synflow`` and ``zen`` are logarithms.

    Raises
    ------
    ParameterError
        If a name is unknown, images and labels do not fit together, or the space has no networks.
    ArchitectureError
        If a row is not in the space.
    DeviceError
        If ``device`` is not there.
    OutOfMemoryError
        If it has no memory for a network, naming the architecture and the module.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> zero_cost(space, space.sample(2, seed=0), names=["synflow", "nwot"]).shape
    (2, 2)
    """
    from joblib import delayed

    codes = space.check(codes)
    names = check_names(names)
    if steps < 1:
        raise ParameterError(f"steps must be at least 1, not {steps}")
    if reason := why_no_scores(space, names):
        raise ParameterError(reason)
    if images is None and labels is None:
        images, labels = default_batch(shape=_taken(space))
    x, y = _check_batch(images, labels)
    where = resolve_device(device)

    def computed(codes: Codes, names: Sequence[str]) -> Values:
        pieces = [codes[first : first + _PIECE] for first in range(0, len(codes), _PIECE)]
        parts = parallel(jobs)(
            delayed(_piece)(
                space, piece, names, x, y, (width, cells, reduction), steps, seed, where
            )
            for piece in pieces
        )
        return np.concatenate([np.empty((0, len(names))), *parts])

    counted = [name for name in names if name in _SUMS and _has_sums(space)]
    others = [name for name in names if name not in counted]
    columns: dict[str, Values] = {}
    if others:
        columns |= dict(zip(others, computed(codes, others).T, strict=True))
    for name in counted:
        columns[name] = _summed(
            space, codes, name, (width, cells, reduction), _classes_of(y), x.shape
        )
    return np.stack([columns[name] for name in names], axis=1)


_SUMS = ("params", "flops")
"""What is a sum over the edges of a cell."""


def _has_sums(space: Space) -> bool:
    """Whether networks are of one cell that has an operation which computes nothing."""
    cells = space.cell is not None and space.model is None
    return cells and any(operation.kind == "zero" for operation in space.operations)


def _summed(space: Space, codes: Codes, name: str, *network: Any) -> Values:
    """Parameters or FLOPs of each network, shape (n,): all parameters count, and live edges."""
    base, edges = _edge_sums(space, name, *network)
    live = space.graphs(codes).mask[:, 2:] if name == "flops" else 1
    summed: Values = base + (edges[codes] * live).sum(axis=1)
    return summed


@cache
def _edge_sums(
    space: Space, name: str, size: tuple[int, int, str], classes: int, images: tuple[int, ...]
) -> tuple[float, Values]:
    """Parameters or FLOPs of the empty network, and what each operation adds on an edge, (k,)."""
    import torch

    from .cells import build_network, count_flops, count_parameters

    width, cells, reduction = size
    found = []
    with torch.random.fork_rng(devices=[]):
        for value in range(max(space.cardinalities)):  # cells of one operation: all edges live
            network = build_network(
                space,
                np.full(space.n_variables, value),
                classes=classes,
                in_channels=images[1],
                width=width,
                cells=cells,
                reduction=reduction,
            )
            shape = images[1], images[2], images[3]
            flops = name == "flops"
            found.append(count_flops(network, shape) if flops else count_parameters(network))
    [zero, *_] = [k for k, one in enumerate(space.operations) if one.kind == "zero"]
    costs = np.array(found, dtype=np.float64)
    return float(costs[zero]), (costs - costs[zero]) / space.n_variables


def _classes_of(labels: Index) -> int:
    """Classes that a network for a batch has outputs for."""
    return max(2, int(labels.max()) + 1)


def _taken(space: Space) -> Shape | None:
    """Shape of the images that a model takes; None of networks that take any."""
    return None if space.model is None else cast("ModuleSpace", space).image_shape


def _piece(
    space: Space,
    codes: Codes,
    names: Sequence[str],
    images: Pixels,
    labels: Index,
    shape: tuple[int, int, str],
    steps: int,
    seed: int,
    device: str,
) -> Values:
    """Proxies of some architectures, shape (n, k); the work of one process."""
    import torch

    from .cells import build_network
    from .failures import failures_told
    from .proxies import proxy_values

    x, y = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    classes = _classes_of(labels)
    if space.model is not None:  # which has outputs for more classes than a batch shows
        classes = max(classes, cast("ModuleSpace", space).classes or 0)
    values = np.empty((len(codes), len(names)))
    with one_thread():
        for row, code in enumerate(codes):
            with torch_seed(as_generator(seed)):
                network = build_network(
                    space,
                    code,
                    classes=classes,
                    in_channels=images.shape[1],
                    width=shape[0],
                    cells=shape[1],
                    reduction=shape[2],
                ).to(device)
                with failures_told(f"proxies of architecture {space.format([code])[0]}"):
                    found = proxy_values(cast("nn.Sequential", network), x, y, names, steps=steps)
            values[row] = [found[name] for name in names]
    # What overflowed stays comparable: the largest number, of the sign it had.
    return np.nan_to_num(values)


def _check_batch(images: ArrayLike | None, labels: ArrayLike | None) -> tuple[Pixels, Index]:
    """Images and labels as arrays that fit together."""
    if images is None or labels is None:
        raise ParameterError("give images and labels together, or neither for random ones")
    x, y = np.array(images, dtype=np.float32), np.asarray(labels)
    if x.ndim != 4 or len(x) < 2 or 0 in x.shape or not np.isfinite(x).all():
        raise ParameterError(
            "images are finite numbers of shape (n, channels, height, width) with n at least 2, "
            f"received shape {x.shape}"
        )
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0:
        raise ParameterError(
            f"{len(x)} images need {len(x)} labels, integers from 0 on; received {y.dtype} of "
            f"shape {y.shape}"
        )
    return x, y.astype(np.int64)


class ZeroCost(Encoder):
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
        Some of ``PROXIES`` and ``SYNTHETIC``; one column each.
    width, cells : int
        Channels of the first stage and cells per stage.
    steps : int
        Steps of training, for ``genas`` and ``gennas``.
    batch, size : int
        Number of images, and their height and width in pixels; a model has images as it takes them.
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

    names: tuple[str, ...] = some_of(PROXIES, (*PROXIES, *SYNTHETIC))
    width: int = whole_number(8)
    cells: int = whole_number(2)
    steps: int = whole_number(20)
    batch: int = whole_number(16, least=2)
    size: int = whole_number(8)
    images: str | None = text(None)
    seed: int = whole_number(0, least=0)
    jobs: int = job_count(1)

    def _names(self) -> list[str]:
        return [f"zero_cost:{name}" for name in self.names]

    def values(self, codes: ArrayLike) -> Values:
        """Proxies of each architecture's function as they are, shape (n, k)."""
        self._check()
        names = tuple(self.names)
        if reason := why_no_scores(self.space, names):
            raise ParameterError(reason)
        ids = self.space.keys(self.space.canonical(codes))
        found = np.empty((len(ids), len(names)))
        for groups, parameters in ((PROXY_GROUPS, {}), (SYNTHETIC_GROUPS, {"steps": self.steps})):
            columns = [k for k, name in enumerate(names) if any(name in g for g in groups)]
            if columns:
                some = [names[k] for k in columns]
                found[:, columns] = self._kept(ids, some, groups, parameters)
        return found

    def _kept(
        self, ids: Keys, names: list[str], groups: Groups, parameters: dict[str, Any]
    ) -> Values:
        """Proxies of canonical architectures, shape (n, k), computed or looked up."""
        shape = _taken(self.space)
        images, labels = image_batch(self.images, self.batch, self.size, self.seed, shape)
        parameters = {"width": self.width, "cells": self.cells, "seed": self.seed, **parameters}
        about = {
            **parameters,
            "version": _VERSION,
            "space": self.space.spec(),
            "images": hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
            "shape": images.shape,
        }

        def compute(ids: Keys, names: Sequence[str]) -> Values:
            return zero_cost(
                self.space,
                self.space.from_keys(ids),
                names=names,
                images=images,
                labels=labels,
                device="cpu",
                jobs=self.jobs,
                **parameters,
            )

        if self.space.model is not None:
            # A file outlives the model's code, of which the description of its space says nothing.
            known = _OF_MODELS.setdefault(self.space.model, {})
            key = json.dumps([about, groups], sort_keys=True)
            return known.setdefault(key, Computed(None, groups)).get(ids, names, compute)
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        file = home() / "zero-cost" / f"{self.space.name}-{digest[:16]}.npz"
        return kept_values(file, groups).get(ids, names, compute)

    def transform(self, codes: ArrayLike) -> Features:
        """Normal score of each proxy, shape (n, k)."""
        reference = self.space.sample(min(_REFERENCE, self.space.size), seed=0, unique=True)
        return normal_scores(self.values(codes), self.values(reference))
