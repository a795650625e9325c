"""The command ``nasurge space``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ParameterError
from .common import AsJson, emit, reported_errors
from .printing import say

if TYPE_CHECKING:
    from ..data.spaces import Space


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
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Draw it too: boxes of variables with values and conditions, and a cell or graph; "
            "FILE.svg, .png or .pdf.",
        ),
    ] = None,
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
        if picture is not None:
            _draw(found, picture)
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
                    **({"picture": str(picture)} if picture is not None else {}),
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
        if picture is not None:
            say(f"picture: {picture}")


def _draw(space: Space, path: Path) -> None:
    """Write the picture of a space.

    Raises
    ------
    ParameterError
        If the file's name ends in no known format.
    StorageError
        If it cannot be written.
    """
    from ..data.files import atomic_write

    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png", "pdf"):
        raise ParameterError(f"--picture is FILE.svg, FILE.png or FILE.pdf, not {str(path)!r}")
    import matplotlib as mpl

    figure = space.plot()
    # A fixed salt and no date: the same space gives the same bytes.
    about: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
    with mpl.rc_context({"svg.hashsalt": "nasurge"}), atomic_write(path) as file:
        figure.savefig(file, format=kind, dpi=150, **about)
