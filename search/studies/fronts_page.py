"""The report of searches for several objectives: fronts, hypervolume curves, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.studies import (
    Page,
    Section,
    band,
    colours,
    descending,
    interval_text,
    mean_text,
    number_of,
    panels,
    read_summary,
    render,
    to_svg,
)

COLUMNS = (
    "table",
    "searcher",
    "selected share",
    "hypervolume share",
    "hypervolume",
    "front",
    "true front found",
    "infeasible",
    "own seconds",
)


def front_rows(summary: Sequence[Mapping[str, Any]]) -> tuple[list[list[str]], list[int]]:
    """Return the table of a study of fronts as text, and which rows lead their task."""
    ordered = sorted(
        summary, key=lambda e: (e["table"], e["task"], descending(e["selected_share"]))
    )
    rows: list[list[str]] = []
    best: list[int] = []
    last = None
    for entry in ordered:
        group = (entry["table"], entry["task"])
        if group != last:
            best.append(len(rows))
            last = group
        found = entry["true_front_found"]["mean"] * entry["true_front_size"]
        rows.append(
            [
                f"{entry['table']}/{entry['task']}",
                _label(entry),
                interval_text(entry["selected_share"]),
                interval_text(entry["hypervolume_share"]),
                mean_text(entry["hypervolume"]),
                mean_text(entry["front_size"], digits=1),
                f"{found:.1f}/{entry['true_front_size']}",
                str(entry["infeasible"]),
                f"{entry['search_seconds']['mean']:.2f}",
            ]
        )
    return rows, best


def _label(entry: Mapping[str, Any]) -> str:
    guide = f" + {entry['predictor']}" if entry["predictor"] else ""
    return f"{entry['searcher']}{guide}"


def reference_text(entry: Mapping[str, Any]) -> str:
    """Return in words against what the hypervolume of a task is measured.

    Examples
    --------
    >>> reference_text({"reference_point": {"accuracy": 9.5}, "ideal": {"accuracy": 94.1},
    ...                 "nadir": {"accuracy": 17.2}, "table": "t", "task": "a"})
    't/a: reference point accuracy 9.5 (ideal accuracy 94.1, nadir accuracy 17.2)'
    """
    points = (
        ", ".join(f"{name} {value:.4g}" for name, value in entry[key].items())
        for key in ("reference_point", "ideal", "nadir")
    )
    reference, ideal, nadir = points
    where = f"{entry['table']}/{entry['task']}"
    return f"{where}: reference point {reference} (ideal {ideal}, nadir {nadir})"


def references(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the reference point of each task in words."""
    return list(dict.fromkeys(map(reference_text, summary)))


def fronts_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """Return the true front and those found, a panel per task and pair of objectives.

    The first objective is drawn against each of the others. Of each searcher it is the trial with
    the median hypervolume.
    """
    from matplotlib.lines import Line2D

    tasks = list(dict.fromkeys((c["table"], c["task"]) for c in curves))
    colour = colours([c["label"] for c in curves])
    here = {task: [c for c in curves if (c["table"], c["task"]) == task] for task in tasks}
    shown_pairs = [(task, k) for task in tasks for k in range(1, len(here[task][0]["objectives"]))]
    figure, axes = panels(len(shown_pairs), width=5.0, height=3.8, legend=1.8)
    for axis, (task, k) in zip(axes, shown_pairs, strict=True):
        first = here[task][0]
        cloud, truth = (np.array(first[key])[:, [k, 0]] for key in ("cloud", "true_front"))
        x, y = cloud.T
        axis.scatter(x, y, s=3, color="#bbbbbb", linewidths=0, alpha=0.5, rasterized=True)
        two = len(first["objectives"]) == 2
        ordered = truth[np.argsort(truth[:, 0])]
        line = "-" if two else "none"
        axis.plot(*ordered.T, linestyle=line, color="black", marker=".", linewidth=0.8)
        for curve in here[task]:
            found = np.array(curve["front"])
            if len(found):
                x, y = found[:, k], found[:, 0]
                own = colour[curve["label"]]
                axis.scatter(x, y, s=22, facecolors="none", edgecolors=own, linewidths=1.3)
        axis.set(title="/".join(task), xlabel=first["objectives"][k])
        axis.set(ylabel=first["objectives"][0], ylim=_range(truth[:, 1], cloud[:, 1]))
        axis.set_xlim(_range(truth[:, 0], cloud[:, 0]))
    handles = [Line2D([], [], color="black", linestyle="", marker=".")]
    handles += [
        Line2D([], [], color=c, linestyle="", marker="o", markerfacecolor="none")
        for c in colour.values()
    ]
    labels = ["true front", *colour]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return to_svg(figure)


