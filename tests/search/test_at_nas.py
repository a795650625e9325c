"""AT-NAS: what is shared, what evolves, what a file keeps, and what adapting to a task does."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from nasurge.benchmarks.few_shot import (
    STEPS,
    FewShotLearner,
    FewShotSupernet,
    four_convolutions,
    meta_train,
)
from nasurge.benchmarks.studies import Findings
from nasurge.benchmarks.supernet import Supernet
from nasurge.cli import app
from nasurge.data.images import EpisodeSampler, ImageClasses, load_classes
from nasurge.data.spaces import make_space
from nasurge.errors import (
    DataFileError,
    LabelError,
    ParameterError,
    StorageError,
    UnknownNameError,
)
from nasurge.search.at_nas import (
    ATNAS,
    EpisodeOptions,
    JointLearner,
    MetaTrainOptions,
    adapt_search,
    class_keys,
    evaluate_search,
    load_search,
    load_split,
    save_search,
    train_search,
    unseen_classes,
)
from nasurge.search.at_nas.population import Contest, Population
from nasurge.search.studies import FewShotOptions, FewShotStudy

SPACE = make_space("nb201")
CODE = [3, 1, 3, 0, 4, 2]


@pytest.fixture(scope="module")
def digits() -> ImageClasses:
    return load_classes("digits")


def supernet(space: Any = SPACE, **sizes: Any) -> FewShotSupernet:
    return FewShotSupernet(space, **{"way": 3, "size": 8, "width": 4, "seed": 0, **sizes})


def sampler(data: ImageClasses, **options: Any) -> EpisodeSampler:
    return EpisodeSampler(data, **{"way": 3, "shot": 2, "query": 4, "seed": 0, **options})


def search(digits: ImageClasses, **options: Any) -> ATNAS:
    aside = sampler(digits.only([7, 8, 9]))
    small = {"population": 4, "offspring": 4, "episodes": 3, "steps": 2, "seed": 0}
    return ATNAS(supernet(), aside, **{**small, **options})


@pytest.fixture(scope="module")
def at_once(digits) -> Callable[[str, int], ATNAS]:
    """What a meta-training gives that is not stopped, each trained once."""

    @cache
    def trained_whole(rule: str, steps: int) -> ATNAS:
        whole = search(digits, rule=rule)
        train(whole, digits, steps=steps)
        return whole

    return trained_whole


def train(found: ATNAS, digits: ImageClasses, **options: Any) -> Any:
    return meta_train(found, sampler(digits.only(range(7))), **{"steps": 12, **options})


@pytest.mark.parametrize("name", ["nb201", "transnas-micro", "mobile"])
def test_a_shared_network_computes_its_path_with_the_weights_of_the_path(name) -> None:
    space = make_space(name)
    whole = Supernet(space, classes=3, in_channels=1, width=4, cells=1, seed=0).eval()
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for code in space.sample(5, seed=0):
        own = whole.share(code)
        assert torch.equal(own(x), whole(x, code))
        used = torch.autograd.grad(
            whole(x, code).sum(), list(whole.parameters()), allow_unused=True
        )
        wanted = {
            id(weight) for weight, g in zip(whole.parameters(), used, strict=True) if g is not None
        }
        assert {id(weight) for weight in own.parameters()} == wanted


def test_a_meta_step_moves_the_weights_of_its_encoding_only(digits) -> None:
    found = search(digits)
    code = np.asarray(CODE, dtype=np.int8)
    found.encoding, found.begin = code, lambda done: setattr(found, "_code", code)
    body = found.supernet.network(code)[:-1]
    moving = {id(weight) for weight in body.parameters()}
    operations = found.supernet.supernet.layers.parameters()
    assert 0 < len(moving) < sum(1 for _ in operations) / 2
    weights = list(found.supernet.parameters())
    before = [weight.detach().clone() for weight in weights]
    meta_train(found, sampler(digits), steps=2)
    for old, new in zip(before, weights, strict=True):
        assert torch.equal(old, new) == (id(new) not in moving)


def test_nothing_is_normalised_by_other_images_than_those_given(digits) -> None:
    """The same episode among other episodes has the same answers."""
    learner = search(digits).learner(CODE)
    episodes = sampler(digits).draw(3)
    alone = type(episodes)(
        episodes.support_x[1:2],
        episodes.support_y,
        episodes.query_x[1:2],
        episodes.query_y,
        episodes.classes[1:2],
    )
    assert torch.allclose(learner.logits(episodes)[1], learner.logits(alone)[0], atol=1e-5)


@pytest.mark.parametrize("screened", [True, False])
def test_a_population_finds_better_encodings(screened) -> None:
    """Also where everything gains from generation to generation, as weights do."""
    from nasurge.predictors.processes import GaussianProcess

    rng, gain = np.random.default_rng(0), iter(range(100))
    population = Population(SPACE, 6, GaussianProcess(SPACE) if screened else None)

    def fitness(codes: Any) -> Any:
        return (codes == 3).sum(axis=1) + 10.0 * next(gain)

    population.evolve(fitness, 6, rng)
    first = population.values.max()
    for _ in range(8):
        population.evolve(fitness, 6, rng)
    assert len(np.unique(population.codes, axis=0)) == len(population.codes) == 54
    wanted = (population.codes == 3).sum(axis=1)
    assert np.allclose(population.values - population.values[0], wanted - wanted[0])
    assert population.values.max() >= first + 2
    assert (population.members[0] == 3).sum() == wanted.max()


def test_dead_encodings_are_no_members() -> None:
    population = Population(SPACE, 3, None)
    dead, alive = np.zeros((1, 6), dtype=np.int8), np.asarray([CODE], dtype=np.int8)
    population.restart(np.concatenate([dead, alive]), lambda codes: np.asarray([9.0, 1.0]))
    assert population.members.tolist() == [CODE]


def test_finalists_have_the_same_time_and_the_one_of_the_lowest_late_loss_is_left() -> None:
    codes = np.asarray([[0], [1], [2], [3]], dtype=np.int8)
    dear, losses = [4.0, 1.0, 1.0, 1.0], {0: [5.0, 5.0], 1: [9.0, 9.0, 9.0, 1.0], 2: [2.0, 4.0]}
    contest, now, count = Contest(codes), 0.0, np.zeros(4, dtype=int)
    for _ in range(14):
        row = int(contest.next_code(now, left=4)[0])
        told = losses.get(row, [8.0])
        contest.observe(told[min(count[row], len(told) - 1)])
        count[row] += 1
        now += dear[row]
        contest = Contest.from_state(json.loads(json.dumps(contest.state())))
    assert count.tolist() == [2, 4, 4, 4]
    contest.next_code(now, left=2)
    assert contest.codes[:, 0].tolist() == [2, 0]  # of 1 the later half has a mean of 5, told later


@pytest.mark.parametrize(
    ("rule", "steps", "share"),
    [
        ("protonet", 12, 0.6),
        ("anil", 12, 0.6),
        ("maml", 12, 0.6),
        ("reptile", 12, 0.6),
        ("protonet", 100, 0.09),
        ("protonet", 100, 0.17),
    ],
)
def test_a_stopped_meta_training_ends_with_the_same_weights(
    rule, steps, share, digits, at_once, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("nasurge.search.at_nas.evolve._EVERY", 2)  # generations before and after
    whole = at_once(rule, steps)
    path = tmp_path / "state"

    def stop(done: float) -> None:
        if done >= share:
            raise KeyboardInterrupt

    every = {"checkpoint": path, "checkpoint_seconds": 0, "steps": steps}
    with pytest.raises(KeyboardInterrupt):
        train(search(digits, rule=rule), digits, progress=stop, **every)
    again = search(digits, rule=rule)
    history = train(again, digits, checkpoint=path, steps=steps)
    assert len(history.losses) == steps
    for old, new in zip(whole.meta_weights(), again.meta_weights(), strict=True):
        assert torch.equal(old, new)
    assert np.array_equal(whole.population.codes, again.population.codes)
    assert len(whole.population.codes) >= (12 if steps == 100 else 4)
    assert whole.architecture == again.architecture


def test_other_learners_go_on_too(digits, tmp_path) -> None:
    def made() -> FewShotLearner:
        return FewShotLearner(four_convolutions(3, size=8, width=4, seed=0), "maml", steps=1)

    first, second = made(), made()
    meta_train(first, sampler(digits), steps=6, checkpoint=tmp_path / "state")
    history = meta_train(second, sampler(digits), steps=6, checkpoint=tmp_path / "state")
    assert len(history.losses) == 6
    assert torch.equal(first.network[0].weight, second.network[0].weight)
    with pytest.raises(ParameterError, match="another run"):
        meta_train(made(), sampler(digits), steps=7, checkpoint=tmp_path / "state")


@pytest.mark.parametrize("system", ["t-nas", "metanas"])
def test_joint_searches_learn_weights_and_architecture(system, digits, tmp_path) -> None:
    found = JointLearner(supernet(), system, steps=1)
    before = found.network.shares().detach().clone()
    history = meta_train(found, sampler(digits), steps=8, checkpoint=tmp_path / "state")
    assert not history.diverged
    assert not torch.equal(before, found.network.shares())
    assert SPACE.parse([found.architecture]).shape == (1, 6)
    assert (found.network.temperature < 0.5) == (system == "metanas")
    again = JointLearner(supernet(), system, steps=1)
    meta_train(again, sampler(digits), steps=8, checkpoint=tmp_path / "state")
    assert torch.equal(found.network.shares(), again.network.shares())


def test_metanas_leaves_the_architecture_alone_at_first(digits) -> None:
    found = JointLearner(supernet(), "metanas", steps=2)
    names = [name for name, _ in found.network.named_parameters()]
    for done, rests in ((0.1, True), (0.9, False)):
        found.prepare_step(done)
        _, moves = found.gradients(sampler(digits).draw(2))
        move = moves[names.index("logits")]
        assert move is not None
        assert bool((move == 0).all()) == rests


def test_a_file_keeps_what_was_learnt(digits, tmp_path) -> None:
    found = search(digits)
    train(found, digits)
    save_search(tmp_path / "x", found, {"images": "digits"}, class_keys(digits.only(range(7))))
    again, about = load_search(tmp_path / "x")
    assert again.architecture == found.architecture
    assert np.array_equal(again.population.members, found.population.members)
    asked = sampler(digits).draw(3)
    assert torch.equal(again.learner().logits(asked), found.learner().logits(asked))
    assert again.describe() == found.describe()
    options = {"predictor": False, "rule": "anil", "rate": 0.3, "population": 5}
    save_search(tmp_path / "y", other := search(digits, **options), {}, [])
    assert load_search(tmp_path / "y")[0].describe() == other.describe()
    assert len(unseen_classes(digits, about["trained"], 2).classes) == 3
    with pytest.raises(LabelError, match="3 of the 10"):
        unseen_classes(digits, about["trained"], 4)


def test_files_that_are_none_are_refused(tmp_path) -> None:
    with pytest.raises(StorageError, match="meta train"):
        load_search(tmp_path / "missing")
    (tmp_path / "broken").write_bytes(b"no such thing")
    with pytest.raises(DataFileError, match="broken"):
        load_search(tmp_path / "broken")
    learner = FewShotLearner(four_convolutions(3, size=8, width=4, seed=0))
    meta_train(learner, sampler(load_classes("digits")), steps=1, checkpoint=tmp_path / "other")
    with pytest.raises(DataFileError, match="no search"):
        load_search(tmp_path / "other")


def test_classes_are_known_by_their_images(digits) -> None:
    """Whatever they are called: a meta-test cannot meet what the meta-training saw."""
    renamed = ImageClasses(digits.images, digits.labels, tuple("abcdefghij"), "letters")
    assert class_keys(renamed) == class_keys(digits)
    assert unseen_classes(renamed, class_keys(digits.only([0, 4])), 2).classes == tuple("bcdfghij")


def test_the_shipped_search_is_good_and_small() -> None:
    found, about = load_search()
    path = Path(__file__).parent.parent.parent / "data/shipped/at-nas-glyphs.safetensors"
    assert path.stat().st_size < 3_000_000
    rows = evaluate_search(
        found, about["trained"], load_classes("glyphs"), shots=(1,), episodes=100
    )
    best, uniform = (row["accuracy"] for row in rows)
    assert best["low"] > 95
    assert best["low"] > uniform["high"]
    assert "command" in about["made"]


def test_adapting_searches_on_the_task_alone(digits) -> None:
    found, _ = load_search()
    before = [weight.clone() for weight in found.supernet.parameters()]
    members = found.population.members.copy()
    task = load_classes("digits", size=28).only(range(4))
    done = adapt_search(found, task, shots=4, generations=1, steps=2, seed=0)
    for old, new in zip(before, found.supernet.parameters(), strict=True):
        assert torch.equal(old, new)
    assert np.array_equal(members, found.population.members)
    assert done.asked == 80
    assert done.evaluations > 2 * found.offspring
    assert done.after > 60
    again = adapt_search(found, task, shots=4, generations=1, steps=2, seed=0)
    assert (again.after, again.search.architecture) == (done.after, done.search.architecture)


def test_one_image_a_class_leaves_the_encoding(digits) -> None:
    found, _ = load_search()
    done = adapt_search(found, load_classes("digits", size=28), shots=1, seed=0)
    assert done.search.architecture == found.architecture
    assert (done.before, done.evaluations) == (done.after, 0)


def test_refusals(digits, tmp_path) -> None:
    with pytest.raises(ParameterError, match="fold must divide"):
        supernet(fold=3)
    with pytest.raises(ParameterError, match="population"):
        search(digits, population=0)
    with pytest.raises(ParameterError, match="rate above 0"):
        search(digits, rate=0)
    with pytest.raises(UnknownNameError, match="leo"):
        search(digits, rule="leo")
    with pytest.raises(ParameterError, match="networks are built for"):
        supernet(make_space("transnas-macro"))
    with pytest.raises(UnknownNameError, match="darts"):
        JointLearner(supernet(), "darts")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="kept aside"):
        ATNAS(supernet(), None, seed=0).generation()
    found = search(digits, rule="maml")
    with pytest.raises(ParameterError, match="10 classes"):
        adapt_search(found, digits, shots=2)
    with pytest.raises(ParameterError, match="3-way"):
        evaluate_search(found, [], digits, way=5)
    shipped, _ = load_search()
    with pytest.raises(ParameterError, match="are 8x8, the search is for 28x28"):
        evaluate_search(shipped, [], digits)
    with pytest.raises(LabelError, match="images"):
        adapt_search(search(digits), digits, shots=500)
    with pytest.raises(ParameterError, match="at least 0"):
        adapt_search(search(digits), digits, steps=-1)


def test_devices_hold_all_that_is_computed(digits) -> None:
    """Without a GPU: the meta device shows what would be left behind."""
    found = search(digits).to("meta")
    weights = [*found.meta_weights(), *found.learner(CODE).meta_weights()]
    assert {weight.device.type for weight in weights} == {"meta"}
    assert found.device.type == "meta"


TASK = {"images": "digits", "train_classes": 6, "way": 3, "query": 4}


def study(**options: Any) -> Findings:
    return FewShotStudy(FewShotOptions(**{**TASK, **options})).run()


def trained(path: Path, **options: Any) -> dict[str, Any]:
    return train_search(MetaTrainOptions(**{**TASK, "steps": 5, "width": 4, **options}, out=path))


def test_a_file_is_trained_once_and_not_overwritten(tmp_path) -> None:
    path = tmp_path / "search"
    first = trained(path)
    assert first == trained(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["search"]
    with pytest.raises(ParameterError, match="different: steps"):
        trained(path, steps=6)
    with pytest.raises(ParameterError, match="different: rule"):
        trained(path, rule="maml")


def test_a_diverged_meta_training_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(STEPS, "maml", (5, 1e30))
    row = trained(tmp_path / "x", rule="maml")
    assert row["diverged"]
    assert row["loss"] is None or np.isfinite(row["loss"])


def test_a_study_knows_by_which_settings_it_was_made(tmp_path, monkeypatch) -> None:
    options = {"methods": ["maml"], "shots": (1,), "episodes": 5, "seconds": 0.1}
    study(**options, out=tmp_path / "study")
    monkeypatch.setitem(STEPS, "maml", (1, 0.1))
    with pytest.raises(ParameterError, match="another study"):
        study(**options, out=tmp_path / "study")


def test_studies_refuse_before_they_train(tmp_path) -> None:
    few = {"train_classes": 5, "rotations": False, "out": tmp_path / "study"}
    with pytest.raises(LabelError, match=r"keeps 3 classes aside.*has 5 classes of digits"):
        study(methods=["maml", "at-nas"], **few)
    with pytest.raises(ParameterError, match="seconds above 0"):
        study(seconds=float("nan"), out=tmp_path / "study")
    with pytest.raises(ParameterError, match="made by hand: --width"):
        study(methods=["maml", "anil"], width=4)
    assert not (tmp_path / "study").exists()


def test_images_that_are_not_square_are_refused(tmp_path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for name in "abcdef":
            (tmp_path / part / name).mkdir(parents=True)
            for k in range(4):
                pixels = np.full((6, 8), 10 * k + ord(name), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{k}.png")
    with pytest.raises(ParameterError, match=r"6x8 pixels, not square.*--size"):
        load_split(EpisodeOptions(images=str(tmp_path), way=2), seed=0)
    resized = EpisodeOptions(images=str(tmp_path), size=9, way=2)
    assert load_split(resized, seed=0)[0].images.shape[2:] == (9, 9)


def test_studies_compare_searches(tmp_path) -> None:
    methods = ("at-nas", "random", "t-nas", "metanas")
    found = study(
        methods=methods, shots=(1,), episodes=20, seconds=0.2, width=4, out=tmp_path / "x"
    )
    assert {row["method"] for row in found.summary} == set(methods)
    assert sum(len(row["architectures"]) for row in found.summary) == 3


def run(*command: str) -> Any:
    return CliRunner().invoke(app, ["meta", *command])


def test_the_commands(tmp_path) -> None:
    path, own = str(tmp_path / "search"), str(tmp_path / "own")
    options = ["--images", "digits", "--train-classes", "6", "--way", "3", "--width", "4"]
    done = run("train", *options, "--steps", "4", "--out", path, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["summary"][0]["meta_steps"] == 4
    asked = ["--images", "digits", "--way", "3", "--episodes", "40"]
    done = run("evaluate", path, *asked, "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["summary"]
    assert [row["method"] for row in rows] == ["at-nas", "uniform"] * 2
    assert {row["classes"] for row in rows} == {4}
    done = run("adapt", path, "--images", "digits", "--out", own, "--json", "--steps", "1")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)["summary"][0]
    assert (row["classes"], row["known"]) == (10, 6)
    assert row["evaluations"] > 0
    assert "right" in run("adapt", path, "--images", "digits", "--generations", "0").output
    done = run("evaluate", own, *asked)  # it has learnt from images of all ten digits
    assert done.exit_code == 2
    assert "0 of the 10" in done.stderr


def test_the_shipped_search_answers_without_a_file() -> None:
    done = run("evaluate", "--episodes", "20", "--shots", "1")
    assert done.exit_code == 0, done.output
    assert "uniform" in done.output
    done = run("adapt", "--images", "glyphs", "--classes", "OGHAM,ELVISH")
    assert done.exit_code == 2
    assert "ELVISH" in done.stderr
    assert isinstance(load_search()[0].supernet, nn.Module)


def test_adapting_leaves_an_encoding_that_is_no_good_and_keeps_one_that_is() -> None:
    found, _ = load_search()
    digits = load_classes("digits", size=28).only(range(5))
    good = found.architecture
    assert adapt_search(found, digits, generations=1, steps=0, seed=0).search.architecture == good
    found.encoding = np.asarray([2, 0, 0, 0, 0, 2], dtype=np.int8)  # weights learnt little for it
    bad = found.architecture
    done = adapt_search(found, digits, generations=1, steps=0, seed=0)
    assert done.search.architecture != bad
    assert done.after > done.before
