"""Published spaces that are chains, stages or products, with their official strings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