def _range(front: NDArray[np.float64], cloud: NDArray[np.float64]) -> tuple[float, float]:
    """Return limits that show the whole front, and of the cloud what is not far from it."""
    low, high = front.min(), front.max()
    extent = high - low if high > low else 1.0
    low, high = low - extent, high + extent
    inside = cloud[(cloud >= low) & (cloud <= high)]
    every = np.concatenate([front, inside])
    margin = 0.05 * (np.ptp(every) or 1.0)
    return float(every.min() - margin), float(every.max() + margin)


def volumes_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """Return the share of the true front's hypervolume against queries, a panel per task."""
    from matplotlib.lines import Line2D

    tasks = list(dict.fromkeys((c["table"], c["task"]) for c in curves))
    colour = colours([c["label"] for c in curves])
    figure, axes = panels(len(tasks), width=5.0, height=3.6, legend=1.8)
    for axis, task in zip(axes, tasks, strict=True):
        floor = 1.0
        for curve in (c for c in curves if (c["table"], c["task"]) == task):
            queries = np.arange(1.0, len(curve["hypervolume"]) + 1)
            own = colour[curve["label"]]
            band(axis, queries, curve["selected"], color=own)
            searched = np.array([m["mean"] for m in curve["hypervolume"]], dtype=float)
            axis.plot(queries, searched, color=own, linestyle=":", linewidth=1)
            early = curve["selected"][min(len(queries) - 1, len(queries) // 10)]["mean"]
            floor = min(floor, early)
        axis.set(title="/".join(task), xlabel="architectures evaluated", ylim=(floor - 0.05, 1.02))
        axis.set(ylabel="share of the true front's hypervolume")
    handles = [Line2D([], [], color=c) for c in colour.values()]
    handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1))
    labels = [*colour, "as searched"]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return to_svg(figure)


def front_report(folder: Path) -> Path:
    """Write the report of a finished search for several objectives and return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no such search.
    """
    found = read_summary(folder)
    about, summary, curves = found["about"], found["summary"], found["curves"]
    rows, best = front_rows(summary)
    won = "; ".join(f"on {row[0]} {row[1]}, {row[2]}" for row in (rows[k] for k in best))
    sections = [
        Section(
            "Fronts",
            "Black: the true Pareto front of the table, by the values that searches see; grey: "
            "other architectures. Rings: the front that each searcher found in its median trial."
            + _limits(about["constraints"]),
            [fronts_picture(curves)],
        ),
        Section(
            "Hypervolume against evaluations",
            "Share of the true front's hypervolume. Solid: the reported values of the front that "
            "the search would select by the values it sees, against the front of all reported "
            "values, with the 95 % interval over trials. Dotted: the values it sees, against their "
            "own front.",
            [volumes_picture(curves)],
        ),
        Section(
            "After the whole budget",
            "Hypervolume is of objectives scaled so that the true front spans 0 (nadir) to 1 "
            f"(ideal), against the point at -0.1. {'. '.join(references(summary))}.",
            (),
            COLUMNS,
            rows,
            best,
        ),
    ]
    marks = list(summary[0]["hypervolume_share_at"])
    if marks:
        order = {(row[0], row[1]): k for k, row in enumerate(rows)}
        lines = [
            [
                f"{e['table']}/{e['task']}",
                _label(e),
                *(interval_text(m) for m in e["hypervolume_share_at"].values()),
            ]
            for e in summary
        ]
        lines.sort(key=lambda line: order[line[0], line[1]])
        sections.append(
            Section(
                "Hypervolume share on the way",
                "Of the searched values, mean and 95 % interval.",
                (),
                ("table", "searcher", *(f"after {q}" for q in marks)),
                lines,
            )
        )
    return render(
        folder / "report.html",
        Page(
            lead=f"Largest share of the true front's hypervolume after "
            f"{number_of(about['budget'], 'evaluation')}: {won} "
            f"({number_of(about['trials'], 'trial')}).",
            sections=sections,
            made={
                "objectives": about["objectives"],
                "reported": about["reported"],
                "constraints": about["constraints"] or "none",
                "table checksums": {k: v[:12] for k, v in about["tables"].items()},
                "batch": about["batch"],
                "seed": about["seed"],
                "versions": about["versions"],
            },
        ),
        title="Searches for several objectives",
        command=found["command"],
    )


def _limits(constraints: Sequence[str]) -> str:
    return f" Only what meets {' and '.join(constraints)} counts." if constraints else ""
