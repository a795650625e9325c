from .base import Encoder as Encoder
from .base import Features as Features
from .base import OneHot as OneHot
from .connections import Connections as Connections
from .paths import Common as Common
from .paths import Paths as Paths
from .paths import Structure as Structure
