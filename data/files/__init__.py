"""Files: where they live, how they are written whole, and how foreign ones are read as data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
