"""Does it help to know the teacher? Students of several teachers, each task left out in turn.

Every teacher of every data set is a task: its labels are test accuracies of students that learnt
from it. The predictors of all other tasks (``TaskPrior``) rank the students of this one, weighed
by vectors.

    python tests/measured/distillation.py --students 40 --jobs 2
"""

import argparse
from functools import partial

import numpy as np
import torch
from joblib import Parallel, delayed

from nasurge.benchmarks.metrics import kendall_tau
from nasurge.benchmarks.training import Recipe, embed_task, embed_teacher, train_network
from nasurge.data.images import load_task
from nasurge.data.networks import build_network
from nasurge.data.seeds import as_generator, torch_seed
from nasurge.data.spaces import make_space
from nasurge.predictors.transfer.task_prior import TaskPrior, task_weights
from nasurge.registry import make_predictor

SPACE = make_space("nb201")
TASKS = ("digits", "glyphs#CYRILLIC", "glyphs#ARABIC")
TEACHERS = {"none": None, "poor": (2, 3), "fair": (8, 6), "good": (8, 30)}  # width, epochs


def network(code, images, width, seed):
    """Return an untrained network."""
    with torch_seed(as_generator(seed)):
        sizes = {"width": width, "cells": 1, "reduction": "plain"}
        classes, channels = len(images.classes), images.train_x.shape[1]
        return build_network(SPACE, code, classes=classes, in_channels=channels, **sizes)


def recipe(epochs):
    """Return how all networks are trained."""
    return Recipe(epochs=epochs, width=4, cells=1, reduction="plain")


def one_task(name, how, codes):
    """Return the teacher's vector, its accuracy and the accuracies of its students."""
    torch.set_num_threads(1)
    images = load_task(name, size=12, classes=20, train=500, held_out=200)
    own = embed_task(images, limit=128).vector()
    teacher, known, accuracy = None, np.zeros(21), float("nan")
    if how is not None:
        width, epochs = how
        teacher = network([3, 0, 0, 3, 0, 3], images, width, 1)
        accuracy = train_network(
            teacher, images, recipe(epochs), device="cpu", seed=1
        ).test_accuracy
        known = embed_teacher(teacher, images)
    found = []
    for code in codes:
        options = {"teacher": teacher, "device": "cpu"}
        runs = [
            train_network(network(code, images, 4, s), images, recipe(8), seed=s, **options)
            for s in range(2)
        ]
        found.append(np.mean([run.test_accuracy for run in runs]))
    return own, known, accuracy, np.array(found)


def main():
    """Print how well the students of a task are ranked by those of the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    codes = SPACE.canonical(SPACE.sample(asked.students, seed=0, unique=True))
    names = [(task, teacher) for task in TASKS for teacher in TEACHERS]
    work = (delayed(one_task)(task, TEACHERS[teacher], codes) for task, teacher in names)
    found = dict(zip(names, Parallel(n_jobs=asked.jobs)(work), strict=True))
    scales = np.std([np.concatenate(found[k][:2]) for k in names], axis=0) + 1e-9
    kinds = {"no vectors": None, "data set": slice(0, 36), "teacher": slice(36, 57)}
    kinds["both"] = slice(0, 57)
    vectors = {k: np.concatenate(found[k][:2]) / scales for k in names}
    print("task, teacher, its accuracy, mean of students |", ", ".join(kinds))
    every = []
    for held in names:
        others = [k for k in names if k != held]
        y = np.concatenate([found[k][3] for k in others])
        tasks = np.repeat(["/".join(k) for k in others], len(codes))
        prior = TaskPrior(SPACE, learner=partial(make_predictor, "gp"), seed=0)
        prior.fit(np.tile(codes, (len(others), 1)), y, tasks)
        order = ["/".join(k) for k in others]
        scores = prior.scores(codes)[:, [prior.names_.index(name) for name in order]]
        taus = []
        for part in kinds.values():
            told = None if part is None else np.stack([vectors[k][part] for k in others])
            mine = None if part is None else vectors[held][part]
            weights = task_weights(told, mine, len(others))
            taus.append(kendall_tau(found[held][3], scores @ weights))
        every.append(taus)
        shown = " ".join(f"{tau:.3f}" for tau in taus)
        print(*held, f"{found[held][2]:.1f} {found[held][3].mean():.1f} | {shown}", flush=True)
    print("mean |", np.mean(every, axis=0).round(3))
    same = [
        (kendall_tau(found[a][3], found[b][3]), a[0] == b[0], a[1] == b[1])
        for i, a in enumerate(names)
        for b in names[:i]
    ]
    for text, data, teacher in (("data set", True, False), ("teacher", False, True)):
        taus = [t for t, d, e in same if d is data and e is teacher]
        print(f"tau of students of tasks that share the {text} alone: {np.mean(taus):.3f}")
    print(
        "that share neither:", round(float(np.mean([t for t, d, e in same if not d and not e])), 3)
    )


if __name__ == "__main__":
    main()
