"""Zero-cost proxies as predictors: what a network scores before it is trained, no labels learnt."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..data.networks import ZeroCost
from ..data.spaces import Codes
from .base import Predictor, Scores
from .labels import Labels


class ZeroCostProxy(Predictor):
    """Ranks architectures by one zero-cost proxy of their untrained networks.

    Labels give the scores their unit and nothing else: bigger proxies promise better networks, as
    published, whatever the labels say. Networks are computed when they are first asked for and
    kept, see ``nasurge.data.networks.ZeroCost``, which also describes the parameters.

    Parameters
    ----------
    space : Space
        One of cells: ``nb201`` or ``transnas-micro``.
    width, cells, batch, size : int
        Channels and cells of a network, and number and side of its images.
    images : str, optional
        Data set of the images; random ones by default.
    jobs : int
        Processes that compute networks.
    seed : int, Generator or None
        Not used: weights and images are the same in every trial, so that they are kept.

    Raises
    ------
    ParameterError
        By ``fit``, if the space has no networks.

    References
    ----------
    A. Krishnakumar et al. NAS-Bench-Suite-Zero: Accelerating research on zero cost proxies.
    NeurIPS 2022.
    """

    learns = False
    heavy_imports = ("torch",)
    proxy: ClassVar[str]
    """Name of the proxy, one of ``nasurge.data.networks.zero_cost_scores.PROXIES``."""

    width: int = 8
    cells: int = 2
    batch: int = 16
    size: int = 8
    images: str | None = None
    jobs: int = 1

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve its space; None if networks can be built."""
        from ..data.networks import why_no_network

        return why_no_network(self.space)

    def _settings(self) -> dict[str, Any]:
        """Parameters of the encoder."""
        names = ("width", "cells", "batch", "size", "images", "jobs")
        return {name: getattr(self, name) for name in names}

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        self.encoder_ = ZeroCost(self.space, names=(self.proxy,), **self._settings())

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        return self.encoder_.transform(codes)[:, 0], None


class TrainedProxy(ZeroCostProxy):
    """Ranks architectures by what their networks make of a few steps of training on nothing real.

    Dearer than the other proxies: with the default steps a network takes a third of a second.

    Parameters
    ----------
    steps : int
        Gradient steps of each network.
    """

    steps: int = 20

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "steps": self.steps}


def _ranking_by(
    proxy: str, name: str, summary: str, base: type[ZeroCostProxy] = ZeroCostProxy
) -> type[ZeroCostProxy]:
    """Predictor that ranks by a proxy, a class of this module that is called ``name``."""
    members = {"proxy": proxy, "__doc__": summary, "__module__": __name__}
    return type(name, (base,), members)


EPENAS = _ranking_by(
    "epe_nas",
    "EPENAS",
    "Ranks by EPE-NAS: how unlike the gradients of the images of each class are.",
)
Fisher = _ranking_by("fisher", "Fisher", "Ranks by the Fisher information of all channels.")
FLOPs = _ranking_by("flops", "FLOPs", "Ranks by what an image costs.")
GradNorm = _ranking_by("grad_norm", "GradNorm", "Ranks by the sum of the layers' gradient norms.")
GraSP = _ranking_by("grasp", "GraSP", "Ranks by GraSP: the gradient flow that the weights keep.")
JaCov = _ranking_by(
    "jacov", "JaCov", "Ranks by Jacobian covariance: how unlike the gradients by the images are."
)
L2Norm = _ranking_by("l2_norm", "L2Norm", "Ranks by the sum of the layers' weight norms.")
NWOT = _ranking_by("nwot", "NWOT", "Ranks by NASWOT: how well the ReLUs tell images apart.")
Parameters = _ranking_by("params", "Parameters", "Ranks by the number of parameters on live edges.")
Plain = _ranking_by("plain", "Plain", "Ranks by the sum of weight times gradient.")
SNIP = _ranking_by("snip", "SNIP", "Ranks by SNIP: the sum of absolute weight times gradient.")
SynFlow = _ranking_by(
    "synflow",
    "SynFlow",
    "Ranks by synaptic flow: what passes through the network of absolute weights.",
)
Zen = _ranking_by(
    "zen", "Zen", "Ranks by the Zen-score: how much Gaussian features move with the image."
)
Fourier = _ranking_by(
    "fourier",
    "Fourier",
    "Ranks by how much of the features is no smooth function of what images are made from.",
)
GenNAS = _ranking_by(
    "gennas",
    "GenNAS",
    "Ranks by regression: how well a network learns to draw waves in a few steps.",
    TrainedProxy,
)
GeNAS = _ranking_by(
    "genas",
    "GeNAS",
    "Ranks by flatness: the loss around the weights that a few steps on random labels reach.",
    TrainedProxy,
)
