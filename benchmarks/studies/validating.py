"""``validate``: are the scores true? Train some of the architectures and see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from ...data.devices import device_kind
from ...data.spaces import Codes, Space
from ...errors import LabelError, ParameterError
from ..intervals import Interval
from ..training import Recipe, check_known, check_least
from .comparing import Factory
from .flags import refuse_unused
from .inherit import InheritUnit, SupernetRecipe, read_supernet_recipe
from .journal import Journal, Row, Unit, versions
from .kinds import Findings, Parts, Study
from .options import ValidateOptions
from .page import Page, TextTable
from .trainings import (
    TrainingPlan,
    fault_lines,
    images_of,
    recipe_of,
    training_faults,
)
from .validate_choice import (
    GROUPS,
    ChoiceUnit,
    candidates_of,
    check_predictors,
    counts_of,
    learnt_scores,
)
from .validate_columns import (
    SCORES,
    add_inherited,
    add_own,
    add_trainings,
    architecture_table,
    ceiling_text,
    column_values,
    columns_of,
    correlation_table,
    correlations,
    cost_table,
    own_column,
    predictor_column,
    seed_ceiling,
    tau_between,
    training_cost,
    truth_column,
    validate_page,
)

FEWEST = 5
"""Architectures that a correlation is worth the name of."""
_SHOWN = 20  # architectures that the terminal shows; the report has all
_NOT_COMPARED = ("learnt", "inherited")  # groups that are not trained to be compared


class ValidateRow(TypedDict, total=False):
    """One chosen architecture; only the columns that were asked for."""

    architecture: Annotated[str, "the architecture in text"]
    group: Annotated[str, f"how it was chosen: {', '.join(GROUPS)}"]
    predicted: Annotated[float, "score of the first predictor"]
    predicted_NAME: Annotated[float, "score of another predictor"]
    own_predicted: Annotated[
        float, "score of the first predictor after own trainings (--learn-from)"
    ]
    own_predicted_NAME: Annotated[float, "that of another predictor"]
    searched: Annotated[float, "what the search saw (--search)"]
    table_value: Annotated[float, "the table's value"]
    inherited_accuracy: Annotated[float, "accuracy with the weights of the supernet, in percent"]
    inherited_loss: Annotated[float, "loss with the weights of the supernet"]
    inherited_tuned: Annotated[
        float, "mean training loss of a few steps from the weights of the supernet"
    ]
    trained_accuracy: Annotated[
        float, "test accuracy of the network trained alone, in percent, mean over seeds"
    ]
    trained_valid_accuracy: Annotated[
        float, "validation accuracy of that network, in percent, mean over seeds"
    ]
    trained_score: Annotated[float, "what else ranks that network (--score)"]
    train_seconds: Annotated[float, "seconds of all its trainings"]
    parameters: Annotated[int, "weights of that network"]
    diverged: Annotated[bool, "whether none of its trainings ended well"]
    device: Annotated[str, "where it was trained"]


class ValidateEntry(TypedDict):
    """One way to score architectures, held against what they reach when they are trained."""

    column: Annotated[str, "column of the rows"]
    what: Annotated[str, "the column in words"]
    n: Annotated[int, "architectures that have both values"]
    kendall_tau: Annotated[Interval, "Kendall tau with the trained, over these architectures"]
    seconds: Annotated[float | None, "cost in all; None where it is not known"]


@dataclass(frozen=True, repr=False)
class Validation(Findings):
    """Outcome of ``validate``.

    Attributes
    ----------
    summary, rows, folder, about
        As of ``Findings``: an entry is of a way to score, a row of a chosen architecture.
    architectures : list of dict
        The rows.
    correlations : list of dict
        Kendall tau between each two columns, with its 95 % interval over architectures.
    costs : list of dict
        What each column has cost in seconds: once, per architecture, and in all.
    ceiling : dict or None
        Kendall tau between two seeds of the trainings, a measured quantity.
    """

    architectures: list[Row]
    correlations: list[Row]
    costs: list[Row]
    ceiling: Mapping[str, Any] | None

    def best(self) -> Row:
        """Architecture that is best after training, of equals the first.

        Raises
        ------
        LabelError
            If no training has succeeded.
        """
        values = column_values(self.architectures, truth_column(self.about["columns"]))
        if not np.isfinite(values).any():
            raise LabelError("no training has succeeded")
        return dict(self.architectures[int(np.nanargmax(values))])


@dataclass(frozen=True, eq=False)
class OwnUnit:
    """Predictors that learn from networks trained for it; calling it gives a row for each."""

    space: Space
    rows: Sequence[Row]
    target: str
    predictors: Mapping[str, Factory]
    seed: int

    def __call__(self) -> list[Row]:
        """Row per predictor: the scores of all other architectures, and the cost."""
        rows, values = self.rows, column_values(self.rows, self.target)
        known = [
            k for k, row in enumerate(rows) if row["group"] == "learnt" and np.isfinite(values[k])
        ]
        learnt = _codes(self.space, [rows[k] for k in known])
        others = _codes(self.space, [row for row in rows if row["group"] != "learnt"])
        scored: list[Row] = []
        for key, factory in self.predictors.items():
            scores, cost = learnt_scores(
                self.space, factory, learnt, values[known], others, seed=self.seed
            )
            scored.append({"column": key, "scores": scores.tolist(), **cost})
        return scored


class ValidateStudy(Study[Validation, ValidateOptions]):
    """Agreement of several ways to score architectures with what they reach when trained.

    Every way is a column: what predictors say that learnt from a table, what they say that learnt
    from networks trained in the study, what a search saw, what is reached with weights inherited
    from a supernet, the table's value, and what the network reaches when it is trained alone.

    Parameters
    ----------
    options : ValidateOptions
    predictors : mapping from name to Factory
        What ``options.predictors`` names. The first one ranks, unless a search did.

    Raises
    ------
    ParameterError
        If it is not said what to validate, the space has no networks, a number is out of range,
        nothing is there to compare trainings with, a predictor cannot serve the space, or an
        option would have no effect.
    LabelError
        If there are too few architectures to choose or to learn from.
    StorageError, DataFileError
        If images, a recipe or a search cannot be read.
    """

    kind = "validate"
    title = "Scores validated by training"
    command = "validate"
    options_type = ValidateOptions
    findings = Validation
    row = ValidateRow
    entry = ValidateEntry

    def __init__(self, options: ValidateOptions, predictors: Mapping[str, Factory]) -> None:
        self.options, self.predictors = options, dict(predictors)
        asked = {key: getattr(options, key) for key in ("top", "spread", "stratified", "random")}
        counts = counts_of(asked, ranked=options.space is None)
        counts |= {"learnt": options.learn_from, "inherited": options.supernet_architectures}
        self.counts = {group: counts[group] for group in GROUPS if counts.get(group)}
        images = images_of(options)
        self.candidates = candidates_of(options, sum(counts.values()), images)
        if self._unlearnt():
            # What learns nothing takes any labels, which give its scores a unit.
            lesson = self.candidates.codes[:2], np.array([0.0, 1.0])
            self.candidates = replace(self.candidates, lesson=lesson)
        self.plan = TrainingPlan(
            self.candidates.space,
            images,
            recipe_of(options, Recipe(epochs=2)),
            options.device,
        )
        self.supernet = _supernet(options, self.plan.recipe)
        self._check()
        self.scorers = {
            predictor_column(name, first=number == 0): factory
            for number, (name, factory) in enumerate(self.predictors.items())
        }

    def _unlearnt(self) -> bool:
        """Whether the predictors learn nothing, and there is nothing to learn from."""
        options = self.options
        bare = options.space is not None and not options.learn_from
        return bool(bare and self.predictors and not self._learning())

    def _learning(self) -> list[str]:
        """Predictors that learn from labels."""
        space = self.candidates.space
        return [name for name, make in self.predictors.items() if make(space, seed=0).learns]

    def _check(self) -> None:
        """Refuse, before anything is computed, what cannot be done."""
        options, counts, candidates = self.options, self.counts, self.candidates
        compared = sum(n for group, n in counts.items() if group not in _NOT_COMPARED)
        if compared < FEWEST or min(counts.values()) < 0:
            raise ParameterError(
                f"at least {FEWEST} architectures must be chosen, fewer have no correlation; "
                f"received {compared}: raise --top, --spread, --stratified or --random"
            )
        check_least(options, {"seeds": 1})
        check_known(options, {"score": tuple(SCORES)})
        if counts.get("inherited") and self.supernet is None:
            raise ParameterError(
                "--supernet-architectures are scored by a supernet: ask for one with --supernet"
            )
        learnt = counts.get("learnt", 0)
        if not (candidates.known or candidates.lesson or learnt or self.supernet):
            raise ParameterError(
                "a bare space has nothing to compare trainings with: add --supernet, --learn-from, "
                "a zero-cost proxy such as -p synflow, or name a table"
                + (f"; {', '.join(self._learning())} learns" if self.predictors else "")
            )
        if learnt and not self.predictors:
            raise ParameterError("--learn-from needs a predictor that learns: name one with -p")
        labels = [len(candidates.lesson[1])] if candidates.lesson else []
        labels += [learnt] if learnt else []
        if not labels:
            refuse_unused(options, ("predictors",), "with --space and without --learn-from")
        check_predictors(candidates.space, self.predictors, labels)

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options, images = self.options, self.plan.images
        return {
            **self.candidates.about,
            "predictors": list(self.predictors),
            "counts": self.counts,
            **({"unlearnt": True} if self._unlearnt() else {}),
            "images": f"{images.name}, {len(images.train_y)} training images of "
            f"{images.train_x.shape[2]}x{images.train_x.shape[3]} pixels",
            "image_options": {**images.options, "digest": images.digest},
            "recipe": self.plan.recipe.to_dict(),
            "seeds": options.seeds,
            "score": options.score,
            "supernet": self.supernet.to_dict() if self.supernet else None,
            "seed": options.seed,
            "device": device_kind(self.plan.device),
            "versions": versions(),
        }

    def units(self, folder: Path) -> Mapping[str, Unit]:  # noqa: ARG002 -- keeps no files
        """The choice. What else there is to do follows from it, see ``work``."""
        return {"choice": ChoiceUnit(self.candidates, self.scorers, self.counts, self.options.seed)}

    def work(self, rows: Sequence[Row], folder: Path) -> dict[str, Unit]:
        """What takes long, of the chosen architectures: the supernet, and every training."""
        space, seed = self.plan.space, self.options.seed
        units: dict[str, Unit] = {}
        if self.supernet is not None:
            # The first: it takes longest, and the trainings fill the other cores meanwhile.
            codes = _codes(space, rows)
            units["supernet"] = InheritUnit(self.plan, codes, self.supernet, seed, folder)
        codes = _codes(space, [row for row in rows if row["group"] != "inherited"])
        seeds = range(seed, seed + self.options.seeds)
        return units | self.plan.units(codes, seeds=seeds, folder=folder)

    def execute(self, journal: Journal) -> list[Row]:
        """Row of each chosen architecture, with all that was found of it."""
        options, progress = self.options, self.options.progress
        (choice,) = journal.run(self.units(journal.folder), jobs=1, progress=progress)
        rows: list[Row] = [dict(row) for row in choice["architectures"]]
        costs: list[Row] = list(choice["costs"])
        units = self.work(rows, journal.folder)
        journal.run(units, jobs=self.plan.jobs(options.jobs), progress=progress)
        self._trainings = [journal.done[name][0] for name in units if name != "supernet"]
        self._inherited = journal.done["supernet"][0] if self.supernet else {}
        add_trainings(rows, self._trainings, options.score)
        if self.supernet is not None:
            costs += add_inherited(rows, self._inherited, self.supernet)
        if self.counts.get("learnt"):
            target = "trained_accuracy" if options.score == "accuracy" else "trained_score"
            own = {own_column(key): factory for key, factory in self.scorers.items()}
            last = OwnUnit(self.plan.space, rows, target, own, options.seed)
            costs += add_own(rows, journal.run({"own predictors": last}, jobs=1, progress=progress))
        self._costs = []
        for cost in (*costs, training_cost(rows)):
            each = cost["architectures"] * cost["seconds_per_architecture"]
            self._costs.append({**cost, "seconds": cost["once_seconds"] + each})
        return rows

    def remarks(self, rows: Sequence[Row]) -> dict[str, Any]:  # noqa: ARG002 -- of the trainings
        """Columns in words, and what did not go as it should."""
        about: dict[str, Any] = {"columns": columns_of(self.about())}
        about |= training_faults(self._trainings, self.plan.recipe)
        if inherited := self._inherited:
            about |= {f"supernet_{key}": inherited[key] for key in ("diverged", "batch_size")}
        return about

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Correlations, costs and the ceiling."""
        columns = columns_of(self.about())
        taus = correlations(rows, list(columns))
        seconds = {cost["column"]: cost["seconds"] for cost in self._costs}
        truth = truth_column(columns)
        counted = {frozenset((t["a"], t["b"])): t["n"] for t in taus}
        return {
            "summary": [
                {
                    "column": column,
                    "what": words,
                    "n": counted[frozenset((column, truth))],
                    "kendall_tau": tau_between(taus, column, truth),
                    "seconds": seconds.get(column),
                }
                for column, words in columns.items()
                if column != truth
            ],
            "architectures": list(rows),
            "correlations": taus,
            "costs": self._costs,
            "ceiling": seed_ceiling(rows, self._trainings, self.options.score),
        }

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Kendall tau between each two columns."""
        return correlation_table(found["correlations"], found["about"]["columns"])

    @classmethod
    def tables_of(cls, found: Parts) -> list[TextTable]:
        """Trained architectures, correlations and costs."""
        columns, rows = found["about"]["columns"], found["architectures"]
        trained = list(compress(rows, ("parameters" in row for row in rows)))
        taus = replace(cls.table_of(found), note=ceiling_text(found["ceiling"], columns))
        return [
            architecture_table(trained, columns, most=_SHOWN),
            taus,
            cost_table(found["costs"], found["correlations"], columns),
        ]

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """What did not go as it should, and how the numbers were made."""
        about = found["about"]
        lines = fault_lines(about)
        if about.get("supernet_diverged"):
            lines.append("the supernet's loss became infinite: nothing could be inherited")
        batch = about.get("supernet_batch_size", 0)
        if batch < (about["supernet"] or {}).get("batch_size", 0):
            lines.append(f"out of memory: the supernet was trained with batches of {batch}")
        return [*lines, f"{about['images']}, seed {about['seed']}"]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the validation."""
        return validate_page(found)


def _supernet(options: ValidateOptions, recipe: Recipe) -> SupernetRecipe | None:
    """Supernet that is asked for, by default of the networks that are trained alone."""
    if options.supernet is None:
        return None
    asked = options.supernet
    asked = read_supernet_recipe(asked) if isinstance(asked, str) else asked
    return replace(
        asked,
        width=asked.width or recipe.width,
        cells=asked.cells or recipe.cells,
        reduction=asked.reduction or recipe.reduction,
    )


def _codes(space: Space, rows: Sequence[Row]) -> Codes:
    """Codes of the architectures of some rows, shape (n, d)."""
    return space.parse([row["architecture"] for row in rows])
