from .layers import uniform_codes as uniform_codes
from .network import HEAD_LAYERS as HEAD_LAYERS
from .network import Supernet as Supernet
from .rules import RULES as RULES
from .train import image_batches as image_batches
from .train import train_supernet as train_supernet
from .tune import tuned_losses as tuned_losses
