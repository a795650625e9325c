"""Names of our classes in files, and where each class is now.

A file names a registered predictor as users do (``gp``) and every other class of ours by an alias
(``nasurge:OneHot``). Who moves or renames a class changes its place here, or that of a predictor in
``predictors/names.py``, and nothing else; a name that has been written stays.
"""

from ..names import PREDICTORS

HELPERS = {
    "Attention": "nasurge.predictors.graph.layers:Attention",
    "AutoEncoder": "nasurge.predictors.semi_supervised.auto_encoder:AutoEncoder",
    "Blended": "nasurge.predictors.labels:Blended",
    "BlockLinear": "nasurge.predictors.processes.weisfeiler_lehman:BlockLinear",
    "Cell": "nasurge.data.networks.cells:Cell",
    "Common": "nasurge.data.encoders.paths:Common",
    "Connections": "nasurge.data.encoders.connections:Connections",
    "Denoiser": "nasurge.predictors.semi_supervised.denoiser:Denoiser",
    "DualFlow": "nasurge.predictors.graph.layers:DualFlow",
    "Elsewhere": "nasurge.predictors.transfer.between_spaces:Elsewhere",
    "Embedding": "nasurge.predictors.semi_supervised.learners:Embedding",
    "few_steps": "nasurge.predictors.processes.kernels:few_steps",
    "FlowTransformer": "nasurge.predictors.graph.layers:FlowTransformer",
    "Frame": "nasurge.data.spaces.frame:Frame",
    "Gated": "nasurge.predictors.graph.layers:Gated",
    "GraphPrior": "nasurge.predictors.transfer.shared_graph:GraphPrior",
    "GraphReader": "nasurge.predictors.graph.reader:GraphReader",
    "Graphs": "nasurge.data.spaces.structure:Graphs",
    "GroupedGP": "nasurge.predictors.processes.grouped:GroupedGP",
    "Hypotheses": "nasurge.predictors.transfer.likeness:Hypotheses",
    "InvertedResidual": "nasurge.data.networks.mobile:InvertedResidual",
    "Kinds": "nasurge.predictors.graph.soft_graphs:Kinds",
    "LabelsByTask": "nasurge.predictors.transfer.task_prior:LabelsByTask",
    "LatencyTransfer": "nasurge.predictors.transfer.latency:LatencyTransfer",
    "Lesson": "nasurge.predictors.transfer.shared_graph:_Lesson",
    "Likeness": "nasurge.predictors.transfer.likeness:Likeness",
    "LiveCell": "nasurge.data.networks.cells:LiveCell",
    "Members": "nasurge.predictors.graph.network:Members",
    "MLPMembers": "nasurge.predictors.neural.perceptrons:_Members",
    "Network": "nasurge.predictors.graph.network:Network",
    "NormalScores": "nasurge.predictors.labels:NormalScores",
    "OneHot": "nasurge.data.encoders.base:OneHot",
    "OnScale": "nasurge.predictors.transfer.likeness:OnScale",
    "OperationGate": "nasurge.predictors.graph.layers:OperationGate",
    "Paths": "nasurge.data.encoders.paths:Paths",
    "PathSet": "nasurge.data.spaces.structure:PathSet",
    "PlainLayer": "nasurge.predictors.graph.layers:DenseLayer",
    "Prior": "nasurge.predictors.processes.grouped:Prior",
    "RandomNetworks": "nasurge.data.networks.random_networks:RandomNetworks",
    "Reduction": "nasurge.data.networks.cells:Reduction",
    "RelationHead": "nasurge.predictors.pairwise:RelationHead",
    "Relaxation": "nasurge.predictors.relaxed:Relaxation",
    "ReLUConvBN": "nasurge.data.networks.cells:ReLUConvBN",
    "SequentialGP": "nasurge.predictors.processes.sequential:SequentialGP",
    "SimilarityNetwork": "nasurge.predictors.semi_supervised.learners:_SimilarityNetwork",
    "SoftFeatures": "nasurge.predictors.processes.soft_kernels:SoftFeatures",
    "SoftGraphs": "nasurge.predictors.graph.soft_graphs:SoftGraphs",
    "SpaceScorer": "nasurge.predictors.transfer.between_spaces:SpaceScorer",
    "Standardised": "nasurge.predictors.labels:Standardised",
    "Structure": "nasurge.data.encoders.paths:Structure",
    "TaskNetwork": "nasurge.predictors.transfer.graph_vocabulary:TaskNetwork",
    "TaskPool": "nasurge.predictors.transfer.task_pool:TaskPool",
    "TaskPrior": "nasurge.predictors.transfer.task_prior:TaskPrior",
    "Term": "nasurge.predictors.processes.covariance:Term",
    "TransferHead": "nasurge.predictors.transfer.shared_graph:_Head",
    "TransferScale": "nasurge.predictors.transfer.shared_graph:_Scale",
    "TwoWay": "nasurge.predictors.graph.layers:TwoWay",
    "WeisfeilerLehman": "nasurge.predictors.processes.weisfeiler_lehman:WeisfeilerLehman",
    "ZeroCost": "nasurge.data.networks.zero_cost_scores:ZeroCost",
}
"""Where everything else is that a saved predictor may hold, by alias."""

