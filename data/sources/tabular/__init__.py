"""CSV and Parquet files, also packed: a short description says what each column measures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
