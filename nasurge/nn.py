"""Choices for models of one's own: a PyTorch module that holds them is a search space."""

from .data.networks.choices import Choice as Choice
from .data.networks.choices import Conv1d as Conv1d
from .data.networks.choices import Conv2d as Conv2d
from .data.networks.choices import Elastic as Elastic
from .data.networks.choices import Inputs as Inputs
from .data.networks.choices import Linear as Linear
from .data.networks.choices import ModuleSpace as ModuleSpace
from .data.networks.choices import Positions as Positions
from .data.networks.choices import Repeat as Repeat
from .data.networks.choices import SelfAttention as SelfAttention
from .data.networks.choices import space_of as space_of
