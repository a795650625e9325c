"""Zero-cost proxies: what an untrained network, on one batch of images, tells of the trained one.

Each function is one proxy, written from the paper that it names. ``proxy_values`` computes several
on one network with as few passes as they need; ``zero_cost`` does so for architectures.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import ParameterError
from ..types import Index, Values
from .cells import count_flops, count_parameters
from .names import PROXIES, SYNTHETIC
from .synthetic import fourier, genas, gennas

_TINY = 1e-300  # before a logarithm of what may be exactly 0
_LEARN = {"genas": genas, "gennas": gennas}


@torch.no_grad()
def l2_norm(weights: Sequence[Tensor]) -> float:
    """Sum of the layers' weight norms.

    References
    ----------
    M. S. Abdelfattah et al. Zero-cost proxies for lightweight NAS. ICLR 2021.
    """
    return float(sum(weight.norm() for weight in weights))


@torch.no_grad()
def grad_norm(gradients: Sequence[Tensor]) -> float:
    """Sum of the layers' gradient norms.

    References
    ----------
    M. S. Abdelfattah et al. Zero-cost proxies for lightweight NAS. ICLR 2021.
    """
    return float(sum(gradient.norm() for gradient in gradients))


@torch.no_grad()
def plain(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    """Sum of weight times gradient: how fast the loss grows with the weights' scale.

    References
    ----------
    M. S. Abdelfattah et al. Zero-cost proxies for lightweight NAS. ICLR 2021.
    """
    return float(sum((w * g).sum() for w, g in zip(weights, gradients, strict=True)))


@torch.no_grad()
def snip(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    """Sum of the absolute values of weight times gradient.

    References
    ----------
    N. Lee, T. Ajanthan, P. H. S. Torr. SNIP: Single-shot network pruning based on connection
    sensitivity. ICLR 2019.
    """
    return float(sum((w * g).abs().sum() for w, g in zip(weights, gradients, strict=True)))


@torch.no_grad()
def grasp(weights: Sequence[Tensor], products: Sequence[Tensor]) -> float:
    """Negative sum of weight times (Hessian times gradient): gradient flow that is kept.

    References
    ----------
    C. Wang, G. Zhang, R. Grosse. Picking winning tickets before training by preserving gradient
    flow. ICLR 2020.
    """
    return -float(sum((w * p).sum() for w, p in zip(weights, products, strict=True)))


@torch.no_grad()
def fisher(activations: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    """Fisher information of all channels.

    Of a channel, half the mean over images of the squared sum over places of activation times
    gradient. Arrays have shape (images, channels, ...).

    References
    ----------
    J. Turner et al. BlockSwap: Fisher-guided block substitution for network compression on a
    budget. ICLR 2020.
    """
    saliences = (
        (a * g).flatten(2).sum(dim=2) if a.ndim > 2 else a * g
        for a, g in zip(activations, gradients, strict=True)
    )
    return float(sum(salience.square().mean(dim=0).sum() for salience in saliences)) / 2


def _correlations(rows: Values) -> Values:
    """Correlation of every two rows, shape (n, n); what does not vary counts as all alike."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    # Rows that are constant but for rounding have no direction to correlate.
    still = norms <= 1e-12 * np.abs(rows).max(axis=1, initial=0)
    unit = centred / np.where(still, 1, norms)[:, None]
    found: Values = np.clip(unit @ unit.T, -1, 1)
    found[still] = found[:, still] = 1
    np.fill_diagonal(found, 1)
    return found


def jacov(jacobian: Values) -> float:
    """Unlikeness of the images' gradients: minus the sum of log e + 1 / e over eigenvalues e.

    ``e`` are the eigenvalues of the correlations of the rows of ``jacobian``, shape (n, pixels),
    the gradient of the summed outputs by each image.

    References
    ----------
    J. Mellor et al. Neural architecture search without training. arXiv 2006.04647v1, 2020.
    """
    # The published offset: it sets how much a pair of images with equal gradients costs.
    values = np.maximum(np.linalg.eigvalsh(_correlations(jacobian)), 0) + 1e-5
    return -float((np.log(values) + 1 / values).sum())


def epe_nas(jacobian: Values, labels: Index) -> float:
    """Sum over classes of the absolute sum of the logarithms of absolute correlations.

    References
    ----------
    V. Lopes, S. Alirezazadeh, L. A. Alexandre. EPE-NAS: Efficient performance estimation without
    training for neural architecture search. ICANN 2021 (the form for up to 100 classes).
    """
    classes = [jacobian[labels == label] for label in np.unique(labels)]
    return float(sum(abs(np.log(np.abs(_correlations(c)) + 1e-5).sum()) for c in classes))


