"""``validate``: are the scores true? Train some of the architectures and see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.devices import one_thread, resolve_device
from ..data.images import Images, load_images
from ..data.spaces import CellSpace
from ..errors import LabelError, ParameterError
from .intervals import kendall_tau_interval
from .objectives import Problem
from .protocol import Factory, split
from .study import Progress, Row, Study, fingerprint, versions, write_rows

Index = NDArray[np.int64]

COMPARED = {
    "predicted": "predicted score",
    "table_value": "table value",
    "trained_accuracy": "trained accuracy",
}


@dataclass(frozen=True)
class Validation:
    """What ``validate`` found.

    Attributes
    ----------
    correlations : list of dict
        Kendall tau between each two of predicted score, table value and trained accuracy.
    architectures : list of dict
        One entry per trained architecture.
    folder : Path
    about : dict
    """

    correlations: list[Row]
    architectures: list[Row]
    folder: Path
    about: dict[str, Any]


def choose(
    scores: NDArray[np.float64], functions: Index, *, top: int, spread: int
) -> tuple[Index, Index]:
    """Return the best ``top`` rows by score, and ``spread`` rows at even steps down the ranking.

    No two of them compute the same function.

    Parameters
    ----------
    scores : float array, shape (n,)
    functions : int array, shape (n,)
        Equal for architectures that compute the same function.
    top, spread : int

    Raises
    ------
    LabelError
        If there are not so many different functions.

    Examples
    --------
    >>> scores = np.array([5.0, 4.0, 4.0, 3.0, 2.0, 1.0])
    >>> choose(scores, np.array([0, 1, 1, 2, 3, 4]), top=2, spread=2)
    (array([0, 1]), array([3, 5]))
    """
    order = np.argsort(-scores, kind="stable")
    _, first = np.unique(functions[order], return_index=True)
    order = order[np.sort(first)]
    if len(order) < top + spread:
        raise LabelError(
            f"{len(order)} different functions are left to choose from, {top} + {spread} are "
            "asked for: lower --top or --spread"
        )
    rest = order[top:]
    steps = np.linspace(0, len(rest) - 1, spread).round().astype(np.int64)
    return order[:top], rest[steps]


def validate(
    problem: Problem,
    name: str,
    factory: Factory,
    *,
    n_train: int = 100,
    top: int = 5,
    spread: int = 10,
    images: str = "digits",
    size: int | None = None,
    limit: int | None = None,
    width: int = 8,
    cells: int = 1,
    epochs: int = 2,
    seed: int = 0,
    device: str = "auto",
    jobs: int = -1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Validation:
    """Train the networks a predictor ranks first, and a spread of others, and compare.

    The predictor learns ``n_train`` architectures of the table. Of those it has not seen, the best
    by its score and a spread down its ranking become networks (the skeleton of NAS-Bench-201) that
    are trained on real images. Three numbers then stand side by side for each: predicted score,
    table value and trained accuracy.

    Parameters
    ----------
    problem : Problem
        A task of a cell space.
    name : str
        The predictor's name.
    factory : Factory
    n_train : int
    top, spread : int
        How many of the best, and how many down the ranking.
    images : str
        ``"digits"``, or a folder or archive of images (see ``nasurge.data.images``).
    size : int, optional
        Side of the images in pixels.
    limit : int, optional
        Most training images.
    width, cells, epochs : int
        Channels after the stem, cells a stage, and training length.
    seed : int
    device : str
        ``"auto"`` picks CUDA, then MPS, then the CPU.
    jobs : int
        Processes on a CPU; a GPU trains one network after the other.
    out : Path, optional
        Folder of the study; by default ``runs/validate-XXXXXXXX``. One that is there goes on.
    command : str
    progress : callable, optional

    Raises
    ------
    ParameterError
        If the space has no networks, or a number is out of range.
    LabelError
        If there are too few architectures.
    StorageError, DataFileError
        If images cannot be read or results not be written.
    """
    space = problem.space
    if not isinstance(space, CellSpace):
        raise ParameterError(
            f"{problem.address} is of space {space.name!r}, which has no networks to train; "
            "validate works on tables of NAS-Bench-201 or TransNAS-Bench-101 (micro) cells"
        )
    if min(n_train, top, epochs, width, cells) < 1 or spread < 2 or top + spread < 5:
        raise ParameterError(
            "n_train, top, epochs, width and cells must be at least 1, spread at least 2, and top "
            f"and spread together at least 5 (fewer have no correlation); received {n_train}, "
            f"{top}, {epochs}, {width}, {cells} and {spread}"
        )
    device = resolve_device(device)
    data = load_images(images, size=size, limit=limit)
    settings = {"width": width, "cells": cells, "epochs": epochs, "seed": seed, "device": device}
    about = {
        "kind": "validate",
        "table": problem.address,
        "checksum": problem.table.digest,
        "label": problem.report_label,
        "predictor": name,
        "n_train": n_train,
        "top": top,
        "spread": spread,
        "images": f"{data.name}, {len(data.train_y)} training images of "
        f"{data.train_x.shape[2]}x{data.train_x.shape[3]} pixels",
        **settings,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"validate-{fingerprint(about)}"
    study = Study(folder, about)

    train, test = split(problem, n_train, trial=0, seed=seed)
    functions = space.function_ids(problem.codes)
    test = test[~np.isin(functions[test], functions[train])]
    predictor = factory(space, seed=seed)
    with one_thread():
        predictor.fit(problem.codes[train], problem.report_values[train])
        scores = predictor.predict(problem.codes[test])
    best, others = choose(scores, functions[test], top=top, spread=spread)

    units = {}
    for group, chosen in (("top", best), ("spread", others)):
        strings = space.format(problem.codes[test[chosen]])
        for row, architecture in zip(chosen, strings, strict=True):
            known = {
                "architecture": architecture,
                "group": group,
                "predicted": float(scores[row]),
                "table_value": float(problem.report_values[test[row]]),
            }
            units[architecture] = (space, problem.codes[test[row]], data, known, settings)
    rows = study.run(units, _train, jobs=jobs if device == "cpu" else 1, progress=progress)
    write_rows(folder, rows)
    return Validation(correlations(rows), rows, folder, {**about, "command": command})


def _train(
    space: CellSpace,
    code: NDArray[np.int8],
    images: Images,
    known: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> list[Row]:
    """Train one architecture; the work of one unit."""
    from ..data.networks import build_network, count_parameters
    from .train import train_architectures

    result = train_architectures(space, code[None], images, **settings)[0]
    network = build_network(
        space,
        code,
        classes=len(images.classes),
        in_channels=images.train_x.shape[1],
        width=settings["width"],
        cells=settings["cells"],
    )
    return [
        {
            **known,
            "trained_accuracy": result.test_accuracy,
            "trained_valid_accuracy": result.valid_accuracy,
            "train_seconds": result.train_seconds,
            "parameters": count_parameters(network),
            "diverged": result.diverged,
            "device": result.device,
        }
    ]


def correlations(rows: Sequence[Row]) -> list[Row]:
    """Return Kendall's tau between each two of the three numbers, with its 95 % interval.

    The interval is over the choice of architectures, by Fisher's z for tau (Fieller et al. 1957).
    """
    found = []
    names = list(COMPARED)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            x, y = ([row[key] for row in rows] for key in (a, b))
            found.append(
                {"a": a, "b": b, "n": len(rows), "kendall_tau": kendall_tau_interval(x, y)}
            )
    return found


def validate_picture(rows: Sequence[Row]) -> str:
    """Return ranks by trained accuracy against those by predicted score and by table value."""
    from scipy.stats import rankdata

    from .pictures import COLOURS, panels, to_svg

    figure, axes = panels(2, width=5.0, height=3.8)
    ranks = {key: rankdata([-row[key] for row in rows]) for key in COMPARED}
    for axis, key in zip(axes, ("predicted", "table_value"), strict=True):
        for group, colour, marker in (("spread", COLOURS[0], "o"), ("top", COLOURS[1], "^")):
            mine = np.array([row["group"] == group for row in rows])
            x, y = ranks[key][mine], ranks["trained_accuracy"][mine]
            axis.scatter(x, y, color=colour, marker=marker, s=34, label=group)
        axis.plot([1, len(rows)], [1, len(rows)], color="black", linewidth=0.7)
        axis.set(xlabel=f"rank by {COMPARED[key]} (1 = best)", ylabel="rank by trained accuracy")
    axes[0].legend(frameon=False)
    return to_svg(figure)


COLUMNS = ("architecture", "group", "predicted", "table", "trained", "parameters", "seconds")


def validate_rows(rows: Sequence[Row]) -> list[list[str]]:
    """Return the trained architectures as text, best predicted first."""
    return [
        [
            row["architecture"],
            row["group"],
            f"{row['predicted']:.2f}",
            f"{row['table_value']:.2f}",
            f"{row['trained_accuracy']:.2f}" + (" (diverged)" if row["diverged"] else ""),
            f"{row['parameters']:,}",
            f"{row['train_seconds']:.1f}",
        ]
        for row in sorted(rows, key=lambda row: -row["predicted"])
    ]


def validate_report(folder: Path) -> Path:
    """Write the report of a finished validation and return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no finished validation.
    """
    from .report import Section, read_summary, render, shown

    found = read_summary(folder)
    about, rows = found["about"], found["architectures"]
    taus = found["correlations"]
    sections = [
        Section(
            "Predicted, published, trained",
            f"Trained on {about['images']}: {about['width']} channels after the stem, cells a "
            f"stage {about['cells']}, epochs {about['epochs']}, on {about['device']}. The table's "
            f"value is {about['label']}. On another data set and with a short training the "
            "ranking need not be the same.",
            [validate_picture(rows)],
        ),
        Section(
            "Rank correlations",
            "Kendall tau with its 95 % interval over the choice of architectures.",
            (),
            ("between", "and", "architectures", "Kendall tau"),
            [
                [COMPARED[t["a"]], COMPARED[t["b"]], str(t["n"]), shown(t["kendall_tau"])]
                for t in taus
            ],
        ),
        Section("Architectures", "", (), COLUMNS, validate_rows(rows)),
    ]
    key = next(t for t in taus if {t["a"], t["b"]} == {"predicted", "trained_accuracy"})
    return render(
        folder / "report.html",
        title="Predictions validated by training",
        lead=f"{len(rows)} networks were trained: predicted scores and trained accuracies agree "
        f"with Kendall tau {shown(key['kendall_tau'])}.",
        command=found["command"],
        sections=sections,
        made={k: v for k, v in about.items() if k not in ("kind", "checksum", "label")}
        | {"table checksum": about["checksum"][:12]},
    )
