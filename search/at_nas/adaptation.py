"""Meta-test of AT-NAS: a short evolution and a few gradient steps on a task nobody has seen."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ...benchmarks.few_shot import LAST_LAYER, FewShotLearner, meta_step
from ...data.arguments import InShort, checked
from ...data.devices import one_thread
from ...data.images import Episodes, EpisodeSampler, ImageClasses
from ...data.parameters import check_whole_number
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes
from ...data.types import Values
from ...errors import LabelError, ParameterError
from .classifying import class_scores
from .evolve import ATNAS

_MOST_WAYS = 20  # of the episodes that are made of the task's own images
_MOST_ASKED = 20  # images a class that are classified
_RATE = 5e-4  # of Adam
_EPISODES, _IMAGES = 20, 400  # by which encodings are compared, at most
_TASKS, _STEP_IMAGES = 4, 200  # of a gradient step, at most


@dataclass(frozen=True, repr=False)
class Adaptation(InShort):
    """Outcome of adapting a search to a task.

    Attributes
    ----------
    search : ATNAS
        With the weights after it and the encoding chosen for the task.
    before, after : float
        Accuracy in percent on the images that were not learnt from: of the meta-trained encoding
        whose last layer was set by the others, and after the search and the steps.
    alone : float
        As ``after``, but each image is classified without the others, as ``class_scores`` does.
    asked : int
        How many images those are.
    evaluations : int
        Encodings that were measured.
    seconds : float
        Wall-clock time of the adaptation.
    support : ImageClasses
        The images that were learnt from.
    """

    search: ATNAS
    before: float
    after: float
    alone: float
    asked: int
    evaluations: int
    seconds: float
    support: ImageClasses


@checked
def adapt_search(
    search: ATNAS,
    task: ImageClasses,
    *,
    shots: int = 5,
    generations: int = 2,
    steps: int = 20,
    seed: Seed = None,
) -> Adaptation:
    """Meta-trained search adapted to the classes of a task, from some images of each.

    The images that are learnt from make episodes of their own: some of each class as support, the
    others as queries. By these the population, which is the prior, is measured, and evolves. Its
    best takes the place of the meta-trained encoding if it is better beyond doubt, and takes
    gradient steps on such episodes. With one image a class there are no such episodes, and the
    meta-trained encoding only sets its last layer.

    Parameters
    ----------
    search : ATNAS
        Not changed.
    task : ImageClasses
        All its classes are told apart at once.
    shots : int
        Images of each class that are learnt from, drawn by ``seed``.
    generations, steps : int
        Of the evolution, and of the gradient; 0 for none.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a number is outside its range, the search is for another number of classes, or
        the gradient steps diverge.
    LabelError
        If a class has no image beside the ``shots``; the message names it.

    Examples
    --------
    >>> from nasurge.data.images import load_classes, split_classes
    >>> from nasurge.search.at_nas import load_search
    >>> search, _ = load_search()
    >>> task = load_classes("glyphs").only(range(5))
    >>> adapt_search(search, task, shots=3, generations=0, steps=1, seed=0).asked
    85
    """
    check_whole_number("shots", shots)
    if generations < 0 or steps < 0:
        raise ParameterError(
            f"generations and steps must be at least 0, not {generations} and {steps}"
        )
    way, classes = search.supernet.sizes["way"], len(task.classes)
    if search.rule not in LAST_LAYER and classes != way:
        raise ParameterError(
            f"{task.name} has {classes} classes; a search by {search.rule} tells {way} apart, one "
            f"by {' or '.join(LAST_LAYER)} any number: take so many classes, or another --rule"
        )
    start, rng = time.perf_counter(), as_generator(seed)
    support, asked = _split_images(task, shots, rng)
    with one_thread():
        before = _accuracy(search.learner(), support, asked)
        adapted, measured = deepcopy(search), 0
        if shots > 1:
            own = _own_episodes(support, shots, rng)
            if generations:
                measured = _evolve(adapted, own, generations, rng)
            if steps:
                _descend(adapted, own, steps)
        after = _accuracy(adapted.learner(), support, asked)
        answers = class_scores(adapted, support, asked.images).argmax(axis=1)
    return Adaptation(
        adapted,
        before,
        after,
        float(100.0 * np.mean(answers == asked.labels)),
        len(asked.labels),
        measured,
        time.perf_counter() - start,
        support,
    )


def _split_images(
    task: ImageClasses, shots: int, rng: np.random.Generator
) -> tuple[ImageClasses, ImageClasses]:
    """Images to learn from, ``shots`` of each class, and images to classify."""
    if (poorest := int(task.counts.argmin())) >= 0 and task.counts[poorest] <= shots:
        raise LabelError(
            f"class {task.classes[poorest]!r} of {task.name} has {task.counts[poorest]} images: "
            f"{shots} are learnt from and at least one is asked for; give fewer shots"
        )
    mixed = rng.permutation(len(task.labels))
    rows = mixed[np.argsort(task.labels[mixed], kind="stable")]
    place = np.arange(len(rows)) - np.repeat(np.cumsum(task.counts) - task.counts, task.counts)
    asked = (place >= shots) & (place < shots + _MOST_ASKED)
    return _only(task, rows[place < shots]), _only(task, rows[asked])


def _only(task: ImageClasses, rows: NDArray[np.int64]) -> ImageClasses:
    return replace(task, images=task.images[rows], labels=task.labels[rows])


def _own_episodes(support: ImageClasses, shots: int, rng: np.random.Generator) -> EpisodeSampler:
    """Episodes of the images that are learnt from, half of them as support."""
    way, query = min(_MOST_WAYS, len(support.classes)), shots // 2
    return EpisodeSampler(support, way=way, shot=shots - query, query=query, seed=rng)


def _accuracy(learner: FewShotLearner, support: ImageClasses, asked: ImageClasses) -> float:
    """Share of the asked images that are classified rightly, in percent."""
    episode = Episodes(
        support.images[None],
        support.labels,
        asked.images[None],
        asked.labels,
        np.arange(len(support.classes))[None],
    )
    with torch.no_grad():
        answers = learner.logits(episode)[0].argmax(dim=1).cpu().numpy()
    return float(100.0 * np.mean(answers == asked.labels))


def _evolve(search: ATNAS, own: EpisodeSampler, generations: int, rng: np.random.Generator) -> int:
    """Number of encodings measured while the population evolved on the task; its best is chosen."""
    population, episodes, measured = search.population, _affordable(own, _IMAGES, _EPISODES), 0

    def fitness(codes: Codes) -> Values:
        nonlocal measured
        measured += len(codes)
        return search.fitness(codes, own.draw(episodes))  # the same ones within a generation

    prior = np.concatenate([search.encoding[None], population.members])
    population.restart(np.unique(prior, axis=0), fitness)
    for _ in range(generations):
        population.evolve(fitness, search.offspring, rng)
    best = population.members[0]
    tested = own.draw(2 * episodes)
    different = len(own.data.labels) / len(tested.query_y)
    if _is_better(search, best, tested, different):
        search.encoding = best
    return measured


def _is_better(search: ATNAS, code: Codes, episodes: Episodes, different: float) -> bool:
    """Whether an encoding beats the meta-trained one beyond doubt, episode by episode.

    The weights have learnt most for the meta-trained one, and the best of many by few episodes is
    partly lucky. Episodes ask for the same few images again and again: they count as no more than
    the ``different`` ones that the images make.
    """
    old, new = search.episode_accuracies(np.stack([search.encoding, code]), episodes)
    error = np.std(new - old, ddof=1) / np.sqrt(min(len(new), different))
    return bool(np.mean(new - old) > 2 * error)


def _affordable(own: EpisodeSampler, images: int, most: int) -> int:
    """Number of episodes that have so many images in all, at least two and at most ``most``."""
    return min(most, max(2, images // (own.way * (own.shot + own.query))))


def _descend(search: ATNAS, own: EpisodeSampler, steps: int) -> None:
    """Take gradient steps of the chosen encoding."""
    learner = search.learner()
    optimiser = torch.optim.Adam(learner.meta_weights(), _RATE)
    tasks = _affordable(own, _STEP_IMAGES, _TASKS)
    for _ in range(steps):
        if not math.isfinite(meta_step(learner, optimiser, own.draw(tasks))):
            raise ParameterError(
                f"the gradient steps on {own.data.name} diverged: give steps=0, or fewer"
            )
