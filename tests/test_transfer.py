"""Earlier tasks are carried over, and given up where the new one's labels say otherwise."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks.objectives import parse_problems
from nasurge.benchmarks.task_embeddings import embed_task
from nasurge.cli import app
from nasurge.data.encoders import Common, Structure
from nasurge.data.images import load_images
from nasurge.data.tables import Table
from nasurge.data.task_files import read_latencies, read_task_labels
from nasurge.errors import (
    DataFileError,
    LabelError,
    NotFittedError,
    ParameterError,
    UnknownNameError,
)
from nasurge.predictors.between_spaces import Elsewhere
from nasurge.predictors.latency import LatencyTransfer
from nasurge.predictors.likeness import OnScale
from nasurge.predictors.linear import BayesianRidge
from nasurge.predictors.shared_graph import GraphPrior, TransferGraph
from nasurge.predictors.task_pool import TaskPool
from nasurge.predictors.task_prior import TaskPrior
from nasurge.predictors.transfer import Transfer
from nasurge.registry import load_predictor, make_predictor
from nasurge.search.latency_study import latency_study
from nasurge.search.transfer_study import anchored_split, parse_sources, transfer_study

SPACE = nasurge.make_space("nb201")
CODES = SPACE.all_codes()
FEATURES = Structure(SPACE).transform(SPACE.canonical(CODES))
LEARNER = partial(make_predictor, "ridge")


def truth(seed: int) -> np.ndarray:
    """A label that structure tells, another for each seed."""
    scaled = FEATURES / np.maximum(FEATURES.std(axis=0), 1e-9)
    return scaled @ np.random.default_rng(seed).normal(size=scaled.shape[1])


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


FUNCTIONS = np.unique(SPACE.index(SPACE.canonical(CODES)))


def pooled(rows: np.ndarray, *, chosen: bool | None = None) -> tuple[TaskPool, float]:
    """A pool of tasks of one label each, of levels of their own, and how well it ranks."""
    y = truth(5)
    level = np.random.default_rng(1).normal(0, y.std(), len(rows))
    pool = TaskPool(SPACE, chosen=chosen)
    pool.fit(SPACE.canonical(CODES[rows]), y[rows] + level, np.arange(len(rows)))
    return pool, kendalltau(pool.predict(CODES[::9]), y[::9])[0]


def test_which_architectures_were_chosen_tells_what_is_good() -> None:
    """Labels of the best tenth, under levels of their tasks, rank the space only with the choice.

    Drawn at random, as codes or as functions, the same pool finds no choice and reads labels alone.
    """
    rng = np.random.default_rng(2)
    some = rng.choice(len(CODES), 3000, replace=False)
    best = some[np.argsort(-truth(5)[some])[:300]]
    assert (
        pooled(best)[1] == pooled(best, chosen=True)[1] > 0.5 > pooled(best, chosen=False)[1] + 0.4
    )
    for rows in (some[:300], rng.choice(FUNCTIONS, 300, replace=False)):
        pool, tau = pooled(rows)
        assert pool.chosen_ is False
        assert tau == pooled(rows, chosen=False)[1] > pooled(rows, chosen=True)[1] + 0.1


@pytest.mark.parametrize("functions", [1, 2, 5])
def test_few_functions_are_not_taken_for_a_choice(functions: int) -> None:
    rows = np.resize(FUNCTIONS[-functions:], 60)
    assert pooled(rows)[0].chosen_ is False
    assert pooled(rows, chosen=True)[0].chosen_ is True


def test_whether_architectures_were_chosen_is_a_truth_value() -> None:
    for wrong in ("yes", np.nan):
        with pytest.raises(ParameterError, match="True, False or None"):
            TaskPool(SPACE, chosen=wrong)


def test_anchors_say_more_than_labels_drawn_at_random(prior) -> None:
    """20 labels of a task unlike the earlier one; mean of six draws."""
    model, y, taus = Transfer(SPACE, prior=prior), truth(2), {"anchors": [], "drawn": []}
    for seed in range(6):
        chosen = nasurge.anchors(SPACE, 20, seed=seed)
        drawn = CODES[np.random.default_rng(seed).choice(len(CODES), 20, replace=False)]
        for name, codes in (("anchors", chosen), ("drawn", drawn)):
            scores = model.fit(codes, y[SPACE.index(codes)]).predict(CODES[::9])
            taus[name].append(kendalltau(scores, y[::9])[0])
    assert np.mean(taus["anchors"]) > np.mean(taus["drawn"]) + 0.02


def test_the_first_of_many_anchors_are_the_few_and_all_can_be_measured() -> None:
    few = CODES[::99]
    many = nasurge.anchors(SPACE, 12, among=few, seed=3)
    np.testing.assert_array_equal(nasurge.anchors(SPACE, 5, among=few, seed=3), many[:5])
    assert np.isin(SPACE.index(many), SPACE.index(few)).all()
    for n, among, most in ((4, CODES[:3], 3), (0, None, 1500), (1501, None, 1500)):
        with pytest.raises(ParameterError, match=f"between 1 and {most}"):
            nasurge.anchors(SPACE, n, among=among)


def test_anchors_compute_different_functions_as_long_as_there_are_others() -> None:
    keys = SPACE.index(SPACE.canonical(CODES))
    twins = CODES[keys == np.bincount(keys).argmax()]
    among = np.concatenate([twins[:50], CODES[-4:]])
    others = len(np.unique(SPACE.index(SPACE.canonical(CODES[-4:]))))
    chosen = SPACE.canonical(nasurge.anchors(SPACE, 1 + others, among=among, seed=0))
    assert len(np.unique(chosen, axis=0)) == 1 + others
    assert len(np.unique(nasurge.anchors(SPACE, 20, among=among, seed=0), axis=0)) == 20
    many = SPACE.canonical(nasurge.anchors(SPACE, 300, seed=0))
    assert len(np.unique(many, axis=0)) == 300


@pytest.mark.parametrize("name", ["nbgraph", "transnas-macro", "transnas-micro"])
def test_every_space_has_anchors(name: str) -> None:
    space = nasurge.make_space(name)
    assert len(np.unique(nasurge.anchors(space, 15, seed=0), axis=0)) == 15


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


def costs(seed: int) -> np.ndarray:
    """Latencies of a device on which an operation costs the same everywhere."""
    rng = np.random.default_rng(seed)
    each = np.array([0, 0.2, 1.5, 3, 1]) * rng.uniform(0.5, 2, 5)
    return (2 + each[CODES].sum(axis=1)) * np.exp(rng.normal(0, 0.01, len(CODES)))


def test_ten_measurements_tell_the_latencies_of_a_new_device() -> None:
    known = np.stack([costs(k) for k in range(6)], axis=1)
    model = LatencyTransfer(SPACE).fit_devices(CODES, known)
    anchors = model.anchors(10, seed=0)
    np.testing.assert_array_equal(anchors, model.anchors(10, seed=0))
    new = costs(9)
    found, std = model.fit(anchors, new[SPACE.index(anchors)]).predict(CODES, return_std=True)
    assert np.corrcoef(found, new)[0, 1] > 0.99
    assert np.mean(np.abs(found - new) < 3 * std) > 0.95
    seconds = model.fit(anchors, new[SPACE.index(anchors)] / 1000).predict(CODES)
    np.testing.assert_allclose(seconds * 1000, found)


def test_anchors_differ_and_can_be_measured() -> None:
    model = LatencyTransfer(SPACE).fit_devices(CODES, np.stack([costs(k) for k in (0, 1)], axis=1))
    assert len(np.unique(model.anchors(400, seed=0), axis=0)) == 400
    few = CODES[::99]
    chosen = model.anchors(20, among=few, seed=0)
    assert len(np.unique(chosen, axis=0)) == 20
    assert np.isin(SPACE.index(chosen), SPACE.index(few)).all()
    with pytest.raises(ParameterError, match="between 1 and 3"):
        model.anchors(4, among=CODES[:3])


def test_latencies_that_are_none_are_refused() -> None:
    model = LatencyTransfer(SPACE)
    with pytest.raises(NotFittedError, match="devices"):
        model.anchors()
    with pytest.raises(LabelError, match="shape"):
        model.fit_devices(CODES, np.ones(len(CODES)))
    with pytest.raises(LabelError, match="above 0"):
        model.fit_devices(CODES, np.zeros((len(CODES), 2)))
    model.fit_devices(CODES, np.stack([costs(0), costs(1)], axis=1))
    with pytest.raises(NotFittedError, match="measurement"):
        model.predict(CODES)
    with pytest.raises(LabelError, match="above 0"):
        model.fit(CODES[:2], [1.0, -1.0])
    with pytest.raises(ParameterError, match="between 1"):
        model.anchors(0)


def test_files_of_tasks_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    arch = np.array(SPACE.format(CODES[:3]))
    np.savez(path, arch=arch, task=np.array([1, 1, 2]), acc=np.array([1.0, 2.0, 3.0]))
    found = read_task_labels(path, SPACE)
    np.testing.assert_array_equal(found.codes, CODES[:3])
    assert list(found.tasks) == ["1", "1", "2"]
    np.savez(path, arch=arch, task=np.array([1, 1, 2]))
    with pytest.raises(UnknownNameError, match="acc"):
        read_task_labels(path, SPACE)
    path.write_bytes(b"no archive")
    with pytest.raises(DataFileError):
        read_task_labels(path, SPACE)
    np.savez(path, device=np.ones(4))
    assert read_latencies(path, 4)[0] == ["device"]
    with pytest.raises(DataFileError, match="one number"):
        read_latencies(path, 5)


def write_labels(path: Path, codes: np.ndarray, y: np.ndarray, task: str = "0") -> None:
    """Write labels of one task as a file of triples."""
    np.savez(path, arch=SPACE.format(codes), task=np.repeat(task, len(y)), acc=y)


def said(*arguments: str) -> dict:
    """What a command prints with ``--json``."""
    result = CliRunner().invoke(app, ["meta", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_for_devices(tmp_path: Path) -> None:
    table = nasurge.load_table("nb201-analog")
    path = tmp_path / "latencies.npz"
    values = {f"d{k}": costs(k)[SPACE.index(table.codes)] for k in range(4)}
    np.savez(path, **values)
    options = ["latency", str(path), "--table", "nb201-analog", "--devices", "d0,d1"]
    found = said(*options, "--trials", "2", "--out", str(tmp_path / "out"))["summary"]
    entry = next(r for r in found if r["device"] == "mean" and r["method"] == "transfer")
    assert entry["measurements"] == 10
    assert entry["spearman"]["n"] == 2
    assert entry["spearman"]["mean"] > 0.95
    wrong = CliRunner().invoke(app, ["meta", *options[:-1], "d7"])
    assert wrong.exit_code == 2
    options[-1] = "d0, d1"
    found = said(*options, "--trials", "1", "--methods", "nearest, scratch", "-n", "600")["summary"]
    assert {entry["method"] for entry in found} == {"nearest", "scratch"}


def test_measurements_that_a_table_does_not_have_are_refused(tmp_path: Path) -> None:
    """Also of a table that holds a part of its space only."""
    table = nasurge.load_table("nb201-digits")
    path = tmp_path / "latencies.npz"
    np.savez(path, **{f"d{k}": costs(k)[SPACE.index(table.codes)] for k in range(3)})
    options = {"devices": ["d0"], "trials": 1, "out": tmp_path / "out"}
    found = latency_study(path, table, methods=("transfer", "scratch"), **options)
    assert len(found.rows) == 2
    for n, methods in ((len(table) - 9, ("scratch",)), (501, ("transfer",))):
        with pytest.raises(ParameterError, match=f"not {n}"):
            latency_study(path, table, measurements=(n,), methods=methods, **options)
    with pytest.raises(ParameterError, match="name a method"):
        latency_study(path, table, methods=(), **options)


def test_the_command_for_tasks(tmp_path: Path) -> None:
    table = nasurge.load_table("nbgraph")
    rows = np.arange(0, len(table), 400)
    y = table.values(task="cora", metric="accuracy", split="test")[rows]
    path = tmp_path / "triples.npz"
    arch = np.array(table.space.format(table.codes[rows]))
    np.savez(path, arch=arch, task=np.arange(len(rows)) // 2, acc=y)
    options = ["transfer", str(path), "--to", "nbgraph/citeseer", "-n", "0"]
    options += ["--methods", "transfer, tasks-xgb", "--trials", "1", "--out", str(tmp_path / "out")]
    found = said(*options)["summary"]
    assert [(r["method"], r["labels"]) for r in found] == [
        ("transfer", 0),
        ("tasks-xgb", 0),
    ]
    assert all(r["kendall_tau"]["mean"] is not None for r in found)
    options[5:] = ["0,5", "--methods", "transfer,transfer-anchors,scratch-anchors"]
    options += ["--trials", "1", "--out", str(tmp_path / "anchors")]
    found = said(*options)["summary"]
    assert [(r["method"], r["labels"]) for r in found] == [
        ("transfer", 0),
        ("transfer", 5),
        ("transfer-anchors", 5),
        ("scratch-anchors", 5),
    ]
    assert found[1]["kendall_tau"] != found[2]["kendall_tau"]
    problem = "nbgraph/citeseer"
    with pytest.raises(ParameterError, match="1501 labels are too many for transfer-anchors"):
        transfer_study(*parse_sources(str(path), problem), labels=(1501,))
    same = ["meta", "transfer", "nbgraph/cora", "--to", "nbgraph/cora"]
    assert CliRunner().invoke(app, same).exit_code == 2


def test_no_anchor_is_among_those_tested() -> None:
    [problem] = parse_problems("nbgraph/cora")
    train, test = anchored_split(problem, 7, 0, 0)
    assert len(train) == 7
    np.testing.assert_array_equal(np.sort([*train, *test]), np.arange(len(problem.rows)))
    assert len(np.intersect1d(train, anchored_split(problem, 7, 1, 0)[0])) < 7


def test_labels_too_few_for_all_methods_are_refused() -> None:
    sources, problem = parse_sources("nbgraph/cora", "nbgraph/arxiv")
    with pytest.raises(ParameterError, match="too few"):
        transfer_study(sources, problem, labels=(0,), methods=("scratch", "transfer-anchors"))


def test_a_whole_table_leaves_out_what_is_on_the_data_of_the_new_task(nb201: Table) -> None:
    """The searched column of cifar10 is that of cifar10-valid."""
    del nb201
    found, _ = parse_sources("nb201", "nb201/cifar10")
    assert [source.name for source in found] == ["nb201/cifar100", "nb201/ninapro"]
    found, _ = parse_sources("nb201/cifar10-valid,nb201", "nb201/cifar10")
    assert [source.name for source in found] == [
        "nb201/" + t for t in ("cifar10-valid", "cifar100", "ninapro")
    ]


def test_no_earlier_task_is_drawn_twice() -> None:
    found, _ = parse_sources("nbgraph/cora, nbgraph", "nbgraph/arxiv")
    names = [source.name for source in found]
    assert len(names) == len(set(names)) == 8
    with pytest.raises(ParameterError, match="no earlier task is left"):
        parse_sources("nb201-analog", "nb201-analog/cifar10")


def test_files_keep_their_tasks_apart(tmp_path: Path) -> None:
    files = [tmp_path / folder / "t.npz" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        write_labels(file, CODES[:40], np.arange(40.0))
    found, problem = parse_sources(f"{files[0]},{files[1]}", "nb201-analog/cifar10")
    assert len({source.name for source in found}) == 2
    tasks = np.concatenate([source.draw(9, np.random.default_rng(0)).tasks for source in found])
    assert len(set(tasks)) == 2
    assert [source.name for source in parse_sources(str(files[0]), problem.address)[0]] == ["t"]


def test_other_content_of_a_file_is_another_study(tmp_path: Path) -> None:
    """The sums of labels and of codes are the same each time."""
    file, y = tmp_path / "t.npz", np.arange(40.0)
    digests = set()
    for labels, tasks in ((y, "0"), (y[::-1], "0"), (y, "1")):
        write_labels(file, CODES[:40], labels, tasks)
        digests.add(parse_sources(str(file), "nb201-analog/cifar10")[0][0].digest)
    assert len(digests) == 3


def test_latencies_in_another_order_are_another_study(tmp_path: Path) -> None:
    table = nasurge.load_table("nb201-analog")
    path, options = tmp_path / "latencies.npz", {"trials": 1, "methods": ("scratch",)}
    values = {f"d{k}": 1.0 + np.roll(np.arange(len(table)), k) for k in range(2)}
    np.savez(path, **values)
    latency_study(path, table, out=tmp_path / "out", **options)
    np.savez(path, **{name: each[::-1] for name, each in values.items()})
    with pytest.raises(ParameterError, match="latencies"):
        latency_study(path, table, out=tmp_path / "out", **options)


def test_the_command_between_spaces(tmp_path: Path) -> None:
    """Tasks of another space: what ignores tasks has nothing to say and is left out."""
    options = ["transfer", "nbgraph/cora", "--to", "nb201-analog/cifar10", "-n", "0,5"]
    options += ["--methods", "transfer,tasks-xgb", "--trials", "1", "--source-labels", "60"]
    found = said(*options, "--out", str(tmp_path / "out"))["summary"]
    assert [(r["method"], r["labels"]) for r in found] == [("transfer", 0), ("transfer", 5)]
