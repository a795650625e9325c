"""Parameters of what trains networks, apart from torch."""

from ...data.parameters import Estimator, number, positive_number, whole_number


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

    width: int = whole_number(32)
    steps: int = whole_number(200)
    learning_rate: float = positive_number(5e-3)
    weight_decay: float = number(0.05, least=0)
    dropout: float = number(0.1, least=0, below=1)
