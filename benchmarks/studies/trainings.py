"""Trainings of architectures on images: the units of several kinds of study, and their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from ...data.devices import device_kind, resolve_device
from ...data.images import Images, load_images
from ...data.spaces import Codes, Space, is_place, make_space, model_space
from ...data.types import Values
from ...errors import LabelError, OutOfMemoryError, ParameterError, SchemaError
from ..intervals import Interval, interval, kendall_tau_interval
from ..training import Recipe, read_recipe
from .cases import grouped
from .digits import interval_text
from .flags import refuse_unused
from .journal import Journal, Row, Unit, versions
from .kinds import Findings, Found, Options, Parts, Study
from .options import RunOptions, TrainingOptions
from .page import Page, Section, TextTable, number_of
from .results import descending
from .training_pictures import accuracies_picture

_DRAW = 256  # architectures drawn at a time: a smaller sample begins a larger one
_SIDES = ("mean", "low", "high")
FAILED = "failed"
"""Key of the row of a training that could not be: why, naming the module."""
ERROR = "error"
"""Key of such a row: the class of the error."""
_SHOWN = 20  # architectures in a table for the terminal


class TrainingRow(TypedDict):
    """One training of one architecture."""

    architecture: Annotated[str, "the architecture in text"]
    seed: Annotated[int, "seed of the training"]
    test_accuracy: Annotated[float, "accuracy on the test images after the last epoch, in percent"]
    valid_accuracy: Annotated[float, "accuracy on the validation images, in percent"]
    test_loss: Annotated[float, "mean loss on the test images"]
    valid_loss: Annotated[float, "mean loss on the validation images"]
    train_seconds: Annotated[float, "seconds of the training's steps"]
    epochs: Annotated[int, "epochs trained, fewer where it diverged"]
    curve: Annotated[list[float], "validation accuracy after each epoch, in percent"]
    losses: Annotated[list[float], "mean training loss of each epoch"]
    diverged: Annotated[bool, "whether the loss became infinite"]
    batch_size: Annotated[int, "images a step, fewer than asked for where memory was short"]
    device: Annotated[str, "where it was trained"]
    parameters: Annotated[int, "weights of the network"]
    diverged_in: Annotated[str, "module whose output was the first not to be finite; empty if none"]


class TrainingEntry(TypedDict):
    """All trainings of one architecture."""

    architecture: Annotated[str, "the architecture in text"]
    test_accuracy: Annotated[Interval, "accuracy on the test images, in percent, over seeds"]
    valid_accuracy: Annotated[Interval, "accuracy on the validation images, in percent, over seeds"]
    train_seconds: Annotated[Interval, "seconds of a training, over seeds"]
    diverged: Annotated[int, "trainings whose loss became infinite; they have no accuracy"]
    parameters: Annotated[int, "weights of the network"]


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """How architectures are trained: what all trainings of a study share."""

    space: Space
    images: Images
    recipe: Recipe
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        from ...data.networks import why_no_network

        if reason := why_no_network(self.space):
            raise ParameterError(f"there are no networks to train: {reason}")
        if self.space.model is not None:
            networks: Any = self.space.networks
            channels = self.images.train_x.shape[1]
            networks.check_sizes(classes=len(self.images.classes), in_channels=channels)
        object.__setattr__(self, "device", resolve_device(self.device))

    def about(self) -> dict[str, Any]:
        """JSON description of what the results depend on."""
        return {
            "space": self.space.spec(),
            "images": {**self.images.options, "digest": self.images.digest},
            "recipe": self.recipe.to_dict(),
            "threads": self.threads,
            "device": device_kind(self.device),
            "versions": versions(),
        }

    def units(
        self,
        codes: Codes,
        *,
        seeds: Sequence[int],
        folder: Path,
    ) -> dict[str, TrainingUnit]:
        """One unit per architecture and seed, by name."""
        return {
            training_name(name, seed): TrainingUnit(self, code, seed, folder)
            for name, code in zip(self.space.format(codes), codes, strict=True)
            for seed in seeds
        }

    def jobs(self, asked: int) -> int:
        """Processes: as many as are asked for on a CPU; a GPU trains one after the other."""
        return asked if self.device == "cpu" else 1


@dataclass(frozen=True, eq=False)
class TrainingUnit:
    """One architecture trained with one seed; calling it gives the row."""

    plan: TrainingPlan
    code: Codes
    seed: int
    folder: Path

    def __call__(self) -> list[Row]:
        """Row of the training."""
        from ..training import train_architecture

        plan, code = self.plan, self.code
        space = plan.space
        name = space.format(code[None])[0]
        kept = self.folder / "checkpoints"
        (key,) = space.keys(code[None]).tolist()
        number = hashlib.sha256(key).hexdigest()[:32] if isinstance(key, bytes) else key
        kept /= f"{number}-{self.seed}.safetensors"
        result = train_architecture(
            space,
            code,
            plan.images,
            plan.recipe,
            seed=self.seed,
            device=plan.device,
            threads=plan.threads,
            checkpoint=kept,
            keep_checkpoint=False,
        )
        curves = {"curve": list(result.curve), "losses": list(result.losses)}
        return [{"architecture": name, "seed": self.seed, **vars(result), **curves}]


@dataclass(frozen=True, eq=False)
class TriedUnit:
    """A training; calling it gives its row, or one that says why the network cannot be trained."""

    training: TrainingUnit

    def __call__(self) -> list[Row]:
        """Row of the training, or of its failure."""
        training = self.training
        try:
            return training()
        except (OutOfMemoryError, ParameterError) as error:
            name = training.plan.space.format(training.code[None])[0]
            # Its text alone: the error holds on to what filled the memory.
            said = {FAILED: str(error), ERROR: type(error).__name__}
            return [{"architecture": name, "seed": training.seed, **said}]


def training_name(architecture: str, seed: int) -> str:
    """Name of the unit of one training."""
    return f"{architecture} seed {seed}"


def images_space(spec: str | Space, images: Images | None) -> Space:
    """Space that was named; a model in a module is tried on what images it will see."""
    return make_space(spec) if images is None else shaped_space(spec, images.train_x.shape[1:])


def shaped_space(spec: str | Space, shape: Sequence[int]) -> Space:
    """Space that was named; a model in a module is tried on images of a shape."""
    if not isinstance(spec, str) or not is_place(spec):
        return make_space(spec)
    import torch

    try:
        return model_space(spec, example=torch.zeros(2, *shape))
    except SchemaError as error:
        shown = f"{shape[0]} channel{'s' if shape[0] > 1 else ''} of {shape[1]}x{shape[2]} pixels"
        raise SchemaError(f"{error}; it was tried on the images' shape, {shown}") from error


def images_of(options: TrainingOptions) -> Images:
    """Images that the options of a command name or hold."""
    if isinstance(options.images, Images):
        refuse_unused(options, ("size", "limit", "noise"), "beside images that are loaded")
        return options.images
    return load_images(options.images, size=options.size, limit=options.limit, noise=options.noise)


def recipe_of(options: TrainingOptions, default: Recipe | None = None) -> Recipe:
    """Recipe that the options of a command name or hold; ``default`` if they name none."""
    return read_recipe(
        options.recipe or default,
        width=options.width,
        cells=options.cells,
        epochs=options.epochs,
    )


def sample_architectures(space: Space, n: int, *, seed: int = 0, twins: bool = False) -> Codes:
    """Codes of ``n`` different architectures drawn uniformly, shape (n, d); fewer begin more.

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
    found: dict[int | bytes, None] = {}
    while len(found) < n:
        drawn = space.sample(_DRAW, seed=rng)
        drawn = drawn if twins else space.canonical(drawn)
        found.update(dict.fromkeys(space.keys(drawn).tolist()))
    return space.from_keys(np.array(list(found)[:n]))


