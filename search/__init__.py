"""Searchers on one ask/tell contract; calling the module runs one: ``nasurge.search(f, ...)``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _CallableModule(ModuleType):
    """``nasurge.search`` is this package and also the function that users call.

    Importing a submodule binds the package to that name, whatever ``nasurge`` put there; so the
    package itself answers the call.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from ..searching import search

        return search(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
