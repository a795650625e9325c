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
_room = _find_spec(f"{__name__}.data")
if _room is not None and _room.origin is not None:
    _rooms = _Path(_room.origin).resolve().parent.parent
    if _rooms not in (_own, _own.parent):
        raise ImportError(
            f"two checkouts of NASurge are mixed: nasurge comes from {_own}, but nasurge.data from "
            f"{_rooms / 'data'}. To use the second, run python from another folder: cd {_rooms}. "
            f"To use the first, install it: pip install -e {_own.parent}"
        )
