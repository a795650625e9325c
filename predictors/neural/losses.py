"""Losses that neural predictors share; each takes scores (..., n) and targets that expand to it.

All are means over what they sum, so that a learning rate suits any number of architectures, and
none depends on the order of the architectures. Leading dimensions (members of an ensemble) are
averaged.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ...errors import ParameterError

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error."""
    return functional.mse_loss(scores, targets.expand_as(scores))


def huber(scores: Tensor, targets: Tensor, delta: float = 0.5) -> Tensor:
    """Mean Huber loss: squared up to an error of ``delta``, linear beyond.

    References
    ----------
    P. J. Huber. Robust estimation of a location parameter. Annals of Mathematical Statistics 1964.
    """
    return functional.huber_loss(scores, targets.expand_as(scores), delta=delta)


def _gaps(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Score differences (..., n, n) and 1 where the first of the pair is the better."""
    targets = targets.expand_as(scores)
    better = (targets[..., :, None] > targets[..., None, :]).to(scores.dtype)
    return scores[..., :, None] - scores[..., None, :], better


def hinge(scores: Tensor, targets: Tensor, margin: float = 0.1) -> Tensor:
    """Mean hinge over all pairs: the better one should score ``margin`` more.

    References
    ----------
    X. Ning et al. A generic graph-based neural architecture encoding scheme for predictor-based
    NAS (GATES). ECCV 2020.
    """
    gaps, better = _gaps(scores, targets)
    return (torch.relu(margin - gaps) * better).sum() / better.sum().clamp(min=1)


def bce_rank(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean logistic loss over all pairs; tied pairs do not count.

    References
    ----------
    C. Burges et al. Learning to rank using gradient descent (RankNet). ICML 2005.
    """
    gaps, better = _gaps(scores, targets)
    return (functional.softplus(-gaps) * better).sum() / better.sum().clamp(min=1)


def listmle(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood, a place, of the true order (Plackett-Luce).

    Of tied architectures each is as likely to come first: all of a tie share the sum over their
    tie and all that is worse, so that the loss does not depend on the order given.

    References
    ----------
    F. Xia, T.-Y. Liu, J. Wang, W. Zhang, H. Li. Listwise approach to learning to rank. ICML 2008.
    Ties: N. E. Breslow. Covariance analysis of censored survival data. Biometrics 1974.
    """
    targets = targets.expand_as(scores)
    no_better = targets[..., None, :] <= targets[..., :, None]
    rivals = scores[..., None, :].expand(no_better.shape).masked_fill(~no_better, -torch.inf)
    return (torch.logsumexp(rivals, dim=-1) - scores).mean()


def warp(scores: Tensor, targets: Tensor, margin: float = 0.1) -> Tensor:
    """Hinge over all pairs, each architecture weighed by how far it lies too low.

    An architecture that ``k`` worse ones outrank by the margin costs ``1 + 1/2 + ... + 1/k``,
    shared among those pairs: mistakes at the top of the list weigh most. The rank is counted, where
    the paper samples it; a mean is taken over the architectures that have a worse one.

    References
    ----------
    J. Weston, S. Bengio, N. Usunier. WSABIE: scaling up to large vocabulary image annotation.
    IJCAI 2011.
    """
    gaps, better = _gaps(scores, targets)
    short = torch.relu(margin - gaps) * better
    violations = (short > 0).sum(dim=-1)
    steps = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    harmonic = functional.pad((1 / steps).cumsum(dim=0), (1, 0))
    cost = harmonic[violations] * short.sum(dim=-1) / violations.clamp(min=1)
    return cost.sum() / (better.sum(dim=-1) > 0).sum().clamp(min=1)


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "huber": huber,
    "hinge": hinge,
    "listmle": listmle,
    "warp": warp,
    "bce-rank": bce_rank,
}

# Losses of the values themselves; under the others scores have an order but no unit.
IN_UNITS = ("mse", "huber")


def make_loss(name: str) -> Loss:
    """Loss of a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name not in LOSSES:
        raise ParameterError(f"loss must be one of {', '.join(LOSSES)}, not {name!r}")
    return LOSSES[name]
