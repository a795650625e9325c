"""Graph neural networks over the operations of an architecture."""

from __future__ import annotations

import copy
from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from ...data.devices import one_thread
from ...data.parameters import truth, whole_number
from ...data.seeds import torch_seed
from ...data.spaces import Codes
from ..labels import Labels
from ..neural import NeuralPredictor
from .layers import (
    Attention,
    DenseLayer,
    DualFlow,
    FlowTransformer,
    Gated,
    OperationGate,
    TwoWay,
    isomorphism_layer,
)
from .network import Members, Network
from .reader import GraphReader
from .soft_graphs import SoftGraphs

_UPDATE_SHARE, _UPDATE_STEPS = 0.2, 40  # of a fit's steps, and the fewest where it has so many


class GraphPredictor(NeuralPredictor):
    """A graph neural network over the operations of an architecture.

    Operations that no data passes are left out and skips replaced by the connections they make,
    so networks see what is computed. The head reads the mean of the nodes, the output node, and
    (``path_sums``) log-sum-exps of path lengths, standardised over unlabelled architectures of the
    space. Where nodes are the variables of the space, they also tell which variable they are, and
    the number of an ordered one. All is differentiable in the node types: see ``score_graphs``.

    Standard deviations are offered with ``members`` > 1 or ``dropout_samples`` > 0.

    Parameters
    ----------
    members : int
        Networks of the ensemble, which differ in their start and dropout.
    layers, width : int
        Rounds of messages, and units of each layer.
    dropout_samples : int
        Networks with other units dropped, a member, whose spread is the standard deviation
        (Monte Carlo dropout); the score stays that of the whole network.
    path_sums : bool
        Whether the head reads path lengths.

    References
    ----------
    Ensembles: B. Lakshminarayanan, A. Pritzel, C. Blundell. Simple and scalable predictive
    uncertainty estimation using deep ensembles. NeurIPS 2017. Dropout: Y. Gal and Z. Ghahramani.
    Dropout as a Bayesian approximation. ICML 2016.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gat = nasurge.make_predictor("gat", table.space, steps=20, seed=0)  # or "gin", "gcn", ...
    >>> gat.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    members: int = whole_number(1)
    layers: int = whole_number(2)
    dropout_samples: int = whole_number(0, least=0)
    path_sums: bool = truth(default=True)

    @property
    def has_std(self) -> bool:
        """Whether there is more than one network to ask."""
        return self.members > 1 or self.dropout_samples > 0

    @abstractmethod
    def _layer(self) -> nn.Module:
        """One layer: from (node states, embedded operations, graphs) to node states."""

    def _prepare(self, codes: Codes) -> None:  # noqa: ARG002
        reader = GraphReader(self.space, path_sums=self.path_sums, slots=True)
        self.reader_ = reader.to(self.device_)

    def _tensors(self, codes: Codes) -> list[Tensor]:
        return list(self.reader_(codes))

    def _network(self, inputs: list[Tensor]) -> nn.Module:
        graphs = SoftGraphs(*inputs)
        networks = []
        for _ in range(self.members):
            layers = [self._layer() for _ in range(self.layers)]
            sizes = graphs.types.shape[2], graphs.sums.shape[1]
            slots = self.reader_.slot_embedding(self.width)
            networks.append(Network(*sizes, layers, self.width, self.dropout, slots=slots))
        return Members(networks, self.dropout, self.dropout_samples)

    def _update(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        """Train the network of the earlier fit on all labels, for a fifth of the steps."""
        steps = min(self.steps, max(_UPDATE_STEPS, int(_UPDATE_SHARE * self.steps)))
        inputs = self._tensors(codes)
        with torch_seed(rng, self.device_), one_thread():
            module = copy.deepcopy(self.module_)
            self._train(module, inputs, z, rng, steps=steps)

    def _votes(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        votes = self.module_(*inputs)
        if not self.dropout_samples:
            return votes.mean(dim=0), votes
        return votes.mean(dim=0), self.module_.sampled(*inputs)  # type: ignore[operator]

    def score_graphs(self, nodes: Tensor, adjacency: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores of relaxed architectures; gradients flow to their node types.

        Parameters
        ----------
        nodes : Tensor, shape (n, v, t)
            Share of each of ``space.node_types`` in each node; shares of a node sum to 1.
        adjacency : Tensor, shape (n, v, v)
            Flow from the first node to the second, as ``space.graphs`` gives it. Operations with a
            share of zero operation are cut by that share, so give the flow of an architecture
            without zero operations to relax it.
        mask : Tensor, shape (n, v), optional
            0 for nodes that do not exist; all exist by default.

        Returns
        -------
        Tensor, shape (n,)
            Transformed labels, which rise with the labels: ``label_transform_.inverse`` makes the
            scores of ``predict`` of them.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ParameterError
            If the shapes do not belong together or to the space.
        """
        self._check_fitted()
        if mask is None:
            mask = torch.ones(nodes.shape[:2], device=nodes.device)
        graphs = self.reader_.node_graphs(nodes, adjacency, mask)
        offset, slope = self.line_
        scores: Tensor = offset + slope * self.module_(*graphs).mean(dim=0)
        return scores

    def score_relaxed(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of relaxed architectures, with gradients, and their uncertainty.

        Parameters
        ----------
        shares : Tensor, shape (n, s)
            Shares of every value of every variable, in the order of the one-hot code; those of a
            variable sum to 1. See ``relaxed.Relaxation``, which makes them. For a one-hot code of
            ``space.canonical`` this is what ``predict`` returns, before its label transform.

        Returns
        -------
        scores, std : Tensor, shape (n,)
            In transformed labels, which rise with the labels: ``label_transform_.inverse`` turns
            them back. The deviation is 0 where the predictor has none to offer (``has_std``).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ParameterError
            If the shape does not belong to the space, or the space has no relaxation.
        """
        self._check_fitted()
        offset, slope = self.line_
        mean, votes = self._votes(list(self.reader_.relaxed_graphs(shares)))
        return offset + slope * mean, slope * votes.std(dim=0, correction=0)


class GIN(GraphPredictor):
    """A graph isomorphism network over operations.

    Messages go both ways along the flow, with a residual.

    References
    ----------
    K. Xu, W. Hu, J. Leskovec, S. Jegelka. How powerful are graph neural networks? ICLR 2019.
    """

    heavy_imports = ("torch_geometric.nn",)

    def _layer(self) -> nn.Module:
        return isomorphism_layer(self.width)


class GCN(GraphPredictor):
    """A graph convolutional network over operations.

    Messages go both ways along the flow, with a residual.

    References
    ----------
    T. N. Kipf and M. Welling. Semi-supervised classification with graph convolutional networks.
    ICLR 2017. As a predictor: W. Wen et al. Neural predictor for NAS. ECCV 2020.
    """

    heavy_imports = ("torch_geometric.nn",)

    def _layer(self) -> nn.Module:
        from torch_geometric.nn import DenseGCNConv

        def one_way() -> nn.Module:
            return DenseLayer(DenseGCNConv(self.width, self.width))

        return TwoWay(one_way(), one_way(), self.width)


class GAT(GraphPredictor):
    """A graph attention network over operations.

    Four heads; each direction of the flow has its own attention,
    weighed by how much data flows.

    References
    ----------
    P. Veličković et al. Graph attention networks. ICLR 2018.
    """

    width: int = whole_number(32, least=4, multiple_of=4)

    def _layer(self) -> nn.Module:
        return TwoWay(Attention(self.width), Attention(self.width), self.width)


class GatedGCN(GraphPredictor):
    """A gated graph convolutional network: every edge has a gate per channel.

    The layer of Bresson and Laurent with layer normalisation and
    without edge states, in both directions of the flow.

    References
    ----------
    X. Bresson and T. Laurent. Residual gated graph ConvNets. arXiv 1711.07553.
    """

    predict_batch = 256  # memory for a gate per edge and channel

    def _layer(self) -> nn.Module:
        return TwoWay(Gated(self.width), Gated(self.width), self.width)


class GATES(GraphPredictor):
    """GATES: information flows from the input, and operations gate it on its way.

    As in the paper messages go along the flow only and an
    operation modulates what passes it; node states start from the operations, where the paper's
    start from learnt information at the input, and layers have a residual.

    References
    ----------
    X. Ning, Y. Zheng, T. Zhao, Y. Wang, H. Yang. A generic graph-based neural architecture encoding
    scheme for predictor-based NAS. ECCV 2020.
    """

    def _layer(self) -> nn.Module:
        return TwoWay(OperationGate(self.width, keep=False), None, self.width)


class FLAN(GraphPredictor):
    """A dual-flow network: dense graph flow and graph attention, averaged in every layer.

    The two modules of FLAN, gated by the operations, run along
    the flow and against it at once; FLAN's iterated refinement of operations, zero-cost and
    unsupervised encodings and its transfer between spaces are left out.

    References
    ----------
    Y. Akhauri and M. S. Abdelfattah. Encodings for prediction-based neural architecture search.
    arXiv 2403.02484.
    """

    width: int = whole_number(32, least=4, multiple_of=4)

    def _layer(self) -> nn.Module:
        return TwoWay(DualFlow(self.width), DualFlow(self.width), self.width)


class GraphTransformer(GraphPredictor):
    """A transformer over operations whose attention follows the flow.

    Of the four heads one sees what comes before, one what comes
    after, one the next nodes and one all: the flow masks of FlowerFormer in the place of TNASP's
    Laplacian encodings, which are neither differentiable nor free of sign.

    References
    ----------
    S. Lu, J. Li, J. Tan, S. Yang, J. Liu. TNASP: a transformer-based NAS predictor with a
    self-evolution framework. NeurIPS 2021. D. Hwang, H. Kim, S. Kim, K. Shin. FlowerFormer:
    empowering neural architecture encoding using a flow-aware graph transformer. CVPR 2024.
    """

    width: int = whole_number(32, least=4, multiple_of=4)

    def _layer(self) -> nn.Module:
        return FlowTransformer(self.width)
