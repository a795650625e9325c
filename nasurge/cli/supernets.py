"""The commands ``nasurge supernet``: train, search and best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..benchmarks.studies.flags import option
from ..benchmarks.studies.options import Run, Seed
from ..benchmarks.supernet import SubnetworkOptions, SupernetOptions
from ..benchmarks.training.recipe import Epochs
from ..errors import ParameterError
from ..search.differentiable import DifferentiableOptions
from .common import IMAGES_HELP, emit, progress_bar
from .options import command_of
from .printing import print_table, say

if TYPE_CHECKING:
    from ..benchmarks.supernet import SharedWeights
    from ..data.images import Images

app = typer.Typer(
    help="Train one network that holds all architectures, and search it.", no_args_is_help=True
)


Supernet = partial(option, section="The supernet and its images")


@dataclass(frozen=True, kw_only=True)
class _NetworkOptions:
    """A supernet, the images that it learns, and where."""

    space: str = Supernet(
        "nb201",
        help="A cell space, such as nb201, transnas-micro, or mobile; or MODULE:NAME, your own "
        "PyTorch model.",
    )
    images: str = Supernet("digits", help=IMAGES_HELP)
    width: int = Supernet(4, least=1, help="Channels of the first stage.")
    cells: int = Supernet(1, least=1, help="Cells per stage.")
    size: int | None = Supernet(None, least=1, help="Resize images to so many pixels.")
    limit: int | None = Supernet(None, least=1, help="Most training images.")
    device: str = Run("auto", help="auto, cpu, cuda, cuda:INDEX or mps.")
    seed: int = Seed(0)
    checkpoint: Path | None = Run(
        None, help="File in which the state is kept: the same command again goes on from there."
    )

    def made(self) -> tuple[SharedWeights, Images]:
        """Fresh supernet, and the images."""
        from ..benchmarks.studies import images_space, refuse_unused
        from ..benchmarks.supernet import make_supernet
        from ..data.images import load_images

        images = load_images(self.images, size=self.size, limit=self.limit, seed=self.seed)
        space = images_space(self.space, images)
        if space.model is not None:
            refuse_unused(self, ("width", "cells"), "with a model, which is as large as it is")
        supernet = make_supernet(
            space,
            classes=len(images.classes),
            in_channels=images.train_x.shape[1],
            width=self.width,
            cells=self.cells,
            seed=self.seed,
        )
        return supernet, images

    def run(self, work: Any, *arguments: Any, title: str) -> Any:
        """Result of a training of the supernet, with a progress bar."""
        with progress_bar(title) as progress:
            return work(
                *arguments,
                self,
                device=self.device,
                seed=self.seed,
                checkpoint=self.checkpoint,
                progress=lambda done, total: progress(done, total, "epochs"),
            )

    def about(self, images: Images) -> dict[str, Any]:
        """Arguments that a summary repeats."""
        names = ("space", "width", "cells", "seed", "epochs")
        return {"images": images.name, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, kw_only=True)
class _TrainOptions(_NetworkOptions, SupernetOptions):
    """Options of ``nasurge supernet train``."""

    epochs: int = Epochs(30)
    evaluate: int = option(10, least=0, help="Sub-networks drawn and evaluated after it.")


def _train(options: _TrainOptions, as_json: bool) -> None:
    """Train a supernet and evaluate some sub-networks with inherited weights."""
    from ..benchmarks.supernet import train_supernet

    supernet, images = options.made()
    history = options.run(train_supernet, supernet, images, title="supernet")
    codes = supernet.space.sample(options.evaluate, seed=options.seed)
    inherited = supernet.evaluate(codes, images, seed=options.seed)
    rows = [
        {"architecture": architecture, "valid_accuracy": accuracy, "valid_loss": loss}
        for architecture, accuracy, loss in zip(
            supernet.space.format(codes), inherited.accuracy, inherited.loss, strict=True
        )
    ]
    if as_json:
        summary = options.about(images) | {"rule": options.rule, "loss": history.losses[-1]}
        summary |= {name: getattr(history, name) for name in ("device", "steps", "diverged")}
        summary |= {"train_seconds": history.seconds, "batch_size": history.batch_size}
        summary |= {"evaluate_seconds": inherited.seconds}
        checkpoint = options.checkpoint and str(options.checkpoint)
        emit({"summary": [summary], "architectures": rows, "checkpoint": checkpoint})
        return
    print_table(
        ("architecture", "valid accuracy", "valid loss"),
        [
            [row["architecture"], f"{row['valid_accuracy']:.2f}", f"{row['valid_loss']:.3f}"]
            for row in rows
        ],
    )
    state = "the loss became infinite: stopped" if history.diverged else "done"
    if history.batch_size < options.batch_size:
        state += f", out of memory: batches of {history.batch_size}"
    say(
        f"{state}: {history.steps} steps in {history.seconds:.1f} s on {history.device}, loss "
        f"{history.losses[-1]:.3f}; {images.name}, {options.rule}, seed {options.seed}"
    )


@dataclass(frozen=True, kw_only=True)
class _SearchOptions(_NetworkOptions, DifferentiableOptions):
    """Options of ``nasurge supernet search``."""

    method: str = option(
        "gdas", help="darts, darts-2 (second order), gdas, drnas, balenas or ddpnas."
    )
    epochs: int = Epochs(15)


def _search(options: _SearchOptions, as_json: bool) -> None:
    """Search a space by gradient on real images."""
    from ..search.differentiable import search_supernet

    supernet, images = options.made()
    found = options.run(search_supernet, supernet, images, options.method, title=options.method)
    if as_json:
        summary = options.about(images) | {"method": options.method, "loss": found.losses[-1]}
        names = ("architecture", "skip_share", "collapsed", "diverged", "steps")
        summary |= {name: getattr(found, name) for name in names}
        summary |= {"search_seconds": found.seconds, "shares": found.shares.tolist()}
        checkpoint = options.checkpoint and str(options.checkpoint)
        emit({"summary": [summary], "checkpoint": checkpoint})
        return
    say(found.architecture)
    if found.collapsed:
        say(
            f"collapsed: {found.skip_share:.0%} of the choices are skips, the known failure "
            "of differentiable search; take gdas or ddpnas, or fewer epochs"
        )
    say(
        f"{options.method}: {found.steps} steps in {found.seconds:.1f} s, loss "
        f"{found.losses[-1]:.3f}; {images.name}, seed {options.seed}"
    )


@dataclass(frozen=True, kw_only=True)
class _BestOptions(_NetworkOptions, SupernetOptions, SubnetworkOptions):
    """Options of ``nasurge supernet best``."""

    epochs: int = Epochs(30)

    def __post_init__(self) -> None:
        SupernetOptions.__post_init__(self)
        SubnetworkOptions.__post_init__(self)


def _best(options: _BestOptions, as_json: bool) -> None:
    """Train a supernet, search it with inherited weights, and train the best by themselves.

    With the --checkpoint of nasurge supernet train, and the same options, its weights are taken.
    As many architectures drawn at random are trained beside the best: what the supernet adds is
    what is better than these. The best network is exported.

        nasurge supernet best --space nb201 --images digits --constraint 'flops<=80' --out best
    """
    from ..benchmarks.supernet import train_supernet
    from ..best import best_subnetwork

    supernet, images = options.made()
    history = options.run(train_supernet, supernet, images, title="supernet")
    if history.diverged:
        raise ParameterError(
            "the loss of the supernet became infinite: give a lower --learning-rate"
        )
    skeleton = {"width": options.width, "cells": options.cells}
    with progress_bar("best sub-network") as progress:
        found = best_subnetwork(
            supernet,
            images,
            options,
            skeleton={} if supernet.space.model is not None else skeleton,
            device=options.device,
            seed=options.seed,
            progress=progress,
        )
    if as_json:
        summary = options.about(images) | {"rule": options.rule, **found.pop("best")}
        summary |= {"supernet_seconds": history.seconds, "device": history.device}
        checkpoint = options.checkpoint and str(options.checkpoint)
        emit({"summary": [summary], **found, "checkpoint": checkpoint})
        return
    _say_best(found)
    say(
        f"supernet {history.seconds:.1f} s, search {found['search_seconds']:.1f} s of "
        f"{found['evaluated']} sub-networks; {images.name}, {options.rule}, seed {options.seed}"
    )
    say(f"network: {found['network'] or 'not exported, ' + found['not_exported']}")
    say(f"weights: {found['weights']}")


def _say_best(found: dict[str, Any]) -> None:
    """Say which sub-network is the best, and what those reach that were drawn at random."""
    best = found["best"]
    say(best["architecture"])
    costs = list(best["costs"])
    ranked = sorted(found["trained"], key=lambda row: (row["of"] != "search", row is not best))
    print_table(
        ("from", "architecture", "inherited", "trained", "test", *costs, "s"),
        [
            (
                row["of"],
                row["architecture"],
                *(
                    "diverged" if row[key] is None else f"{row[key]:.2f}"
                    for key in ("inherited_accuracy", "valid_accuracy", "test_accuracy")
                ),
                *(f"{row['costs'][cost]:.4g}" for cost in costs),
                f"{row['train_seconds']:.1f}",
            )
            for row in ranked
        ],
        best=(0,),
    )
    for row in found["front"]:
        values = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "architecture")
        say(f"front, with inherited weights: {row['architecture']}: {values}")
    drawn = [row for row in found["trained"] if row["of"] == "random" and row["valid_accuracy"]]
    if drawn:
        other = max(drawn, key=lambda row: row["valid_accuracy"])
        say(
            f"test accuracy of the best by validation: {best['test_accuracy']:.2f} % of those "
            f"searched, {other['test_accuracy']:.2f} % of {len(drawn)} drawn at random"
        )


app.command("train")(command_of(_TrainOptions, _train))
app.command("best")(command_of(_BestOptions, _best))
app.command("search")(command_of(_SearchOptions, _search))
