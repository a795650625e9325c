"""Paired comparison of the methods of a study: its rows, its table, its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ...data.types import Values
from ..paired import PairedDifference, mean_ranks, paired_differences
from .cases import grouped
from .digits import interval_text, number_text
from .journal import Row
from .page import Section, TextTable
from .panels import COLOURS, Panel, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALL_TASKS = "all tasks"
LEVEL = 0.05
"""Probability below which methods count as told apart."""

Blocks = Mapping[str, Values]
"""Values of each method, shape (blocks,)."""


class PairedEntry(PairedDifference, total=False):
    """Two methods on one task over trials, or over the tasks of a study by their means."""

    table: Annotated[str, "table's name, or ``all tasks``"]
    task: Annotated[str, "task's name; none over all tasks"]
    n_train: Annotated[int, "training architectures, where predictors are compared"]
    measure: Annotated[str, "what is compared, bigger is better"]
    blocks: Annotated[str, "``trials``, or ``tasks``: what the methods share"]
    rank_a: Annotated[float, "mean rank of ``a`` over blocks, among all methods"]
    rank_b: Annotated[float, "mean rank of ``b``"]


def paired_entries(
    measure: str,
    tasks: Mapping[tuple[str, str], Blocks],
    *,
    spans: Mapping[tuple[str, str], float],
    **case: Any,
) -> list[Row]:
    """Entries of every pair of methods on every task, and over all tasks if there are several.

    Parameters
    ----------
    measure : str
        Name of what is compared.
    tasks : mapping from (table, task) to values of each method by trial
        Only methods that all tasks have are compared over tasks.
    spans : mapping from (table, task) to float
        Largest value that can be on each, less the least.
    **case
        Further keys of each entry.
    """
    entries = []
    for (table, task), blocks in tasks.items():
        shared = {"table": table, "task": task, "blocks": "trials"}
        entries += _entries(blocks, shared, spans[table, task])
    if len(tasks) > 1:
        common = [
            name for name in next(iter(tasks.values())) if all(name in t for t in tasks.values())
        ]
        means = {
            name: np.array(
                [
                    np.nanmean(t[name]) if np.isfinite(t[name]).any() else np.nan
                    for t in tasks.values()
                ]
            )
            for name in common
        }
        shared = {"table": ALL_TASKS, "task": "", "blocks": "tasks"}
        entries += _entries(means, shared, max(spans.values()))
    return [{"measure": measure, **case, **entry} for entry in entries]


def _entries(blocks: Blocks, shared: Row, span: float) -> list[Row]:
    ranks = mean_ranks(blocks)
    return [
        {**shared, **pair, "rank_a": ranks[pair["a"]], "rank_b": ranks[pair["b"]]}
        for pair in paired_differences(blocks, span=span)
    ]


def paired_sections(entries: Sequence[Row], words: str) -> list[Section]:
    """Sections of a report: the leader of each task against the others, and mean ranks.

    Parameters
    ----------
    entries : sequence of dict
        As ``paired_entries`` returns them.
    words : str
        What the difference is of.
    """
    # Without a block that all methods have a value in there are no ranks.
    entries = [entry for entry in entries if entry["rank_a"] is not None]
    if not entries:
        return []
    few = all(entry["p"] is None for entry in entries)
    text = (
        f"Difference of {words} between the method with the best mean rank and each other, in what "
        "both were measured in: trials of a task, or tasks by their means. "
    )
    text += (
        "There is no test of so few."
        if few
        else "p: Wilcoxon's signed-rank test, two-sided, after Holm's correction for all pairs of "
        "methods on the task. In the picture a line joins methods that it does not tell apart."
    )
    return [Section.of("Differences", paired_table(entries), text, [ranks_picture(entries)])]


def paired_table(entries: Sequence[Row]) -> TextTable:
    """Leader of each case against the others, the nearest by rank first."""
    rows = []
    for members in _cases(entries).values():
        ranks = _ranks(members)
        leader = min(ranks, key=ranks.__getitem__)
        against = [
            _seen_from(leader, entry) for entry in members if leader in (entry["a"], entry["b"])
        ]
        for entry in sorted(against, key=lambda entry: float(entry["rank_b"])):
            p = "" if entry["p_holm"] is None else number_text(entry["p_holm"])
            counts = "/".join(str(entry[key]) for key in ("wins", "ties", "losses"))
            case = _title(entry)
            rows.append([case, leader, entry["b"], interval_text(entry["difference"]), counts, p])
    columns = ("where", "leader", "other", "difference", "wins/ties/losses", "p")
    return TextTable(columns, rows)


def ranks_picture(entries: Sequence[Row]) -> Picture:
    """Picture of mean ranks, a panel a case; a line joins methods that were not told apart."""
    panels = []
    for members in _cases(entries).values():
        ranks = _ranks(members)
        names = sorted(ranks, key=ranks.__getitem__)
        listed = ", ".join(f"{name} {ranks[name]:.2f}" for name in names)
        words = f"Mean ranks, 1 is the best: {listed}."
        joined = _joined(members, names)
        for first, last in joined:
            words += f" {', '.join(names[first : last + 1])} are not told apart."
        draw = partial(_draw_mean_ranks, ranks=ranks, joined=joined)
        height = 0.27 + 0.07 * len(names)
        panels.append(Panel(_title(members[0]), words, draw, height))
    return Picture("mean-ranks", "Mean ranks of the methods", panels)


def _joined(members: Sequence[Row], names: Sequence[str]) -> list[tuple[int, int]]:
    """Runs of methods that a test has not told apart; none without a test."""
    tested = any(entry["p_holm"] is not None for entry in members)
    return alike(members, names) if tested else []


def _draw_mean_ranks(
    axis: Axes, *, ranks: Mapping[str, float], joined: Sequence[tuple[int, int]]
) -> None:
    """Draw the ranks of one case, the best on top."""
    names = sorted(ranks, key=ranks.__getitem__)
    for line, name in enumerate(names):
        axis.plot([ranks[name]], [line], "o", color="black", markersize=4)
        style: dict[str, Any] = {"textcoords": "offset points", "fontsize": "medium"}
        axis.annotate(f"{name} ({ranks[name]:.2f})", (ranks[name], line), (7, -3), **style)
    for place, (first, last) in enumerate(joined):
        x = ranks[names[first]] - 0.04 - 0.05 * place
        axis.plot([x, x], [first - 0.2, last + 0.2], color=COLOURS[1], linewidth=2)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    longest = max(map(len, names)) + 7
    low, high = min(ranks.values()), max(ranks.values())
    # Room for the name at the right, as letters are wide.
    axis.set_xlim(low - 0.5, high + 0.3 + (high - low + 1) * longest / (60 - min(40, longest)))
    axis.set(xlabel="mean rank (1 = best)")


def alike(members: Sequence[Row], names: Sequence[str]) -> list[tuple[int, int]]:
    """First and last place of each longest run of methods, by rank, no two of which differ.

    Examples
    --------
    >>> pairs = [("a", "b", 0.5), ("a", "c", 0.01), ("b", "c", 0.2)]
    >>> alike([{"a": a, "b": b, "p_holm": p} for a, b, p in pairs], ["a", "b", "c"])
    [(0, 1), (1, 2)]
    """
    apart = {
        frozenset((e["a"], e["b"]))
        for e in members
        if e["p_holm"] is not None and e["p_holm"] < LEVEL
    }
    runs: list[tuple[int, int]] = []
    for first in range(len(names)):
        last = first
        while last + 1 < len(names) and not any(
            frozenset((names[k], names[last + 1])) in apart for k in range(first, last + 1)
        ):
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def _cases(entries: Sequence[Row]) -> dict[Any, list[Row]]:
    """Entries of each task and size that are compared together."""
    return grouped(entries, "table", "task", "n_train")


def _ranks(members: Sequence[Row]) -> dict[str, float]:
    """Mean rank of each method of one case."""
    return {e[side]: e[f"rank_{side}"] for e in members for side in ("a", "b")}


def _title(entry: Row) -> str:
    """Words for a case."""
    where = f"{entry['table']}/{entry['task']}" if entry["task"] else entry["table"]
    return f"{where}, n={entry['n_train']}" if "n_train" in entry else where


def _seen_from(leader: str, entry: Row) -> Row:
    """Entry with one of its two methods as ``a``."""
    if entry["a"] == leader:
        return entry
    turned = dict(entry["difference"])
    mean, low, high = (entry["difference"][key] for key in ("mean", "low", "high"))
    turned["mean"] = None if mean is None else -mean
    turned["low"], turned["high"] = (
        (None if high is None else -high),
        (None if low is None else -low),
    )
    if "values" in turned:
        turned["values"] = [-value for value in turned["values"]]
    return {
        **entry,
        "a": entry["b"],
        "b": entry["a"],
        "difference": turned,
        "wins": entry["losses"],
        "losses": entry["wins"],
        "rank_a": entry["rank_b"],
        "rank_b": entry["rank_a"],
    }
