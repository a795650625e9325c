"""Training of stand-alone networks: recipe, resumable epochs, checkpoints, task embeddings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
