from . import nn as nn
from . import trackers as trackers
from .api import compare as compare
from .api import validate as validate
from .api import verify as verify
from .data.spaces import Space as Space
from .data.spaces import choice as choice
from .data.spaces import make_space as make_space
from .data.spaces import ordered as ordered
from .data.spaces import repeat as repeat
from .data.tables import import_table as import_table
from .data.tables import load_table as load_table
from .data.tables import table_names as table_names
from .errors import NasurgeError as NasurgeError
from .predictors.processes.anchoring import anchors as anchors
from .ranking import rank as rank
from .registry import load_predictor as load_predictor
from .registry import make_predictor as make_predictor
from .registry import make_searcher as make_searcher
from .searching import search as search

__version__: str
