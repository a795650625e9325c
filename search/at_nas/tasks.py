"""Few-shot tasks: images whose classes are split, and learners that are meta-trained on them."""

from __future__ import annotations

from ...benchmarks.few_shot import (
    RULES,
    FewShotLearner,
    Rule,
    four_convolutions,
    make_few_shot_supernet,
)
from ...benchmarks.studies import refuse_unused, shaped_space
from ...benchmarks.supernet import uniform_codes
from ...data.arguments import checked
from ...data.images import EpisodeSampler, ImageClasses, load_classes, split_classes
from ...data.seeds import Seed, as_generator
from ...errors import LabelError, ParameterError
from .baselines import SYSTEMS, JointLearner
from .evolve import ATNAS
from .options import EpisodeOptions

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


@checked
def load_split(options: EpisodeOptions, *, seed: int) -> tuple[ImageClasses, ImageClasses]:
    """Classes for meta-training, and those for meta-test.

    Raises
    ------
    ParameterError
        If images are not square, or a part would be empty.
    UnknownNameError
        If there is no such split.
    """
    data = load_classes(options.images, size=options.size)
    height, width = data.images.shape[2:]
    if height != width:
        raise ParameterError(
            f"images of {data.name} are {height}x{width} pixels, not square: give a size to "
            "which they are resized (--size)"
        )
    whole_groups = options.task["whole_groups"]
    train, test = split_classes(data, options.train_classes, whole_groups=whole_groups, seed=seed)
    return (train.with_rotations() if options.rotations else train), test


def episodes_of(
    data: ImageClasses, *, way: int, shot: int, query: int, seed: Seed = None
) -> EpisodeSampler:
    """Episodes with as many of the queries as every class has images for."""
    most = int(data.counts.min()) - shot
    return EpisodeSampler(data, way=way, shot=shot, query=max(1, min(query, most)), seed=seed)


@checked
def training_episodes(
    method: str, train: ImageClasses, options: EpisodeOptions, *, shot: int, seed: Seed = None
) -> EpisodeSampler:
    """Training episodes of a method, or of AT-NAS by the rule of that name."""
    # A rule that sets only the last layer learns from more classes at once than it is asked for.
    head = method not in ("maml", "reptile", *SYSTEMS)
    way = min(MOST_WAYS, len(train.classes)) if head else options.way
    return episodes_of(train, way=way, shot=shot, query=EPISODES[method][1], seed=seed)


@checked
def make_learner(
    method: str,
    train: ImageClasses,
    options: EpisodeOptions,
    *,
    shot: int,
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
    options : EpisodeOptions
        Classes of an episode, and the searched networks.
    shot : int
        Images a class that are learnt from.
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
        network = four_convolutions(options.way, **sizes, seed=rng)
        return FewShotLearner(network, method), train  # type: ignore[arg-type]
    fold, way = 2 if size >= 16 and size % 2 == 0 else 1, options.way
    space = shaped_space(options.space, (channels, size, size))
    if space.model is not None:
        refuse_unused(options, ("width",), "with a model, which is as wide as it is")
    supernet = make_few_shot_supernet(
        space, way=way, **sizes, width=options.width, fold=fold, seed=rng
    )
    if method in SYSTEMS:
        return JointLearner(supernet, method), train  # type: ignore[arg-type]
    if method == "random":
        code = uniform_codes(supernet.space, 1, rng)[0]
        return FewShotLearner(supernet.network(code), RULE), train
    n_aside = max(way, round(ASIDE * len(train.classes)))
    if len(train.classes) < n_aside + way:
        raise LabelError(
            f"at-nas keeps {n_aside} classes aside and trains {way}-way episodes on others, "
            f"but has {len(train.classes)} classes of {train.name} for meta-training: give it more "
            "(--train-classes, --rotations), or a lower --way"
        )
    aside, rest = split_classes(train, n_aside, seed=rng)
    fitness = episodes_of(aside, way=way, shot=shot, query=5, seed=rng)
    return ATNAS(supernet, fitness, rule=rule, seed=rng), rest  # type: ignore[arg-type]
