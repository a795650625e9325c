"""``validate``: are the scores true? Train some of the architectures and see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.devices import resolve_device
from ...data.images import Images
from ...data.spaces import Codes, Space
from ...errors import ParameterError
from ..training import Recipe
from .building import faults, train_unit, units_of
from .comparing import Factory
from .inherit import SupernetRecipe, inherit_unit
from .journal import Journal, Progress, Row, bound, fingerprint, versions, write_rows
from .validate_choice import GROUPS, Candidates, check_predictors, choice_unit, learn
from .validate_columns import (
    SCORES,
    add_inherited,
    add_own,
    add_trainings,
    ceiling,
    column,
    columns_of,
    correlations,
    own_column,
    predictor_column,
    total,
    training_cost,
)

FEWEST = 5
"""Architectures that a correlation is worth the name of."""


@dataclass(frozen=True)
class Validation:
    """What ``validate`` found.

    Attributes
    ----------
    correlations : list of dict
        Kendall tau between each two columns, with its 95 % interval over architectures.
    architectures : list of dict
        One entry per chosen architecture.
    costs : list of dict
        What each column has cost in seconds: once, per architecture, and in all.
    ceiling : dict or None
        Kendall tau between two seeds of the trainings, a measured quantity.
    folder : Path
    about : dict
    """

    correlations: list[Row]
    architectures: list[Row]
    costs: list[Row]
    ceiling: Mapping[str, Any] | None
    folder: Path
    about: dict[str, Any]


def validate(
    candidates: Candidates,
    images: Images,
    recipe: Recipe,
    *,
    predictors: Mapping[str, Factory],
    counts: Mapping[str, int],
    seeds: int = 1,
    score: str = "accuracy",
    supernet: SupernetRecipe | None = None,
    seed: int = 0,
    device: str = "auto",
    jobs: int = -1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Validation:
    """Score architectures in several ways, train them, and say how the ways agree.

    Every way is a column: what predictors say that learnt from a table, what they say that learnt
    from networks trained here, what a search saw, what is reached with weights inherited from a
    supernet, the table's value, and what the network reaches when it is trained alone. Everything
    that is finished is kept: the same call goes on where one was stopped.

    Parameters
    ----------
    candidates : Candidates
        From ``from_table``, ``from_search`` or ``from_space``.
    images : Images
    recipe : Recipe
        How networks are made and trained.
    predictors : mapping from name to Factory
        The first one ranks, unless a search did.
    counts : mapping from group to int
        How many to choose, see ``GROUPS`` and ``choose``. Of these, ``learnt`` are only learnt
        from, and ``inherited`` are not trained.
    seeds : int
        Trainings of each, with the seeds ``seed``, ``seed + 1``, ...; their mean counts.
    score : {"accuracy", "curve", "training", "loss"}
        What else than the test accuracy ranks trained networks, see ``SCORES``.
    supernet : SupernetRecipe, optional
    seed : int
    device : str
        ``"auto"`` picks CUDA, then MPS, then the CPU.
    jobs : int
        Processes on a CPU, of which the supernet takes one; a GPU trains one after the other.
    out : Path, optional
        Folder of the study; by default ``runs/validate-XXXXXXXX``. One that is there goes on.
    command : str
    progress : callable, optional

    Raises
    ------
    ParameterError
        If the space has no networks, a number is out of range, nothing is there to compare
        trainings with, a predictor cannot serve the space, or ``out`` holds another study.
    LabelError
        If there are too few architectures to choose or to learn from.
    StorageError
        If results cannot be written.
    """
    counts = {group: counts[group] for group in GROUPS if counts.get(group)}
    _check(candidates, predictors, counts, seeds, score, supernet)
    device = resolve_device(device)
    if supernet is not None:
        supernet = replace(
            supernet,
            width=supernet.width or recipe.width,
            cells=supernet.cells or recipe.cells,
            reduction=supernet.reduction or recipe.reduction,
        )
    about = {
        "kind": "validate",
        **candidates.about,
        "predictors": list(predictors),
        "counts": counts,
        "images": f"{images.name}, {len(images.train_y)} training images of "
        f"{images.train_x.shape[2]}x{images.train_x.shape[3]} pixels",
        "image_options": {**images.options, "digest": images.digest},
        "recipe": recipe.to_dict(),
        "seeds": seeds,
        "score": score,
        "supernet": supernet.to_dict() if supernet else None,
        "seed": seed,
        "device": device,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"validate-{fingerprint(about)}"
    study = Journal(folder, about)
    scorers = {
        predictor_column(name, first=number == 0): factory
        for number, (name, factory) in enumerate(predictors.items())
    }
    given = (candidates, scorers, counts, seed)
    (choice,) = study.run(bound({"choice": given}, choice_unit), jobs=1, progress=progress)
    rows: list[Row] = [dict(row) for row in choice["architectures"]]
    costs: list[Row] = list(choice["costs"])

    units = _units(candidates.space, rows, images, recipe, supernet, about, folder)
    study.run(bound(units, call), jobs=jobs if device == "cpu" else 1, progress=progress)
    runs = [study.done[name][0] for name in units if name != "supernet"]
    add_trainings(rows, runs, score)
    if supernet is not None:
        costs += add_inherited(rows, study.done["supernet"][0], supernet)
    if counts.get("learnt"):
        own = {own_column(key): factory for key, factory in scorers.items()}
        target = "trained_accuracy" if score == "accuracy" else "trained_score"
        last = {"own predictors": (candidates.space, rows, target, own, seed)}
        costs += add_own(rows, study.run(bound(last, own_unit), jobs=1, progress=progress))
    costs.append(training_cost(rows))
    columns = columns_of(about)
    write_rows(folder, rows)
    return Validation(
        correlations(rows, list(columns)),
        rows,
        [total(cost) for cost in costs],
        ceiling(rows, runs, score),
        folder,
        {**about, "columns": columns, **_faults(study, runs, recipe), "command": command},
    )


def _faults(study: Journal, runs: Sequence[Row], recipe: Recipe) -> dict[str, Any]:
    """Return what did not go as it should, of trainings and of the supernet."""
    found: dict[str, Any] = faults(runs, recipe)
    if supernet := study.done.get("supernet"):
        found |= {f"supernet_{key}": supernet[0][key] for key in ("diverged", "batch_size")}
    return found


def _units(
    space: Space,
    rows: Sequence[Row],
    images: Images,
    recipe: Recipe,
    supernet: SupernetRecipe | None,
    about: Mapping[str, Any],
    folder: Path,
) -> dict[str, tuple[Any, ...]]:
    """Return what takes long: the supernet, and every training."""
    seed, device = about["seed"], about["device"]
    units: dict[str, tuple[Any, ...]] = {}
    if supernet is not None:
        # The first: it takes longest, and the trainings fill the other cores meanwhile.
        given = (_codes(space, rows), images, supernet, seed, device, folder)
        units["supernet"] = (inherit_unit, space, *given)
    trainings = units_of(
        space,
        _codes(space, [row for row in rows if row["group"] != "inherited"]),
        images,
        recipe,
        seeds=range(seed, seed + about["seeds"]),
        device=device,
        threads=1,
        folder=folder,
    )
    return units | {name: (trained_unit, *given) for name, given in trainings.items()}


def _check(
    candidates: Candidates,
    predictors: Mapping[str, Factory],
    counts: Mapping[str, int],
    seeds: int,
    score: str,
    supernet: SupernetRecipe | None,
) -> None:
    """Refuse, before anything is computed, what cannot be done."""
    from ...data.networks import why_no_network

    if reason := why_no_network(candidates.space):
        raise ParameterError(f"there are no networks to train: {reason}")
    compared = sum(n for group, n in counts.items() if group not in ("learnt", "inherited"))
    if compared < FEWEST or min(counts.values()) < 0:
        raise ParameterError(
            f"at least {FEWEST} architectures must be chosen, fewer have no correlation; received "
            f"{compared}: raise --top, --spread, --stratified or --random"
        )
    if seeds < 1:
        raise ParameterError(f"seeds must be at least 1, not {seeds}")
    if score not in SCORES:
        raise ParameterError(f"score must be one of {', '.join(SCORES)}, not {score!r}")
    if counts.get("inherited") and supernet is None:
        raise ParameterError(
            "--supernet-architectures are scored by a supernet: ask for one with --supernet"
        )
    if not candidates.known and not counts.get("learnt") and supernet is None:
        raise ParameterError(
            "a bare space has nothing to compare trainings with: add --supernet, --learn-from, or "
            "name a table"
        )
    if counts.get("learnt", 0) > 0 and not predictors:
        raise ParameterError("--learn-from needs a predictor that learns: name one with -p")
    labels = [len(candidates.lesson[1])] if candidates.lesson else []
    labels += [counts["learnt"]] if counts.get("learnt") else []
    check_predictors(candidates.space, predictors, labels)


def call(work: Callable[..., list[Row]], *arguments: Any) -> list[Row]:
    """Do one unit of several kinds."""
    return work(*arguments)


def trained_unit(
    space: Space, code: NDArray[np.int8], images: Images, recipe: Recipe, *rest: Any
) -> list[Row]:
    """Train one architecture with one seed, and count its weights; the work of one unit."""
    import torch

    from ...data.networks import build_network, count_parameters

    (row,) = train_unit(space, code, images, recipe, *rest)
    with torch.random.fork_rng(devices=[]):
        network = build_network(
            space,
            code,
            classes=len(images.classes),
            in_channels=images.train_x.shape[1],
            **recipe.skeleton,
        )
    return [{**row, "parameters": count_parameters(network)}]


def own_unit(
    space: Space, rows: Sequence[Row], target: str, predictors: Mapping[str, Factory], seed: int
) -> list[Row]:
    """Let predictors learn from the networks trained for it, and score the others."""
    values = column(rows, target)
    known = [k for k, row in enumerate(rows) if row["group"] == "learnt" and np.isfinite(values[k])]
    learnt = _codes(space, [rows[k] for k in known])
    others = _codes(space, [row for row in rows if row["group"] != "learnt"])
    found = []
    for key, factory in predictors.items():
        scores, cost = learn(space, factory, learnt, values[known], others, seed=seed)
        found.append({"column": key, "scores": scores.tolist(), **cost})
    return found


def _codes(space: Space, rows: Sequence[Row]) -> Codes:
    return space.parse([row["architecture"] for row in rows])
