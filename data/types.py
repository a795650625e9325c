"""Kinds of arrays that signatures name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.signedinteger[Any]]
"""Architectures as rows of decision variables, shape (n, d)."""
Values = NDArray[np.float64]
"""Numbers, mostly one for each architecture."""
Matrix = NDArray[np.float64]
"""Numbers in rows and columns."""
Keys = NDArray[Any]
"""Identities of architectures: whole numbers, or the bytes of rows."""
Index = NDArray[np.int64]
"""Whole numbers: rows, classes, mixed-radix numbers of architectures."""
Mask = NDArray[np.bool_]
"""Truths."""
Pixels = NDArray[np.float32]
"""Images, shape (n, channels, height, width)."""
