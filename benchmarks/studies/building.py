"""``table build``: train architectures on images, with seeds and curves: your own benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.devices import resolve_device
from ...data.images import Images
from ...data.spaces import Codes, Space
from ...data.tables import (
    Column,
    Table,
    build_table,
    check_table_name,
    keep_table,
    load_table,
    table_names,
)
from ...errors import ParameterError
from ..intervals import kendall_tau_interval
from ..objectives import TRAINING_TIME
from ..training import Recipe
from .journal import Journal, Progress, Row, bound, fingerprint, jsonable, versions, write_rows

Values = NDArray[np.float64]

_DRAW = 256  # architectures drawn at a time: a smaller sample begins a larger one


@dataclass(frozen=True)
class Built:
    """What ``build`` made.

    Attributes
    ----------
    table : Table
        As it is loaded by its name.
    rows : list of dict
        One entry per training.
    agreement : dict or None
        Kendall tau of the reported accuracy between two seeds, a measured quantity: the ceiling
        of what any predictor can reach against one of them.
    folder : Path
    about : dict
    """

    table: Table
    rows: list[Row]
    agreement: dict[str, Any] | None
    folder: Path
    about: dict[str, Any]


def sample_architectures(space: Space, n: int, *, seed: int = 0, twins: bool = False) -> Codes:
    """Return ``n`` different architectures, drawn uniformly; fewer are the beginning of more.

    Parameters
    ----------
    space : Space
    n : int
    seed : int
    twins : bool
        Whether two may compute the same function. If not, each is its function's canonical form.

    Raises
    ------
    ParameterError
        If there are not so many.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> sample_architectures(make_space("nb201"), 3, seed=0).shape
    (3, 6)
    """
    there = space.size if twins else space.n_functions
    if not 1 <= n <= there:
        raise ParameterError(
            f"space {space.name!r} has {there} different architectures; asked for {n}"
        )
    rng = np.random.default_rng(seed)
    found: dict[int, None] = {}
    while len(found) < n:
        drawn = space.sample(_DRAW, seed=rng)
        drawn = drawn if twins else space.canonical(drawn)
        found.update(dict.fromkeys(space.index(drawn).tolist()))
    return space.from_index(np.array(list(found)[:n]))


def train_unit(
    space: Space,
    code: NDArray[np.int8],
    images: Images,
    recipe: Recipe,
    seed: int,
    device: str,
    threads: int,
    folder: Path,
) -> list[Row]:
    """Train one architecture with one seed; the work of one unit."""
    from ..training import train_architecture

    name = space.format(code[None])[0]
    kept = folder / "checkpoints" / f"{int(space.index(code[None])[0])}-{seed}.safetensors"
    result = train_architecture(
        space,
        code,
        images,
        recipe,
        seed=seed,
        device=device,
        threads=threads,
        checkpoint=kept,
        keep_checkpoint=False,
    )
    curves = {"curve": list(result.curve), "losses": list(result.losses)}
    return [{"architecture": name, "seed": seed, **vars(result), **curves}]


def units_of(
    space: Space,
    codes: Codes,
    images: Images,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    device: str,
    threads: int,
    folder: Path,
) -> dict[str, tuple[Any, ...]]:
    """Return the units of a study that trains every architecture with every seed."""
    return {
        f"{name} seed {seed}": (space, code, images, recipe, seed, device, threads, folder)
        for name, code in zip(space.format(codes), codes, strict=True)
        for seed in seeds
    }


def build(
    name: str,
    space: Space,
    images: Images,
    recipe: Recipe,
    *,
    architectures: int = 400,
    seeds: int = 2,
    sample_seed: int = 0,
    twins: bool = False,
    proxies: Sequence[str] = (),
    device: str = "auto",
    threads: int = 1,
    jobs: int = -1,
    replace_existing: bool = False,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Built:
    """Train architectures on images and keep the table of what they reached.

    Parameters
    ----------
    name : str
        Of the table.
    space : Space
        One whose networks ``build_network`` builds.
    images : Images
        From ``load_images``; their name becomes the task's.
    recipe : Recipe
    architectures, seeds : int
        How many architectures, each trained with the seeds 0, 1, ... A finished or stopped study
        may be asked for more: what it has is used again.
    sample_seed : int
        Draws the architectures.
    twins : bool
        As for ``sample_architectures``.
    proxies : sequence of str
        Zero-cost proxies to measure too, see ``nasurge.data.networks.zero_cost_scores``.
    device : str
    threads : int
        Torch threads of each training: the results depend on it by rounding.
    jobs : int
        Processes on a CPU; a GPU trains one network after the other.
    replace_existing : bool
        Allow a table of that name to be replaced.
    out : Path, optional
        Folder of the study; by default ``runs/table-XXXXXXXX``. One that is there goes on.
    command : str
    progress : callable, optional

    Raises
    ------
    ParameterError
        If the space has no networks, a number is out of range, or the name is taken.
    StorageError
        If results cannot be written.
    """
    from ...data.networks import why_no_network

    if reason := why_no_network(space):
        raise ParameterError(reason)
    check_table_name(name)
    if seeds < 1:
        raise ParameterError(f"seeds must be at least 1, not {seeds}")
    device = resolve_device(device)
    codes = sample_architectures(space, architectures, seed=sample_seed, twins=twins)
    same = {
        "kind": "table",
        "space": space.spec(),
        "images": {**images.options, "digest": images.digest},
        "recipe": recipe.to_dict(),
        "sample_seed": sample_seed,
        "twins": twins,
        "threads": threads,
        "device": device,
        "versions": versions(),
    }
    grows = {"architectures": architectures, "seeds": seeds}
    if not replace_existing:
        _refuse_other(name, jsonable({**same, **grows}))
    folder = out or Path("runs") / f"table-{fingerprint(same)}"
    study = Journal(folder, {**same, **grows}, grows=tuple(grows))
    units = units_of(
        space,
        codes,
        images,
        recipe,
        seeds=range(seeds),
        device=device,
        threads=threads,
        folder=folder,
    )
    rows = study.run(
        bound(units, train_unit), jobs=jobs if device == "cpu" else 1, progress=progress
    )
    write_rows(folder, rows)
    made = {**same, **grows, **faults(rows, recipe)}
    table = table_of(name, space, codes, rows, images, recipe, made=made, proxies=proxies)
    kept = keep_table(table, replace_existing=replace_existing)
    return Built(kept, rows, agreement(kept, images.name), folder, {**made, "command": command})


def _refuse_other(name: str, asked: Mapping[str, Any]) -> None:
    """Refuse a name that is taken by what another call made, before anything is trained.

    Raises
    ------
    ParameterError
        If it is.
    """
    if name not in table_names():
        return
    made = load_table(name).made
    if differs := [key for key, value in asked.items() if made.get(key) != value]:
        raise ParameterError(
            f"a table {name!r} of other content exists (different: {', '.join(differs)}): give "
            "another name, or replace it with --force"
        )


def faults(rows: Sequence[Row], recipe: Recipe) -> dict[str, int]:
    """Return how many trainings diverged, and how many had to take smaller batches."""
    return {
        "diverged": sum(row["diverged"] for row in rows),
        "smaller_batches": sum(row["batch_size"] < recipe.batch_size for row in rows),
    }


def table_of(
    name: str,
    space: Space,
    codes: Codes,
    rows: Sequence[Row],
    images: Images,
    recipe: Recipe,
    *,
    made: Mapping[str, Any],
    proxies: Sequence[str] = (),
) -> Table:
    """Return the table of trainings: every seed, their mean, learning curves and costs.

    A training that diverged has no value, and an architecture none of whose trainings ended well
    has no mean.

    Parameters
    ----------
    name : str
    space : Space
    codes : int8 array, shape (n, d)
    rows : sequence of dict
        What ``train_unit`` gave, for each of ``codes`` with each of some seeds.
    images : Images
    recipe : Recipe
    made : mapping
        JSON values that say how the trainings can be repeated.
    proxies : sequence of str
    """
    seeds = sorted({row["seed"] for row in rows})
    found = {(row["architecture"], row["seed"]): row for row in rows}
    runs = [[found[text, seed] for seed in seeds] for text in space.format(codes)]
    shape = (len(codes), len(seeds))

    def taken(value: Any) -> Values:
        values = [[np.nan if r["diverged"] else value(r) for r in line] for line in runs]
        return np.array(values, dtype=np.float64).reshape(shape)

    measured: list[tuple[Column, Values]] = []

    def add(metric: str, split: str, epoch: int, values: Values, **how: Any) -> None:
        source = f"{split}_{metric}_{epoch}ep"
        mean = Column(images.name, metric, split, epoch, "mean", source=source, **how)
        measured.append((mean, _mean(values)))
        for k, seed in enumerate(seeds):
            one = Column(images.name, metric, split, epoch, seed, source=f"{source}_seed{seed}")
            measured.append((_like(one, mean), values[:, k]))

    last = recipe.epochs
    add("accuracy", "test", last, taken(lambda r: r["test_accuracy"]), unit="%")
    for epoch in range(last, 0, -1):
        curve = taken(lambda r, at=epoch - 1: r["curve"][at])
        add("accuracy", "valid", epoch, curve, unit="%")
    add("loss", "test", last, taken(lambda r: r["test_loss"]), minimise=True)
    add("loss", "valid", last, taken(lambda r: r["valid_loss"]), minimise=True)
    seconds = _mean(taken(lambda r: r["train_seconds"]))
    cost = Column(images.name, TRAINING_TIME, minimise=True, unit="s", source="train_seconds")
    measured.append((cost, seconds))
    measured += _costs(space, codes, images, recipe)
    measured += _proxies(space, codes, images, recipe, proxies)
    roles = {images.name: (f"valid_accuracy_{last}ep", f"test_accuracy_{last}ep")}
    origin = f"trained by NASurge on {images.name}, {len(seeds)} seeds, {last} epochs"
    return build_table(name, space, codes, measured, roles=roles, origin=origin, made=made)


def _mean(values: Values) -> Values:
    """Return the mean of each row's numbers; NaN where there is none."""
    counts = np.isfinite(values).sum(axis=1)
    total: Values = np.where(np.isfinite(values), values, 0.0).sum(axis=1)
    mean: Values = np.divide(total, counts, out=np.full(len(values), np.nan), where=counts > 0)
    return mean


