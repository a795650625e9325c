"""The cells of DARTS, which NAS-Bench-301 and most tables of genotypes share."""

from __future__ import annotations

from typing import Any

from .genotypes import Genotypes

_OPERATIONS = (
    *("max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
)


class DARTS(Genotypes):
    """DARTS and NAS-Bench-301 genotypes: two cells, 7 operations, 1.1 x 10^18 architectures.

    Examples
    --------
    >>> space = DARTS()
    >>> space.size == (1 * 3 * 6 * 10 * 7**8) ** 2
    True

    References
    ----------
    H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable architecture search. ICLR 2019;
    A. Zela et al. Surrogate NAS benchmarks: Going beyond the limited search spaces of tabular NAS
    benchmarks. ICLR 2022 (NAS-Bench-301).
    """

    def __init__(self) -> None:
        super().__init__(4, _OPERATIONS, name="darts")

    def spec(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}


class DARTSWithNone(Genotypes):
    """DARTS genotypes with ``none`` and with two edges from one input: 2.2 x 10^21.

    What programs draw that do not keep to the rules of the paper: 8 operations, 10^21 genotypes.

    Examples
    --------
    >>> space = DARTSWithNone()
    >>> space.size == (3 * 6 * 10 * 15 * 8**8) ** 2
    True
    """

    def __init__(self) -> None:
        super().__init__(4, ("none", *_OPERATIONS), repeats=True, name="darts-none")

    def spec(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}