def nwot(agreement: Values) -> float:
    """Log-determinant of how many ReLUs agree on every two images, shape (n, n).

    One is added to the diagonal, so that images no ReLU tells apart give a finite value.

    References
    ----------
    J. Mellor et al. Neural architecture search without training. ICML 2021.
    """
    return float(np.linalg.slogdet(agreement + np.eye(len(agreement)))[1])


def synflow(network: nn.Module, input_shape: tuple[int, int, int]) -> float:
    """Logarithm of the sum of weight times gradient in the linearised network.

    Weights are replaced by their absolute values, normalisation is left out, the only image is
    all ones, and what is differentiated is the sum of the outputs. In double precision: deep
    networks multiply hundreds of large numbers.

    References
    ----------
    H. Tanaka et al. Pruning neural networks without any data by iteratively conserving synaptic
    flow. NeurIPS 2020.
    """
    weights = _weights(network)
    parameters = list(network.parameters())
    before = [parameter.data for parameter in parameters]
    normalisations = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.BatchNorm2d)
    ]
    try:
        for parent, name, _ in normalisations:
            setattr(parent, name, nn.Identity())
        for parameter in parameters:
            parameter.data = parameter.data.double().abs()
        ones = torch.ones(1, *input_shape, dtype=torch.float64, device=weights[0].device)
        gradients = _gradients(network(ones).sum(), weights)
        return float(np.log(snip(weights, gradients) + _TINY))
    finally:
        for parent, name, child in normalisations:
            setattr(parent, name, child)
        for parameter, data in zip(parameters, before, strict=True):
            parameter.data = data


def zen(network: nn.Module, shape: tuple[int, ...]) -> float:
    """Zen-score: how much Gaussian features move with the image.

    The logarithm of the mean change of the features before pooling (all but the last two layers;
    of a network that is no ``Sequential``, what its last linear layer is given) when a hundredth of
    noise is added to images of noise, plus the logarithms of the deviations that normalisation
    divided by. The convolutions are given standard normal weights; ``network`` is changed. Draws
    from torch's global random state.

    References
    ----------
    M. Lin et al. Zen-NAS: A zero-shot NAS for high-performance image recognition. ICCV 2021.
    """
    device = next(network.parameters()).device
    scales = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for weight in _weights(network):
            weight.copy_(torch.randn(weight.shape))
        for scale in scales:
            scale.reset_running_stats()
            scale.momentum = 1.0  # the variance of this batch, nothing of earlier ones
        images = torch.randn(2, *shape).to(device)
        features = _features(network.train())
        moved = features(images[0] + 0.01 * images[1])
        change = (features(images[0]) - moved).abs().flatten(1).sum(dim=1).mean()
        one = torch.ones((), device=device)
        variances = [s.running_var.mean() + s.eps for s in scales if s.running_var is not None]
        return float(torch.log(change + 1e-6) + torch.log(torch.stack([one, *variances])).sum() / 2)


