"""What graph predictors add to the contract: soft graphs, gradients, uncertainty."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from nasurge.data.spaces import Space, make_space
from nasurge.errors import NotFittedError, ParameterError
from nasurge.predictors.graph.layers import Gated
from nasurge.predictors.graph.soft_graphs import Kinds, SoftGraphs, soft_graphs
from nasurge.registry import make_predictor
from nasurge.testing.predictor import check_std

FAMILY = ["gin", "gcn", "gat", "gated-gcn", "gates", "flan", "transformer"]
NB201 = make_space("nb201")
SMALL = {"steps": 10, "width": 16, "layers": 2, "seed": 0}
NONE, SKIP, CONV1, CONV3, POOL = range(5)


def tensors(space: Space, codes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    graphs = space.graphs(codes)
    nodes = one_hot(torch.as_tensor(graphs.nodes), len(space.node_types)).float()
    adjacency = torch.as_tensor(graphs.adjacency.astype(np.float32))
    return nodes, adjacency, torch.as_tensor(graphs.mask.astype(np.float32))


def frame(codes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Node types of NAS-Bench-201 cells, zeros among them, on the flow of the full cell."""
    full = np.full((1, 6), CONV3)
    nodes = one_hot(torch.as_tensor(codes.astype(np.int64)) + 2, 7).float()
    ends = torch.eye(7)[:2].expand(len(codes), 2, 7)
    return torch.cat([ends, nodes], dim=1), tensors(NB201, full)[1].expand(len(codes), 8, 8)


def soft(space: Space, codes: np.ndarray) -> SoftGraphs:
    return soft_graphs(*tensors(space, codes), Kinds.of(space, "cpu"))


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    codes = NB201.sample(40, seed=0)
    return codes, (codes == CONV3).sum(axis=1) + 0.1 * codes[:, 0]


