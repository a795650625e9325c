from .denoiser import Denoiser as Denoiser
from .denoiser import train_denoiser as train_denoiser
from .graph_ensemble import GraphEnsemble as GraphEnsemble
from .learners import Arch2Vec as Arch2Vec
from .learners import Assessor as Assessor
from .learners import SemiNAS as SemiNAS
