"""Features, relaxations and predictors of spaces with ordered and conditional variables."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from nasurge import Space, choice, ordered, repeat
from nasurge.data.encoders import Common, Connections, OneHot, Paths, Structure
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.errors import ParameterError
from nasurge.predictors.graph.one_flow import ChosenNodes, SharedNodes, one_flow, one_flow_sums
from nasurge.predictors.graph.soft_graphs import Kinds, soft_graphs, soft_sums
from nasurge.predictors.processes import feature_groups
from nasurge.predictors.relaxed import SoftNumbers, relaxation
from nasurge.registry import make_predictor, make_searcher
from nasurge.search.loop import run
from nasurge.search.searchers import Constraints
from nasurge.search.searchers.ascent import nearest_codes

CHAIN = Space(
    {
        "depth": ordered(2, 3, 4),
        "width": [0.5, 1, 2],
        "op{1..4}": choice("conv3", "mb6", "id", skip="id", active="depth >= {i}"),
    },
    name="chain",
)
LAYER = {"kernel": [3, 5, 7], "expand": [3, 4, 6]}
STAGES = Space(
    {"resolution": range(128, 225, 4)}
    | {f"stage{k}": repeat(2, 3, 4, of=LAYER) for k in range(1, 6)},
    name="stages",
)
WIDE = Space(
    {
        "units": ordered(range(1, 1001)),
        "norm": [True, False],
        "kind": ["conv", "attention"],
        "heads": ordered(1, 2, 4, 8, active={"kind": "attention"}),
        "mask": choice("full", "causal", active="kind == attention and heads >= 4 or units > 900"),
        "span": ordered(1, 3, 9, active="mask == causal"),
    },
    name="wide",
    forbidden=["kind == conv and norm == false"],
)
SPACES = {space.name: space for space in (CHAIN, STAGES, WIDE)}
ENCODERS = (OneHot, Paths, Structure, Common, Connections)
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))


def padded(space, codes, seed):
    """Other descriptions of the same architectures: inactive variables hold anything."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, space.cardinalities, codes.shape).astype(space.dtype)
    return np.where(space.active(codes), codes, noise)


def labelled(space, n):
    codes = space.sample(n, seed=0, unique=True)
    features = OneHot(space).transform(codes)
    return codes, features @ np.random.default_rng(0).normal(size=features.shape[1])


@every_space
def test_graphs_of_one_hot_shares_are_those_of_the_space(space) -> None:
    codes = space.sample(200, seed=0)
    relaxed, graphs = relaxation(space, "cpu"), space.graphs(codes)
    nodes, adjacency = relaxed.graphs(relaxed.one_hot(codes))
    assert np.array_equal(nodes.argmax(dim=2), graphs.nodes)
    assert torch.equal(nodes.amax(dim=2), torch.ones(graphs.nodes.shape))
    assert torch.equal(nodes.sum(dim=2), torch.ones(graphs.nodes.shape))
    assert np.array_equal(adjacency, graphs.adjacency)
    activity = relaxed.activity(relaxed.one_hot(codes))
    assert np.array_equal(activity, space.active(codes))


@every_space
def test_every_node_of_a_mixture_has_types_that_sum_to_one(space) -> None:
    relaxed = relaxation(space, "cpu")
    logits = torch.randn(50, relaxed.size, generator=torch.Generator().manual_seed(0))
    nodes, _ = relaxed.graphs(relaxed.softmax(logits))
    assert torch.allclose(nodes.sum(dim=2), torch.ones(nodes.shape[:2]), atol=1e-5)
    assert (nodes >= 0).all()


def test_a_variable_is_as_active_as_its_parents_allow() -> None:
    relaxed = relaxation(CHAIN, "cpu")
    shares = relaxed.softmax(torch.zeros(1, relaxed.size))
    expected = [1, 1, 1, 1, 2 / 3, 1 / 3]  # of depth 2, 3 and 4, a third each
    assert np.allclose(relaxed.activity(shares)[0], expected, atol=1e-6)
    relaxed = relaxation(WIDE, "cpu")
    activity = relaxed.activity(relaxed.softmax(torch.zeros(1, relaxed.size)))[0]
    mask = 1 - (1 - 0.5 * 0.5 * 0.5) * (1 - 0.1)  # attention twice, as heads depend on it too
    assert np.allclose(activity, [1, 1, 1, 0.5, mask, mask / 2], atol=1e-5)


