"""Results of ``compare``: what a row, an entry of the summary and the whole of them hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from ..intervals import Interval
from .journal import Row
from .kinds import Findings
from .results import best_with, task_named


class CompareRow(TypedDict):
    """One predictor in one trial, on all test architectures or on those of unseen functions."""

    table: Annotated[str, "table's name"]
    task: Annotated[str, "task's name"]
    label: Annotated[str, "what is predicted"]
    predictor: Annotated[str, "predictor's name"]
    cheap: Annotated[str | None, "columns that it was given for every architecture"]
    n_train: Annotated[int, "training architectures"]
    trial: Annotated[int, "number of the draw of these architectures"]
    seed: Annotated[int, "seed of the study"]
    fit_seconds: Annotated[float, "seconds to fit, on one thread"]
    predict_seconds: Annotated[float, "seconds to predict all test architectures"]
    unseen_functions_only: Annotated[
        bool, "whether only test architectures whose function was not trained on count"
    ]
    n_test: Annotated[int, "test architectures that count"]


class CompareEntry(TypedDict, total=False):
    """One predictor with one training size on one task, over trials."""

    table: Annotated[str, "table's name"]
    task: Annotated[str, "task's name"]
    label: Annotated[str, "what is predicted"]
    predictor: Annotated[str, "predictor's name"]
    cheap: Annotated[str | None, "columns that it was given for every architecture"]
    n_train: Annotated[int, "training architectures"]
    unseen_functions_only: Annotated[
        bool, "whether only test architectures whose function was not trained on count"
    ]
    trials: Annotated[int, "trials, each with other training architectures"]
    fit_seconds: Annotated[Interval, "seconds to fit, on one thread"]
    predict_seconds: Annotated[Interval, "seconds to predict all test architectures"]
    ceiling: Annotated[
        dict[str, float], "correlations of a perfect predictor with these noisy labels"
    ]
    share_of_ceiling: Annotated[float, "mean Kendall tau divided by that of a perfect predictor"]


@dataclass(frozen=True, repr=False)
class Comparison(Findings):
    """Outcome of ``compare``.

    Attributes
    ----------
    summary, rows, folder, about
        As of ``Findings``: an entry is of a table, task, predictor, training size and set of test
        architectures.
    ceilings : dict
        Per ``TABLE/TASK`` with repeated training runs: the correlations of a perfect predictor.
    cheap : dict
        Per ``TABLE/TASK``: Kendall tau of every cheap column that was given, as a ranking.
    not_measured : dict
        Per ``TABLE/TASK`` with gaps: architectures of the table without the label, left out.
    paired : list of dict
        Per pair of predictors, size and task, and over all tasks: difference of Kendall's tau in
        common trials, wins, ties, losses, Wilcoxon's test.
    """

    ceilings: dict[str, dict[str, float]]
    cheap: dict[str, dict[str, float]]
    not_measured: dict[str, int] = field(default_factory=dict)
    paired: list[Row] = field(default_factory=list)

    def best(self, address: str | None = None, *, n_train: int | None = None) -> Row:
        """Entry of the summary with the highest mean Kendall tau on a task.

        Parameters
        ----------
        address : str, optional
            ``TABLE/TASK``, where there are several.
        n_train : int, optional
            By default the largest number of training architectures.

        Raises
        ------
        ParameterError
            If there are several tasks and none is named, or nothing was measured with so many.
        UnknownNameError
            If no such task was compared.
        """
        address = task_named(self.summary, address)
        of_task = [
            entry
            for entry in self.summary
            if f"{entry['table']}/{entry['task']}" == address and not entry["unseen_functions_only"]
        ]
        return best_with(of_task, "kendall_tau", "n_train", n_train)