def _like(column: Column, mean: Column) -> Column:
    """Return a column of one seed with the unit and direction of the mean's."""
    return Column(**{**vars(mean), "seed": column.seed, "source": column.source})


def _costs(
    space: Space, codes: Codes, images: Images, recipe: Recipe
) -> list[tuple[Column, Values]]:
    """Return FLOPs and parameters of the networks that were trained, in millions."""
    import torch

    from ...data.networks import build_network, count_flops, count_parameters

    channels, height, width = images.train_x.shape[1:]
    counted = np.empty((len(codes), 2))
    with torch.random.fork_rng(devices=[]):
        for row, code in enumerate(codes):
            network = build_network(
                space,
                code,
                classes=len(images.classes),
                in_channels=channels,
                **recipe.skeleton,
            )
            flops = count_flops(network, (channels, height, width))
            counted[row] = flops, count_parameters(network)
    names = (("flops", "flops_M"), ("parameters", "params_M"))
    return [
        (Column(images.name, metric, minimise=True, unit="M", source=source), counted[:, k] / 1e6)
        for k, (metric, source) in enumerate(names)
    ]


def _proxies(
    space: Space, codes: Codes, images: Images, recipe: Recipe, names: Sequence[str]
) -> list[tuple[Column, Values]]:
    """Return zero-cost proxies of the networks that were trained, on the first images."""
    if not names:
        return []
    from ...data.networks import first_images, zero_cost

    x, y = first_images(images)
    values = zero_cost(
        space, codes, names=names, images=x, labels=y, device="cpu", **recipe.skeleton
    )
    return [
        (Column(images.name, name, source=f"proxy_{name}"), values[:, k])
        for k, name in enumerate(names)
    ]


def agreement(table: Table, task: str) -> dict[str, Any] | None:
    """Return Kendall tau of the reported accuracy between two seeds, or None for one seed.

    With more than two seeds, the mean over pairs of them.
    """
    runs = table.runs(table.default(task).report)
    return None if runs is None else seed_agreement(runs)


def seed_agreement(runs: Values) -> dict[str, Any] | None:
    """Return Kendall tau between two seeds, or None for one seed or less than 5 architectures.

    Parameters
    ----------
    runs : float array, shape (architectures, seeds)
        NaN where a training had no value: that architecture is left out.
    """
    runs = runs[np.isfinite(runs).all(axis=1)]
    if len(runs) < 5 or runs.shape[1] < 2:
        return None
    pairs = [kendall_tau_interval(runs[:, a], runs[:, b]) for a, b in _pairs(runs.shape[1])]
    if any(pair["mean"] is None for pair in pairs):
        return None
    sides = {side: float(np.mean([p[side] for p in pairs])) for side in ("mean", "low", "high")}
    return {**sides, "n": len(runs)}


def _pairs(n: int) -> list[tuple[int, int]]:
    return list(combinations(range(n), 2))
