"""Commands that make tables and check them: ``nasurge table build`` and ``table verify``."""

from __future__ import annotations

import typer

from ..benchmarks.studies.options import BuildOptions, VerifyOptions
from .options import command_of, run_and_print

app = typer.Typer(no_args_is_help=True, help="Make tables of your own, and check them.")


@app.callback()
def root() -> None:
    """Make tables of your own by training, and check them by training again."""


def _build(options: BuildOptions, as_json: bool) -> None:
    """Train architectures on images and keep what they reached as a table.

    With several seeds, the validation accuracy after every epoch, costs, and the recipe, so that
    `nasurge table verify NAME` can train them again. A run that was stopped goes on where it was,
    and one may be asked for more architectures or seeds. Try:

        nasurge table build mine --images digits -n 10 --epochs 2
    """
    from ..benchmarks.studies import TableStudy

    run_and_print(TableStudy(options), as_json=as_json)


def _verify(options: VerifyOptions, as_json: bool) -> None:
    """Train architectures of a table again, by the recipe in it, and compare.

    They lie at even steps down the table's ranking, and each is trained with all seeds of the
    table. On the machine and the versions that made it the accuracies are the same; elsewhere they
    differ as two seeds do, or less. Try:

        nasurge table verify nb201-digits -n 5
    """
    from ..benchmarks.studies import VerifyStudy

    run_and_print(VerifyStudy(options), as_json=as_json)


app.command()(command_of(BuildOptions, _build))
app.command()(command_of(VerifyOptions, _verify))
