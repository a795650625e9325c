"""Parameters of what trains networks, apart from torch."""

from ...data.parameters import Estimator


class TrainingParameters(Estimator):
    """Parameters of an estimator that trains a network with AdamW.

    Parameters
    ----------
    width : int
        Units of each hidden layer.
    steps : int
        Gradient steps.
    learning_rate, weight_decay, dropout : float
        Largest step of AdamW's one cycle, its decay of weights, and the share of units dropped.
    """

    width: int = 32
    steps: int = 200
    learning_rate: float = 5e-3
    weight_decay: float = 0.05
    dropout: float = 0.1
