"""Networks of cells: published sizes and costs, only live edges computed, any small image."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nasurge.benchmarks.studies import SupernetRecipe
from nasurge.benchmarks.supernet import Supernet
from nasurge.benchmarks.training import Recipe
from nasurge.data.networks import build_network, count_flops, count_parameters, network_costs
from nasurge.data.spaces import CellSpace, Operation, make_space
from nasurge.errors import ArchitectureError, ParameterError

NB201 = make_space("nb201")
TRANSNAS = make_space("transnas-micro")
NONE, SKIP, CONV1, CONV3, POOL = range(5)

# (base, per 1x1, per 3x3, per pool); base: stem, reductions and classifier. Published, CIFAR-10.
MEGA_PARAMETERS = (0.07331, 0.0280, 0.24304, 0.0)
MEGA_FLOPS = (7.94388, 4.36224, 35.81952, 1.29024)

CODES = np.concatenate([np.repeat(np.arange(5)[:, None], 6, axis=1), NB201.sample(6, seed=0)])


def expected(code: np.ndarray, terms: tuple[float, ...]) -> float:
    counts = np.array([1, *(np.sum(code == kind) for kind in (CONV1, CONV3, POOL))])
    return float(counts @ np.array(terms))


def small(code, space=NB201, **options) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return build_network(space, code, classes=3, in_channels=1, width=4, cells=1, **options)


@pytest.fixture(autouse=True)
def own_random_state():
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize("code", CODES, ids=str)
def test_parameters_follow_the_published_costs(code) -> None:
    network = build_network(NB201, code, classes=10)
    count = count_parameters(network) / 1e6
    assert count == pytest.approx(expected(code, MEGA_PARAMETERS), abs=5e-5)


@pytest.mark.parametrize(
    "code", [[3] * 6, [1] * 6, [4, 2, 1, 2, 1, 1], [3, 3, 3, 1, 3, 2]], ids=str
)
def test_flops_follow_the_published_costs(code) -> None:
    flops = count_flops(build_network(NB201, code, classes=10), (3, 32, 32)) / 1e6
    assert flops == pytest.approx(expected(np.array(code), MEGA_FLOPS), abs=0.0012)


@pytest.mark.reference
def test_parameters_and_flops_of_200_cells_are_those_of_the_table() -> None:
    if "NASURGE_DATA" not in os.environ:
        pytest.skip("NASURGE_DATA is not set")
    table = pd.read_csv(Path(os.environ["NASURGE_DATA"]) / "nb201.csv.gz")
    codes = NB201.parse(table["arch"].tolist())
    whole = NB201.graphs(codes).mask.all(axis=1)
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [rng.choice(np.flatnonzero(whole), 100), rng.choice(np.flatnonzero(~whole), 100)]
    )
    parameters = network_costs(NB201, codes[rows], "parameters")
    np.testing.assert_allclose(parameters, table["params_M"][rows], atol=5e-5)
    # The table also counts the edges that no data passes, and so do the costs of codes.
    costs = network_costs(NB201, codes[rows], "flops")
    np.testing.assert_allclose(costs, table["flops_M"][rows], atol=0.0012)
    for i in range(0, len(rows), 20):
        network = build_network(NB201, codes[rows[i]], classes=10)
        assert count_parameters(network) / 1e6 == pytest.approx(parameters[i])
        flops = count_flops(network, (3, 32, 32)) / 1e6
        assert flops == pytest.approx(costs[i]) if whole[rows[i]] else flops <= costs[i] + 1e-9


def test_dead_edges_have_parameters_but_no_cost() -> None:
    # Edge 0-1 leads nowhere: 1-2 and 1-3 are cut.
    dead, without = [CONV3, SKIP, NONE, NONE, NONE, CONV1], [NONE, SKIP, NONE, NONE, NONE, CONV1]
    assert count_parameters(small(dead)) > count_parameters(small(without))
    shape = (1, 8, 8)
    assert count_flops(small(dead), shape) == count_flops(small(without), shape)


def test_a_dead_edge_learns_nothing() -> None:
    network = small([CONV3, SKIP, NONE, NONE, NONE, CONV1])
    network(torch.randn(4, 1, 8, 8)).sum().backward()
    without = {name for name, weight in network.named_parameters() if weight.grad is None}
    assert without
    assert all(".edges.0-1." in name for name in without)


def test_a_cell_without_a_path_answers_every_image_alike() -> None:
    network = small([CONV3, CONV3, CONV3, NONE, NONE, NONE]).eval()
    logits = network(torch.randn(5, 1, 8, 8))
    assert torch.equal(logits, logits[:1].expand(5, 3))


def test_cells_sum_their_live_edges() -> None:
    # Three skips into the output and through both inner nodes: x + x + x + x = 4 x.
    network = small([SKIP, NONE, SKIP, SKIP, SKIP, SKIP])
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(network[1](x), 3 * x)
    assert torch.equal(small([SKIP] * 6)[1](x), 4 * x)


def test_average_pooling_leaves_padding_out() -> None:
    x = torch.ones(1, 4, 5, 5)
    assert torch.equal(small([NONE, NONE, NONE, POOL, NONE, NONE])[1](x), x)


def test_cells_of_the_same_function_give_the_same_output() -> None:
    # A skip through node 1 or straight: the same sum of the same convolution.
    first = small([SKIP, NONE, NONE, NONE, CONV3, NONE]).eval()
    second = small([NONE, NONE, NONE, CONV3, NONE, NONE]).eval()
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("side", [1, 4, 7, 8, 28, 32])
def test_any_image_size_works(side) -> None:
    assert small([CONV3, POOL, SKIP, CONV1, NONE, POOL])(torch.randn(2, 1, side, side)).shape == (
        2,
        3,
    )


def test_transnas_cells_are_built_with_their_own_names() -> None:
    network = small(TRANSNAS.parse("64-41414-1_23_012")[0], TRANSNAS)
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 3)
    # zero, skip, 1x1, 3x3 are the same four operations under other names.
    same = small([SKIP, CONV1, CONV3, NONE, SKIP, CONV1])
    assert count_parameters(network) == count_parameters(same)


def test_affine_is_the_only_difference_it_makes() -> None:
    plain = [name for name, _ in small([3] * 6, affine=False).named_parameters()]
    full = [name for name, _ in small([3] * 6).named_parameters()]
    assert set(plain) < set(full)


def test_plain_reductions_leave_the_work_to_the_cells() -> None:
    """A pooling and a 1x1 convolution instead of the residual block, in supernets as well."""
    code = [CONV3] * 6
    plain = small(code, reduction="plain")
    missing = sum((2 * w) * w * 9 + (2 * w) ** 2 * 9 + 2 * 4 * w for w in (4, 8))
    gained = sum(2 * 2 * w for w in (4, 8))  # a normalisation of its own
    assert count_parameters(small(code)) - count_parameters(plain) == missing - gained
    x = torch.randn(2, 1, 9, 9)
    assert plain.eval()(x).shape == (2, 3)
    shared = Supernet(NB201, classes=3, in_channels=1, width=4, cells=1, reduction="plain", seed=0)
    assert torch.equal(shared.eval()(x, code), shared.extract(code).eval()(x))
    assert Recipe(reduction="plain", width=4).skeleton["reduction"] == "plain"
    for wrong in (
        lambda: small(code, reduction="none"),
        lambda: Supernet(NB201, classes=3, reduction="none"),
        lambda: Recipe(reduction="none"),
        lambda: SupernetRecipe(reduction="none"),
    ):
        with pytest.raises(ParameterError, match="reduction must be one of residual, plain"):
            wrong()


def test_counting_leaves_the_network_alone() -> None:
    network = small([3] * 6)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert count_flops(network, (1, 8, 8)) == count_flops(network, (1, 8, 8))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_bad_arguments() -> None:
    with pytest.raises(ParameterError, match="not one"):
        build_network(make_space("nbgraph"), [0] * 6, classes=2)
    with pytest.raises(ArchitectureError, match="allowed 0 to 4"):
        build_network(NB201, [9] * 6, classes=2)
    for name in ("classes", "in_channels", "width", "cells"):
        with pytest.raises(ParameterError, match=f"{name} must be at least 1, not 0"):
            build_network(NB201, [1] * 6, **{"classes": 2, name: 0})


MOBILE = make_space("mobile")


@pytest.mark.parametrize("code", [[0] * 8, [1] * 8, [2] * 8, [1, 0, 2, 0, 1, 2, 0, 0]], ids=str)
@pytest.mark.parametrize("side", [1, 7, 8, 32])
def test_networks_of_mobile_take_any_image_size(code, side) -> None:
    network = small(code, MOBILE)
    assert network(torch.randn(2, 1, side, side)).shape == (2, 3)


def test_an_inverted_residual_has_its_published_parts() -> None:
    network = build_network(MOBILE, [1] + [0] * 7, classes=10)
    convolutions = [layer for layer in network[1].modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.groups) for c in convolutions] == [
        (16, 48, 1, 1),
        (48, 48, 3, 48),
        (48, 16, 1, 1),
    ]
    # A skip is the identity in a stage, a projection between two.
    assert isinstance(network[2], torch.nn.Identity)
    assert count_parameters(network[3]) == 16 * 32 + 2 * 32


def test_networks_of_mobile_with_the_same_function_give_the_same_output() -> None:
    first, second = small([1, 0] + [0] * 6, MOBILE), small([0, 1] + [0] * 6, MOBILE)
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(first(x), second(x))


def test_the_costs_of_mobile_are_those_of_its_networks() -> None:
    codes = np.concatenate([MOBILE.sample(4, seed=0), [[0] * 8, [2] * 8]])
    for cost, count in (("parameters", count_parameters), ("flops", None)):
        costs = network_costs(MOBILE, codes, cost)
        for code, value in zip(codes, costs, strict=True):
            network = build_network(MOBILE, code, classes=10)
            own = count(network) if count else count_flops(network, (3, 32, 32))
            assert value == pytest.approx(own / 1e6)


def test_an_unknown_operation_is_named() -> None:
    class Strange(type(NB201)):
        name = "strange"
        operations = (*NB201.operations[:4], Operation("attention", "conv"))

    assert isinstance(Strange(), CellSpace)
    with pytest.raises(ParameterError, match=r"attention .*nor_conv_3x3"):
        build_network(Strange(), [1] * 6, classes=2)
