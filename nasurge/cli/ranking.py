"""The command ``nasurge rank``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..options import RankOptions
from .common import emit
from .options import command_of
from .printing import print_table, say

if TYPE_CHECKING:
    from ..ranking import Ranking


def _rank(options: RankOptions, as_json: bool) -> None:
    """Learn from measured architectures, rank all others, and propose what to measure next.

    A space with more architectures than --sample is not listed: a sample and what is near the best
    measured are ranked. How well the predictor ranks architectures that it did not learn from is
    said beside it. Try:

        nasurge rank nb201-digits -p gp --propose 5
    """
    from ..ranking import rank

    given = {name: getattr(options, name) for name in options.__dataclass_fields__ if name != "_"}
    found = rank(**{**given, "write": True})
    if as_json:
        emit(found.as_json())
        return
    for line in found.imported:
        say(line)
    _say_quality(found)
    names = [c for c in found.frame.columns if c not in ("architecture", "score", "std")]
    print_table(
        (*names, f"predicted {found.metric}", "std"),
        [
            (
                *(str(one.variables.get(name, "-")) for name in names),
                _number(one.score),
                _number(one.std),
            )
            for one in found.proposed
        ],
    )
    say(f"to measure next: {len(found.proposed)}, by {found.rule}")
    what = "all others of the space" if found.whole else "a sample of the space and what is near"
    say(f"ranking of {len(found.frame):,} architectures ({what}): {found.path}")


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.5g}"


def _say_quality(found: Ranking) -> None:
    """Say what was learnt, and how well it predicts what was left out."""
    tau = found.quality
    told = "undefined: too few labels, or all predictions are equal"
    if tau["mean"] is not None:
        span = "" if tau["low"] is None else f" [{tau['low']:.2f}, {tau['high']:.2f}]"
        told = f"{tau['mean']:.2f}{span}"
    regret = found.at_the_top["regret_at_10"]
    way = "smaller" if found.minimise else "bigger"
    say(
        f"{found.predictor} learnt {found.metric} ({way} is better) of {found.n_labels:,} "
        f"architectures; Kendall tau on those left out (five-fold, 95 % interval): {told}"
    )
    top = [
        f"{words} {value:.3g}"
        for words, value in (
            ("the best of the predicted top 10 is below the best of all by", regret),
            ("Kendall tau in the top 5 %", found.at_the_top["kendall_tau_top5"]),
        )
        if value is not None
    ]
    if top:
        say(f"of the same: {'; '.join(top)}")


rank = command_of(RankOptions, _rank)
