"""The report of a search study: curves, regret, queries to the optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmarks.pictures import band, colours, panels, to_svg
from ..benchmarks.report import Section, read_summary, render, shown

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
    ordered = sorted(summary, key=lambda e: (e["table"], e["task"], -(e["selected"]["mean"] or -1)))
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
                shown(entry["selected"]),
                shown(entry["regret"]),
                shown(entry["oracle"]),
                f"{queries['mean']:.0f}",
                f"{queries['reached']}/{queries['n']}",
                f"{entry['search_seconds']['mean']:.2f}",
            ]
        )
    return rows, best


def curves_picture(curves: Sequence[Mapping[str, Any]]) -> str:
    """Return regret against queries, a panel per task, a line per searcher."""
    tasks = list(dict.fromkeys((c["table"], c["task"]) for c in curves))
    colour = colours([c["label"] for c in curves])
    figure, axes = panels(len(tasks), width=5.4, height=3.8)
    for axis, task in zip(axes, tasks, strict=True):
        for curve in curves:
            if (curve["table"], curve["task"]) != task:
                continue
            queries = np.arange(1.0, len(curve["selected"]) + 1)
            flipped = [_regret(m, curve["best"]) for m in curve["selected"]]
            own = colour[curve["label"]]
            band(axis, queries, flipped, color=own, label=curve["label"])
            oracle = [_regret(m, curve["best"])["mean"] for m in curve["oracle"]]
            axis.plot(queries, np.array(oracle, dtype=float), color=own, linestyle=":", linewidth=1)
        axis.set_yscale("symlog", linthresh=0.05)
        axis.set_ylim(bottom=0)
        axis.set(title="/".join(task), xlabel="architectures evaluated", ylabel="regret")
    axes[0].legend(frameon=False, fontsize=9)
    return to_svg(figure)


def _regret(measured: Mapping[str, Any], best: float) -> dict[str, Any]:
    """Return how far a measured value is below the best, its interval with it."""
    low, high = (None if measured[k] is None else best - measured[k] for k in ("high", "low"))
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
    leader = rows[best[0]]
    looked = "; ".join(
        f"{address}: searches look at {label}, reported is {about['reported'][address]}"
        for address, label in about["searched"].items()
    )
    sections = [
        Section(
            "Regret against evaluations",
            "How far the reported value lies below the best in the table. Solid: the architecture "
            "the search would select (best by the value it sees), with the 95 % interval over "
            "trials. Dotted: the best reported value among all it evaluated (the oracle), which no "
            "search could pick.",
            [curves_picture(found["curves"])],
        ),
        Section(
            "After the whole budget",
            f"{looked}. A trial that never evaluates the optimum of the searched value counts as "
            f"budget + 1 = {about['budget'] + 1} queries; 'reached' says how many did.",
            (),
            COLUMNS,
            rows,
            best,
        ),
        Section(
            "Regret on the way",
            "Of the selected architecture, mean and 95 % interval.",
            (),
            ("table", "searcher", *(f"after {q}" for q in found["summary"][0]["regret_at"])),
            [
                [
                    f"{e['table']}/{e['task']}",
                    e["searcher"] + (f" + {e['predictor']}" if e["predictor"] else ""),
                    *(shown(m) for m in e["regret_at"].values()),
                ]
                for e in found["summary"]
            ],
        ),
    ]
    return render(
        folder / "report.html",
        title="Searches compared",
        lead=f"{about['trials']} trials of {about['budget']} evaluations. On {leader[0]} "
        f"{leader[1]} selects the best architectures: {leader[2]}, regret {leader[3]}.",
        command=found["command"],
        sections=sections,
        made={
            "searched": about["searched"],
            "reported": about["reported"],
            "table checksums": {k: v[:12] for k, v in about["tables"].items()},
            "batch": about["batch"],
            "seed": about["seed"],
            "versions": about["versions"],
        },
    )
