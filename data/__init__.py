"""Spaces, encoders, tables and where they come from; imports nothing else of NASurge's rooms."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
