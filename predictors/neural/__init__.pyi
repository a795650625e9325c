from .base import NeuralPredictor as NeuralPredictor
from .base import fitted_line as fitted_line
from .losses import Loss as Loss
from .losses import make_loss as make_loss
from .parameters import TrainingParameters as TrainingParameters
from .perceptrons import MLPEnsemble as MLPEnsemble
from .training import OneCycleAdamW as OneCycleAdamW
from .training import train as train
