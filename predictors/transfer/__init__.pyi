from .between_spaces import Elsewhere as Elsewhere
from .latency import CANDIDATES as CANDIDATES
from .latency import LatencyTransfer as LatencyTransfer
from .pooled import Transfer as Transfer
from .shared_graph import GraphPrior as GraphPrior
from .shared_graph import TransferGraph as TransferGraph
from .task_prior import TaskPrior as TaskPrior
