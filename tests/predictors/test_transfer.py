"""Earlier tasks are carried over, and given up where the new one's labels say otherwise."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau
from truths import CODES, SPACE, truth

import nasurge
from nasurge.benchmarks.training import embed_task
from nasurge.data.encoders import Common, Structure
from nasurge.data.images import load_images
from nasurge.errors import (
    LabelError,
    NotFittedError,
    ParameterError,
)
from nasurge.predictors.classical import BayesianRidge
from nasurge.predictors.transfer import Elsewhere, GraphPrior, TaskPrior, Transfer, TransferGraph
from nasurge.predictors.transfer.likeness import OnScale
from nasurge.registry import load_predictor, make_predictor

LEARNER = partial(make_predictor, "ridge")


def depth(space, codes: np.ndarray) -> np.ndarray:
    """The mean depth of live paths."""
    names = list(Common(space).get_feature_names_out())
    return Common(space).transform(codes)[:, names.index("depth:mean")]


@pytest.fixture(scope="module")
def prior() -> TaskPrior:
    """One earlier task with 200 labels."""
    rows = np.random.default_rng(0).choice(len(CODES), 200, replace=False)
    found = TaskPrior(SPACE, learner=lambda space, seed: LEARNER(space, seed=seed))
    return found.fit(CODES[rows], truth(1)[rows], ["one"] * 200)


def test_without_labels_the_earlier_task_ranks(prior) -> None:
    model = Transfer(SPACE, prior=prior)
    scores, std = model.predict(CODES[::9], return_std=True)
    assert kendalltau(scores, truth(1)[::9])[0] > 0.8
    assert (std > 0).all()
    np.testing.assert_array_equal(model.fit(CODES[:0], []).predict(CODES[::9]), scores)
    np.testing.assert_array_equal(model.fit(CODES[:2], [1, 2]).predict(CODES[::9]), scores)


def test_few_labels_keep_a_like_task_and_overrule_an_unlike_one(prior) -> None:
    """20 labels: of the same truth tau stays above 0.8; of its opposite it rises from -0.9."""
    rows = np.random.default_rng(3).choice(len(CODES), 20, replace=False)
    for sign, floor in ((1, 0.8), (-1, 0.4)):
        y = sign * truth(1)
        model = Transfer(SPACE, prior=prior).fit(CODES[rows], y[rows])
        assert kendalltau(model.predict(CODES[::9]), y[::9])[0] > floor
        assert model.weights_.sum() == pytest.approx(1)


def test_labels_of_an_alike_task_do_not_make_its_ranking_worse() -> None:
    """Accuracy after and before quantised training; mean of three draws of 20 labels."""
    table, rng = nasurge.load_table("nb201-analog"), np.random.default_rng(0)
    earlier, y = (
        table.values(task="cifar10", metric=f"{name}_accuracy") for name in ("baseline", "qat")
    )
    rows = rng.choice(len(y), 200, replace=False)
    learner = partial(make_predictor, "gp")
    known = TaskPrior(table.space, learner=learner, seed=0)
    known.fit(table.codes[rows], earlier[rows], ["baseline"] * len(rows))
    model, test = Transfer(table.space, prior=known), slice(0, None, 19)
    before = kendalltau(model.predict(table.codes[test]), y[test])[0]
    after = []
    for _ in range(3):
        few = rng.choice(len(y), 20, replace=False)
        model.fit(table.codes[few], y[few])
        after.append(kendalltau(model.predict(table.codes[test]), y[test])[0])
    assert before > 0.6
    assert np.mean(after) > before - 0.01


def test_labels_take_the_scale_of_earlier_scores_in_their_own_order() -> None:
    y, scores = np.array([70.0, 90.0, 80.0, 80.0]), np.array([[-1.0], [2.0], [0.0], [1.0]])
    scale = OnScale().of(y, scores)
    z = scale.transform(y)
    np.testing.assert_allclose(z, [-1, 2, 0.5, 0.5], atol=0.01)
    np.testing.assert_allclose(scale.inverse(z), y)
    same = OnScale().of(y, np.ones((4, 1)))
    assert (np.diff(same.transform(np.array([70.0, 80.0, 90.0]))) > 0).all()


def test_how_much_tasks_correlate_is_told_by_the_labels(prior) -> None:
    rows = np.random.default_rng(3).choice(len(CODES), 30, replace=False)
    model = Transfer(SPACE, prior=prior)
    like = model.fit(CODES[rows], truth(1)[rows]).correlation_
    unlike = model.fit(CODES[rows], -truth(1)[rows]).correlation_
    assert like > 0.8 > 0.3 > unlike


def test_labels_come_in_the_new_tasks_unit_and_may_be_forgotten(prior) -> None:
    rows = np.random.default_rng(4).choice(len(CODES), 30, replace=False)
    y = 70 + truth(1)
    model = Transfer(SPACE, prior=prior).fit(CODES[rows[:29]], y[rows[:29]])
    assert abs(model.predict(CODES).mean() - y.mean()) < y.std()
    assert len(model.update(CODES[rows[29:]], y[rows[29:]]).fitted_labels_) == 30
    assert abs(model.fit(CODES[:0], []).predict(CODES).mean()) < 1


def test_labels_told_one_by_one_count_as_those_told_at_once(prior) -> None:
    rows = np.random.default_rng(4).choice(len(CODES), 8, replace=False)
    y = truth(1)[rows]
    at_once = Transfer(SPACE, prior=prior).fit(CODES[rows], y).predict(CODES[::9])
    single, pair = Transfer(SPACE, prior=prior), Transfer(SPACE, prior=prior)
    for row, label in zip(rows, y, strict=True):
        single.update(CODES[[row]], [label])
    pair.fit(CODES[rows[:2]], y[:2]).update(CODES[rows[2:]], y[2:])
    for model in (single, pair):
        np.testing.assert_array_equal(model.fitted_labels_, y)
        np.testing.assert_allclose(model.predict(CODES[::9]), at_once)
    equal = Transfer(SPACE, prior=prior).fit(CODES[rows[:3]], np.ones(3))
    assert len(equal.update(CODES[rows[3:4]], [2.0]).fitted_labels_) == 4
    assert len(equal.fit(CODES[:0], []).update(CODES[rows[:3]], y[:3]).fitted_labels_) == 3


def test_tasks_of_few_labels_are_learnt_together_whatever_their_level() -> None:
    """Tasks of two labels whose levels differ as much as the architectures do."""
    space, rng = nasurge.make_space("nbgraph"), np.random.default_rng(5)
    codes = space.sample(1000, seed=0)
    features = Structure(space).transform(space.canonical(codes))
    scaled = features / np.maximum(features.std(axis=0), 1e-9)
    y = scaled @ rng.normal(size=scaled.shape[1])
    tasks, level = np.repeat(np.arange(200), 2), rng.normal(0, y.std(), 200)
    prior = TaskPrior(space).fit(codes[:400], y[:400] + level[tasks], tasks)
    assert prior.names_ == ["pool"]
    assert kendalltau(prior.scores(codes[400:])[:, 0], y[400:])[0] > 0.5


def test_the_task_that_is_like_the_new_one_counts_more() -> None:
    rows = np.random.default_rng(6).choice(len(CODES), 100, replace=False)
    y = np.concatenate([truth(1)[rows], truth(2)[rows]])
    prior = TaskPrior(SPACE, learner=lambda space, seed: LEARNER(space, seed=seed)).fit(
        np.tile(CODES[rows], (2, 1)),
        y,
        ["a"] * 100 + ["b"] * 100,
        vectors={"a": [0.0, 0.0], "b": [3.0, 4.0]},
    )
    near, far = prior.weights([0.0, 1.0])
    assert near > far
    assert prior.weights() == pytest.approx([0.5, 0.5])
    scores = Transfer(SPACE, prior=prior, vector=[0.0, 0.0]).predict(CODES[::9])
    assert kendalltau(scores, truth(1)[::9])[0] > kendalltau(scores, truth(2)[::9])[0]
    with pytest.raises(ParameterError, match="shape"):
        prior.weights([1.0])
    with pytest.raises(ParameterError, match=r"the new task.* not finite"):
        Transfer(SPACE, prior=prior, vector=[np.nan, 0.0]).predict(CODES[:5])


def test_vectors_that_are_none_are_refused_by_the_name_of_the_task() -> None:
    codes, y, tasks = CODES[:4000:100], truth(1)[:4000:100], ["a"] * 20 + ["b"] * 20
    prior = TaskPrior(SPACE, learner=BayesianRidge)
    for wrong, reason in (
        ([1.0], "'a': 2, 'b': 1"),
        ([1.0, np.nan], "vector of b .* finite"),
        ([[1.0, 2.0]], "vector of b is one row"),
        (["x", "y"], "vector of b is no row of numbers"),
    ):
        with pytest.raises(ParameterError, match=reason):
            prior.fit(codes, y, tasks, vectors={"a": [0.0, 1.0], "b": wrong})
    with pytest.raises(NotFittedError):
        prior.scores(codes)


def test_a_fit_that_fails_leaves_what_was_learnt() -> None:
    rows = np.random.default_rng(0).choice(len(CODES), 40, replace=False)
    prior = TaskPrior(SPACE, learner=BayesianRidge).fit(CODES[rows], truth(1)[rows], ["a"] * 40)
    before = prior.scores(CODES[:9])
    with pytest.raises(ParameterError, match="no vector"):
        prior.fit(CODES[rows], truth(2)[rows], ["b"] * 40, vectors={"a": [1.0]})
    np.testing.assert_array_equal(prior.scores(CODES[:9]), before)
    assert prior.names_ == ["a"]


def test_what_cannot_be_carried_over_is_refused_with_the_reason(prior) -> None:
    with pytest.raises(ParameterError, match="fit_tasks"):
        Transfer(SPACE).fit(CODES[:9], np.arange(9.0))
    with pytest.raises(NotFittedError):
        Transfer(SPACE).predict(CODES[:9])
    with pytest.raises(ParameterError, match="earlier tasks are of"):
        Transfer(nasurge.make_space("nbgraph"), prior=prior).fit([[0] * 9], [1.0])
    with pytest.raises(LabelError, match="nothing to carry over"):
        TaskPrior(SPACE).fit(CODES[:5], np.arange(5.0), list("abcde"))
    with pytest.raises(ParameterError, match="as many tasks"):
        TaskPrior(SPACE).fit(CODES[:5], np.arange(5.0), ["a"])
    with pytest.raises(ParameterError, match="all tasks of few labels"):
        TaskPrior(SPACE).fit(CODES[:40], np.arange(40.0), ["pool"] * 20 + list(range(20)))
    with pytest.raises(NotFittedError):
        TaskPrior(SPACE).scores(CODES[:5])
    with pytest.raises(NotFittedError, match="no earlier tasks"):
        TransferGraph(SPACE, prior=GraphPrior(SPACE)).predict(CODES[:5])


def test_a_space_without_labels_is_ranked_by_tasks_of_another() -> None:
    """What is carried over is that deep networks are good, in whichever space."""
    other = nasurge.make_space("transnas-micro")
    codes = other.canonical(other.sample(300, seed=0))

    told = Elsewhere(other, codes, depth(other, codes), np.repeat("deep", len(codes)))
    model = Transfer(SPACE).fit_tasks([], [], [], others=[told])
    y = depth(SPACE, SPACE.canonical(CODES[::9]))
    assert kendalltau(model.predict(CODES[::9]), y)[0] > 0.8
    assert model.fit(CODES[:90:9], -y[:10]).weights_.sum() == pytest.approx(1)
    with pytest.raises(ParameterError, match="two earlier tasks"):
        Transfer(SPACE).fit_tasks([], [], [], others=[told, told])


def test_what_was_carried_over_is_saved_before_the_first_label(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).choice(len(CODES), 100, replace=False)
    kept = TaskPrior(SPACE, learner=BayesianRidge).fit(CODES[rows], truth(1)[rows], ["a"] * 100)
    model = Transfer(SPACE, prior=kept)
    model.save(tmp_path / "transfer")
    scores = model.predict(CODES[::9])
    np.testing.assert_array_equal(load_predictor(tmp_path / "transfer").predict(CODES[::9]), scores)


def test_one_network_learns_tasks_of_several_spaces_and_a_new_one_from_few_labels() -> None:
    """Depth ranks both earlier tasks; the new one is told by few labels to want the opposite."""
    other, rng = nasurge.make_space("transnas-micro"), np.random.default_rng(0)
    rows = rng.choice(len(CODES), 200, replace=False)
    mine = SPACE.canonical(CODES[rows])
    theirs = other.canonical(other.sample(200, seed=0))
    told = Elsewhere(other, theirs, depth(other, theirs), np.repeat("other", len(theirs)))
    prior = GraphPrior(SPACE, members=1, steps=100, seed=0)
    prior.fit(mine, depth(SPACE, mine), ["mine"] * len(mine), others=[told])
    assert prior.names_ == ["mine", "other"]
    y = depth(SPACE, SPACE.canonical(CODES[::9]))
    model = TransferGraph(SPACE, prior=prior)
    assert kendalltau(model.predict(CODES[::9]), y)[0] > 0.8
    few = rng.choice(len(y), 20, replace=False)
    model.fit(CODES[::9][few], -y[few])
    assert kendalltau(model.predict(CODES[::9]), -y)[0] > 0.5


def test_tasks_without_labels_to_learn_are_refused() -> None:
    with pytest.raises(LabelError, match="nothing to carry over"):
        GraphPrior(SPACE).fit(CODES[:5], np.arange(5.0), list("abcde"))
    other = nasurge.make_space("transnas-micro")
    flat = Elsewhere(other, other.sample(30, seed=0), np.ones(30), np.repeat("flat", 30))
    for prior in (GraphPrior(SPACE), TaskPrior(SPACE)):
        with pytest.raises(LabelError, match="all labels of a are equal"):
            prior.fit(CODES[:30], np.ones(30), ["a"] * 30)
        with pytest.raises(LabelError, match="all labels of flat are equal"):
            prior.fit([], [], [], others=[flat])


def test_the_vector_of_a_data_set_knows_no_order_of_its_classes() -> None:
    images = load_images("digits", limit=200)
    y = images.train_y
    turned = replace(images, train_y=(y + 3) % len(images.classes))
    vector = embed_task(images).vector()
    np.testing.assert_allclose(embed_task(turned).vector(), vector, rtol=1e-6, atol=1e-9)
    noise = np.random.default_rng(0).normal(size=images.train_x.shape).astype(np.float32)
    halves = [
        embed_task(replace(images, train_x=x[k::2], train_y=y[k::2])).vector()
        for x in (images.train_x, noise)
        for k in (0, 1)
    ]
    near, far = (np.linalg.norm(halves[0] - halves[k]) for k in (1, 2))
    assert near < far / 2
