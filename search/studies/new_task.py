"""Search of one new task from a store of earlier ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.studies import Row
from ...benchmarks.training import KINDS, Recipe, embed_task, train_architecture
from ...data.devices import one_thread, resolve_device
from ...data.images import Images, load_task
from ...data.spaces import Codes, Space, make_space
from ...data.types import Values
from ...errors import ParameterError, StorageError, UnknownNameError
from ..differentiable import (
    DifferentiableResult,
    Donor,
    Gate,
    best_code,
    donor_distances,
    donor_weights,
    keep_donor,
    read_donors,
    transferred_logits,
)
from .names import NEW_TASK_STARTS
from .options import NewTaskOptions
from .warm_start import check_searches
from .warm_start_units import EMBEDDED, search_task, supernet_sizes


@dataclass(frozen=True)
class _Start:
    """Where a search begins, and what the earlier tasks have to do with it."""

    earlier: list[Row]
    logits: Values | None
    left_out: list[str]


def start_task(
    options: NewTaskOptions, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Architecture for one new task, searched from earlier tasks in a store.

    The search begins cold and takes the start at the gate, where it is refused if it is worse than
    all of three random architectures. What the start itself stands for and what the search found
    are both trained alone; that with the higher validation accuracy is taken.

    Parameters
    ----------
    options : NewTaskOptions
        With a ``store``, a folder that may be empty, and ``images``.
    progress : callable, optional
        Called with (epochs done, epochs) of the search.

    Returns
    -------
    dict
        ``summary``, one row with the ``architecture``; ``earlier``, one row a task of the store
        with its distances and its share in the start; ``trained``, the architectures trained;
        ``kept``, the file of the new experience or None.

    Raises
    ------
    StorageError
        If there is no such folder.
    ParameterError
        If there are no images, the space is a model, or a number is outside its range.
    UnknownNameError
        If there is no such start, space or class.
    IncompatibleDonorError
        If an earlier task is of a space of the same name with other choices.
    NasurgeError
        As ``read_donors``, ``load_task``, ``search_supernet`` and ``keep_donor``.
    """
    _check(options)
    store, task = Path(options.store or ""), options.name or str(options.images)
    donors = _donors(store)
    space, device = make_space(options.space), resolve_device(options.device)
    images = load_task(
        str(options.images), size=options.size, train=options.train, seed=options.seed
    )
    with one_thread():
        begin = time.process_time()
        embedding = embed_task(images, limit=EMBEDDED)
        mine = Donor(task, space.name, {}, np.empty(0), "", 0.0, 0.0, 0, embedding)
        start = _start(options, space, mine, donors)
        start_seconds = time.process_time() - begin
        gate = Gate(options.gate) if start.logits is not None else None
        chosen = {"logits": start.logits, "gate": gate, "device": device, "progress": progress}
        found = search_task(options, images, seed=options.seed, **chosen)
        trained = _trained(options, space, images, _candidates(space, start, found), device)
    best = max(trained, key=lambda row: row["valid_accuracy"])
    kept = None
    if options.keep and not found.diverged:
        kept = keep_donor(store, _experience(mine, options, found, trained))
    row = {
        "task": task,
        "space": space.name,
        **{key: best[key] for key in ("architecture", "of", "accuracy", "valid_accuracy")},
        "start": options.start if start.logits is not None else "cold",
        "accepted": found.accepted,
        "beaten": found.beaten if start.logits is not None else None,
        "rivals": gate.rivals if gate else None,
        "classes": len(images.classes),
        "images": len(images.train_y),
        "start_seconds": start_seconds,
        "search_seconds": found.seconds,
        **{key: getattr(found, key) for key in ("steps", "skip_share", "collapsed", "diverged")},
        "seed": options.seed,
    }
    return {
        "summary": [row],
        "earlier": start.earlier,
        "left_out": start.left_out,
        "trained": trained,
        "kept": kept and str(kept),
    }


