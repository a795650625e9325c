"""Few-shot tasks: images whose classes are split, and learners that are meta-trained on them."""

from __future__ import annotations

from dataclasses import dataclass

from ...benchmarks.few_shot import (
    RULES,
    FewShotLearner,
    FewShotSupernet,
    Rule,
    four_convolutions,
)
from ...benchmarks.supernet import uniform_codes
from ...data.arguments import checked
from ...data.images import EpisodeSampler, ImageClasses, load_classes, split_classes
from ...data.seeds import Seed, as_generator
from ...data.spaces import make_space
from ...errors import LabelError, ParameterError
from .baselines import SYSTEMS, JointLearner
from .evolve import ATNAS

RULE: Rule = "protonet"
"""By which searched and drawn networks adapt."""
# Episodes a meta-step, and queries a class of each. Chosen on alphabets of glyphs.
EPISODES = {"maml": (8, 5), "reptile": (8, 5), "anil": (4, 3), "protonet": (4, 3)}
EPISODES |= {"t-nas": (4, 5), "metanas": (4, 5)}
EPISODES |= {"at-nas": EPISODES[RULE], "random": EPISODES[RULE]}
MOST_WAYS = 20
"""Classes of the episodes of rules that adapt the last layer only, where there are as many."""
ASIDE = 0.06
"""Share of the classes for meta-training by which AT-NAS compares encodings."""


@dataclass(frozen=True)
class FewShotTask:
    """Images, how their classes are split, and the episodes that are asked of them.

    Attributes
    ----------
    images : str
        As for ``load_classes``.
    size : int or None
        Pixels to which images are resized.
    train_classes : int or float
        How many classes, or which share of them, are for meta-training.
    whole_groups : bool
        Whether alphabets stay whole.
    rotations : bool
        Whether the classes for meta-training also count turned by 90, 180 and 270 degrees.
    way : int
    query : int
        Images a class that are classified.
    """

    images: str = "glyphs"
    size: int | None = None
    train_classes: int | float = 0.7
    whole_groups: bool = True
    rotations: bool = True
    way: int = 5
    query: int = 15

    def load(self, seed: int) -> tuple[ImageClasses, ImageClasses]:
        """Classes for meta-training, and those for meta-test.

        Raises
        ------
        ParameterError
            If images are not square, or a part would be empty.
        """
        data = load_classes(self.images, size=self.size)
        height, width = data.images.shape[2:]
        if height != width:
            raise ParameterError(
                f"images of {data.name} are {height}x{width} pixels, not square: give a size to "
                "which they are resized (--size)"
            )
        train, test = split_classes(
            data,
            self.train_classes,
            whole_groups=self.whole_groups,
            seed=seed,
        )
        return (train.with_rotations() if self.rotations else train), test


@checked
def training_episodes(
    method: str, train: ImageClasses, task: FewShotTask, *, shot: int, seed: Seed = None
) -> EpisodeSampler:
    """Training episodes of a method, or of AT-NAS by the rule of that name."""
    # A rule that sets only the last layer learns from more classes at once than it is asked for.
    head = method not in ("maml", "reptile", *SYSTEMS)
    return EpisodeSampler(
        train,
        way=min(MOST_WAYS, len(train.classes)) if head else task.way,
        shot=shot,
        query=max(1, min(EPISODES[method][1], int(train.counts.min()) - shot)),
        seed=seed,
    )


@checked
def make_learner(
    method: str,
    train: ImageClasses,
    task: FewShotTask,
    *,
    shot: int,
    space: str = "nb201",
    width: int = 16,
    rule: str = RULE,
    seed: Seed = None,
) -> tuple[FewShotLearner | ATNAS, ImageClasses]:
    """Learner of a method, and the classes for its meta-training.

    AT-NAS keeps some of the classes aside, to compare encodings by.

    Parameters
    ----------
    method : str
        ``at-nas``, ``random``, ``t-nas``, ``metanas``, or a rule with the hand-made network.
    train : ImageClasses
        Classes for meta-training.
    task : FewShotTask
    shot : int
        Images a class that are learnt from.
    space, width
        Of the searched networks, as for ``FewShotSupernet``.
    rule : str
        By which the encodings of AT-NAS adapt.
    seed : int, Generator or None

    Raises
    ------
    UnknownNameError
        If there is no such method or space.
    ParameterError
        If the space has no networks.
    LabelError
        If there are too few classes to keep some aside, or one has too few images.
    """
    rng = as_generator(seed)
    _, channels, size, _ = train.images.shape
    sizes = {"in_channels": channels, "size": size}
    if method in RULES:
        network = four_convolutions(task.way, **sizes, seed=rng)
        return FewShotLearner(network, method), train  # type: ignore[arg-type]
    fold = 2 if size >= 16 and size % 2 == 0 else 1
    supernet = FewShotSupernet(
        make_space(space), way=task.way, **sizes, width=width, fold=fold, seed=rng
    )
    if method in SYSTEMS:
        return JointLearner(supernet, method), train  # type: ignore[arg-type]
    if method == "random":
        code = uniform_codes(supernet.space, 1, rng)[0]
        return FewShotLearner(supernet.network(code), RULE), train
    n_aside = max(task.way, round(ASIDE * len(train.classes)))
    if len(train.classes) < n_aside + task.way:
        raise LabelError(
            f"at-nas keeps {n_aside} classes aside and trains {task.way}-way episodes on others, "
            f"but has {len(train.classes)} classes of {train.name} for meta-training: give it more "
            "(--train-classes, --rotations), or a lower --way"
        )
    aside, rest = split_classes(train, n_aside, seed=rng)
    query = max(1, min(5, int(aside.counts.min()) - shot))
    fitness = EpisodeSampler(aside, way=task.way, shot=shot, query=query, seed=rng)
    return ATNAS(supernet, fitness, rule=rule, seed=rng), rest  # type: ignore[arg-type]
