"""Names of our predictors: where each class is, what lists say of it, and what it needs.

Lists are made from this table, so that they import no predictor; files name predictors by it.
"""

from __future__ import annotations

from typing import NamedTuple


class ListedPredictor(NamedTuple):
    """What is known of a predictor before its class is imported."""

    name: str
    """On the command line and in files; one that has been written to a file stays."""
    place: str
    """``"module:Class"``."""
    summary: str
    """The first line of the class's docstring."""
    fewest: int = 2
    """Fewest labels it learns from (``minimum_labels``)."""
    std: bool = False
    """Whether it offers standard deviations (``offers_std``)."""
    needs: str = ""
    """``"networks"``: a space that offers some; ``"cheap values"`` or ``"earlier tasks"``."""
    extra: str = ""
    """The extra of the package that it needs: ``pip install nasurge[EXTRA]``."""


_ENTRIES = (
    ListedPredictor(
        "auto",
        "nasurge.predictors.ensembles.automatic:Auto",
        "A committee of Gaussian processes, boosted trees and graph networks.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "auto-zero-cost",
        "nasurge.predictors.ensembles.automatic:AutoZeroCost",
        "The committee of ``auto`` with zero-cost proxies beside its other features.",
        fewest=3,
        std=True,
        needs="networks",
    ),
    ListedPredictor(
        "xgb",
        "nasurge.predictors.classical.trees:XGBoost",
        "Gradient-boosted trees on structural and path features.",
    ),
    ListedPredictor(
        "rf",
        "nasurge.predictors.classical.trees:RandomForest",
        "A random forest on structural and path features; trees' disagreement as uncertainty.",
        std=True,
    ),
    ListedPredictor(
        "et",
        "nasurge.predictors.classical.trees:ExtraTrees",
        "Extremely randomised trees on structural and path features; disagreement as uncertainty.",
        std=True,
    ),
    ListedPredictor(
        "lightgbm",
        "nasurge.predictors.classical.boosting:LightGBM",
        "Gradient-boosted trees (LightGBM) on structural and path features.",
        fewest=5,
        extra="boosting",
    ),
    ListedPredictor(
        "ngboost",
        "nasurge.predictors.classical.boosting:NGBoost",
        "Natural gradient boosting: each architecture gets a normal distribution, mean and "
        "deviation.",
        fewest=5,
        std=True,
        extra="boosting",
    ),
    ListedPredictor(
        "ridge",
        "nasurge.predictors.classical.linear:BayesianRidge",
        "Bayesian ridge regression on structural features.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "gp",
        "nasurge.predictors.processes.kernels:GaussianProcess",
        "A Gaussian process with a Matern-3/2 kernel on structural features.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "gp-rbf",
        "nasurge.predictors.processes.kernels:RBFGaussianProcess",
        "A Gaussian process with a squared exponential (RBF) kernel on structural features.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "gp-ard",
        "nasurge.predictors.processes.kernels:ARDGaussianProcess",
        "A Gaussian process with a Matern-3/2 kernel and one length scale per structural feature.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "gp-soft",
        "nasurge.predictors.processes.soft_kernels:SoftGaussianProcess",
        "A Gaussian process on features of soft graphs: differentiable in the architecture.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "gp-wl",
        "nasurge.predictors.processes.weisfeiler_lehman:WLGaussianProcess",
        "A Gaussian process on the live graphs, with a Weisfeiler-Lehman subtree kernel.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "gpnas-ensemble",
        "nasurge.predictors.ensembles.combined:GPNASEnsemble",
        "The mean of Gaussian processes over feature sets, kernels and label transforms.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "stacking",
        "nasurge.predictors.ensembles.combined:Stacking",
        "XGBoost, extra trees, a Gaussian process and Bayesian ridge, weighed by cross-validation.",
        fewest=15,
    ),
    ListedPredictor(
        "bananas",
        "nasurge.predictors.ensembles.combined:BANANAS",
        "An ensemble of perceptrons on path encodings.",
        fewest=5,
        std=True,
    ),
    ListedPredictor(
        "low-fidelity",
        "nasurge.predictors.ensembles.low_fidelity:LowFidelity",
        "Gaussian processes on structure and on cheap values known for every architecture asked "
        "for.",
        fewest=3,
        std=True,
        needs="cheap values",
    ),
    ListedPredictor(
        "transfer",
        "nasurge.predictors.transfer.pooled:Transfer",
        "Earlier tasks' scorers, corrected by the labels of the new task as far as these ask for "
        "it.",
        fewest=3,
        std=True,
        needs="earlier tasks",
    ),
    ListedPredictor(
        "transfer-graph",
        "nasurge.predictors.transfer.shared_graph:TransferGraph",
        "One graph network for many tasks, whose vector of a new task is learnt from few labels.",
        fewest=3,
        std=True,
        needs="earlier tasks",
    ),
    ListedPredictor(
        "mlp",
        "nasurge.predictors.neural.perceptrons:MLPEnsemble",
        "An ensemble of perceptrons on structural features (and one-hot, where positions matter).",
        fewest=5,
        std=True,
    ),
    ListedPredictor(
        "gin",
        "nasurge.predictors.graph.predictors:GIN",
        "A graph isomorphism network over operations.",
        fewest=5,
    ),
    ListedPredictor(
        "gcn",
        "nasurge.predictors.graph.predictors:GCN",
        "A graph convolutional network over operations.",
        fewest=5,
    ),
    ListedPredictor(
        "gat",
        "nasurge.predictors.graph.predictors:GAT",
        "A graph attention network over operations.",
        fewest=5,
    ),
    ListedPredictor(
        "gated-gcn",
        "nasurge.predictors.graph.predictors:GatedGCN",
        "A gated graph convolutional network: every edge has a gate per channel.",
        fewest=5,
    ),
    ListedPredictor(
        "gates",
        "nasurge.predictors.graph.predictors:GATES",
        "GATES: information flows from the input, and operations gate it on its way.",
        fewest=5,
    ),
    ListedPredictor(
        "flan",
        "nasurge.predictors.graph.predictors:FLAN",
        "A dual-flow network: dense graph flow and graph attention, averaged in every layer.",
        fewest=5,
    ),
    ListedPredictor(
        "transformer",
        "nasurge.predictors.graph.predictors:GraphTransformer",
        "A transformer over operations whose attention follows the flow.",
        fewest=5,
    ),
    ListedPredictor(
        "synflow",
        "nasurge.predictors.zero_cost:SynFlow",
        "Ranks by synaptic flow: what passes through the network of absolute weights.",
        needs="networks",
    ),
    ListedPredictor(
        "nwot",
        "nasurge.predictors.zero_cost:NWOT",
        "Ranks by NASWOT: how well the ReLUs tell images apart.",
        needs="networks",
    ),
    ListedPredictor(
        "jacov",
        "nasurge.predictors.zero_cost:JaCov",
        "Ranks by Jacobian covariance: how unlike the gradients by the images are.",
        needs="networks",
    ),
    ListedPredictor(
        "snip",
        "nasurge.predictors.zero_cost:SNIP",
        "Ranks by SNIP: the sum of absolute weight times gradient.",
        needs="networks",
    ),
    ListedPredictor(
        "grasp",
        "nasurge.predictors.zero_cost:GraSP",
        "Ranks by GraSP: the gradient flow that the weights keep.",
        needs="networks",
    ),
    ListedPredictor(
        "fisher",
        "nasurge.predictors.zero_cost:Fisher",
        "Ranks by the Fisher information of all channels.",
        needs="networks",
    ),
    ListedPredictor(
        "grad-norm",
        "nasurge.predictors.zero_cost:GradNorm",
        "Ranks by the sum of the layers' gradient norms.",
        needs="networks",
    ),
    ListedPredictor(
        "l2-norm",
        "nasurge.predictors.zero_cost:L2Norm",
        "Ranks by the sum of the layers' weight norms.",
        needs="networks",
    ),
    ListedPredictor(
        "plain",
        "nasurge.predictors.zero_cost:Plain",
        "Ranks by the sum of weight times gradient.",
        needs="networks",
    ),
    ListedPredictor(
        "zen",
        "nasurge.predictors.zero_cost:Zen",
        "Ranks by the Zen-score: how much Gaussian features move with the image.",
        needs="networks",
    ),
    ListedPredictor(
        "epe-nas",
        "nasurge.predictors.zero_cost:EPENAS",
        "Ranks by EPE-NAS: how unlike the gradients of the images of each class are.",
        needs="networks",
    ),
    ListedPredictor(
        "params",
        "nasurge.predictors.zero_cost:Parameters",
        "Ranks by the number of parameters on live edges.",
        needs="networks",
    ),
    ListedPredictor(
        "flops",
        "nasurge.predictors.zero_cost:FLOPs",
        "Ranks by what an image costs.",
        needs="networks",
    ),
    ListedPredictor(
        "fourier",
        "nasurge.predictors.zero_cost:Fourier",
        "Ranks by how much of the features is no smooth function of what images are made from.",
        needs="networks",
    ),
    ListedPredictor(
        "genas",
        "nasurge.predictors.zero_cost:GeNAS",
        "Ranks by flatness: the loss around the weights that a few steps on random labels reach.",
        needs="networks",
    ),
    ListedPredictor(
        "gennas",
        "nasurge.predictors.zero_cost:GenNAS",
        "Ranks by regression: how well a network learns to draw waves in a few steps.",
        needs="networks",
    ),
    ListedPredictor(
        "brp-nas",
        "nasurge.predictors.pairwise:BRPNAS",
        "BRP-NAS: a graph convolutional network reads two architectures and says which is better.",
        fewest=5,
    ),
    ListedPredictor(
        "smem-nas",
        "nasurge.predictors.pairwise:SMEMRelation",
        "The surrogate of SMEM-NAS: a support vector machine that compares two architectures.",
        fewest=3,
    ),
    ListedPredictor(
        "arch2vec",
        "nasurge.predictors.semi_supervised.learners:Arch2Vec",
        "arch2vec: a Gaussian process on the embedding of a graph auto-encoder.",
        fewest=3,
        std=True,
    ),
    ListedPredictor(
        "seminas",
        "nasurge.predictors.semi_supervised.learners:SemiNAS",
        "SemiNAS: a predictor labels architectures that were not measured and learns from these "
        "too.",
        fewest=5,
    ),
    ListedPredictor(
        "graph-ensemble",
        "nasurge.predictors.semi_supervised.graph_ensemble:GraphEnsemble",
        "Graph networks fine-tuned from a graph auto-encoder, and a Gaussian process on its "
        "embedding.",
        fewest=5,
        std=True,
    ),
    ListedPredictor(
        "assessor",
        "nasurge.predictors.semi_supervised.learners:Assessor",
        "The semi-supervised assessor: a graph network over architectures that lie near each "
        "other.",
        fewest=5,
    ),
    ListedPredictor(
        "weaknas",
        "nasurge.predictors.ensembles.weak:WeakNAS",
        "WeakNAS: weak predictors in a row, each of which knows a better part of the space.",
        fewest=5,
    ),
)
PREDICTORS = {entry.name: entry for entry in _ENTRIES}
"""Our predictors by name; plug-ins add theirs by entry points of ``nasurge.predictors``."""
