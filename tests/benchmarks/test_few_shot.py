"""Few-shot learners: what they compute, that they learn, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

from nasurge.benchmarks.few_shot import FewShotLearner, four_convolutions, meta_train
from nasurge.benchmarks.studies import Findings
from nasurge.cli import app
from nasurge.data.images import EpisodeSampler, ImageClasses, load_classes, split_classes
from nasurge.errors import LabelError, ParameterError, UnknownNameError
from nasurge.search.studies import FewShotOptions, FewShotStudy

RULES = ("maml", "reptile", "anil", "protonet")


@pytest.fixture(scope="module")
def digits() -> ImageClasses:
    return load_classes("digits")


def sampler(data: ImageClasses, **options: Any) -> EpisodeSampler:
    return EpisodeSampler(data, **{"way": 3, "shot": 2, "query": 5, "seed": 0, **options})


def network(seed: int = 0) -> nn.Sequential:
    return four_convolutions(3, size=8, width=8, seed=seed)


def by_hand(learner: FewShotLearner, support, labels, query) -> torch.Tensor:
    """MAML as the paper writes it: one task, one gradient step after the other."""
    copy = network()
    copy.load_state_dict(learner.network.state_dict())
    for _ in range(learner.steps):
        loss = functional.cross_entropy(copy(support), labels)
        gradients = torch.autograd.grad(loss, list(copy.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(copy.parameters(), gradients, strict=True):
                weight -= float(learner.rate) * gradient
    return copy(query)


def test_all_tasks_at_once_are_each_task_alone(digits) -> None:
    learner = FewShotLearner(network(), "maml", steps=3, rate=0.1)
    episodes = sampler(digits).draw(4)
    found = learner.logits(episodes)
    for task in range(4):
        arrays = (episodes.support_x[task], episodes.support_y, episodes.query_x[task])
        one = by_hand(learner, *map(torch.from_numpy, arrays))
        assert torch.allclose(found[task], one, atol=1e-4)


def test_directions_of_maml_are_the_gradients_after_adaptation(digits) -> None:
    """First order: the query loss by the adapted weights, a mean over tasks."""
    learner = FewShotLearner(network(), "maml", steps=1, rate=1e-6)
    episodes = sampler(digits).draw(3)
    _, found = learner.gradients(episodes)
    answers = torch.from_numpy(episodes.query_y)
    loss = sum(
        functional.cross_entropy(learner.network(torch.from_numpy(x)), answers)
        for x in episodes.query_x
    )
    wanted = torch.autograd.grad(loss / 3, list(learner.network.parameters()))
    for direction, gradient in zip(found, wanted, strict=True):
        assert torch.allclose(direction, gradient, atol=1e-4)


def test_reptile_moves_to_where_adaptation_leads(digits) -> None:
    """With one step that is the gradient of the support loss, times the rate."""
    learner = FewShotLearner(network(), "reptile", steps=1, rate=0.5)
    episodes = sampler(digits).draw(1)
    _, found = learner.gradients(episodes)
    loss = functional.cross_entropy(
        learner.network(torch.from_numpy(episodes.support_x[0])),
        torch.from_numpy(episodes.support_y),
    )
    wanted = torch.autograd.grad(loss, list(learner.network.parameters()))
    for direction, gradient in zip(found, wanted, strict=True):
        assert torch.allclose(direction, 0.5 * gradient, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_classes_may_be_numbered_otherwise(rule, digits) -> None:
    """What an answer is called does not decide it where the head begins without a preference."""
    learner = FewShotLearner(network(), rule, steps=2)
    nn.init.zeros_(learner.network[-1].weight)
    nn.init.zeros_(learner.network[-1].bias)
    episodes = sampler(digits).draw(2)
    found = learner.logits(episodes).argmax(dim=2)
    turned = type(episodes)(
        episodes.support_x,
        (episodes.support_y + 1) % 3,
        episodes.query_x,
        (episodes.query_y + 1) % 3,
        episodes.classes,
    )
    assert torch.equal((found + 1) % 3, learner.logits(turned).argmax(dim=2))


def test_prototypes_are_distances_to_the_means(digits) -> None:
    """The nearest mean answers, and the scale is the rate; classes may have unequal images."""
    learner = FewShotLearner(network(), "protonet", rate=0.3)
    episodes = sampler(digits, shot=3).draw(1)
    keep = np.delete(np.arange(len(episodes.support_y)), np.flatnonzero(episodes.support_y == 1)[0])
    few = type(episodes)(
        episodes.support_x[:, keep],
        episodes.support_y[keep],
        episodes.query_x,
        episodes.query_y,
        episodes.classes,
    )
    body = learner.network[:-1]
    known, asked = (body(torch.from_numpy(x[0])).flatten(1) for x in (few.support_x, few.query_x))
    labels = torch.from_numpy(few.support_y)
    means = torch.stack([known[labels == k].mean(dim=0) for k in range(3)])
    distances = torch.cdist(asked, means).square() / known.shape[1]
    wanted = (-1.5 * distances).softmax(dim=1)
    assert torch.allclose(learner.logits(few)[0].softmax(dim=1), wanted, atol=1e-5)


@pytest.mark.parametrize("rule", ["anil", "protonet"])
def test_meta_training_helps_on_classes_it_never_saw(rule) -> None:
    train, test = split_classes(load_classes("glyphs", size=14), whole_groups=True, seed=0)
    net = four_convolutions(3, size=14, width=8, seed=0)
    learner = FewShotLearner(net, rule, steps=2)
    asked = {"shot": 1, "query": 3}
    before = learner.accuracy(sampler(test, **asked, seed=1), 200)
    history = meta_train(learner, sampler(train, **asked, way=10), steps=100)
    after = learner.accuracy(sampler(test, **asked, seed=1), 200)
    assert not history.diverged
    assert (after - before).mean() > 3 * (after - before).std() / np.sqrt(200)


def test_the_same_steps_give_the_same_weights(digits) -> None:
    found = []
    for _ in range(2):
        learner = FewShotLearner(network(), "anil", steps=2)
        meta_train(learner, sampler(digits), steps=5)
        found.append(learner.network[0].weight)
    assert torch.equal(*found)


def test_evaluation_tells_its_interval(digits) -> None:
    learner = FewShotLearner(network(), "anil", steps=1)
    found = learner.evaluate(sampler(digits), 30)
    assert found["n"] == 30
    assert found["low"] < found["mean"] < found["high"]


def test_a_diverging_inner_loop_ends_with_finite_weights(digits) -> None:
    learner = FewShotLearner(network(), "maml", steps=5, rate=1e30)
    history = meta_train(learner, sampler(digits), steps=50)
    assert history.diverged
    assert all(bool(torch.isfinite(weight).all()) for weight in learner.network.parameters())


def test_nothing_global_is_drawn(digits) -> None:
    state = torch.get_rng_state()
    learner = FewShotLearner(network(), "maml", steps=1)
    meta_train(learner, sampler(digits), seconds=0.05)
    assert torch.equal(state, torch.get_rng_state())


def test_refusals(digits) -> None:
    with pytest.raises(UnknownNameError, match="protonet"):
        FewShotLearner(network(), "leo")
    with pytest.raises(ParameterError, match="steps must be at least 1"):
        FewShotLearner(network(), steps=0)
    with pytest.raises(ParameterError, match="last layer"):
        FewShotLearner(network()[:-1])
    learner = FewShotLearner(network())
    with pytest.raises(ParameterError, match="above 0"):
        meta_train(learner, sampler(digits), seconds=0)
    with pytest.raises(ParameterError, match="above 0"):
        meta_train(learner, sampler(digits), seconds=float("nan"))
    with pytest.raises(ParameterError, match="give one of them"):
        meta_train(learner, sampler(digits))
    with pytest.raises(ParameterError, match="episodes"):
        learner.accuracy(sampler(digits), 0)


TASK = {"images": "digits", "train_classes": 6, "way": 3, "query": 4}


def study(**options: Any) -> Findings:
    return FewShotStudy(FewShotOptions(**{**TASK, **options})).run()


def test_a_study_tests_all_alike_and_goes_on(tmp_path) -> None:
    options = {"shots": (1,), "episodes": 40, "seconds": 0.2, "out": tmp_path / "study"}
    first = study(methods="anil", **options)
    both = study(methods=("anil", "maml"), **options)
    assert first.rows[0] in both.rows
    assert {row["method"] for row in both.summary} == {"anil", "maml"}
    assert all(row["accuracy"]["n"] == 40 for row in both.summary)
    assert [row["interval_over"] for row in both.summary] == ["episodes"] * 2
    frame = pd.read_parquet(tmp_path / "study" / "rows.parquet")
    assert list(frame.columns) == list(FewShotStudy.columns())


def test_a_study_refuses_before_it_trains(tmp_path) -> None:
    with pytest.raises(LabelError, match="4 here"):
        study(way=5, query=15, out=tmp_path / "x")
    with pytest.raises(UnknownNameError, match="tadam"):
        study(methods=("tadam",), out=tmp_path / "x")
    with pytest.raises(ParameterError, match="seconds above 0"):
        study(seconds=0, out=tmp_path / "x")


def test_the_command(tmp_path) -> None:
    options = ["--images", "digits", "--train-classes", "6", "--way", "3", "--shots", "1"]
    options += [
        "--methods",
        "all,-t-nas,-metanas,-at-nas,-random,-anil,-protonet",
        "--seconds",
        "0.2",
        "--episodes",
        "20",
    ]
    options += ["--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, ["meta", "few-shot", *options, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {row["method"] for row in found["summary"]} == {"maml", "reptile"}
    for wrong, said in {"--split=alphabets": "alphabets", "--train-classes=most": "most"}.items():
        refused = CliRunner().invoke(app, ["meta", "few-shot", *options, wrong])
        assert refused.exit_code == 2
        assert said in refused.stderr


def test_the_command_says_where_evaluate_has_gone() -> None:
    refused = CliRunner().invoke(app, ["meta", "few-shot", "--evaluate", "--seed", "1"])
    assert refused.exit_code == 2
    assert "nasurge meta evaluate" in refused.stderr
    assert refused.stderr.count("\n") == 1