def test_skips_are_bridged_and_dead_operations_fade() -> None:
    # Edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3: a convolution, then skips to the output; the pool on 0-2
    # reaches the output as well, and the convolution on 0-3 is cut.
    graphs = soft(NB201, np.array([[CONV3, POOL, SKIP, NONE, SKIP, SKIP]]))
    assert graphs.live[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    flow = torch.zeros(8, 8)
    flow[0, 2] = flow[0, 3] = flow[3, 1] = 1
    flow[2, 1] = 2  # by node 2 and directly
    assert torch.equal(graphs.flow[0], flow)
    reach = flow.clamp(max=1)
    reach[0, 1] = 1
    assert torch.equal(graphs.reach[0], reach)
    dead = soft(NB201, np.array([[CONV3, NONE, NONE, SKIP, NONE, CONV3]]))
    assert dead.live[0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_path_sums_lie_between_the_shortest_and_the_longest_path() -> None:
    # One path of three 3x3 convolutions, one of a single one.
    codes = np.array([[CONV3, NONE, CONV3, CONV3, NONE, CONV3]])
    kinds = Kinds.of(NB201, "cpu")
    sums = soft(NB201, codes).sums[0]
    n_measures = kinds.lengths.shape[1]
    assert sums[0].item() == pytest.approx(np.log(2), abs=1e-4)
    powers = (-3, -1, 1, 3)
    conv3 = [k for k in range(n_measures) if torch.equal(kinds.lengths[:, k], torch.eye(7)[5])]
    for k in conv3:
        for i, b in enumerate(powers):
            expected = np.log(np.exp(3 * b) + np.exp(b)) / b
            assert sums[1 + 4 * k + i].item() == pytest.approx(expected, abs=2e-2)
    assert conv3


@pytest.mark.parametrize("name", FAMILY)
def test_one_hot_graphs_score_as_predicted(name: str, labelled) -> None:
    codes, y = labelled
    predictor = make_predictor(name, NB201, labels="standardised", **SMALL).fit(codes, y)
    scores = predictor.predict(codes)
    canonical = NB201.canonical(codes)
    with torch.no_grad():
        masked = predictor.score_graphs(*tensors(NB201, canonical))
        # Zeros as soft types on the flow of the full cell mean what cut edges mean.
        framed = predictor.score_graphs(*frame(canonical))
    units = predictor.label_transform_.inverse
    assert np.allclose(units(masked.double().numpy()), scores, atol=1e-4)
    assert np.allclose(units(framed.double().numpy()), scores, atol=1e-4)


@pytest.mark.parametrize("name", FAMILY)
def test_gradients_flow_to_the_node_types(name: str, labelled) -> None:
    predictor = make_predictor(name, NB201, **SMALL).fit(*labelled)
    generator = torch.Generator().manual_seed(0)
    nodes, flow = frame(np.zeros((3, 6), dtype=np.int8))
    logits = torch.randn(3, 6, 5, generator=generator, dtype=torch.float32)
    logits.requires_grad_()

    def score(logits: torch.Tensor) -> torch.Tensor:
        soft_types = torch.nn.functional.pad(logits.softmax(dim=2), (2, 0))
        return predictor.score_graphs(torch.cat([nodes[:, :2], soft_types], dim=1), flow)

    (gradient,) = torch.autograd.grad(score(logits).sum(), logits)
    assert torch.isfinite(gradient).all()
    assert (gradient.abs().amax(dim=2) > 0).all(), "an operation has no gradient"
    with torch.no_grad():
        step = 1e-2 * gradient / gradient.norm()
        rise = (score(logits + step).sum() - score(logits - step).sum()) / 2
    assert rise.item() == pytest.approx(1e-2 * gradient.norm().item(), rel=0.1)


@pytest.mark.parametrize("name", FAMILY)
def test_gradients_are_finite_at_the_corners(name: str, labelled) -> None:
    predictor = make_predictor(name, NB201, **SMALL).fit(*labelled)
    codes = np.array([[NONE] * 6, [SKIP] * 6, [CONV3] * 6, [NONE, SKIP, POOL, CONV1, CONV3, NONE]])
    nodes, flow = frame(codes)
    nodes.requires_grad_()
    (gradient,) = torch.autograd.grad(predictor.score_graphs(nodes, flow).sum(), nodes)
    assert torch.isfinite(gradient).all()


def test_wrong_graphs_are_errors(labelled) -> None:
    gin = make_predictor("gin", NB201, **SMALL)
    nodes, adjacency, mask = tensors(NB201, labelled[0])
    with pytest.raises(NotFittedError):
        gin.score_graphs(nodes, adjacency)
    gin.fit(*labelled)
    with pytest.raises(ParameterError, match="7"):
        gin.score_graphs(nodes[:, :, :-1], adjacency)
    with pytest.raises(ParameterError, match="adjacency"):
        gin.score_graphs(nodes, adjacency[:-1], mask)


@pytest.mark.parametrize("parameters", [{"members": 3}, {"dropout_samples": 8}], ids=str)
def test_uncertainty_keeps_the_contract(parameters, labelled) -> None:
    make = partial(make_predictor, "gin", NB201, **{k: v for k, v in SMALL.items() if k != "seed"})
    codes, y = labelled
    check_std(partial(make, **parameters), codes, y)
    predictor = make(seed=0, **parameters).fit(codes, y)
    _, std = predictor.predict(codes, return_std=True)
    assert (std > 0).any()
    if "dropout_samples" in parameters:
        # The same units drop for all: a score does not depend on what else is asked.
        assert np.allclose(predictor.predict(codes[:3], return_std=True)[1], std[:3], rtol=1e-3)
        plain = make(seed=0, dropout_samples=0).fit(codes, y)
        assert plain.predict(codes).shape == y.shape


def test_a_single_network_offers_no_standard_deviation(labelled) -> None:
    gin = make_predictor("gin", NB201, **SMALL).fit(*labelled)
    with pytest.raises(ParameterError, match="standard deviations"):
        gin.predict(labelled[0], return_std=True)


def test_members_differ_and_their_mean_is_the_score(labelled) -> None:
    codes, y = labelled
    gin = make_predictor("gin", NB201, labels="standardised", members=3, **SMALL).fit(codes, y)
    with torch.no_grad():
        votes = gin.module_(*gin._tensors(NB201.canonical(codes))).double().numpy()
    assert votes.shape == (3, len(codes))
    assert votes.std(axis=0).max() > 1e-3
    offset, slope = gin.line_
    expected = gin.label_transform_.inverse(offset + slope * votes.mean(axis=0))
    assert np.allclose(expected, gin.predict(codes), atol=1e-4)


@pytest.mark.parametrize("loss", ["hinge", "listmle", "warp", "bce-rank"])
def test_scores_of_a_ranking_loss_have_the_unit_of_the_labels(loss: str, labelled) -> None:
    codes, y = labelled
    parameters = SMALL | {"steps": 60}
    gin = make_predictor("gin", NB201, loss=loss, labels="standardised", **parameters)
    scores = gin.fit(codes, 100 + 10 * y).predict(codes)
    assert scores.mean() == pytest.approx(100 + 10 * y.mean(), abs=0.1)
    # A least-squares line never spreads more than what it fits, and here it fits well.
    assert 0.6 < scores.std() / (10 * y.std()) <= 1.001


def test_long_graphs_are_gated_connection_by_connection() -> None:
    generator = torch.Generator().manual_seed(0)
    layer, states = Gated(8), torch.randn(5, 40, 8, generator=generator)
    flow = (torch.rand(5, 40, 40, generator=generator) < 0.05).float().triu(1)
    sparse = layer(states, flow, states)
    dense = layer(states, flow.clone().requires_grad_(), states)
    assert torch.allclose(sparse, dense, atol=1e-6)
