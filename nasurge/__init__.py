"""NASurge: score neural architectures without training them.

Everything a script needs stands here and is imported when it is first used; ``import nasurge``
itself loads neither torch nor xgboost.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import compare as compare
    from .api import search as search
    from .api import validate as validate
    from .data.catalogue import import_table as import_table
    from .data.catalogue import load_table as load_table
    from .data.catalogue import table_names as table_names
    from .data.spaces import make_space as make_space
    from .errors import NasurgeError as NasurgeError
    from .predictors.anchors import anchors as anchors
    from .registry import load_predictor as load_predictor
    from .registry import make_predictor as make_predictor
    from .registry import make_searcher as make_searcher

_WHERE = {
    "NasurgeError": ".errors",
    "anchors": ".predictors.anchors",
    "compare": ".api",
    "import_table": ".data.catalogue",
    "load_predictor": ".registry",
    "load_table": ".data.catalogue",
    "make_predictor": ".registry",
    "make_searcher": ".registry",
    "make_space": ".data.spaces",
    "search": ".api",
    "table_names": ".data.catalogue",
    "validate": ".api",
}

__all__ = [
    "NasurgeError",
    "__version__",
    "anchors",
    "compare",
    "import_table",
    "load_predictor",
    "load_table",
    "make_predictor",
    "make_searcher",
    "make_space",
    "search",
    "table_names",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
