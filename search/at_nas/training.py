"""Meta-training of AT-NAS into a file, and what it reaches: behind ``nasurge meta train``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ...benchmarks.few_shot import LAST_LAYER, RULES, meta_train
from ...benchmarks.intervals import interval
from ...benchmarks.studies import Row, jsonable, versions
from ...benchmarks.supernet import uniform_codes
from ...data.devices import one_thread
from ...data.images import ImageClasses
from ...errors import ParameterError, UnknownNameError
from ..studies import EPISODES, FewShotTask, make_learner, training_episodes
from .evolve import ATNAS
from .files import class_keys, fitting, load_search, sampler_for, save_search, unseen

_DRAWN, _THEIRS = 20, 4  # encodings drawn uniformly, and what share of the episodes is theirs


def train_search(
    path: Path,
    task: FewShotTask,
    *,
    shot: int = 1,
    rule: str = "protonet",
    steps: int | None = None,
    seconds: float | None = None,
    space: str = "nb201",
    width: int = 16,
    seed: int = 0,
    device: str = "cpu",
    command: str = "",
    progress: Callable[[float], None] | None = None,
) -> Row:
    """Meta-train AT-NAS and write it to a file; go on if that was begun before.

    Parameters
    ----------
    path : Path
        Of the search. While it is trained, its state is beside it, in ``NAME.training``.
    task : FewShotTask
        Its classes for meta-training are learnt from.
    shot : int
        Of the training episodes.
    rule : {"protonet", "anil", "maml", "reptile"}
        By which encodings adapt.
    steps, seconds, progress
        As for ``nasurge.benchmarks.few_shot.training.meta_train``.
    space, width
        As for ``FewShotSupernet``.
    seed : int
    device : str
    command : str
        Kept in the file.

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
        If there is no such rule or space.
    DataFileError, LabelError, StorageError
        As the parts.
    """
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    made = jsonable(
        {
            "images": task.images,
            "task": vars(task),
            "shot": shot,
            "rule": rule,
            "steps": steps,
            "seconds": seconds,
            "network": [space, width],
            "seed": seed,
        }
    )
    if path.exists():
        return _told(path, made)
    state = path.with_name(f"{path.name}.training")
    rng = np.random.default_rng([seed, 2])
    with one_thread():
        train, _ = task.load(seed)
        learner, classes = make_learner(
            "at-nas", train, task, shot=shot, space=space, width=width, rule=rule, seed=rng
        )
        search = cast(ATNAS, learner)
        sampler = training_episodes(rule, classes, task, shot=shot, seed=rng)
        history = meta_train(
            search.to(device),
            sampler,
            steps=steps,
            seconds=seconds,
            tasks=EPISODES[rule][0],
            checkpoint=state,
            progress=progress,
        )
        search.to("cpu")
        late = [loss for loss in history.losses[-50:] if math.isfinite(loss)]
        made |= {
            "meta_steps": len(history.losses),
            "loss": float(np.mean(late)) if late else None,
            "train_seconds": round(history.seconds, 1),
            "diverged": history.diverged,
            "classes": len(classes.classes),
            "command": command,
            "versions": versions(),
        }
        save_search(path, search, made, class_keys(train))
    state.unlink(missing_ok=True)
    return _told(path, made)


def _told(path: Path, made: Row) -> Row:
    """Return what there is to say of a finished file."""
    search, about = load_search(path)
    kept = {"rule": search.rule, **about["made"]}  # older files say it in one place only
    if changed := [k for k, value in made.items() if kept.get(k) != value]:
        raise ParameterError(
            f"{path} holds another search (different: {', '.join(changed)}): give another file "
            "with --out, or delete this one"
        )
    told = ("meta_steps", "loss", "train_seconds", "diverged", "classes")
    return {
        "architecture": search.architecture,
        **{key: kept[key] for key in told},
        "file": str(path),
        "made": kept,
    }


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
    """Return what a meta-trained search reaches on classes that it was not trained on.

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
    rest = unseen(fitting(images, search), trained, way)
    drawn = uniform_codes(search.supernet.space, _DRAWN, np.random.default_rng([seed, 3]))
    found = []
    with one_thread():
        for shot in sorted(set(shots)):
            few = max(1, episodes // (_THEIRS * _DRAWN))
            best, *others = [
                search.learner(code).accuracy(
                    sampler_for(
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
                found.append(
                    {
                        "method": method,
                        "way": way,
                        "shot": shot,
                        "episodes": len(each),
                        "classes": len(rest.classes),
                        "accuracy": interval(each),
                    }
                )
    return found