def _features(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Function from images to what the head of a network is given.

    Raises
    ------
    ParameterError
        If no linear layer is reached.
    """
    if isinstance(network, nn.Sequential):
        return network[:-2]
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]

    def features(images: Tensor) -> Tensor:
        given: list[Tensor] = []
        hooks = [
            layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
            for layer in linear
        ]
        network(images)
        for hook in hooks:
            hook.remove()
        if not given:
            raise ParameterError(
                f"zen needs a network with a linear layer at its end; {type(network).__name__} "
                "has none: leave zen out"
            )
        return given[-1]

    return features


def _layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def _weights(network: nn.Module) -> list[Tensor]:
    return [layer.weight for layer in _layers(network)]


def _gradients(value: Tensor, by: Sequence[Tensor], *, twice: bool = False) -> list[Tensor]:
    """Gradient of ``value`` by each tensor; zeros by what it does not depend on."""
    found = torch.autograd.grad(value, by, create_graph=twice, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(by, found, strict=True)]


class _Pass:
    """One forward pass: the logits, what the layers gave, and which ReLUs agree."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        self.activations: list[Tensor] = []
        self.agreement = torch.zeros(len(images), len(images), dtype=torch.float64)
        relus = [layer for layer in network.modules() if isinstance(layer, nn.ReLU | nn.ReLU6)]
        hooks = [
            *(layer.register_forward_hook(self._keep) for layer in _layers(network)),
            *(relu.register_forward_hook(self._compare) for relu in relus),
        ]
        try:
            self.logits: Tensor = network.train()(images)
        finally:
            for hook in hooks:
                hook.remove()

    def _keep(self, module: nn.Module, inputs: object, result: Tensor) -> None:  # noqa: ARG002
        self.activations.append(result)

    def _compare(self, module: nn.Module, inputs: tuple[Tensor], result: Tensor) -> None:  # noqa: ARG002
        signs = (inputs[0].detach() > 0).flatten(1).float() * 2 - 1
        self.agreement += ((signs @ signs.T).double().cpu() + signs.shape[1]) / 2


def _by_gradients(
    network: nn.Module, images: Tensor, labels: Tensor, names: Sequence[str]
) -> dict[str, float]:
    """Proxies that one forward and backward pass with the images gives, by name."""
    images = images.clone().requires_grad_()
    weights = _weights(network)
    seen = _Pass(network, images)
    total = seen.logits.sum()
    (jacobian,) = torch.autograd.grad(total, images, retain_graph=True, allow_unused=True)
    jacobian = torch.zeros_like(images) if jacobian is None else jacobian
    rows = jacobian.flatten(1).double().cpu().numpy()
    loss = functional.cross_entropy(seen.logits, labels)
    both = _gradients(loss, [*weights, *seen.activations], twice="grasp" in names)
    gradients, sensitivities = both[: len(weights)], both[len(weights) :]
    found = {
        "epe_nas": epe_nas(rows, labels.cpu().numpy()),
        "fisher": fisher(seen.activations, sensitivities),
        "grad_norm": grad_norm(gradients),
        "jacov": jacov(rows),
        "l2_norm": l2_norm(weights),
        "nwot": nwot(seen.agreement.numpy()),
        "plain": plain(weights, gradients),
        "snip": snip(weights, gradients),
    }
    if "grasp" in names:
        flow = torch.stack([(g.detach() * g).sum() for g in gradients]).sum()
        found["grasp"] = grasp(weights, _gradients(flow, weights))
    return found


def proxy_values(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    names: Sequence[str] = PROXIES,
    *,
    steps: int = 20,
) -> dict[str, float]:
    """Proxies of one untrained network, by name.

    Parameters
    ----------
    network : torch.nn.Module
        From ``build_network``, on the device of the images. Its weights are changed if ``zen`` is
        asked for, its statistics in any case.
    images : Tensor, shape (n, channels, height, width)
    labels : Tensor of int64, shape (n,)
    names : sequence of str
        Some of ``PROXIES`` and ``SYNTHETIC``.
    steps : int
        Steps of training, for ``genas`` and ``gennas``.

    Returns
    -------
    dict
        From name to value; bigger promises more. A network whose output does not depend on the
        image has values too.

    Raises
    ------
    ParameterError
        If a name of ``SYNTHETIC`` is asked for of a network that is no ``Sequential``: its stages
        are not known.

    Examples
    --------
    >>> from nasurge.data.networks import build_network
    >>> from nasurge.data.spaces import make_space
    >>> network = build_network(make_space("nb201"), [3, 1, 3, 1, 4, 2], classes=2, width=4)
    >>> images, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 0, 1, 1])
    >>> proxy_values(network, images, labels, ["params", "flops"])
    {'params': 37518.0, 'flops': 370272.0}
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    found: dict[str, float] = {}
    if not {"params", "flops", "synflow", "zen", *SYNTHETIC} >= set(names):
        found = _by_gradients(network, images, labels, names)
    if "params" in names:
        found["params"] = count_parameters(network)
    if "flops" in names:
        found["flops"] = count_flops(network, shape)
    if "synflow" in names:
        found["synflow"] = synflow(network, shape)
    synthetic = [name for name in names if name in SYNTHETIC]
    if synthetic:
        staged = _staged(network, synthetic[0])
    if "fourier" in synthetic:
        found["fourier"] = fourier(staged, shape)
    for name, learn in _LEARN.items():
        if name in synthetic:
            drawn = copy.deepcopy(network.state_dict())
            found[name] = learn(staged, images, labels, steps=steps)
            network.load_state_dict(drawn)
    if "zen" in names:
        found["zen"] = zen(network, tuple(images.shape))
    return {name: float(found[name]) for name in names}


def _staged(network: nn.Module, name: str) -> nn.Sequential:
    """Network with stages, which a score on a synthetic task needs."""
    if not isinstance(network, nn.Sequential):
        raise ParameterError(
            f"{name} knows the stages of networks of ours only, not those of "
            f"{type(network).__name__}: name others, {', '.join(PROXIES)}"
        )
    return network
