"""Random search, the baseline that every search has to beat."""

from __future__ import annotations

from ...data.spaces import Codes
from ..base import Searcher


class RandomSearch(Searcher):
    """Architectures drawn uniformly without replacement.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = RandomSearch(make_space("nb201"), seed=0)
    >>> codes = searcher.ask(3)
    >>> searcher.tell(codes, [70.1, float("nan"), 71.3])
    >>> searcher.best()[1]
    71.3

    References
    ----------
    L. Li and A. Talwalkar. Random search and reproducibility for neural architecture search.
    UAI 2019.
    """

    several_objectives = True

    def _ask(self, n: int) -> Codes:
        return self._draw(n)
