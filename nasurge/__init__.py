"""NASurge: score neural architectures without training them.

Everything a script needs stands here and is imported when it is first used; ``import nasurge``
itself loads neither torch nor xgboost.
"""

from importlib.util import find_spec as _find_spec
from pathlib import Path as _Path

import lazy_loader as _lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

# The rooms are top-level folders that setup.cfg maps into this package: python run inside a second
# checkout would take this file from there and the rooms from the installed one.
_own = _Path(__file__).resolve().parent
_rooms = _find_spec(f"{__name__}.data")
if _rooms is not None and _rooms.origin is not None:
    _found = _Path(_rooms.origin).resolve().parent.parent
    if _found not in (_own, _own.parent):
        raise ImportError(
            f"two checkouts of NASurge are mixed: nasurge is taken from {_own}, nasurge.data from "
            f"{_found / 'data'}. Leave the folder {_own.parent}, or install that checkout "
            f"(pip install -e {_own.parent})"
        )
