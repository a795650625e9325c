"""Models and arguments that are wrong: refused or warned of, naming the module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nasurge
from nasurge.benchmarks import Recipe, TrainedObjective, measure_latency, train_network
from nasurge.data import load_images
from nasurge.errors import ParameterError, SchemaError
from nasurge.nn import Choice, Conv1d, Conv2d, Elastic, Inputs, Linear, Repeat, space_of


class Broken(nn.Module):
    """A model of one part and what is done with it."""

    def __init__(self, part: nn.Module, more: nn.Module | None = None, *, call: bool = True):
        super().__init__()
        self.part, self.more, self.call = part, more, call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.part(x) if self.call else x
        return x if self.more is None else self.more(x)


class Asserting(nn.Module):
    """A layer of a library that asserts what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("no such width")


class Nothing(nn.Module):
    """A module whose forward has no return."""

    def forward(self, x: torch.Tensor) -> None:
        del x


def conv(width: int, kernel: int = 1, **options: int) -> nn.Conv2d:
    return nn.Conv2d(3, width, kernel, **options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: Broken(Choice(a=conv(4), b=conv(5))),
            r"options of Choice 'part' give different shapes: 'a' \(2, 4, .*'b' \(2, 5",
        ),
        (lambda: Broken(Choice(a=conv(3), b=conv(3, stride=2))), "give different shapes"),
        (
            lambda: Broken(Choice(a=conv(3), b=conv(3)), call=False),
            r"part \(Choice\) is never reached",
        ),
        (
            lambda: Broken(
                Choice(a=conv(3), b=conv(3), name="op"), Choice(a=conv(3), c=conv(3), name="op")
            ),
            "two decisions are called 'op' and differ: part has a, b, more has a, c",
        ),
        (lambda: Broken(nn.Conv2d(3, 3, 1)), "leaves nothing open"),
        (
            lambda: Broken(Choice(a=conv(3), b=conv(3)), nn.Linear(7, 2)),
            r"more \(Linear\), which received \(2, 3, 32, 32\)",
        ),
        (
            lambda: Broken(Conv2d(3, Elastic(4, 8), 1), nn.Conv2d(8, 8, 1, groups=4)),
            None,
        ),
        (
            lambda: Broken(Conv2d(3, Elastic(6, 8), 1), nn.Conv2d(8, 8, 1, groups=4)),
            "6 channels to 8 cannot be shared among 4 groups",
        ),
        (
            lambda: Broken(Conv2d(3, Elastic(4, 8), 1), nn.InstanceNorm2d(8, affine=True)),
            r"architecture part.out_channels=4: .*more \(InstanceNorm2d\)",
        ),
        (
            lambda: Broken(Conv2d(3, Elastic(4, 8), 1)),
            r"outputs of different shapes: part.out_channels=\d \(2, \d, 32, 32\)",
        ),
        (
            lambda: Broken(Choice(a=conv(3), b=conv(3)), Asserting()),
            r"more \(Asserting\), which received \(2, 3, 32, 32\): no such width",
        ),
        (
            lambda: Broken(Choice(a=Choice(a=conv(3), b=conv(3), name="x"), b=conv(3), name="x")),
            "inside one of its own options",
        ),
        (
            lambda: Broken(Choice(a=conv(3), b=nn.Sequential(nn.ReLU(), nn.Conv2d(9, 3, 1)))),
            r"part.options.1.1 \(Conv2d\) of option 'b' of part, which received",
        ),
        (
            lambda: Broken(Conv2d(3, Elastic(4, 8), 1), nn.BatchNorm2d(16)),
            r"more \(BatchNorm2d\) has weights for 16 .* at most 8 arrive: write it for",
        ),
        (
            lambda: Broken(Choice(a=conv(3), b=conv(3), name="more"), Choice(a=conv(3), b=conv(3))),
            "part and more are two decisions, and both are called 'more'",
        ),
        (lambda: Broken(Choice(a=conv(3), b=conv(3)), Nothing()), "forward of Broken returns None"),
    ],
)
def test_what_is_wrong_is_named(model, message: str | None) -> None:
    if message is None:
        assert space_of(model()).size == 2
        return
    with pytest.raises(SchemaError, match=message):
        space_of(model())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice(a=nn.Identity()), "two options or more"),
        (lambda: Choice(a=nn.Identity(), b=3), "option 'b' of a Choice is a torch.nn.Module"),
        (lambda: Repeat([nn.Identity()], times=(1, 2)), "cannot be repeated 2 times"),
        (lambda: Repeat(lambda _: nn.Identity()), "needs times="),
        (lambda: Repeat([nn.Identity()] * 2, times=(2,)), "two or more different numbers"),
        (
            lambda: Repeat([nn.Identity()] * 4, times=Elastic(1, 2) * Elastic(1, 2)),
            "follows from one decision",
        ),
        (lambda: Inputs(3, choose=4), "choose is from 1"),
        (lambda: Inputs(3, choose=3), "leaves nothing open"),
        (lambda: Inputs(3, choose=(1, 2), combine="cat"), "give one choose="),
        (lambda: Elastic(8), "two or more different"),
        (lambda: Elastic(8, 0), "positive whole numbers"),
        (lambda: Elastic(8, 16) * 0.5, "whole or elastic"),
        (lambda: Conv2d(3, 8, Elastic(2, 3)), "odd and even"),
        (lambda: space_of(lambda: 3), "it made 3"),
        (lambda: space_of(conv), "conv is called without arguments.* argument: 'width'"),
        (lambda: space_of(nn.Linear), "Linear is called without arguments"),
        (lambda: Choice([nn.Identity(), nn.ReLU()]), "options of a Choice have names"),
        (lambda: Choice(nn.Identity(), nn.ReLU()), r"have names.* received Identity\(\)"),
        (lambda: nn.Conv2d(1, Elastic(8, 12), 3), r"no single number.* 12 \(.largest\)"),
        (lambda: nn.Linear(Elastic(8, 12), 3), "no single number"),
        (lambda: nn.BatchNorm2d(Elastic(8, 12)), "no single number"),
        (lambda: nn.LayerNorm(Elastic(8, 12)), "no single number"),
        (lambda: nn.Parameter(torch.zeros(1, Elastic(8, 12))), "no single number"),
        (lambda: Elastic(8, 12) / 2, r"no single number.*divided \(//\)"),
        (lambda: Elastic(8, 12) - 2, "no single number"),
        (lambda: Elastic(8, 12) < 9, "no single number"),
        (lambda: list(range(Elastic(8, 12))), "no single number"),
        (lambda: Conv2d(3, 8, 3, stride=Elastic(1, 2)), "stride of a convolution is not elastic"),
        (lambda: Conv1d(3, 8, 3, padding=Elastic(1, 2)), "padding of a convolution"),
        (lambda: Conv2d(8, 8, 3, groups=Elastic(2, 4)), "groups may be elastic where"),
        (lambda: space_of(nn.Sequential(nn.Embedding(3, 4))), "give example="),
    ],
)
def test_wrong_arguments_are_named(make, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()


class Listed(nn.Module):
    """Choices where PyTorch does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Choice(a=conv(3), b=conv(3, 3, padding=1))
        self.part = nn.Module()
        self.part.layers = [Choice(a=conv(3), b=conv(3, 3, padding=1))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part.layers[0](self.seen(x))


def test_a_choice_in_a_plain_list_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"part\.layers of Listed is a plain list .*ModuleList"):
        space_of(Listed)


DIGITS = torch.zeros(2, 1, 8, 8)


def ending(width: int = 4, classes: int = 10) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


class Digits(nn.Module):
    """Small network of digits, and what a subclass does in its middle."""

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1)
        self.choice = Choice(a=nn.Identity(), b=nn.Conv2d(4, 4, 3, padding=1))
        self.more = nn.Conv2d(4, 4, 3, padding=1)
        self.end = nn.Sequential(*ending(classes=classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.middle(self.choice(self.stem(x))))

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Looking(Digits):
    """Computes more where its input is bright."""

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return self.more(x) if x.mean() > 0 else x


class Noisy(Digits):
    """Draws numbers, in evaluation mode too."""

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(())


class Tossing(Digits):
    """Computes more or less, by a coin that Python tosses."""

    coin = np.random.default_rng(3)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        return self.more(x) if self.coin.random() < 0.5 else x


class Frozen(Digits):
    """Computes everything without gradients."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return super().forward(x)


class Pairs(Digits):
    """Gives two outputs."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super().forward(x), x


def test_what_depends_on_values_or_chance_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="forward of Looking looks at values of its tensors"):
        assert space_of(Looking, example=DIGITS).looks
    state = torch.get_rng_state()
    with pytest.warns(UserWarning, match="Noisy gives different outputs for one input"):
        space_of(Noisy, example=DIGITS)
    with pytest.warns(UserWarning, match="Tossing gives different outputs"):
        space_of(Tossing, example=DIGITS)
    assert torch.equal(state, torch.get_rng_state())
    assert not space_of(Digits, example=DIGITS).looks


def test_an_objective_refuses_what_it_could_never_train() -> None:
    images, recipe = load_images("digits", limit=60), Recipe(epochs=1)

    def objective(model: object, **sizes: int) -> TrainedObjective:
        example = torch.zeros(2, sizes.get("channels", 1), 8, 8)
        space = space_of(lambda: model(**sizes), example=example)
        return TrainedObjective(space, images, recipe, device="cpu")

    with pytest.raises(ParameterError, match="takes 3 channels, these images have 1"):
        objective(Digits, channels=3)
    with pytest.raises(ParameterError, match=r"outputs of shape \(7\), these images have 10"):
        objective(Digits, classes=7)
    with pytest.raises(ParameterError, match="gives no single tensor"):
        objective(Pairs)


def test_a_search_takes_the_space_of_its_objective(tmp_path) -> None:
    images, recipe = load_images("digits", limit=60), Recipe(epochs=1)
    space = space_of(Digits, example=DIGITS)
    objective = TrainedObjective(space, images, recipe, device="cpu", folder=tmp_path / "a")
    assert nasurge.search(objective, budget=2, seed=0).space == space
    with pytest.raises(ParameterError, match="what TrainedObjective evaluates are architectures"):
        nasurge.search(objective, space={"a": [1, 2, 3]}, budget=2)
    frozen = space_of(Frozen, example=DIGITS)
    objective = TrainedObjective(frozen, images, recipe, device="cpu", folder=tmp_path / "b")
    with pytest.raises(nasurge.errors.ObjectiveError, match="the network cannot learn: its output"):
        nasurge.search(objective, budget=2, seed=0)


def test_networks_that_do_not_fit_are_named_with_the_module() -> None:
    images, recipe = load_images("digits", limit=60), Recipe(epochs=1)

    def network(channels: int = 1, classes: int = 10) -> nn.Module:
        return nn.Sequential(nn.Conv2d(channels, 4, 3), *ending(classes=classes))

    def train(network: nn.Module) -> None:
        train_network(network, images, recipe, device="cpu", seed=0)

    with pytest.raises(ParameterError, match=r"shape \(\d+, 7\) for .* each of 10 classes"):
        train(network(classes=7))
    with pytest.raises(ParameterError, match=r"network cannot be computed in 0 \(Conv2d\)"):
        train(network(channels=3))
    with pytest.raises(ParameterError, match=r"latency of network 0.* in 0 \(Conv2d\)"):
        measure_latency(network(channels=3), DIGITS[:1])
    train(network(classes=12))  # more answers than classes are none of our business


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [None, "same", (2, 1)])
def test_padding_is_that_of_pytorch(mode: str, padding: object) -> None:
    """A cut convolution, and a plain one behind it, compute what PyTorch's own of that size do."""
    x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(
        Conv2d(3, Elastic(4, 8, name="width"), (5, 3), padding=padding, padding_mode=mode),
        nn.Conv2d(8, 3, 3, padding=1, padding_mode=mode),
    )
    space = space_of(model, example=x)
    for code in ([0], [1]):
        with torch.no_grad():
            network = space.network(code, weights=model)
            first = network[0]
            assert type(first) is nn.Conv2d
            assert (first.out_channels, first.padding_mode) == ((4, 8)[code[0]], mode)
            space.model.load_state_dict(model.state_dict())
            nasurge.data.networks.choices.select(space.model, space.selection(code))
            assert torch.allclose(network(x), space.model(x), atol=1e-6)


def test_kernels_of_two_sizes_are_kept_and_elastic_ones_cut() -> None:
    assert Linear(4, Elastic(2, 3)).layer.out_features == 3
    assert Conv2d(3, 4, (5, 3)).layer.padding == (2, 1)
    assert Conv2d(3, 4, Elastic(3, 5), dilation=2).layer.padding == (4, 4)
    x = torch.ones(1, 3, 9, 9)
    assert Conv2d(3, 4, (5, 3), dilation=(1, 2))(x).shape == (1, 4, 9, 9)
    state = torch.get_rng_state()
    Conv2d(3, Elastic(4, 8), 3)
    drawn = torch.get_rng_state()
    torch.set_rng_state(state)
    nn.Conv2d(3, 8, 3)
    assert torch.equal(drawn, torch.get_rng_state())  # as many draws as the layer of PyTorch
