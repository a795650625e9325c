"""The example models of the documentation are spaces whose networks are plain PyTorch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import nasurge
from nasurge.benchmarks.metrics import kendall_tau
from nasurge.data.networks.choices import select
from nasurge.nn import space_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
MODELS = {
    "vision_transformer": ("VisionTransformer", (1, 8, 8)),
    "u_net": ("UNet", (3, 16, 16)),
    "signals": ("SignalNet", (3, 64)),
    "colour": ("Net", (3, 32, 32)),
    "my_model": ("Net", (1, 8, 8)),
}


def load(name: str, folder: Path) -> Any:
    """Module of an example; ``my_model`` stands in the page on models of one's own."""
    path = DOCS / "example_models" / f"{name}.py"
    if name == "my_model":
        page = (DOCS / "guide" / "how-to" / "your-model.md").read_text(encoding="utf-8")
        path = folder / "my_model.py"
        path.write_text(re.search(r"```python\n(# my_model.py\n.*?)```", page, re.DOTALL)[1])
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=MODELS)
def space(request, tmp_path_factory) -> Any:
    name, shape = MODELS[request.param]
    made = load(request.param, tmp_path_factory.mktemp("model"))
    return space_of(getattr(made, name), example=torch.zeros(2, *shape))


def test_networks_are_plain_and_cost_what_is_said(space) -> None:
    codes = space.sample(50, seed=0, unique=True)
    costs = space.costs(codes)
    model = space.fresh().eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # other than what they begin as
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    x = torch.rand(2, *space.example_input.shape[1:])
    for code, flops, parameters in zip(codes, costs["flops"], costs["parameters"], strict=True):
        network = space.network(code, weights=model).eval()
        assert not [m for m in network.modules() if "nasurge" in type(m).__module__]
        assert sum(p.numel() for p in network.parameters()) == round(parameters * 1e6)
        # Attention in one kernel of the CPU is not counted by PyTorch, its products are.
        with (
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            network(x[:1])
        assert counter.get_total_flops() == round(2e6 * flops)
        select(model, space.selection(code))
        with torch.no_grad():
            torch.testing.assert_close(network(x), model(x), rtol=1e-4, atol=1e-5)


def test_a_network_trains_with_new_weights(space) -> None:
    network = space.network(space.sample(1, seed=1)[0])
    network(torch.rand(4, *space.example_input.shape[1:])).square().mean().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", ["gp", "xgb", "gin"])
def test_predictors_learn_on_it(space, name: str) -> None:
    codes = space.sample(50, seed=0, unique=True)
    values = np.log(space.costs(codes)["flops"])
    options = {"steps": 100} if name == "gin" else {}
    predictor = nasurge.make_predictor(name, space, seed=0, **options)
    predicted = predictor.fit(codes[:35], values[:35]).predict(codes[35:])
    assert kendall_tau(values[35:], predicted) > 0.2


def test_prednas_searches_it(space) -> None:
    found = nasurge.search(
        lambda codes: -space.costs(codes)["parameters"],
        space=space,
        searcher="prednas",
        budget=14,
        seed=0,
    )
    drawn = -space.costs(space.sample(50, seed=0, unique=True))["parameters"]
    assert found.best().value > np.median(drawn)


def test_attention_is_counted_where_only_the_model_itself_can_be_computed(space) -> None:
    other = space_of(space.maker, example=space.example_input)
    other.__dict__["_shapes"] = (other.model, other.example_input)
    codes = space.sample(3, seed=0)
    assert other.costs(codes)["flops"].tolist() == space.costs(codes)["flops"].tolist()


def test_its_picture_shows_the_flow_of_data(space) -> None:
    axis = space.plot().axes[-1]
    chain = space.name == "Net"  # a chain needs no graph
    assert axis.get_title(loc="left").startswith("the flow of data") is not chain
    if not chain:
        written = [text.get_text() for text in axis.texts]
        assert {"input", "output"} <= set(written)
        assert len([text for text in written if text]) == 2 + space.n_variables


def test_costs_by_parts_are_those_of_the_whole_network(space) -> None:
    codes = space.sample(60, seed=3, unique=True)
    costs = space.costs(codes)
    assert space._counts._parts is not None
    for row in range(45, 60):
        flops, parameters = space._counts._whole(space.selection(codes[row]))
        assert (flops / 1e6, parameters / 1e6) == (costs["flops"][row], costs["parameters"][row])
