"""Pictures of trainings: accuracies, what they cost, how far two seeds and a table agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.types import Values
from .cases import numbers
from .digits import interval_text, mean_text
from .journal import Row
from .panels import CLOUD, COLOURS, Key, Panel, Picture, scatter_named, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 150  # points that say what they are: more make a report large
_MOST_BINS = 30
_LARGE = 10_000  # of such numbers a tick says 20k
_STORED = "stored accuracy, %"
_SPLITS = {"test_accuracy": "test", "valid_accuracy": "validation"}
_COSTS = {"train_seconds": "seconds of a training", "parameters": "weights of the network"}


def accuracies_picture(summary: Sequence[Row]) -> Picture:
    """Picture of what trained architectures reach: distribution, cost, agreement of two seeds.

    Parameters
    ----------
    summary : sequence of dict
        A ``TrainingEntry`` per architecture, the best first.
    """
    panels = [_distribution(summary)]
    accuracy = _means(summary, "test_accuracy")
    texts = [
        f"{entry['architecture']}: test {mean_text(entry['test_accuracy'], digits=2)} %, "
        f"{mean_text(entry['train_seconds'], digits=1)} s"
        for entry in summary
    ]
    for key, words in _COSTS.items():
        cost = _means(summary, key)
        if not np.isfinite(cost).any():  # folders of before it was kept
            continue
        said = (
            f"Test accuracy, {span(accuracy)} %, against {words}, {span(cost)}; a point for each "
            f"of {len(summary)} architectures."
        )
        labels = (words, "test accuracy, %")
        draw = partial(_draw_points, x=cost, y=accuracy, names=texts, labels=labels)
        panels.append(Panel(f"Accuracy and {words}", said, draw))
    if (pairs := _two_seeds(summary)) is not None:
        said = (
            f"Test accuracy of the second seed against that of the first, {span(pairs)} %; on the "
            "diagonal they are equal."
        )
        labels = ("test accuracy of the first seed, %", "of the second, %")
        x, y = pairs.T
        draw = partial(_draw_points, x=x, y=y, names=texts, labels=labels, diagonal=True)
        panels.append(Panel("Two seeds", said, draw))
    legend = [Key(words, COLOURS[k], "", "s") for k, words in enumerate(_SPLITS.values())]
    return Picture("accuracies", "Accuracies of trained networks", panels, legend)


def _means(summary: Sequence[Row], key: str) -> Values:
    """Number or mean of each entry, shape (n,); NaN where there is none."""
    values = [entry.get(key) for entry in summary]
    found = [value["mean"] if isinstance(value, Mapping) else value for value in values]
    return np.array(found, dtype=np.float64)


def _distribution(summary: Sequence[Row]) -> Panel:
    """Panel of how many architectures reach what."""
    values = {key: _means(summary, key) for key in _SPLITS}
    said = "; ".join(f"{words} {span(values[key])} %" for key, words in _SPLITS.items())
    draw = partial(_draw_distribution, values=list(values.values()))
    return Panel("Distribution", f"Number of architectures by accuracy: {said}.", draw)


def _draw_distribution(axis: Axes, *, values: Sequence[Values]) -> None:
    """Draw histograms over the same bins, the first filled."""
    from matplotlib.ticker import MaxNLocator

    known = [each[np.isfinite(each)] for each in values]
    every = np.concatenate(known)
    if every.size:
        bins = min(_MOST_BINS, max(5, int(np.sqrt(every.size))))
        edges = np.histogram_bin_edges(every, bins).tolist()
        for number, each in enumerate(known):
            style: dict[str, Any] = {"histtype": "step", "color": COLOURS[number]}
            if number == 0:
                style |= {"histtype": "stepfilled", "alpha": 0.45}
            axis.hist(each, edges, **style)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="accuracy, %", ylabel="architectures")


def _two_seeds(summary: Sequence[Row]) -> Values | None:
    """Test accuracies of two seeds, shape (n, 2); None unless each seed's is kept."""
    runs = [entry["test_accuracy"].get("values") or [] for entry in summary]
    if not any(len(each) > 1 for each in runs):
        return None
    # Which of its seeds diverged is not kept.
    pairs = [
        each[:2] if len(each) > 1 and not entry["diverged"] else (np.nan, np.nan)
        for each, entry in zip(runs, summary, strict=True)
    ]
    return np.array(pairs, dtype=np.float64)


def _draw_points(
    axis: Axes,
    *,
    x: Values,
    y: Values,
    names: Sequence[str],
    labels: tuple[str, str],
    diagonal: bool = False,
) -> None:
    """Draw a point for each architecture; the first ones say which they are."""
    from matplotlib.ticker import EngFormatter

    both = np.isfinite(x) & np.isfinite(y)
    if diagonal and both.any():
        ends = [min(x[both].min(), y[both].min()), max(x[both].max(), y[both].max())]
        axis.plot(ends, ends, color="black", linewidth=0.7)
    if len(names) > _NAMED:
        axis.scatter(x[both], y[both], s=5, color=CLOUD, linewidths=0, alpha=0.5, rasterized=True)
    scatter_named(axis, x[:_NAMED], y[:_NAMED], names[:_NAMED], s=12, color=COLOURS[0], alpha=0.7)
    if both.any() and x[both].max() >= _LARGE:
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set(xlabel=labels[0], ylabel=labels[1])


def retrained_picture(rows: Sequence[Row], entry: Mapping[str, Any]) -> Picture:
    """Picture of a table's accuracies trained again: against the stored, and the differences.

    Parameters
    ----------
    rows : sequence of dict
        A ``VerifyRow`` per training.
    entry : mapping
        The ``VerifyEntry``.
    """
    stored, again = numbers(rows, "stored"), numbers(rows, "retrained")
    gap = again - stored
    names = [
        f"{row['architecture']}, seed {row['seed']}: stored {a:.2f} %, again {b:.2f} %"
        for row, a, b in zip(rows, stored.tolist(), again.tolist(), strict=True)
    ]
    equal = f"{entry['equal']} of {entry['trainings']} are equal"
    against = (
        f"Accuracy trained again, {span(again)} %, against the stored, {span(stored)} %; {equal}. "
        f"On the diagonal they are. Kendall's tau: {interval_text(entry['tau'])}."
    )
    labels = (_STORED, "trained again, %")
    same = partial(_draw_points, x=stored, y=again, names=names, labels=labels, diagonal=True)
    seeds = entry["seed_difference"]
    said = f"Differences from the stored accuracy in percentage points: {span(gap)}."
    if seeds is not None:
        said += f" Two seeds of the table differ by {seeds:.2f} on average (dashed)."
    draw = partial(_draw_gaps, stored=stored, gap=gap, names=names, seeds=seeds)
    panels = [Panel("Trained again", against, same), Panel("Difference", said, draw)]
    dashed = [] if seeds is None else [Key("mean difference between two seeds", line="--")]
    legend = [Key("a training", COLOURS[0], "", "o"), *dashed]
    return Picture("retrained", "Accuracies of a table, trained again", panels, legend)


def _draw_gaps(
    axis: Axes, *, stored: Values, gap: Values, names: Sequence[str], seeds: float | None
) -> None:
    """Draw the difference of each training, and how far two seeds are apart."""
    axis.axhline(0, color="black", linewidth=0.7)
    for end in () if seeds is None else (-seeds, seeds):
        axis.axhline(end, color="black", linewidth=0.8, linestyle="--")
    scatter_named(axis, stored, gap, names, s=14, color=COLOURS[0])
    axis.set(xlabel=_STORED, ylabel="again minus stored, points")
