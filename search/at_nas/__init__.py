"""AT-NAS: a meta-learned supernet and the evolution of encodings across few-shot tasks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