def test_chained_tests_of_one_variable_are_one_test() -> None:
    space = Space({"n": [1, 2, 3, 4], "op": choice("a", "b", active="2 <= n <= 3 or n == 4")})
    relaxed = relaxation(space, "cpu")
    assert relaxed.activity(relaxed.softmax(torch.zeros(1, 6)))[0, 1] == pytest.approx(0.75)


@every_space
@pytest.mark.parametrize("encoder", ENCODERS)
def test_two_descriptions_of_one_architecture_have_the_same_features(space, encoder) -> None:
    codes = space.sample(60, seed=1)
    features = encoder(space).transform(codes)
    assert np.array_equal(features, encoder(space).transform(padded(space, codes, 2)))
    assert features.shape[1] == len(encoder(space).get_feature_names_out())
    if encoder is not Connections:  # it squares the operations, and large spaces go without
        assert features.shape[1] < 300


def test_features_have_readable_names() -> None:
    assert OneHot(CHAIN).get_feature_names_out().tolist()[3:8] == [
        *("width=0.5", "width=1", "width=2", "op1=conv3", "op1=mb6")
    ]
    names = OneHot(STAGES).get_feature_names_out().tolist()
    assert "stage2_kernel_4=5" in names
    assert {"resolution (number)", "stage2_kernel_4 (number)", "kernel (mean)"} <= set(names)
    assert "live:units=251..313" in Structure(WIDE).get_feature_names_out().tolist() or any(
        name.startswith("live:units=") for name in Structure(WIDE).get_feature_names_out()
    )


def test_absent_is_marked_by_nothing_and_equally_far_from_every_value() -> None:
    rows = [{"units": 7, "norm": True, "kind": "attention", "heads": h} for h in (1, 2, 4, 8)]
    rows = [row | ({"mask": "full"} if row["heads"] >= 4 else {}) for row in rows]
    rows.append({"units": 7, "norm": True, "kind": "conv"})
    encoder = OneHot(WIDE)
    features, names = encoder.transform(WIDE.parse(rows)), list(encoder.get_feature_names_out())
    values = [k for k, name in enumerate(names) if name.startswith("heads=")]
    assert not features[4, values].any()
    numbers = features[:, [names.index("heads (number)"), names.index("heads (present)")]]
    apart = cdist(numbers, numbers)
    assert np.allclose(apart[4, :4], 1)
    assert (np.diff(apart[0, :4]) > 0).all(), "the further the number, the further apart"
    assert apart[0, 3] == pytest.approx(1)


@every_space
def test_numbers_of_one_hot_shares_are_those_of_the_encoder(space) -> None:
    codes, relaxed = space.sample(50, seed=3), relaxation(space, "cpu")
    hot = relaxed.one_hot(codes)
    numbers = SoftNumbers(relaxed)(relaxed.active_shares(hot), relaxed.activity(hot))
    encoder = OneHot(space)
    assert np.allclose(numbers, encoder.transform(codes)[:, encoder.n_values :], atol=1e-6)


def test_groups_stay_small_where_operations_are_many() -> None:
    for space in SPACES.values():
        groups = feature_groups(space, space.sample(20, seed=0), untrained=False)
        assert "numbers" in groups
        assert max(group.shape[1] for group in groups.values()) <= 200