def training_faults(rows: Sequence[Row], recipe: Recipe) -> dict[str, int]:
    """How many trainings diverged, and how many had to take smaller batches."""
    return {
        "diverged": sum(row["diverged"] for row in rows),
        "smaller_batches": sum(row["batch_size"] < recipe.batch_size for row in rows),
    }


def fault_lines(about: Mapping[str, Any]) -> list[str]:
    """What did not go as it should, in words."""
    return [
        f"{what.replace('_', ' ')}: {about[what]} trainings"
        for what in ("diverged", "smaller_batches")
        if about.get(what)
    ]


def training_summary(rows: Sequence[Row]) -> list[Row]:
    """One entry per architecture: its accuracies over seeds, the best on validation first."""
    summary: list[Row] = []
    for architecture, runs in grouped(rows, "architecture").items():
        ended = [run for run in runs if not run["diverged"]]
        accuracies = {
            key: interval(np.array([run[key] for run in ended]), least=0.0, most=100.0)
            for key in ("test_accuracy", "valid_accuracy")
        }
        seconds = interval([run["train_seconds"] for run in runs], least=0.0)
        entry = {"architecture": architecture, **accuracies, "train_seconds": seconds}
        entry |= {"diverged": len(runs) - len(ended)}
        # Folders of before it was kept have none.
        summary.append(entry | {"parameters": runs[0].get("parameters")})
    return sorted(summary, key=lambda entry: descending(entry["valid_accuracy"]))


