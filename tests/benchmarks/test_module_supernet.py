"""The supernet of a PyTorch model with choices: paths, trainings by all rules, refusals."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from nasurge.benchmarks.few_shot import FewShotSupernet
from nasurge.benchmarks.supernet import (
    RULES,
    ModuleSupernet,
    Supernet,
    make_supernet,
    train_supernet,
    tuned_losses,
    uniform_codes,
)
from nasurge.benchmarks.supernet.blocks import rate_blockwise, train_blockwise
from nasurge.benchmarks.supernet.prune import train_pruned
from nasurge.benchmarks.supernet.rules import DRAWS, extremes, fairnas
from nasurge.benchmarks.training import read_checkpoint, without_prefix
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import make_space
from nasurge.errors import ArchitectureError, OutOfMemoryError, ParameterError, SchemaError
from nasurge.nn import Choice, Conv2d, Elastic, Inputs, Repeat, space_of
from nasurge.search.differentiable import search_supernet

pytestmark = pytest.mark.usefixtures("one_thread")


def conv(size: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, size, padding=size // 2), nn.BatchNorm2d(4), nn.ReLU())


class Plain(nn.Module):
    """Choices alone, all of which can be mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                Choice(skip=nn.Identity(), pool=nn.AvgPool2d(3, 1, 1), small=conv(1), big=conv(3))
                for _ in range(3)
            )
        )
        self.inputs = Inputs(2, choose=(1, 2))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.inputs([x, self.blocks(x)]))


class Nested(nn.Module):
    """Widths and depths, and choices that have an effect at some depths only."""

    def __init__(self) -> None:
        super().__init__()
        width = Elastic(2, 4, name="width")
        self.stem = Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(4)
        self.stage = Repeat(
            lambda i: Choice(
                pool=nn.AvgPool2d(3, 1, 1),
                conv=nn.Sequential(Conv2d(width, width, Elastic(1, 3)), nn.BatchNorm2d(4)),
            ),
            times=(0, 1, 2),
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(1), Narrow())

    def forward(self, x):
        return self.head(self.stage(self.norm(self.stem(x))))