def test_long_graphs_are_walked_once_with_the_same_result(monkeypatch) -> None:
    relaxed, kinds = relaxation(STAGES, "cpu"), Kinds.of(STAGES, "cpu")
    logits = torch.randn(5, relaxed.size, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    found = []
    for few in (10, 100):
        monkeypatch.setattr("nasurge.predictors.graph.soft_graphs.FEW_HOPS", few)
        nodes, adjacency = relaxed.graphs(relaxed.softmax(logits))
        graphs = soft_graphs(nodes, adjacency, torch.ones(nodes.shape[:2]), kinds)
        (gradient,) = torch.autograd.grad(graphs.sums.sum() + graphs.live.sum(), logits)
        found.append((graphs.sums, graphs.live, graphs.types, gradient))
    for quick, slow in zip(*found, strict=True):
        assert torch.allclose(quick, slow, atol=1e-3)


LONG = {
    "every variable sees all later ones": ProductSpace([range(10)] * 12),
    "skips": make_space("fbnet"),
    "conditions": make_space("autoformer"),
}


@pytest.mark.parametrize("space", LONG.values(), ids=LONG)
def test_sums_over_one_flow_are_those_of_its_graphs(space) -> None:
    flow, relaxed, kinds = one_flow(space, "cpu"), relaxation(space, "cpu"), Kinds.of(space, "cpu")
    assert flow is not None
    logits = torch.randn(7, relaxed.size, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    shares = relaxed.softmax(logits)
    nodes, adjacency = relaxed.graphs(shares)
    slow = soft_sums(nodes, adjacency, torch.ones(nodes.shape[:2]), kinds)
    held = SharedNodes(relaxed.node_shares(shares), *nodes.shape[1:])
    quick = one_flow_sums(held, flow, kinds)
    assert torch.allclose(quick, slow, atol=1e-4)
    weights = torch.randn(slow.shape, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad((sums * weights).sum(), logits, retain_graph=True)[0]
        for sums in (quick, slow)
    ]
    assert torch.allclose(*gradients, atol=1e-4)
    hot = relaxed.one_hot(space.canonical(space.sample(7, seed=0)))
    chosen = ChosenNodes(relaxed.graphs(hot)[0].argmax(dim=2), nodes.shape[2])
    held = SharedNodes(relaxed.node_shares(hot), *nodes.shape[1:])
    both = [one_flow_sums(kind, flow, kinds) for kind in (chosen, held)]
    assert torch.allclose(*both, atol=1e-5)


def test_short_paths_and_connections_that_differ_have_no_one_flow() -> None:
    assert one_flow(make_space("nb201"), "cpu") is None
    assert one_flow(make_space("darts"), "cpu") is None


@pytest.mark.parametrize("name", ["gp", "gp-soft", "gin"])
@every_space
def test_predictors_learn_and_know_one_architecture_from_its_descriptions(space, name) -> None:
    codes, y = labelled(space, 80)
    options = {"steps": 8, "width": 16} if name == "gin" else {}
    predictor = make_predictor(name, space, seed=0, **options).fit(codes[:60], y[:60])
    scores = predictor.predict(codes[60:])
    assert np.array_equal(scores, predictor.predict(padded(space, codes[60:], 4)))
    if name != "gin":
        assert np.corrcoef(scores, y[60:])[0, 1] > 0.5
    if name != "gp":
        hot = relaxation(space, "cpu").one_hot(codes[60:])
        relaxed = predictor.label_transform_.inverse(
            predictor.score_relaxed(hot)[0].detach().double().numpy()
        )
        assert np.allclose(relaxed, scores, atol=1e-3 * y.std())


@every_space
def test_prednas_climbs(space) -> None:
    def objective(codes):
        features = OneHot(space).transform(codes)
        return features @ np.random.default_rng(0).normal(size=features.shape[1])

    searcher = make_searcher("prednas", space, seed=0, restarts=12, steps=3)
    trace = run(searcher, objective, budget=15, batch=5)
    assert np.array_equal(space.check(trace.codes), trace.codes)
    assert len(np.unique(space.keys(trace.codes))) == 15
    drawn = objective(space.sample(15, seed=1))
    assert trace.values.max() >= np.median(drawn)


def test_rounding_leaves_inactive_variables_at_zero() -> None:
    relaxed = relaxation(CHAIN, "cpu")
    logits = torch.randn(300, relaxed.size, generator=torch.Generator().manual_seed(0))
    codes = nearest_codes(relaxed, logits)
    assert np.array_equal(codes, CHAIN.check(codes))
    assert len(np.unique(codes, axis=0)) < 300
    assert nearest_codes(relaxation(WIDE, "cpu"), torch.eye(1013)).max() > 500


def test_a_cost_of_active_layers_is_seen_exactly_by_ascents() -> None:
    def layers(codes):
        return CHAIN.active(codes)[:, 2:].sum(axis=1).astype(float)

    limits = Constraints(CHAIN, {"layers": (0.0, 0.0)}, {"layers": layers})
    codes = CHAIN.sample(100, seed=0)
    hot = relaxation(CHAIN, "cpu").one_hot(codes)
    told = limits.violation(hot).detach().numpy() * limits._models["layers"].deviation
    assert np.allclose(told, layers(codes), atol=1e-5)


def test_shares_of_another_space_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"\(n, 18\)"):
        relaxation(CHAIN, "cpu").graphs(torch.zeros(2, 5))