def _check(options: NewTaskOptions) -> None:
    """Refuse now what would fail after a search."""
    check_searches(options)
    if options.store is None or not options.images:
        raise ParameterError(
            "one new task is started from a store and with images: give --from FOLDER --images "
            "FOLDER"
        )
    if options.start not in NEW_TASK_STARTS:
        raise UnknownNameError("start", options.start, list(NEW_TASK_STARTS))
    if options.strength <= 0:
        raise ParameterError(
            f"strength must be above 0, not {options.strength}; --start cold has none"
        )


def _donors(store: Path) -> list[Donor]:
    """Earlier tasks in a store."""
    if not store.is_dir():
        raise StorageError(
            f"there is no folder {store}: give that of earlier searches, or make an empty one to "
            "begin a store"
        )
    donors = read_donors(store)
    inner = sorted(store.glob("experiences/seed-*"))
    if not donors and inner:
        raise StorageError(
            f"{store} is the folder of a study, whose searches are in {inner[0]}: give that one, "
            "or a copy of it where the study shall stay as it is"
        )
    return donors


def _start(options: NewTaskOptions, space: Space, mine: Donor, donors: Sequence[Donor]) -> _Start:
    """Earlier tasks by their distance, the nearest first, and the logits of the start."""
    others = [donor for donor in donors if donor.space == space.name and donor.task != mine.task]
    left_out = [
        f"{d.task} ({'this task' if d.space == space.name else d.space})"
        for d in donors
        if d not in others
    ]
    if not others:
        return _Start([], None, left_out)
    near = {str(kind): donor_distances(mine.embedding, others, kind) for kind in KINDS}
    if options.start == "cold":
        weights = np.zeros(len(others))
    elif options.start == "meta-transfer":
        weights = donor_weights(near["transport"])
    else:
        weights = np.zeros(len(others))
        weights[near[options.start].argmin()] = 1.0
    order = np.argsort(near["fisher" if options.start == "fisher" else "transport"], kind="stable")
    earlier = [
        {
            "task": others[k].task,
            "architecture": others[k].architecture,
            "accuracy": others[k].accuracy,
            **{kind: float(distances[k]) for kind, distances in near.items()},
            "share": float(weights[k]),
        }
        for k in order
    ]
    if options.start == "cold":
        return _Start(earlier, None, left_out)
    logits = transferred_logits(others, space, weights=weights, strength=options.strength)
    return _Start(earlier, logits, left_out)


def _candidates(space: Space, start: _Start, found: DifferentiableResult) -> dict[str, Codes]:
    """Architectures worth a training, each function once: of the search, and of the start."""
    codes = {"search": space.canonical(found.code[None])[0]}
    if start.logits is not None:
        offered = space.canonical(best_code(space, np.exp(start.logits))[None])[0]
        if not np.array_equal(offered, codes["search"]):
            codes["start"] = offered
    return codes


def _trained(
    options: NewTaskOptions, space: Space, images: Images, codes: dict[str, Codes], device: str
) -> list[Row]:
    """Accuracies of architectures trained alone, means over the trainings, in percent."""
    recipe, rows = Recipe(epochs=options.train_epochs, **supernet_sizes(options)), []
    for of, code in codes.items():
        results = [
            train_architecture(space, code, images, recipe, seed=seed, device=device)
            for seed in range(options.seed, options.seed + options.trainings)
        ]
        rows.append(
            {
                "of": of,
                "architecture": space.format(code[None])[0],
                "valid_accuracy": float(np.mean([r.valid_accuracy for r in results])),
                "accuracy": float(np.mean([r.test_accuracy for r in results])),
                "trainings": len(results),
                "seconds": sum(r.train_seconds for r in results),
            }
        )
    return rows


def _experience(
    mine: Donor, options: NewTaskOptions, found: DifferentiableResult, trained: Sequence[Row]
) -> Donor:
    """What the store keeps of the search of a new task."""
    own = next(row for row in trained if row["of"] == "search")
    return replace(
        mine,
        sizes=supernet_sizes(options),
        shares=found.shares,
        architecture=own["architecture"],
        accuracy=own["accuracy"],
        seconds=found.seconds,
        steps=found.steps,
    )
