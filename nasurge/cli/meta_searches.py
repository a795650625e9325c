"""The commands ``nasurge meta`` of meta-trained searches: train, evaluate, adapt and classify."""

from __future__ import annotations

import dataclasses

from ..progress import progress_bar
from ..search.at_nas.options import AdaptOptions, ClassifyOptions, EvaluateOptions, MetaTrainOptions
from .common import emit
from .options import command_of
from .printing import print_table, say


def _train(options: MetaTrainOptions, as_json: bool) -> None:
    """Meta-train a supernet over tasks, and evolve the encodings of its networks (AT-NAS).

    The state is beside the file while it is made: the same command goes on after a stop. Then

        nasurge meta evaluate at-nas.safetensors
        nasurge meta adapt at-nas.safetensors --images digits
    """
    from ..search.at_nas import train_search

    with progress_bar("meta-training") as progress:
        row = train_search(
            dataclasses.replace(
                options,
                progress=lambda done: progress(round(1000 * done), 1000, "of the meta-training"),
            )
        )
    if as_json:
        emit({"summary": [row]})
        return
    state = "diverged: the weights before are kept" if row["diverged"] else "done"
    loss = "undefined" if row["loss"] is None else f"{row['loss']:.3f}"
    say(row["architecture"])
    say(
        f"{state}: {row['meta_steps']} meta-steps on {row['classes']} classes in "
        f"{row['train_seconds']:.0f} s, query loss {loss}"
    )
    say(f"search: {options.out}")


def _evaluate(options: EvaluateOptions, as_json: bool) -> None:
    """Test a meta-trained search on episodes of classes that it was not trained on.

    Classes that were in its meta-training are left out, by their images. The row uniform is of
    encodings drawn uniformly, with the same weights.
    """
    from ..benchmarks.studies import interval_text
    from ..data.images import load_classes
    from ..search.at_nas import conversion, evaluate_search, load_search

    search, about = load_search(options.search, model=options.space)
    images = load_classes(options.images, size=search.supernet.sizes["size"])
    summary = evaluate_search(
        search,
        about["trained"],
        images,
        way=options.way,
        shots=options.shots,
        episodes=options.episodes,
        seed=options.seed,
    )
    if as_json:
        emit({"summary": summary, "architecture": search.architecture, "made": about["made"]})
        return
    rows = [
        [
            row["method"],
            str(row["way"]),
            str(row["shot"]),
            interval_text(row["accuracy"]),
            str(row["episodes"]),
        ]
        for row in summary
    ]
    print_table(["method", "way", "shot", "accuracy, %", "episodes"], rows)
    say(
        f"{search.architecture}: {summary[0]['classes']} classes of {options.images} that the "
        f"search, made on {about['made']['images']}, was not trained on"
    )
    _say_converted(conversion(images, search))


def _say_converted(converted: str | None) -> None:
    """Say what was done to the colours of images, and what to do where they matter."""
    if converted:
        say(
            f"{converted}; where colour matters, nasurge meta train on other images of this kind "
            "makes a search for them"
        )


def _adapt(options: AdaptOptions, as_json: bool) -> None:
    """Adapt a meta-trained search to a task of new classes, from a few images of each.

    A short evolution from the meta-trained population, by episodes of these few images, and some
    gradient steps. The other images of the classes tell what it is worth. All classes of a folder
    are the task, each of which is a folder of images:

        nasurge meta adapt --images my-images --out mine.safetensors
        nasurge meta classify mine.safetensors picture.jpg
    """
    from ..search.at_nas import adapt_file

    row = adapt_file(options)
    if as_json:
        emit({"summary": [row], "search": str(options.out) if options.out else None})
        return
    say(f"{row['architecture']} (meta-trained: {row['architecture_before']})")
    say(
        f"{row['classes']} classes, {row['shots']} images of each learnt from, drawn by seed "
        f"{options.seed}: {row['after']:.1f} % of {row['asked']} others right, {row['before']:.1f} "
        f"% without search and steps; each classified alone {row['alone']:.1f} %; "
        f"{row['evaluations']} encodings measured, {row['seconds']:.1f} s"
    )
    _say_converted(row["converted"])
    if row["known"]:
        say(
            f"{row['known']} of the {row['classes']} classes were in the meta-training, which "
            "flatters these numbers: --unseen leaves them out"
        )
    if options.out:
        say(f"search: {options.out}; nasurge meta classify {options.out} IMAGE... uses it")


def _classify(options: ClassifyOptions, as_json: bool) -> None:
    """Name the class of pictures, by a search that was adapted to a few images of each class.

    Scores of all classes add to one. They are no probabilities: a picture of none of the classes
    gets one too. Every picture is classified without the others.

        nasurge meta classify mine.safetensors picture.jpg folder-of-pictures
    """
    from ..search.at_nas import classify_file

    rows, about = classify_file(options)
    if as_json:
        emit({"summary": rows, "search": str(options.search), "task": about["task"].name})
        return
    shown = []
    for row in rows:
        (_, best), (second, next_best) = list(row["scores"].items())[:2]
        shown.append([row["image"], row["class"], f"{best:.3f}", second, f"{next_best:.3f}"])
    print_table(["image", "class", "score", "second", "its score"], shown)


train = command_of(MetaTrainOptions, _train)
evaluate = command_of(EvaluateOptions, _evaluate)
adapt = command_of(AdaptOptions, _adapt)
classify = command_of(ClassifyOptions, _classify)
