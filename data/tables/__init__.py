"""Benchmark tables, immutable columns over the codes of a space, and the catalogue of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
