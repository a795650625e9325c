"""Zero-cost proxies as predictors: what a network scores before it is trained, no labels learnt."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..data.networks import ZeroCost
from ..data.parameters import job_count, text, whole_number
from ..data.spaces import Codes
from .base import Predictor, Scores
from .labels import Labels
from .names import PREDICTORS


class ZeroCostProxy(Predictor):
    """Ranks architectures by one zero-cost proxy of their untrained networks.

    Labels give the scores their unit and nothing else: bigger proxies promise better networks, as
    published, whatever the labels say. Networks are computed when they are first asked for and
    kept, see ``nasurge.data.networks.ZeroCost``, which also describes the parameters.

    Parameters
    ----------
    space : Space
        One of cells, ``nb201`` or ``transnas-micro``, or of a model from images to classes.
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

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> proxy = nasurge.make_predictor("params", table.space)  # or "snip", "nwot", ...
    >>> proxy.fit(table.codes[1::1500], y[1::1500]).predict(table.codes[:5]).shape
    (5,)
    """

    learns = False
    heavy_imports = ("torch",)
    proxy: ClassVar[str]
    """Name of the proxy, one of ``nasurge.data.networks.zero_cost_scores.PROXIES``."""

    width: int = whole_number(8)
    cells: int = whole_number(2)
    batch: int = whole_number(16, least=2)
    size: int = whole_number(8)
    images: str | None = text(None)
    jobs: int = job_count(1)

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve its space; None if networks can be built."""
        from ..data.networks import why_no_scores

        return why_no_scores(self.space, (self.proxy,))

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

    steps: int = whole_number(20)

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "steps": self.steps}


def _ranking_by(name: str, base: type[ZeroCostProxy] = ZeroCostProxy) -> type[ZeroCostProxy]:
    """Class of this module that ranks by a proxy, from its name in lists and files."""
    listed = PREDICTORS[name]
    _, _, class_name = listed.place.partition(":")
    proxy = name.replace("-", "_")
    members = {"proxy": proxy, "__doc__": listed.summary, "__module__": __name__}
    return type(class_name, (base,), members)


EPENAS = _ranking_by("epe-nas")
Fisher = _ranking_by("fisher")
FLOPs = _ranking_by("flops")
Fourier = _ranking_by("fourier")
GeNAS = _ranking_by("genas", TrainedProxy)
GenNAS = _ranking_by("gennas", TrainedProxy)
GradNorm = _ranking_by("grad-norm")
GraSP = _ranking_by("grasp")
JaCov = _ranking_by("jacov")
L2Norm = _ranking_by("l2-norm")
NWOT = _ranking_by("nwot")
Parameters = _ranking_by("params")
Plain = _ranking_by("plain")
SNIP = _ranking_by("snip")
SynFlow = _ranking_by("synflow")
Zen = _ranking_by("zen")