def training_table(summary: Sequence[Row], *, most: int | None = _SHOWN) -> TextTable:
    """Accuracies of the first architectures of a summary as text; of all if ``most`` is None."""
    rows = [
        [
            entry["architecture"],
            interval_text(entry["valid_accuracy"], digits=2),
            interval_text(entry["test_accuracy"], digits=2),
            interval_text(entry["train_seconds"], digits=1),
        ]
        for entry in summary[:most]
    ]
    more = len(summary) - len(rows)
    note = f"and {more} more in the report" if more else ""
    return TextTable(("architecture", "valid %", "test %", "seconds"), rows, note=note)


def accuracies_section(summary: Sequence[Row]) -> Section:
    """Section of a report with the pictures of trainings."""
    text = "Mean accuracies of each architecture over its seeds."
    return Section("Accuracies", text, [accuracies_picture(summary)] if summary else [])


def seed_agreement(runs: Values) -> dict[str, Any] | None:
    """Kendall tau between two seeds, or None for one seed or less than 5 architectures.

    Parameters
    ----------
    runs : float array, shape (architectures, seeds)
        NaN where a training had no value: that architecture is left out.
    """
    runs = runs[np.isfinite(runs).all(axis=1)]
    if len(runs) < 5 or runs.shape[1] < 2:
        return None
    columns = combinations(range(runs.shape[1]), 2)
    pairs: list[Any] = [kendall_tau_interval(runs[:, a], runs[:, b]) for a, b in columns]
    if any(pair["mean"] is None for pair in pairs):
        return None
    sides = {side: float(np.mean([pair[side] for pair in pairs])) for side in _SIDES}
    return {**sides, "n": len(runs)}


def run_table(rows: Sequence[Row], key: str) -> Values:
    """One number of every training, shape (architectures, seeds); NaN where it diverged."""
    seeds = sorted({row["seed"] for row in rows})
    trained = grouped(rows, "architecture")
    values = np.full((len(trained), len(seeds)), np.nan)
    for number, runs in enumerate(trained.values()):
        for run in runs:
            if not run["diverged"]:
                values[number, seeds.index(run["seed"])] = run[key]
    return values


class Trainings(Study[Found, Options]):
    """Study whose units are trainings, one per architecture and seed."""

    row = TrainingRow
    entry = TrainingEntry
    plan: TrainingPlan
    codes: Codes
    seeds: int

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per architecture and seed."""
        return self.plan.units(self.codes, seeds=range(self.seeds), folder=folder)

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all trainings, on as many processes as the device allows."""
        units, jobs = self.units(journal.folder), self.plan.jobs(self.options.jobs)
        return journal.run(units, jobs=jobs, progress=self.options.progress)

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Accuracies of the best architectures."""
        return training_table(found["summary"])


@dataclass(frozen=True, repr=False)
class TrainedFindings(Findings):
    """Outcome of trainings: an entry per architecture, the best on validation first."""

    def best(self) -> Row:
        """Entry of the architecture with the highest mean validation accuracy, of equals the first.

        Raises
        ------
        LabelError
            If every training diverged.
        """
        if not self.summary or self.summary[0]["valid_accuracy"]["mean"] is None:
            raise LabelError("no training has succeeded")
        return dict(self.summary[0])


class TrainedStudy(Trainings[TrainedFindings, RunOptions]):
    """What architectures reach that are trained one after another, as a search asks for them.

    Parameters
    ----------
    plan : TrainingPlan
    codes : int array, shape (n, d)
    seeds : int
        Trainings of each, with the seeds 0, 1, ...
    options : RunOptions, optional
    """

    kind = "trained"
    title = "Architectures that a search had trained"
    findings = TrainedFindings

    def __init__(
        self,
        plan: TrainingPlan,
        codes: Codes,
        *,
        seeds: int = 1,
        options: RunOptions | None = None,
    ) -> None:
        self.plan, self.codes, self.seeds = plan, codes, seeds
        self.options = options or RunOptions(jobs=1)

    def about(self) -> dict[str, Any]:
        """JSON description of the trainings; any architectures may be asked for."""
        return self.plan.about()

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per architecture and seed; what lacks memory ends none of the others."""
        units = self.plan.units(self.codes, seeds=range(self.seeds), folder=folder)
        return {name: TriedUnit(unit) for name, unit in units.items()}

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """One entry per architecture, the best on validation first."""
        return {"summary": training_summary([row for row in rows if FAILED not in row])}

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts:  # noqa: ARG003
        """Summary of all that was trained so far."""
        return {"summary": training_summary([row for row in rows if FAILED not in row])}

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the trainings."""
        table = training_table(found["summary"], most=None)
        number = number_of(len(found["summary"]), "architecture")
        text = "Mean and 95 % interval over seeds; the single values where seeds are few."
        sections = [accuracies_section(found["summary"]), Section.of("Architectures", table, text)]
        made = {key: value for key, value in found["about"].items() if key != "kind"}
        return Page(f"{number} trained.", sections, made)
