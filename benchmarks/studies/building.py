"""``table build``: train architectures on images, with seeds and curves: your own benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.images import Images
from ...data.networks import PROXIES
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
from ...data.types import Values
from ...errors import ParameterError
from ..objectives import TRAINING_TIME
from ..training import Recipe, check_least
from .digits import interval_text
from .flags import chosen
from .journal import Row, fingerprint, jsonable
from .kinds import Parts
from .options import BuildOptions
from .page import Page, Section, interval_words, number_of
from .trainings import (
    TrainedFindings,
    TrainingPlan,
    Trainings,
    accuracies_section,
    fault_lines,
    images_of,
    images_space,
    recipe_of,
    run_table,
    sample_architectures,
    seed_agreement,
    training_faults,
    training_summary,
    training_table,
)


@dataclass(frozen=True, repr=False)
class Built(TrainedFindings):
    """Outcome of ``table build``.

    Attributes
    ----------
    summary, rows, folder, about
        As of ``Findings``: an entry per architecture, the best on validation first.
    table : Table
        As it is loaded by its name.
    agreement : dict or None
        Kendall tau of the reported accuracy between two seeds, a measured quantity: the ceiling
        of what any predictor can reach against one of them.
    """

    table: Table
    agreement: dict[str, Any] | None

    @property
    def parts(self) -> Parts:
        """Everything that ``summary.json`` keeps; of the table its name and size."""
        return super().parts | {
            "table": {"name": self.table.name, "architectures": len(self.table)}
        }


class TableStudy(Trainings[Built, BuildOptions]):
    """Table of what architectures reach when they are trained on images.

    A finished or stopped study may be asked for more architectures or seeds: what it has is used
    again, and an architecture's seeds are 0, 1, ...

    Parameters
    ----------
    options : BuildOptions

    Raises
    ------
    ParameterError
        If the space has no networks, a number is out of range, or the name is taken.
    UnknownNameError
        If there is no such space or proxy.
    StorageError, DataFileError
        If images or a recipe cannot be read.
    """

    kind = "table"
    title = "A table of trained networks"
    command = "table build"
    options_type = BuildOptions
    findings = Built
    grows = ("architectures", "seeds")

    def __init__(self, options: BuildOptions) -> None:
        self.options, self.seeds = options, options.seeds
        check_table_name(options.name)
        check_least(options, {"seeds": 1})
        images = images_of(options)
        space = images_space(options.space, images)
        self.plan = TrainingPlan(space, images, recipe_of(options), options.device, options.threads)
        self.codes = sample_architectures(
            space, options.architectures, seed=options.sample_seed, twins=options.twins
        )
        self.proxies = chosen(options.proxies, PROXIES, kind="proxy") if options.proxies else []
        if not options.force:
            _refuse_other(options.name, jsonable({"kind": self.kind, **self.about()}))

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options = self.options
        return {
            **self.plan.about(),
            "sample_seed": options.sample_seed,
            "twins": options.twins,
            "architectures": options.architectures,
            "seeds": options.seeds,
        }

    def name_of(self, about: Mapping[str, Any]) -> str:
        """Name of the folder, the same for more architectures or seeds."""
        return fingerprint({k: v for k, v in about.items() if k not in self.grows})

    def remarks(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Trainings that did not go as they should."""
        return dict(training_faults(rows, self.plan.recipe))

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Entries per architecture, and the table that is kept."""
        plan, options = self.plan, self.options
        table = table_of_trainings(
            options.name,
            plan.space,
            self.codes,
            rows,
            plan.images,
            plan.recipe,
            made={"kind": self.kind, **self.about(), **self.remarks(rows)},
            proxies=self.proxies,
        )
        return {
            "summary": training_summary(rows),
            "table": keep_table(table, replace_existing=options.force),
            "agreement": seed_agreement(run_table(rows, "test_accuracy")),
        }

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts:  # noqa: ARG003
        """Summary of a study that was stopped, or was made before summaries were kept."""
        agreement = seed_agreement(run_table(rows, "test_accuracy"))
        return {"summary": training_summary(rows), "table": None, "agreement": agreement}

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Size of the table, agreement of two seeds, and what did not go as it should."""
        return [_lead(found), *_agreement(found), *fault_lines(found["about"])]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the trainings."""
        about = found["about"]
        text = " ".join([interval_words(about["seeds"], "seed"), *_agreement(found)])
        table = training_table(found["summary"], most=None)
        return Page(
            _lead(found),
            [accuracies_section(found["summary"]), Section.of("Architectures", table, text)],
            {k: v for k, v in about.items() if k != "kind"},
        )


def _lead(found: Parts) -> str:
    """What was trained, in a sentence."""
    about, table = found["about"], found["table"]
    name = f"{table['name']}: " if table else "Unfinished: "
    number = number_of(len(found["summary"]), "architecture")
    return f"{name}{number} trained, {number_of(about['seeds'], 'seed')} each."


def _agreement(found: Parts) -> list[str]:
    """How far two seeds agree, in a sentence."""
    if not found["agreement"]:
        return []
    tau = interval_text(found["agreement"])
    return [f"Kendall tau between two seeds, the ceiling of a predictor of one: {tau}"]


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


def table_of_trainings(
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
    """Table of trainings: every seed, their mean, learning curves and costs.

    A training that diverged has no value, and an architecture none of whose trainings ended well
    has no mean.

    Parameters
    ----------
    name : str
    space : Space
    codes : int array, shape (n, d)
    rows : sequence of dict
        A ``TrainingRow`` for each of ``codes`` with each of some seeds.
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

    def over_seeds(value: Any) -> Values:
        values = [[np.nan if r["diverged"] else value(r) for r in line] for line in runs]
        return np.array(values, dtype=np.float64).reshape(shape)

    measured: list[tuple[Column, Values]] = []

    def add(metric: str, split: str, epoch: int, values: Values, **how: Any) -> None:
        source = f"{split}_{metric}_{epoch}ep"
        mean = Column(images.name, metric, split, epoch, "mean", source=source, **how)
        measured.append((mean, _mean(values)))
        for k, seed in enumerate(seeds):
            measured.append((replace(mean, seed=seed, source=f"{source}_seed{seed}"), values[:, k]))

    last = recipe.epochs
    add("accuracy", "test", last, over_seeds(lambda r: r["test_accuracy"]), unit="%")
    for epoch in range(last, 0, -1):
        curve = over_seeds(lambda r, at=epoch - 1: r["curve"][at])
        add("accuracy", "valid", epoch, curve, unit="%")
    add("loss", "test", last, over_seeds(lambda r: r["test_loss"]), minimise=True)
    add("loss", "valid", last, over_seeds(lambda r: r["valid_loss"]), minimise=True)
    seconds = _mean(over_seeds(lambda r: r["train_seconds"]))
    cost = Column(images.name, TRAINING_TIME, minimise=True, unit="s", source="train_seconds")
    measured.append((cost, seconds))
    measured += _costs(space, codes, images, recipe)
    measured += _proxies(space, codes, images, recipe, proxies)
    roles = {images.name: (f"valid_accuracy_{last}ep", f"test_accuracy_{last}ep")}
    origin = f"trained by NASurge on {images.name}, {len(seeds)} seeds, {last} epochs"
    return build_table(name, space, codes, measured, roles=roles, origin=origin, made=made)


def _mean(values: Values) -> Values:
    """Mean of each row's numbers, shape (n,); NaN where there is none."""
    return np.asarray(np.ma.masked_invalid(values).mean(axis=1).filled(np.nan))


def _costs(
    space: Space, codes: Codes, images: Images, recipe: Recipe
) -> list[tuple[Column, Values]]:
    """FLOPs and parameters of the networks that were trained, in millions, shape (n,) each."""
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
    """Zero-cost proxies of the networks that were trained, on the first images, shape (n,) each."""
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
