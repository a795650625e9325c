"""A PyTorch model with choices inside is a search space, and builds plain networks."""

import contextlib
import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import nasurge
from nasurge.data.networks.choices import select
from nasurge.errors import ArchitectureError, ParameterError
from nasurge.nn import (
    Choice,
    Conv1d,
    Conv2d,
    Elastic,
    Inputs,
    Linear,
    Positions,
    Repeat,
    SelfAttention,
    space_of,
)


class Chain(nn.Module):
    """Blocks of three options each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                Choice(
                    {
                        "skip": nn.Identity(),
                        "3x3": nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)),
                        "5x5": nn.Conv2d(8, 8, 5, padding=2),
                    }
                )
                for _ in range(3)
            )
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)))


class Elastics(nn.Module):
    """Widths, kernels and depth, with plain layers behind them that have to follow."""

    def __init__(self) -> None:
        super().__init__()
        width, expansion = Elastic(8, 16, name="width"), Elastic(1, 2, name="expansion")
        inner = width * expansion
        self.stem = Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(16)
        self.stage = Repeat(
            lambda _: nn.Sequential(
                Conv2d(width, inner, Elastic(3, 5)),
                nn.BatchNorm2d(32),
                nn.PReLU(32),
                nn.Conv2d(32, 32, 3, padding=1, groups=32),
                nn.GroupNorm(8, 32),
                Conv2d(inner, width, 1),
            ),
            times=(0, 1, 3),
        )
        self.inputs = Inputs(3, choose=(1, 2), name="inputs")
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.norm(self.stem(x))
        b = self.stage(a)
        x = self.inputs([a, b, a + b])
        return self.classifier(functional.adaptive_avg_pool2d(x, 2).flatten(1))


class Tokens(nn.Module):
    """A transformer of elastic depth, width and heads."""

    def __init__(self) -> None:
        super().__init__()
        width = Elastic(16, 32, name="width")
        self.embed, self.positions = Linear(12, width), Positions(9, width)
        self.layers = Repeat([Layer(width) for _ in range(3)], times=(1, 3))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.layers(self.positions(self.embed(x)))).mean(dim=1))


class Layer(nn.Module):
    """Attention and two linear layers, added to what comes in."""

    def __init__(self, width: Elastic) -> None:
        super().__init__()
        self.attention = SelfAttention(width, Elastic(1, 2, 4), 8)
        hidden = Elastic(16, 64)
        self.mlp = nn.Sequential(nn.LayerNorm(32), Linear(width, hidden), nn.GELU())
        self.out = Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(x)
        return x + self.out(self.mlp(x))


class Signals(nn.Module):
    """Convolutions of signals; an option holds a decision of its own."""

    def __init__(self) -> None:
        super().__init__()
        deep = nn.Sequential(Conv1d(4, Elastic(2, 6), 3), nn.ReLU(), nn.Conv1d(6, 4, 1))
        self.stem, self.block = nn.Conv1d(2, 4, 3, padding=1), Choice(skip=nn.Identity(), deep=deep)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.stem(x)).mean(dim=2))


MODELS = {
    Chain: torch.zeros(2, 3, 12, 12),
    Elastics: torch.zeros(2, 1, 8, 8),
    Tokens: torch.zeros(2, 9, 12),
    Signals: torch.zeros(2, 2, 20),
}


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.__name__)
def space(request):
    return space_of(request.param, example=MODELS[request.param])


def test_a_network_is_plain_and_computes_what_the_model_does(space) -> None:
    torch.manual_seed(0)
    model = space.fresh().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_()
            module.running_var.uniform_(0.5, 2)
    codes = space.sample(50, seed=0)
    costs = space.costs(codes)
    x = torch.randn(2, *space.example_input.shape[1:])
    for code, flops, parameters in zip(codes, costs["flops"], costs["parameters"], strict=True):
        network = space.network(code, weights=model).eval()
        assert not [m for m in network.modules() if type(m).__module__.startswith("nasurge")]
        select(model, space.selection(code))
        torch.testing.assert_close(network(x), model(x))
        # PyTorch's counter knows the attention of no data, but not the one of a CPU.
        with FlopCounterMode(display=False) as counter:
            network.to("meta")(x[:1].to("meta"))
        assert counter.get_total_flops() == pytest.approx(2e6 * flops)
        assert sum(p.numel() for p in network.parameters()) == round(1e6 * parameters)


def test_other_architectures_are_other_networks(space) -> None:
    codes = space.sample(20, seed=1, unique=True) if space.size > 20 else space.all_codes()
    keys = space.costs(codes)
    assert len(np.unique(np.round(keys["parameters"], 6))) > 1


def test_a_space_travels(space) -> None:
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space
    code = space.sample(1, seed=3)[0]
    assert copy.costs(code[None]) == space.costs(code[None])
    described = nasurge.make_space(space.spec())  # what a table keeps of it: no network
    assert described.networks is None
    assert (described.graphs(code[None]).adjacency == space.graphs(code[None]).adjacency).all()


@pytest.mark.parametrize("name", ["gp", "xgb", "gin", "gp-soft"])
def test_predictors_learn_on_it(space, name: str) -> None:
    codes = space.sample(24, seed=2)
    y = space.costs(codes)["parameters"]
    tiny = {"gin": {"steps": 5}}.get(name, {})
    predictor = nasurge.make_predictor(name, space, seed=0, **tiny)
    scores = predictor.fit(codes, y).predict(codes)
    assert np.isfinite(scores).all()


def test_weights_are_drawn_by_the_class() -> None:
    space = space_of(Chain)
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(space.network([1, 2, 0]).stem.weight.detach())
    assert (networks[0] == networks[1]).all()
    assert not (networks[0] == networks[2]).all()


def test_weights_of_a_model_of_the_space_are_inherited_and_no_others() -> None:
    space = space_of(Chain)
    own = Chain()
    network = space.network([1, 2, 0], weights=own)
    assert (network.stem.weight == own.stem.weight).all()
    assert not [m for m in network.modules() if "nasurge" in type(m).__module__]
    for other in (nn.Linear(2, 2), network, nn.Sequential(Chain())):
        with pytest.raises(ParameterError, match="is no model of space 'Chain', they differ in"):
            space.network([1, 2, 0], weights=other)


def test_a_wrong_string_is_answered_with_an_architecture() -> None:
    with pytest.raises(ArchitectureError) as caught:
        space_of(Chain).parse(["nothing"])
    assert "tensor" not in str(caught.value)


def test_variables_follow_from_the_model() -> None:
    space = space_of(Elastics, example=MODELS[Elastics])
    assert space.variables[:3] == ("width", "stage", "expansion")
    assert space.fields[3:6] == ("stage.blocks.kernel_size",) * 3
    code = space.parse("width=8, stage=0, inputs=0+2")[0]
    assert space.format(code[None]) == ["width=8,stage=0,inputs=0+2"]
    assert ["input", "width"] in space.graph["edges"]
    assert ["inputs", "0", "width"] in space.graph["opens"]
    assert len(space.network(code).stage) == 0


def test_what_an_option_holds_is_conditional() -> None:
    space = space_of(Signals)
    assert space.size == 3
    assert space.variables == ("block", "block.options.1.0.out_channels")
    assert space.format([[0, 0], [1, 1]]) == [
        "block=skip",
        "block=deep,block.options.1.0.out_channels=6",
    ]


def test_choices_of_one_name_are_one_decision() -> None:
    def option() -> Choice:
        return Choice(a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 3, 3, padding=1), name="op")

    space = space_of(nn.Sequential(option(), option()))
    assert space.variables == ("op",)
    assert [layer.kernel_size for layer in space.network([1])] == [(3, 3)] * 2


def test_arguments_by_name_are_followed() -> None:
    class Named(Chain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            for block in self.blocks:
                x = x + block(input=x)
            return self.head(x)

    def option() -> Choice:
        return Choice(a=nn.Identity(), b=nn.Conv2d(8, 8, 1))

    model = Named()
    model.blocks = nn.ModuleList([option(), option()])
    space = space_of(model)
    assert ["blocks.0", "blocks.1"] in space.graph["edges"]
    assert ["input", "blocks.1"] in space.graph["edges"]  # around the first


def test_the_user_model_is_left_alone() -> None:
    model = Elastics()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    space_of(model, example=MODELS[Elastics])
    assert type(model.norm) is nn.BatchNorm2d
    assert all((model.state_dict()[name] == value).all() for name, value in before.items())
    assert model.training


def test_inputs_that_no_path_uses_are_dead() -> None:
    space = space_of(Elastics, example=MODELS[Elastics])
    [graph] = space.parse(["width=8,stage=0,inputs=0"])
    mask = space.graphs(graph[None]).mask[0]
    alive = [name for name, on in zip(space.variables, mask[2:], strict=True) if on]
    assert alive == ["width", "inputs"]


def test_a_flow_that_leaves_pytorch_is_a_chain_and_said_so() -> None:
    class Detour(Chain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.blocks(self.stem(x))
            return self.head(torch.from_numpy(x.detach().numpy().copy()))

    with pytest.warns(UserWarning, match="could not be followed"):
        space = space_of(Detour)
    assert space.wiring is None
    assert space.size == 27


def test_networks_of_other_images_are_refused() -> None:
    space = space_of(Chain)
    with pytest.raises(ParameterError, match="takes 3 channels, these images have 1"):
        space.networks([0, 0, 0], classes=10, in_channels=1)
    with pytest.raises(ParameterError, match="these images have 7 classes"):
        space.networks([0, 0, 0], classes=7, in_channels=3)


def test_the_page_of_the_guide_runs_as_it_stands() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "guide" / "models.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "models.md", "exec"), names)  # noqa: S102 -- our own page
    assert "Net: 6 variables, 729 architectures" in printed.getvalue()
    assert set(names["costs"]) == {"flops", "parameters"}
