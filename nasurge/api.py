"""What a script calls: ``compare``, ``search`` and ``validate``, with names instead of classes."""

from __future__ import annotations

from .arguments import compare_study, validate_study
from .benchmarks.studies import (
    CompareOptions,
    Comparison,
    ValidateOptions,
    Validation,
    Verification,
    VerifyOptions,
    VerifyStudy,
    called_with,
)
from .progress import with_bar
from .searching import search as search
from .searching import search_study as search_study


def _compare(options: CompareOptions) -> Comparison:
    """Rank correlations of predictors with the labels of architectures they were not given.

    In each trial all predictors learn the same architectures and rank all others of the table.

    Returns
    -------
    Comparison
        Its ``summary`` has one entry per table, task, predictor, training size and set of test
        architectures, its ``rows`` one per trial; ``folder`` holds ``rows.parquet``,
        ``summary.json`` and ``report.html``.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: an unknown name, too few architectures, a full disk.

    Examples
    --------
    >>> import nasurge, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = nasurge.compare(
    ...         "nb201-analog/cifar10", "ridge", n_train=[50], trials=1, jobs=1, out=folder
    ...     )
    >>> found.summary[0]["predictor"], found.summary[0]["kendall_tau"]["n"]
    ('ridge', 1)
    """
    return compare_study(options).run()


def _validate(options: ValidateOptions) -> Validation:
    """Agreement of scores, table and training, of some architectures that are trained.

    Everything that is finished is kept: the same call goes on where one was stopped.

    Returns
    -------
    Validation
        Its ``correlations`` are between each two ways to score the ``architectures``, its
        ``costs`` in seconds; ``folder`` holds ``rows.parquet``, ``summary.json`` and
        ``report.html``.

    Raises
    ------
    ParameterError
        If it is not said what to validate, the space has no networks, or an option has no effect.
    NasurgeError
        Another leaf that says what was wrong.
    """
    return validate_study(options).run()


def _verify(options: VerifyOptions) -> Verification:
    """Agreement of a table that NASurge trained with the same trainings done again.

    Returns
    -------
    Verification
        Its ``summary`` has one entry, its ``architectures`` one per training.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: a table without a recipe, other images.
    """
    return VerifyStudy(options).run()


compare = with_bar(called_with(CompareOptions, _compare))
validate = with_bar(called_with(ValidateOptions, _validate))
verify = with_bar(called_with(VerifyOptions, _verify))
