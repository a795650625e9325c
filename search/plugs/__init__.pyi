from .optuna_sampler import NASurgeSampler as NASurgeSampler
from .pymoo_algorithm import ArchitectureProblem as ArchitectureProblem
