"""Architectures as features: scikit-learn transformers over codes, each bound to a space."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