class Narrow(nn.Module):
    """Linear layer on the mean of the channels, of any width."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 10)

    def forward(self, x):
        return self.linear(x.unflatten(1, (-1, 4)).mean(dim=1))


SPACES = {
    "plain": space_of(Plain, example=torch.zeros(2, 1, 8, 8)),
    "nested": space_of(Nested, example=torch.zeros(2, 1, 8, 8)),
}
PLAIN, NESTED = SPACES.values()
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=150)


def small(space=PLAIN, seed=0) -> ModuleSupernet:
    return make_supernet(space, classes=10, in_channels=1, seed=seed)


def images(n=6) -> torch.Tensor:
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def same(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


@every_space
def test_an_extracted_network_computes_what_its_path_does(space):
    supernet, x = small(space), images()
    for code in space.sample(8, seed=0):
        for mode in (False, True):
            network = supernet.extract(code)
            assert not any(type(m).__module__.startswith("nasurge") for m in network.modules())
            supernet.train(mode)
            assert torch.equal(network.train(mode)(x), supernet(x, code))


def test_weights_follow_from_the_seed_and_the_model_of_the_space_is_left():
    before, state = deepcopy(PLAIN.model.state_dict()), torch.get_rng_state()
    assert same(small(seed=3), small(seed=3))
    assert not same(small(seed=3), small(seed=4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in PLAIN.model.state_dict().items())


def test_only_weights_of_the_path_get_gradients():
    supernet = small()
    (code,) = PLAIN.parse([dict.fromkeys(PLAIN.variables[:3], "big") | {"inputs": "1"}])
    code[1] = 2
    supernet(images(), code).sum().backward()
    names = [n.split(".") for n, p in supernet.named_parameters() if p.grad is not None]
    assert {(n[2], n[4]) for n in names if "options" in n} == {("0", "3"), ("1", "2"), ("2", "3")}


def test_a_mixture_of_one_value_each_is_the_path_and_all_values_learn():
    supernet, x = small().eval(), images()
    most = max(PLAIN.cardinalities)
    for code in PLAIN.sample(3, seed=1):
        one_hot = torch.eye(most)[torch.tensor(code, dtype=torch.long)]
        torch.testing.assert_close(supernet(x, mixture=one_hot), supernet(x, code))
        torch.testing.assert_close(supernet(x, code, mixture=one_hot), supernet(x, code))
    shares = torch.full((4, most), 0.25, requires_grad=True)
    supernet(x, mixture=shares).square().sum().backward()
    assert (shares.grad[:3] != 0).all()
    assert (shares.grad[3, :3] != 0).all()
    chosen = torch.full((4, most), 0.25, requires_grad=True)
    supernet(x, [1, 1, 1, 1], mixture=chosen).square().sum().backward()
    assert (chosen.grad != 0).nonzero().tolist() == [[i, 1] for i in range(4)]
    assert same(supernet, deepcopy(supernet))


@every_space
def test_rules_draw_architectures_of_the_space(space):
    for name, rule in DRAWS.items():
        codes = rule(space, 5, np.random.default_rng(0), None)
        flat = codes.reshape(-1, space.n_variables)
        assert np.array_equal(space.check(flat), flat), name


def test_fairnas_uses_every_value_of_every_variable_once_a_step():
    codes = fairnas(PLAIN, 7, np.random.default_rng(0), None)
    assert codes.shape == (7, 4, 4)
    assert (np.sort(codes, axis=1)[:, :, :3] == np.arange(4)[:, None]).all()
    nested = fairnas(NESTED, 7, np.random.default_rng(0), None)
    always = [k for k, condition in enumerate(NESTED.conditions) if not condition]
    for k in always:
        assert all(set(step) == set(range(NESTED.cardinalities[k])) for step in nested[:, :, k])


def test_extremes_are_the_largest_and_the_smallest_architecture():
    assert [code.tolist() for code in extremes(PLAIN)] == [[3, 3, 3, 2], [0, 0, 0, 0]]
    largest, smallest = extremes(NESTED)
    everything = NESTED.costs(NESTED.all_codes())["parameters"]
    [most], [least] = (NESTED.costs(code[None])["parameters"] for code in (largest, smallest))
    assert most == everything.max()
    assert least == everything.min()
    allowed = np.zeros((4, 4), dtype=bool)
    allowed[:, [1, 2]] = True
    assert [code.tolist() for code in extremes(PLAIN, allowed)] == [[2, 2, 2, 2], [1, 1, 1, 1]]
    assert set(np.unique(uniform_codes(PLAIN, 50, np.random.default_rng(0), allowed))) == {1, 2}


@every_space
@pytest.mark.parametrize("rule", RULES)
def test_a_killed_training_goes_on_to_the_same_weights(space, rule, few, tmp_path):
    settings = {"rule": rule, "epochs": 2, "seed": 1, "device": "cpu", "checkpoint_seconds": 0}
    whole, killed, path = small(space), small(space), tmp_path / "supernet.safetensors"
    history = train_supernet(whole, few, **settings)

    def kill(done, total):
        del total
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_supernet(killed, few, **settings, checkpoint=path, progress=kill)
    resumed = small(space, seed=9)  # other weights, until the checkpoint is read
    again = train_supernet(resumed, few, **settings, checkpoint=path)
    assert again.losses == history.losses
    assert same(whole, resumed)
    assert not same(whole, small(space))
    other = small(NESTED if space is PLAIN else PLAIN)
    with pytest.raises(ParameterError, match="another run: network"):
        train_supernet(other, few, **settings, checkpoint=path)


def test_weights_are_taken_out_of_a_checkpoint(few, tmp_path):
    trained, path = small(NESTED), tmp_path / "net.st"
    train_supernet(trained, few, rule="sandwich", epochs=1, device="cpu", checkpoint=path)
    other = small(NESTED, seed=7)
    tensors, _ = read_checkpoint(path)
    other.load_state_dict(without_prefix("network.", tensors))
    for code in NESTED.sample(4, seed=0):
        network = NESTED.network(code, weights=other.model)
        assert torch.equal(network.eval()(images()), trained.extract(code).eval()(images()))


@pytest.mark.parametrize("rule", ["spos", "sandwich"])
def test_training_improves_what_is_inherited(rule, few):
    supernet, codes = small(), extremes(PLAIN)
    before = supernet.evaluate(codes, few).loss
    history = train_supernet(
        supernet, few, rule=rule, epochs=8, batch_size=16, seed=0, device="cpu"
    )
    assert history.losses[-1] < history.losses[0]
    assert (supernet.evaluate(codes, few).loss < before - 0.15).all()


@every_space
def test_evaluation_leaves_the_supernet_and_repeats_itself(space, few):
    supernet, codes = small(space), space.sample(4, seed=0)
    before = deepcopy(supernet)
    first = supernet.evaluate(codes, few, limit=100)
    again = supernet.evaluate(codes[::-1], few, limit=100)
    assert np.array_equal(first.loss, again.loss[::-1])
    assert same(before, supernet)
    restored = small(space, seed=5)
    restored.load_state_dict(supernet.state_dict())
    assert np.array_equal(restored.evaluate(codes, few, limit=100).loss, first.loss)
    losses = tuned_losses(supernet, codes[:2], few, steps=2, device="cpu")
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("method", ["darts", "darts-2", "gdas", "ddpnas"])
def test_differentiable_searches_find_architectures_of_a_model(method, few):
    found = search_supernet(small(), few, method, epochs=1, seed=0, device="cpu")
    assert found.architecture == PLAIN.format([found.code])[0]
    assert found.logits.shape == (4, 4)
    share = (found.code[:3] == 0).sum() / 4
    assert found.skip_share == share
    assert found.collapsed == (share > 0.5)


class Noise(nn.Module):
    """Forgets what it is given."""

    def forward(self, x):
        return torch.randn_like(x)


class Noisy(nn.Sequential):
    """Options of which one lets no data pass."""

    def __init__(self) -> None:
        places = (Choice(noise=Noise(), conv=conv(3), pool=nn.AvgPool2d(3, 1, 1)) for _ in range(3))
        head = (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10))
        super().__init__(nn.Conv2d(1, 4, 3, padding=1), *places, *head)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Noisy gives different outputs:UserWarning")
@pytest.mark.parametrize(("method", "seed"), [("darts", 0), ("darts", 1), ("drnas", 0)])
def test_a_search_by_gradient_leaves_out_what_lets_no_data_pass(method, seed):
    # Drawn uniformly, 8 of 27 architectures have no noise: all three by chance in 1 of 38 runs.
    space = space_of(Noisy, example=torch.zeros(2, 1, 8, 8))
    supernet = make_supernet(space, classes=10, in_channels=1, seed=seed)
    images = load_images("digits", limit=400)
    settings = {"epochs": 6, "batch_size": 16, "seed": seed, "device": "cpu"}
    found = search_supernet(supernet, images, method, **settings)
    assert (found.code != 0).all()
    assert (found.shares[:, 0] < found.shares[:, 1:].max(axis=1) / 2).all()
    network = supernet.extract(found.code)
    assert not any(type(m).__module__.startswith("nasurge") for m in network.modules())
    others = space.sample(12, seed=seed, unique=True)
    inherited = supernet.evaluate(np.concatenate([found.code[None], others]), images).accuracy
    assert inherited[0] > np.median(inherited[1:])


def test_a_search_that_mixes_refuses_before_it_starts_and_names_the_variable(few):
    with pytest.raises(ParameterError, match="variable 'width' of space 'Nested' cannot be mixed"):
        search_supernet(small(NESTED), few, "darts", epochs=1, device="cpu")
    with pytest.raises(ParameterError, match="'width'"):
        small(NESTED)(images(), mixture=torch.ones(NESTED.n_variables, 3))
    found = search_supernet(small(NESTED), few, "ddpnas", epochs=1, seed=0, device="cpu")
    assert NESTED.format([found.code])[0] == found.architecture


def test_what_needs_stages_says_that_a_model_has_none(few):
    teacher = small().extract([0, 0, 0, 0])
    for run in (
        lambda: small().blocks,
        lambda: small()(images(), [0] * 4, layers=slice(1)),
        lambda: train_blockwise(small(), teacher, few, epochs=1, device="cpu"),
        lambda: rate_blockwise(small(), teacher, [[0] * 4], few),
        lambda: Supernet(PLAIN, classes=10),
        lambda: FewShotSupernet(PLAIN, way=3, size=8, width=2, seed=0),
    ):
        with pytest.raises(ParameterError, match="'Plain' is a model of one's own: it has no st"):
            run()


def test_pruning_judges_values_that_always_have_an_effect(few):
    found = train_pruned(small(), few, rounds=2, epochs=1, paths=8, device="cpu", seed=0)
    assert found.allowed.sum(axis=1).tolist() == [3, 3, 3, 2]
    with pytest.raises(ParameterError, match="others only"):
        train_pruned(small(NESTED), few, rounds=2, epochs=1, device="cpu")


class Fixed(nn.Sequential):
    """Takes images of 8x8 only."""

    def __init__(self, outputs: int = 10) -> None:
        super().__init__(
            Choice(skip=nn.Identity(), conv=nn.Conv2d(1, 1, 3, padding=1)),
            nn.Flatten(),
            nn.Linear(64, outputs),
        )


def test_wrong_images_and_codes_are_named(few):
    with pytest.raises(ParameterError, match="takes 1 channels"):
        make_supernet(PLAIN, classes=10, in_channels=3)
    with pytest.raises(ParameterError, match="classes"):
        make_supernet(PLAIN, classes=11, in_channels=1)
    fixed = space_of(Fixed, example=torch.zeros(2, 1, 8, 8))
    large = load_images("digits", limit=40, size=16)
    with pytest.raises(SchemaError, match=r"2 \(Linear\), which received \(1, 256\)"):
        train_supernet(ModuleSupernet(fixed, seed=0), large, epochs=1, device="cpu")
    two = space_of(lambda: Fixed(2), example=torch.zeros(2, 1, 8, 8), name="two")
    with pytest.raises(ParameterError, match="2 outputs"):
        train_supernet(ModuleSupernet(two, seed=0), few, epochs=1, device="cpu")
    with pytest.raises(ParameterError, match=r"gives shape \(n, 1, 8, 8\)"):
        ModuleSupernet(space_of(nn.Sequential(Fixed()[0]), example=torch.zeros(2, 1, 8, 8)))
    with pytest.raises(ArchitectureError):
        small()(images(), [9] * 4)
    with pytest.raises(ParameterError, match="code= or mixture="):
        small()(images())
    assert make_supernet(make_space("nb201"), classes=3, width=2, cells=1).sizes["classes"] == 3


class Greedy(nn.Module):
    """Asks for 40 TB when it is given more than two images."""

    def forward(self, x):
        return x + torch.zeros(10**13).sum() if len(x) > 2 else x


def test_a_sub_network_without_memory_is_named_with_its_module(few):
    space = space_of(
        nn.Sequential(Choice(small=nn.ReLU(), huge=Greedy()), nn.Flatten(), nn.Linear(64, 10)),
        example=torch.zeros(2, 1, 8, 8),
    )
    supernet = ModuleSupernet(space, seed=0)
    assert supernet.evaluate([[0]], few).accuracy.shape == (1,)
    with pytest.raises(OutOfMemoryError, match=r"architecture 0=huge: .* in 0 \(Greedy\)"):
        supernet.evaluate([[0], [1]], few)
    with pytest.raises(OutOfMemoryError, match=r"batch of 3 images in model\.0\.options\.1 \(Gree"):
        train_supernet(supernet, few, epochs=1, batch_size=3, device="cpu", seed=0)