PLACES = {
    **{name: entry.place for name, entry in PREDICTORS.items()},
    **{f"nasurge:{alias}": place for alias, place in HELPERS.items()},
}
"""The ``"module:Class"`` of every name in files."""

NAMES = {place: name for name, place in PLACES.items()}
"""The name in files of every ``"module:Class"``."""

# Files of format 1 named the places of that time. This table does not change.
OLD_NAMES = {
    "nasurge.data.connections:Connections": "nasurge:Connections",
    "nasurge.data.encoders:Common": "nasurge:Common",
    "nasurge.data.encoders:OneHot": "nasurge:OneHot",
    "nasurge.data.encoders:Paths": "nasurge:Paths",
    "nasurge.data.encoders:Structure": "nasurge:Structure",
    "nasurge.data.networks:Cell": "nasurge:Cell",
    "nasurge.data.networks:LiveCell": "nasurge:LiveCell",
    "nasurge.data.networks:ReLUConvBN": "nasurge:ReLUConvBN",
    "nasurge.data.networks:Reduction": "nasurge:Reduction",
    "nasurge.data.networks_mobile:InvertedResidual": "nasurge:InvertedResidual",
    "nasurge.data.random_networks:RandomNetworks": "nasurge:RandomNetworks",
    "nasurge.data.spaces.base:Graphs": "nasurge:Graphs",
    "nasurge.data.spaces.base:PathSet": "nasurge:PathSet",
    "nasurge.data.spaces.frame:Frame": "nasurge:Frame",
    "nasurge.data.zero_cost:ZeroCost": "nasurge:ZeroCost",
    "nasurge.predictors.auto:Auto": "auto",
    "nasurge.predictors.auto:AutoZeroCost": "auto-zero-cost",
    "nasurge.predictors.auto_encoder:AutoEncoder": "nasurge:AutoEncoder",
    "nasurge.predictors.between_spaces:Elsewhere": "nasurge:Elsewhere",
    "nasurge.predictors.between_spaces:SpaceScorer": "nasurge:SpaceScorer",
    "nasurge.predictors.boosting:LightGBM": "lightgbm",
    "nasurge.predictors.boosting:NGBoost": "ngboost",
    "nasurge.predictors.denoiser:Denoiser": "nasurge:Denoiser",
    "nasurge.predictors.ensembles:BANANAS": "bananas",
    "nasurge.predictors.ensembles:GPNASEnsemble": "gpnas-ensemble",
    "nasurge.predictors.ensembles:Stacking": "stacking",
    "nasurge.predictors.graph:FLAN": "flan",
    "nasurge.predictors.graph:GAT": "gat",
    "nasurge.predictors.graph:GATES": "gates",
    "nasurge.predictors.graph:GCN": "gcn",
    "nasurge.predictors.graph:GIN": "gin",
    "nasurge.predictors.graph:GatedGCN": "gated-gcn",
    "nasurge.predictors.graph:GraphTransformer": "transformer",
    "nasurge.predictors.graph_ensemble:GraphEnsemble": "graph-ensemble",
    "nasurge.predictors.graph_layers:Attention": "nasurge:Attention",
    "nasurge.predictors.graph_layers:DualFlow": "nasurge:DualFlow",
    "nasurge.predictors.graph_layers:FlowTransformer": "nasurge:FlowTransformer",
    "nasurge.predictors.graph_layers:Gated": "nasurge:Gated",
    "nasurge.predictors.graph_layers:OperationGate": "nasurge:OperationGate",
    "nasurge.predictors.graph_layers:Plain": "nasurge:PlainLayer",
    "nasurge.predictors.graph_layers:TwoWay": "nasurge:TwoWay",
    "nasurge.predictors.graph_network:Members": "nasurge:Members",
    "nasurge.predictors.graph_network:Network": "nasurge:Network",
    "nasurge.predictors.graph_reader:GraphReader": "nasurge:GraphReader",
    "nasurge.predictors.graph_vocabulary:TaskNetwork": "nasurge:TaskNetwork",
    "nasurge.predictors.grouped:GroupedGP": "nasurge:GroupedGP",
    "nasurge.predictors.grouped:Prior": "nasurge:Prior",
    "nasurge.predictors.grouped:Term": "nasurge:Term",
    "nasurge.predictors.kernels:ARDGaussianProcess": "gp-ard",
    "nasurge.predictors.kernels:GaussianProcess": "gp",
    "nasurge.predictors.kernels:RBFGaussianProcess": "gp-rbf",
    "nasurge.predictors.kernels:few_steps": "nasurge:few_steps",
    "nasurge.predictors.labels:Blended": "nasurge:Blended",
    "nasurge.predictors.labels:NormalScores": "nasurge:NormalScores",
    "nasurge.predictors.labels:Standardised": "nasurge:Standardised",
    "nasurge.predictors.latency:LatencyTransfer": "nasurge:LatencyTransfer",
    "nasurge.predictors.likeness:Hypotheses": "nasurge:Hypotheses",
    "nasurge.predictors.likeness:Likeness": "nasurge:Likeness",
    "nasurge.predictors.likeness:OnScale": "nasurge:OnScale",
    "nasurge.predictors.linear:BayesianRidge": "ridge",
    "nasurge.predictors.low_fidelity:LowFidelity": "low-fidelity",
    "nasurge.predictors.neural:MLPEnsemble": "mlp",
    "nasurge.predictors.neural:_Members": "nasurge:MLPMembers",
    "nasurge.predictors.pairwise:BRPNAS": "brp-nas",
    "nasurge.predictors.pairwise:RelationHead": "nasurge:RelationHead",
    "nasurge.predictors.pairwise:SMEMNAS": "smem-nas",
    "nasurge.predictors.relaxed:Relaxation": "nasurge:Relaxation",
    "nasurge.predictors.semi_supervised:Arch2Vec": "arch2vec",
    "nasurge.predictors.semi_supervised:Assessor": "assessor",
    "nasurge.predictors.semi_supervised:Embedding": "nasurge:Embedding",
    "nasurge.predictors.semi_supervised:SemiNAS": "seminas",
    "nasurge.predictors.semi_supervised:_SimilarityNetwork": "nasurge:SimilarityNetwork",
    "nasurge.predictors.sequential:SequentialGP": "nasurge:SequentialGP",
    "nasurge.predictors.shared_graph:GraphPrior": "nasurge:GraphPrior",
    "nasurge.predictors.shared_graph:TransferGraph": "transfer-graph",
    "nasurge.predictors.shared_graph:_Head": "nasurge:TransferHead",
    "nasurge.predictors.shared_graph:_Lesson": "nasurge:Lesson",
    "nasurge.predictors.shared_graph:_Scale": "nasurge:TransferScale",
    "nasurge.predictors.soft_graphs:Kinds": "nasurge:Kinds",
    "nasurge.predictors.soft_graphs:SoftGraphs": "nasurge:SoftGraphs",
    "nasurge.predictors.soft_kernels:SoftFeatures": "nasurge:SoftFeatures",
    "nasurge.predictors.soft_kernels:SoftGaussianProcess": "gp-soft",
    "nasurge.predictors.task_pool:TaskPool": "nasurge:TaskPool",
    "nasurge.predictors.task_prior:LabelsByTask": "nasurge:LabelsByTask",
    "nasurge.predictors.task_prior:TaskPrior": "nasurge:TaskPrior",
    "nasurge.predictors.transfer:Transfer": "transfer",
    "nasurge.predictors.trees:ExtraTrees": "et",
    "nasurge.predictors.trees:RandomForest": "rf",
    "nasurge.predictors.trees:XGBoost": "xgb",
    "nasurge.predictors.weak:WeakNAS": "weaknas",
    "nasurge.predictors.wl:BlockLinear": "nasurge:BlockLinear",
    "nasurge.predictors.wl:WLGaussianProcess": "gp-wl",
    "nasurge.predictors.wl:WeisfeilerLehman": "nasurge:WeisfeilerLehman",
    "nasurge.predictors.zero_cost:EPENAS": "epe-nas",
    "nasurge.predictors.zero_cost:FLOPs": "flops",
    "nasurge.predictors.zero_cost:Fisher": "fisher",
    "nasurge.predictors.zero_cost:Fourier": "fourier",
    "nasurge.predictors.zero_cost:GeNAS": "genas",
    "nasurge.predictors.zero_cost:GenNAS": "gennas",
    "nasurge.predictors.zero_cost:GraSP": "grasp",
    "nasurge.predictors.zero_cost:GradNorm": "grad-norm",
    "nasurge.predictors.zero_cost:JaCov": "jacov",
    "nasurge.predictors.zero_cost:L2Norm": "l2-norm",
    "nasurge.predictors.zero_cost:NWOT": "nwot",
    "nasurge.predictors.zero_cost:Parameters": "params",
    "nasurge.predictors.zero_cost:Plain": "plain",
    "nasurge.predictors.zero_cost:SNIP": "snip",
    "nasurge.predictors.zero_cost:SynFlow": "synflow",
    "nasurge.predictors.zero_cost:Zen": "zen",
}
"""The name in files of every ``"module:Class"`` of format 1."""

# Of two classes that were called the same, the predictor was named.
_OLD = sorted(OLD_NAMES.items(), key=lambda item: item[1] in PREDICTORS)
OLD_CLASS_NAMES = {place.partition(":")[2]: name for place, name in _OLD}
"""Names by the class names that studies and searches held at first."""


def class_path(cls: type[object]) -> str:
    """Place of a class: ``"module:Class"``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def predictor_name(cls: type[object]) -> str:
    """Name in files of a predictor of ours; the class name of another one.

    Examples
    --------
    >>> from nasurge.predictors import GaussianProcess
    >>> predictor_name(GaussianProcess)
    'gp'
    """
    return NAMES.get(class_path(cls), cls.__name__)


def old_class_name(cls: type[object]) -> str:
    """Class name of a predictor when files came to hold it, whatever it is called now."""
    names = {name: old for old, name in OLD_CLASS_NAMES.items()}
    return names.get(predictor_name(cls), cls.__name__)
