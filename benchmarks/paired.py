"""Methods compared pair by pair over what they share: trials of one task, or tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from ..data.arguments import checked
from ..data.types import Mask, Values
from ..errors import LabelError, ParameterError
from .intervals import FEWEST_DRAWS, Interval, interval
from .pairs import real_numbers


class PairedDifference(TypedDict):
    """One method beside another over blocks that both were measured in."""

    a: Annotated[str, "one method"]
    b: Annotated[str, "the other"]
    difference: Annotated[Interval, "of ``a`` less that of ``b``, over blocks"]
    wins: Annotated[int, "blocks in which ``a`` is better"]
    ties: Annotated[int, "blocks in which both are equal"]
    losses: Annotated[int, "blocks in which ``b`` is better"]
    p: Annotated[float | None, "of Wilcoxon's signed-rank test, two-sided; none for few blocks"]
    p_holm: Annotated[float | None, "``p`` after Holm's correction for all pairs of the group"]


@checked
def paired_differences(
    values: Mapping[str, ArrayLike], *, span: float = math.inf
) -> list[PairedDifference]:
    """Differences of every pair of methods over blocks, with Wilcoxon's signed-rank test.

    A block is what methods share, such as the training architectures of a trial, or a task: how
    hard it is cancels out of a difference.

    Parameters
    ----------
    values : mapping from str to array_like, shape (blocks,)
        Of each method, bigger is better; NaN where it has none. A pair is compared in the blocks
        that both have.
    span : float, above 0
        Largest value that can be less the least, such as 2 for a correlation: no difference is
        larger, and no interval says so.

    Returns
    -------
    list of dict
        One a pair, in the order of the methods. Fewer than five blocks have no test.

    Raises
    ------
    LabelError
        If lengths differ, or values are no numbers.
    ParameterError
        If the span is not above 0.

    References
    ----------
    J. Demsar. Statistical comparisons of classifiers over multiple data sets. JMLR 7, 2006.
    S. Holm. A simple sequentially rejective multiple test procedure. Scand. J. Statistics 6, 1979.

    Examples
    --------
    >>> trials = {"gp": [0.8, 0.7, 0.9, 0.8, 0.7, 0.8], "rf": [0.7, 0.6, 0.7, 0.5, 0.6, 0.8]}
    >>> [pair] = paired_differences(trials)
    >>> round(pair["difference"]["mean"], 3), pair["wins"], pair["ties"], round(pair["p"], 4)
    (0.133, 5, 1, 0.0625)
    """
    if not span > 0:
        raise ParameterError(f"span must be above 0, such as 2 for a correlation, not {span!r}")
    columns = _columns(values)
    found = [_pair(a, b, columns[a], columns[b], span) for a, b in combinations(columns, 2)]
    for pair, p in zip(found, holm([pair["p"] for pair in found]), strict=True):
        pair["p_holm"] = p
    return found


@checked
def mean_ranks(values: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Mean rank of each method over the blocks that all have; 1 is the best, equals share one.

    Parameters
    ----------
    values : mapping from str to array_like, shape (blocks,)
        As for `paired_differences`.

    Raises
    ------
    LabelError
        If lengths differ, or values are no numbers.

    Examples
    --------
    >>> mean_ranks({"gp": [0.8, 0.7], "rf": [0.7, 0.7]})
    {'gp': 1.25, 'rf': 1.75}
    """
    from scipy.stats import rankdata

    columns = _columns(values)
    if not columns:
        return {}
    matrix = np.stack(list(columns.values()))
    whole = matrix[:, ~np.isnan(matrix).any(axis=0)]
    ranks = rankdata(-whole, axis=0).mean(axis=1) if whole.size else np.full(len(matrix), np.nan)
    return dict(zip(columns, ranks.tolist(), strict=True))


def holm(p: list[float | None]) -> list[float | None]:
    """Probabilities after Holm's correction for as many as there are; none stay none.

    Examples
    --------
    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    known = sorted((one, k) for k, one in enumerate(p) if one is not None)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for place, (one, k) in enumerate(known):
        largest = max(largest, min(1.0, one * (len(known) - place)))
        corrected[k] = largest
    return corrected


def _columns(values: Mapping[str, ArrayLike]) -> dict[str, Values]:
    """Values of each method, all of one length."""
    if not isinstance(values, Mapping):
        raise LabelError(f"values must map the name of each method to its values, not {values!r}")
    columns = {name: real_numbers(name, column) for name, column in values.items()}
    shapes = {column.shape for column in columns.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        lengths = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise LabelError(f"every method needs one value a block, received {lengths}")
    return columns


def _pair(a: str, b: str, first: Values, second: Values, span: float) -> PairedDifference:
    """Two methods over the blocks that both have, without a correction."""
    both = ~np.isnan(first) & ~np.isnan(second)
    difference = first[both] - second[both]
    # Sums of the same numbers in another order are equal.
    equal: Mask = np.isclose(first[both], second[both], rtol=1e-12, atol=0)
    return {
        "a": a,
        "b": b,
        "difference": interval(difference, least=-span, most=span),
        "wins": int((difference[~equal] > 0).sum()),
        "ties": int(equal.sum()),
        "losses": int((difference[~equal] < 0).sum()),
        "p": _signed_rank(np.where(equal, 0.0, difference)),
        "p_holm": None,
    }


def _signed_rank(difference: Values) -> float | None:
    """Probability of Wilcoxon's test, blocks without a difference left out; 1 if none has one."""
    from scipy.stats import wilcoxon

    if len(difference) < FEWEST_DRAWS or not np.isfinite(difference).all():
        return None
    differing = difference[difference != 0]
    return float(wilcoxon(differing).pvalue) if len(differing) else 1.0
