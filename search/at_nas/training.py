"""Meta-trained searches in files: made, tested and adapted to a task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...benchmarks.few_shot import LAST_LAYER, RULES, meta_train
from ...benchmarks.intervals import interval
from ...benchmarks.studies import Row, jsonable, refuse_unused, versions
from ...benchmarks.supernet import uniform_codes
from ...data.arguments import checked
from ...data.devices import one_thread, resolve_device
from ...data.images import ImageClasses, load_classes
from ...data.spaces import is_place
from ...errors import LabelError, ParameterError, UnknownNameError
from .adaptation import adapt_search
from .evolve import ATNAS
from .files import (
    check_images,
    class_keys,
    classes_named,
    conversion,
    load_search,
    save_search,
    unseen_classes,
)
from .options import AdaptOptions, MetaTrainOptions
from .tasks import EPISODES, episodes_of, load_split, make_learner, training_episodes

_DRAWN, _THEIRS = 20, 4  # encodings drawn uniformly, and what share of the episodes is theirs
_SECONDS = 300.0  # of a meta-training for which nothing is asked


def train_search(options: MetaTrainOptions) -> Row:
    """Summary of a meta-training of AT-NAS, which is written to a file.

    One that was stopped goes on: while it is trained, its state is beside the file, in
    ``NAME.training``. One that is done is only read.

    Parameters
    ----------
    options : MetaTrainOptions
        Episodes are of the task's classes for meta-training. ``steps``, ``seconds`` and
        ``progress`` are as for ``nasurge.benchmarks.few_shot.training.meta_train``.

    Returns
    -------
    dict
        ``architecture``, ``meta_steps``, ``loss`` (of the last fifty), ``train_seconds``,
        ``diverged``, ``classes``, and ``made``.

    Raises
    ------
    ParameterError
        If the file holds another search, or a number is outside its range.
    UnknownNameError
        If there is no such rule, split or space.
    DataFileError, LabelError, StorageError
        As the parts.
    """
    if options.steps is not None and options.seconds is not None:
        raise ParameterError("a meta-training lasts for --steps or for --seconds: give one of them")
    if options.rule not in RULES:
        raise UnknownNameError("rule", options.rule, RULES)
    path, made = options.out, _recipe(options)
    model = options.space if is_place(options.space) else None
    if path.exists():
        return _summary(path, made, model)
    state = path.with_name(f"{path.name}.training")
    rng = np.random.default_rng([options.seed, 2])
    device = resolve_device(options.device)
    with one_thread():
        train, _ = load_split(options, seed=options.seed)
        learner, classes = make_learner(
            "at-nas", train, options, shot=options.shot, rule=options.rule, seed=rng
        )
        search = cast(ATNAS, learner)
        history = meta_train(
            search.to(device),
            training_episodes(options.rule, classes, options, shot=options.shot, seed=rng),
            steps=made["steps"],
            seconds=made["seconds"],
            tasks=EPISODES[options.rule][0],
            checkpoint=state,
            progress=options.progress,
        )
        search.to("cpu")
        late = [loss for loss in history.losses[-50:] if math.isfinite(loss)]
        made |= {
            "meta_steps": len(history.losses),
            "loss": float(np.mean(late)) if late else None,
            "train_seconds": round(history.seconds, 1),
            "diverged": history.diverged,
            "classes": len(classes.classes),
            "command": options.command,
            "versions": versions(),
        }
        save_search(path, search, made, class_keys(train))
    state.unlink(missing_ok=True)
    return _summary(path, made, model)


def _recipe(options: MetaTrainOptions) -> dict[str, Any]:
    """JSON values that tell a meta-training from another."""
    timed = options.steps is None and options.seconds is None
    recipe: dict[str, Any] = jsonable(
        {
            "images": options.images,
            "task": options.task,
            "shot": options.shot,
            "rule": options.rule,
            "steps": options.steps,
            "seconds": _SECONDS if timed else options.seconds,
            "network": [options.space, options.width],
            "seed": options.seed,
        }
    )
    return recipe


def _summary(path: Path, made: Row, model: str | None) -> Row:
    """Summary of a finished file, which is refused if it was made otherwise."""
    search, about = load_search(path, model=model)
    kept = {"rule": search.rule, **about["made"]}  # older files say it in one place only
    if changed := [k for k, value in made.items() if kept.get(k) != value]:
        raise ParameterError(
            f"{path} holds another search (different: {', '.join(changed)}): give another file "
            "with --out, or delete this one"
        )
    measured = ("meta_steps", "loss", "train_seconds", "diverged", "classes")
    return {
        "architecture": search.architecture,
        **{key: kept[key] for key in measured},
        "file": str(path),
        "made": kept,
    }


def adapt_file(options: AdaptOptions) -> Row:
    """Summary of adapting a search in a file to a task of new classes; written where asked for.

    Parameters
    ----------
    options : AdaptOptions
        All classes of the images are the task, with ``unseen`` those that the search was not
        meta-trained on.

    Returns
    -------
    dict
        ``before``, ``after`` and ``alone`` are the accuracies in percent on the images that were
        not learnt from, ``asked`` of them, as of ``Adaptation``; ``known`` classes were in the
        meta-training, which flatters these; ``converted`` says what was done to the colours.

    Raises
    ------
    NasurgeError
        As ``load_search``, ``load_classes``, ``adapt_search`` and ``save_search``.
    """
    if options.shots == 1:
        reason = "with one image a class, of which no episodes can be made"
        refuse_unused(options, ("generations", "steps"), reason)
    search, about = load_search(options.search, model=options.space)
    images = load_classes(options.images, size=search.supernet.sizes["size"])
    task = check_images(images, search)
    if options.classes:
        task = classes_named(task, options.classes)
    if options.unseen:
        task = unseen_classes(task, about["trained"], 2)
    if len(task.classes) < 2:
        raise LabelError(
            f"a task has two classes or more; of {task.name} there is {', '.join(task.classes)}"
        )
    adapted = adapt_search(
        search,
        task,
        shots=options.shots,
        generations=options.generations,
        steps=options.steps,
        seed=options.seed,
    )
    row = {
        "images": options.images,
        "classes": len(task.classes),
        "known": len(set(about["trained"]) & set(class_keys(task))),
        "converted": conversion(images, search),
        "shots": options.shots,
        "asked": adapted.asked,
        "before": adapted.before,
        "after": adapted.after,
        "alone": adapted.alone,
        "architecture_before": search.architecture,
        "architecture": adapted.search.architecture,
        "evaluations": adapted.evaluations,
        "steps": options.steps,
        "seconds": adapted.seconds,
    }
    if options.out:
        made = {**about["made"], "adapted": {**row, "command": options.command}}
        trained = dict.fromkeys([*about["trained"], *class_keys(task)])
        save_search(options.out, adapted.search, made, list(trained), task=adapted.support)
    return row


@checked
def evaluate_search(
    search: ATNAS,
    trained: Sequence[str],
    images: ImageClasses,
    *,
    way: int = 5,
    shots: Sequence[int] = (1, 5),
    query: int = 15,
    episodes: int = 1000,
    seed: int = 0,
) -> list[Row]:
    """Accuracies of a meta-trained search on classes that it was not trained on.

    Parameters
    ----------
    search : ATNAS
    trained : sequence of str
        ``class_keys`` of its meta-training: these classes are left out.
    images : ImageClasses
    way, query, episodes : int
        As for ``EpisodeSampler``; fewer queries where a class has fewer images.
    shots : sequence of int
    seed : int
        Draws the episodes.

    Returns
    -------
    list of dict
        Per shot: the chosen encoding, ``at-nas``, and twenty encodings drawn uniformly,
        ``uniform``, with the same weights and a quarter of the episodes; ``accuracy`` is a 95 %
        interval over episodes, in percent.

    Raises
    ------
    ParameterError
        If images have another shape than the search is for, or a number is below 1.
    LabelError
        If fewer than ``way`` classes are left, or one has too few images.
    """
    if min(episodes, *shots) < 1:
        raise ParameterError(
            f"episodes and shots must be at least 1, not {episodes} and {list(shots)}"
        )
    if search.rule not in LAST_LAYER and way != (own := search.supernet.sizes["way"]):
        raise ParameterError(f"a search by {search.rule} is for {own}-way episodes, not {way}")
    rest = unseen_classes(check_images(images, search), trained, way)
    drawn = uniform_codes(search.supernet.space, _DRAWN, np.random.default_rng([seed, 3]))
    summary: list[Row] = []
    with one_thread():
        for shot in sorted(set(shots)):
            few = max(1, episodes // (_THEIRS * _DRAWN))
            best, *others = [
                search.learner(code).accuracy(
                    episodes_of(
                        rest,
                        way=way,
                        shot=shot,
                        query=query,
                        seed=np.random.default_rng([seed, 1, k]),
                    ),
                    few if k else episodes,
                )
                for k, code in enumerate([None, *drawn])
            ]
            for method, each in (("at-nas", best), ("uniform", np.concatenate(others))):
                summary.append(
                    {
                        "method": method,
                        "way": way,
                        "shot": shot,
                        "episodes": len(each),
                        "classes": len(rest.classes),
                        "accuracy": interval(each, least=0, most=100),
                    }
                )
    return summary
