"""Graph networks and a Gaussian process that start from the same pretrained encoder."""

from __future__ import annotations

import numpy as np

from ...data.parameters import device_name, one_of, whole_number
from ...data.spaces import Codes
from ..base import Predictor, Scores
from ..labels import Labels
from ..neural import LOSSES, TrainingParameters
from .learners import Arch2Vec, SemiNAS, WithAutoEncoder


class GraphEnsemble(WithAutoEncoder, TrainingParameters, Predictor):
    """Graph networks fine-tuned from a graph auto-encoder, and a Gaussian process on its embedding.

    The networks are ``SemiNAS`` without guessed labels, the process is ``Arch2Vec``; all start from
    the same auto-encoder, trained on unlabelled architectures once per process and setting (see
    ``auto_encoder.pretrained_encoder``). Each has one vote. Networks change the encoder to suit the
    labels, the process keeps it: their mistakes differ more than those of two networks.

    Parameters
    ----------
    members : int
        Networks.
    steps : int
        Gradient steps of each network.
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

    members: int = whole_number(2)
    steps: int = 150
    loss: str = one_of("hinge", LOSSES)
    device: str = device_name("auto")

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        seed = int(rng.integers(2**31))
        shared = {**self.get_params(deep=False), "labels": "standardised"}
        networks = SemiNAS(**{**shared, "seed": seed}, pseudo_labels=0)
        encoder = ("space", "width", "latent", "pretraining_steps", "labels", "device")
        process = Arch2Vec(**{name: shared[name] for name in encoder})
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
