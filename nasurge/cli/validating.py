"""The command ``nasurge validate``."""

from __future__ import annotations

from ..benchmarks.studies.options import ValidateOptions
from .options import command_of, run_and_print


def _validate(options: ValidateOptions, as_json: bool) -> None:
    """Check whether scores are true: train some architectures and see.

    Some architectures are chosen and trained on real images. What predictors say of them, what the
    table says, what they inherit from a supernet and what they reach when trained alone stand side
    by side, with the rank correlations between each two and what each has cost. A run that was
    stopped goes on with the same command. Try:

        nasurge validate nb201-analog/cifar10 --top 3 --spread 6

        nasurge validate nb201-digits --noise 1 --stratified 12 --supernet spos
    """
    from ..arguments import validate_study

    run_and_print(validate_study(options), as_json=as_json)


validate = command_of(ValidateOptions, _validate)
