from .layers import uniform_codes as uniform_codes
from .network import HEAD_LAYERS as HEAD_LAYERS
from .network import Supernet as Supernet
from .options import RULES as RULES
from .options import SharedWeightOptions as SharedWeightOptions
from .options import SupernetOptions as SupernetOptions
from .train import train_supernet as train_supernet
from .tune import tuned_losses as tuned_losses
