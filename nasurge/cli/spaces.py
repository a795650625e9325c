"""The command ``nasurge space``."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import AsJson, emit, reported_errors
from .printing import say


def space(
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="A TOML or JSON file that describes a space, or the name of one, such as nb201.",
        ),
    ],
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=0, metavar="N", help="Architectures to show.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of the samples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show a search space: its variables, its size, and a few architectures as they are written.

    A file of your own has a section [variables] with a line for each: width = [16, 32, 64], or
    op = {choice = ["conv", "pool"], active = "depth >= 2"}. What is wrong in it is said. Try:

        nasurge space nb201
    """
    with reported_errors():
        from ..data.spaces import make_space

        found = make_space(space)
        drawn = found.sample(samples, seed=seed)
        if as_json:
            variables = [
                {"name": name, "ordered": numbers is not None, "values": list(values)}
                for name, numbers, values in zip(
                    found.variables, found.numbers, found.values, strict=True
                )
            ]
            emit(
                {
                    "space": found.name,
                    "size": found.size,
                    "listed": found.listed,
                    "variables": variables,
                    "samples": [
                        {"architecture": text, "variables": values}
                        for text, values in zip(
                            found.format(drawn), found.to_dicts(drawn), strict=True
                        )
                    ],
                }
            )
            return
        say(found.describe())
        for text in found.format(drawn):
            say(f"such as {text}")
