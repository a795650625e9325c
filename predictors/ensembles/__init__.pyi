from .automatic import Auto as Auto
from .automatic import AutoZeroCost as AutoZeroCost
from .combined import BANANAS as BANANAS
from .combined import GPNASEnsemble as GPNASEnsemble
from .combined import Stacking as Stacking
from .low_fidelity import LowFidelity as LowFidelity
from .weak import WeakNAS as WeakNAS
