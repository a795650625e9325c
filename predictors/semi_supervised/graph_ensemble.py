"""Graph networks and a Gaussian process that start from the same pretrained encoder."""

from __future__ import annotations

import numpy as np

from ...data.seeds import Seed
from ...data.spaces import Codes, Space
from ..base import Predictor, Scores
from ..labels import Labels
from .learners import Arch2Vec, SemiNAS


class GraphEnsemble(Predictor):
    """Graph networks fine-tuned from a graph auto-encoder, and a Gaussian process on its embedding.

    The networks are ``SemiNAS`` without guessed labels, the process is ``Arch2Vec``; all start from
    the same auto-encoder, trained on unlabelled architectures once per process and setting (see
    ``auto_encoder.pretrained_encoder``). Each has one vote. Networks change the encoder to suit the
    labels, the process keeps it: their mistakes differ more than those of two networks.

    Parameters
    ----------
    members : int
        Networks.
    width : int
        Of the encoder and the heads.
    latent : int
        Numbers a node is described by; the embedding of an architecture has twice as many.
    pretraining_steps : int
        Gradient steps of the auto-encoder, each on 256 architectures.
    steps : int
        Gradient steps of each network.
    learning_rate, weight_decay, dropout : float
        Largest step of AdamW's one cycle, its decay of weights, and the share of units dropped.
    loss : str
        One of ``losses.LOSSES``.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    References
    ----------
    S. Yan, Y. Zheng, W. Ao, X. Zeng, M. Zhang. Does unsupervised architecture representation
    learning help neural architecture search? NeurIPS 2020. B. Lakshminarayanan, A. Pritzel,
    C. Blundell. Simple and scalable predictive uncertainty estimation using deep ensembles.
    NeurIPS 2017.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> model = GraphEnsemble(table.space, members=1, steps=10, pretraining_steps=10, seed=0)
    >>> scores, std = model.fit(table.codes[::150], y[::150]).predict(table.codes, return_std=True)
    >>> bool((std > 0).all())
    True
    """

    minimum_labels = 5
    offers_std = True
    heavy_imports = ("sklearn.gaussian_process", "torch_geometric.nn")

    def __init__(
        self,
        space: Space,
        *,
        members: int = 2,
        width: int = 64,
        latent: int = 32,
        pretraining_steps: int = 1000,
        steps: int = 150,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.05,
        dropout: float = 0.1,
        loss: str = "hinge",
        labels: str = "normal-scores",
        device: str = "auto",
        seed: Seed = None,
    ) -> None:
        self.space = space
        self.members = members
        self.width = width
        self.latent = latent
        self.pretraining_steps = pretraining_steps
        self.steps = steps
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.loss = loss
        self.labels = labels
        self.device = device
        self.seed = seed

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        networks = SemiNAS(
            self.space,
            members=self.members,
            pseudo_labels=0,
            width=self.width,
            latent=self.latent,
            pretraining_steps=self.pretraining_steps,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            loss=self.loss,
            labels="standardised",
            device=self.device,
            seed=int(rng.integers(2**31)),
        )
        process = Arch2Vec(
            self.space,
            width=self.width,
            latent=self.latent,
            pretraining_steps=self.pretraining_steps,
            labels="standardised",
            device=self.device,
        )
        self.networks_ = networks.fit(codes, z)
        self.process_ = process.fit(codes, z)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        process, deviation = self.process_.predict(codes, return_std=True)
        if self.networks_.has_std:
            voted, spread = self.networks_.predict(codes, return_std=True)
        else:
            voted, spread = self.networks_.predict(codes), np.zeros(len(codes))
        share = self.members / (self.members + 1)
        scores = share * voted + (1 - share) * process
        # The variance among all votes: within the networks, and between them and the process.
        votes = share * spread**2 + share * (1 - share) * (voted - process) ** 2
        return scores, np.sqrt(votes + deviation**2)
