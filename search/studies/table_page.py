"""The report of a search study: curves, regret, queries to the optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.studies import (
    Page,
    Section,
    band,
    colours,
    descending,
    interval_text,
    number_of,
    panels,
    read_summary,
    render,
    to_svg,
)

COLUMNS = (
    "table",
    "searcher",
    "selected",
    "regret",
    "oracle",
    "queries to optimum",
    "reached",
    "own seconds",
)


def search_rows(summary: Sequence[Mapping[str, Any]]) -> tuple[list[list[str]], list[int]]:
    """Return the table of a search study as text, and which rows lead their task."""
    ordered = sorted(summary, key=lambda e: (e["table"], e["task"], descending(e["selected"])))
    rows: list[list[str]] = []
    best: list[int] = []
    last = None
    for entry in ordered:
        group = (entry["table"], entry["task"])
        if group != last:
            best.append(len(rows))
            last = group
        guide = f" + {entry['predictor']}" if entry["predictor"] else ""
        queries = entry["queries_to_optimum"]
        rows.append(
            [
                f"{entry['table']}/{entry['task']}",
                entry["searcher"] + guide,
                interval_text(entry["selected"]),
                interval_text(entry["regret"]),
                interval_text(entry["oracle"]),
                ("" if queries["reached"] == queries["n"] else ">") + f"{queries['mean']:.0f}",
                f"{queries['reached']}/{queries['n']}",
                f"{entry['search_seconds']['mean']:.2f}",
            ]
        )
    return rows, best


def simulated(summary: Sequence[Mapping[str, Any]], workers: int | None) -> list[str]:
    """Return a line per search about the time that simulated workers took."""
    return [
        f"{entry['table']}/{entry['task']}: {entry['searcher']}"
        f"{' + ' + entry['predictor'] if entry['predictor'] else ''} takes "
        f"{interval_text(entry['simulated_seconds'])} simulated seconds with {workers} workers"
        for entry in summary
        if "simulated_seconds" in entry
    ]


def failures(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line per search in which evaluations failed."""
    return [
        f"{entry['table']}/{entry['task']}: {entry['failures']} evaluations of "
        f"{entry['searcher']} failed"
        for entry in summary
        if entry["failures"]
    ]


def curves_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """Return regret against queries, a panel per task, a line per searcher."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, NullLocator

    tasks = list(dict.fromkeys((c["table"], c["task"]) for c in curves))
    colour = colours([c["label"] for c in curves])
    figure, axes = panels(len(tasks), width=5.0, height=3.6, legend=1.8)
    for axis, task in zip(axes, tasks, strict=True):
        here = [c for c in curves if (c["table"], c["task"]) == task]
        worst = 0.0
        for curve in here:
            queries = np.arange(1.0, len(curve["selected"]) + 1)
            regret = [_regret(m, curve["best"]) for m in curve["selected"]]
            worst = max(worst, *(r["mean"] for r in regret if r["mean"] is not None))
            own = colour[curve["label"]]
            band(axis, queries, regret, color=own)
            oracle = [_regret(m, curve["best"])["mean"] for m in curve["oracle"]]
            axis.plot(queries, np.array(oracle, dtype=float), color=own, linestyle=":", linewidth=1)
        # Linear next to zero, which is reached, and logarithmic above a hundredth of the worst.
        step = 10.0 ** (np.floor(np.log10(worst)) - 2) if worst > 0 else 1.0
        axis.set_yscale("symlog", linthresh=step, linscale=0.5)
        axis.set_yticks([0, *(step * 10.0 ** np.arange(4))])
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.set_ylim(0, worst * 1.3 if worst > 0 else 1)
        axis.set(title="/".join(task), xlabel="architectures evaluated")
        axis.set(ylabel="regret, in units of the reported value")
    handles = [Line2D([], [], color=c) for c in colour.values()]
    handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1))
    labels = [*colour, "oracle"]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return to_svg(figure)


def _regret(measured: Mapping[str, Any], best: float) -> dict[str, Any]:
    """Return how far a measured value is below the best; its interval too, cut off at zero."""
    low, high = (
        None if measured[k] is None else max(0.0, best - measured[k]) for k in ("high", "low")
    )
    mean = None if measured["mean"] is None else best - measured["mean"]
    return {"mean": mean, "low": low, "high": high, "n": measured["n"]}


def search_report(folder: Path) -> Path:
    """Write the report of a finished search study and return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no finished search study.
    """
    found = read_summary(folder)
    about = found["about"]
    rows, best = search_rows(found["summary"])
    won = "; ".join(
        f"on {row[0]} {row[1]}, {row[2]}, regret {row[3]}" for row in (rows[k] for k in best)
    )
    looked = ". ".join(
        f"On {address} searches look at {label}"
        + (
            ", which is also what is reported: oracle and selected coincide"
            if label == about["reported"][address]
            else f"; reported is {about['reported'][address]}"
        )
        for address, label in about["searched"].items()
    )
    sections = [
        Section(
            "Regret against evaluations",
            "How far the reported value lies below the best in the table. Solid: the architecture "
            "the search would select (best by the value it sees), with the 95 % interval over "
            "trials. Dotted: the best reported value among all it evaluated (the oracle), which "
            "no search could pick.",
            [curves_picture(found["curves"])],
        ),
        Section(
            "After the whole budget",
            f"{looked}. A trial that never evaluates the optimum of the searched value counts as "
            f"{about['budget'] + 1} queries, so a mean over such trials is a lower bound (>); "
            "'reached' says how many did.",
            (),
            COLUMNS,
            rows,
            best,
        ),
    ]
    marks = list(found["summary"][0]["regret_at"])
    if marks:
        ordered = {(row[0], row[1]): k for k, row in enumerate(rows)}
        lines = [
            [
                f"{e['table']}/{e['task']}",
                e["searcher"] + (f" + {e['predictor']}" if e["predictor"] else ""),
                *(interval_text(m) for m in e["regret_at"].values()),
            ]
            for e in found["summary"]
        ]
        lines.sort(key=lambda line: ordered[line[0], line[1]])
        sections.append(
            Section(
                "Regret on the way",
                "Of the selected architecture, mean and 95 % interval.",
                (),
                ("table", "searcher", *(f"after {q}" for q in marks)),
                lines,
            )
        )
    return render(
        folder / "report.html",
        Page(
            lead=f"Best after {number_of(about['budget'], 'evaluation')}: {won} "
            f"({number_of(about['trials'], 'trial')}).",
            sections=sections,
            made={
                "searched": about["searched"],
                "reported": about["reported"],
                "table checksums": {k: v[:12] for k, v in about["tables"].items()},
                "batch": about["batch"],
                "seed": about["seed"],
                "versions": about["versions"],
            },
        ),
        title="Searches compared",
        command=found["command"],
    )
