"""The command ``nasurge meta evaluate``."""

from __future__ import annotations

from pathlib import Path

import typer

from .common import AsJson, SeedOption, emit, numbers, print_table, reported_errors
from .meta_options import Episodes, Images, Search, Shots, Way


def evaluate(
    search: Search = None,
    images: Images = "glyphs",
    way: Way = 5,
    shots: Shots = "1,5",
    episodes: Episodes = None,
    seed: SeedOption = 0,
    as_json: AsJson = False,
) -> None:
    """Test a meta-trained search on episodes of classes that it was not trained on.

    Classes that were in its meta-training are left out, by their images. The row uniform is of
    encodings drawn uniformly, with the same weights.
    """
    show_search(search, images, way=way, shots=shots, episodes=episodes, seed=seed, json=as_json)


def show_search(
    file: Path | None,
    images: str,
    *,
    way: int,
    shots: str,
    episodes: int | None,
    seed: int,
    json: bool,
) -> None:
    """Test a search, and print what it reaches."""
    with reported_errors():
        from ..benchmarks.studies import interval_text
        from ..data.images import load_classes
        from ..search.at_nas import evaluate_search, load_search

        search, about = load_search(file)
        found = evaluate_search(
            search,
            about["trained"],
            load_classes(images, size=search.supernet.sizes["size"]),
            way=way,
            shots=numbers(shots, "--shots"),
            episodes=episodes or 300,
            seed=seed,
        )
        if json:
            told = {"architecture": search.architecture, "made": about["made"]}
            emit({"summary": found, **told})
            return
        rows = [
            [
                row["method"],
                str(row["way"]),
                str(row["shot"]),
                interval_text(row["accuracy"]),
                str(row["episodes"]),
            ]
            for row in found
        ]
        print_table(["method", "way", "shot", "accuracy, %", "episodes"], rows)
        typer.echo(
            f"{search.architecture}: {found[0]['classes']} classes of {images} that the search, "
            f"made on {about['made']['images']}, was not trained on"
        )
