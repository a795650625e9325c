"""Zero-cost proxies: by hand and by slow formulas, on any network, cached, as features."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from processes import Process, run_code
from sklearn.base import clone
from torch import nn
from torch.nn import functional

import nasurge
from nasurge.data.files import home
from nasurge.data.networks import build_network, computed, count_flops, count_parameters, proxies
from nasurge.data.networks import zero_cost_scores as zero_cost
from nasurge.data.networks.zero_cost_scores import (
    PROXIES,
    SYNTHETIC,
    ZeroCost,
    default_batch,
    normal_scores,
)
from nasurge.data.spaces import make_space
from nasurge.errors import ArchitectureError, DeviceError, ParameterError

NB201 = make_space("nb201")
TINY = {"width": 2, "cells": 1}
BATCH = default_batch(8, 4)
DISCONNECTED = [3, 3, 3, 0, 0, 0]


def compute(codes, **options):
    images, labels = BATCH
    given = {"images": images, "labels": labels, "device": "cpu", **TINY, **options}
    return zero_cost.zero_cost(NB201, codes, **given)


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield build_network(NB201, [3, 2, 1, 0, 4, 3], classes=2, width=3, cells=1)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 3, 8, 8, generator=generator), torch.arange(8) // 4


@pytest.fixture
def linear():
    """Two linear layers, weights given by hand, a normalisation that must not count between."""
    with torch.random.fork_rng():
        made = nn.Sequential(
            nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 1)
        )
    with torch.no_grad():
        made[0].weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
        made[3].weight.copy_(torch.tensor([-3.0, 0.5]).view(1, 2, 1, 1))
    return made


def test_synflow_of_two_layers_by_hand(linear) -> None:
    # The linear network's output is 1*3 + 2*0.5 = 4 at each of 4 places, and each layer's weights
    # times gradients sum to it: 2 * 4 * 4.
    before = [parameter.detach().clone() for parameter in linear.parameters()]
    assert proxies.synflow(linear, (1, 2, 2)) == pytest.approx(np.log(32))
    assert isinstance(linear[1], nn.BatchNorm2d)
    assert all(torch.equal(a, b) for a, b in zip(before, linear.parameters(), strict=True))


def test_synflow_of_a_deep_network_does_not_overflow() -> None:
    code = NB201.canonical([[3, 3, 3, 3, 3, 3]])[0]
    with torch.random.fork_rng():
        deep = build_network(NB201, code, classes=10, width=16, cells=5)
    assert 60 < proxies.synflow(deep, (3, 32, 32)) < 700


def test_gradient_proxies_are_those_of_autograd(network, batch) -> None:
    images, labels = batch
    found = proxies.proxy_values(network, images, labels)
    # The values were taken before zen gave new weights, so that they are drawn once more.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        again = build_network(NB201, [3, 2, 1, 0, 4, 3], classes=2, width=3, cells=1)
    weights = [m.weight for m in again.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    functional.cross_entropy(again(images), labels).backward()
    gradients = [w.grad for w in weights]
    pairs = list(zip(weights, gradients, strict=True))
    expected = {
        "snip": sum((w * g).abs().sum().item() for w, g in pairs),
        "plain": sum((w * g).sum().item() for w, g in pairs),
        "grad_norm": sum(g.square().sum().sqrt().item() for g in gradients),
        "l2_norm": sum(w.square().sum().sqrt().item() for w in weights),
        "params": count_parameters(again),
        "flops": count_flops(again, (3, 8, 8)),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_grasp_is_a_difference_of_gradients(network, batch) -> None:
    # H g is how the gradient changes on a small step along g.
    images, labels = batch
    network = network.double()
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]

    def gradients():
        loss = functional.cross_entropy(network(images.double()), labels)
        return torch.autograd.grad(loss, weights)

    found = proxies.proxy_values(network, images.double(), labels, ["grasp"])["grasp"]
    step, here = 1e-7, gradients()
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, gradient in zip(weights, here, strict=True):
            weight += step * gradient
    products = [(b - a) / step for a, b in zip(here, gradients(), strict=True)]
    slow = -sum((w * p).sum().item() for w, p in zip(kept, products, strict=True))
    assert found == pytest.approx(slow, rel=1e-3)


def test_fisher_by_hand() -> None:
    # Two images, one channel of two places: sums of activation times gradient are 5 and -1.
    activations = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 0.0]]]])
    gradients = torch.tensor([[[[1.0, 2.0]]], [[[-1 / 3, 7.0]]]])
    assert proxies.fisher([activations], [gradients]) == pytest.approx((25 + 1) / 2 / 2)
    flat = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert proxies.fisher([flat], [torch.ones(2, 2)]) == pytest.approx((4 + 1) / 2 / 2)


def test_the_kernel_of_nwot_counts_equal_signs(network, batch) -> None:
    images, labels = batch
    signs = []
    hooks = [
        module.register_forward_hook(lambda m, given, r: signs.append(given[0].flatten(1) > 0))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    codes = torch.cat(signs, dim=1).numpy()
    agreement = np.array([[(a == b).sum() for b in codes] for a in codes], dtype=float)
    expected = np.log(np.linalg.det(agreement / 50 + np.eye(8) / 50)) + 8 * np.log(50)
    found = proxies.proxy_values(network, images, labels, ["nwot"])
    assert found["nwot"] == pytest.approx(expected, rel=1e-6)


def test_jacov_and_epe_nas_by_hand() -> None:
    # Correlation 1 of the first two images, -1 with the third.
    rows = np.array([[1.0, 2, 3], [2, 4, 6], [3, 2, 1]])
    eigenvalues = np.array([0, 0, 3]) + 1e-5
    expected = -(np.log(eigenvalues) + 1 / eigenvalues).sum()
    assert proxies.jacov(rows) == pytest.approx(expected, rel=1e-6)
    unlike = np.array([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    assert proxies.jacov(unlike) > proxies.jacov(rows)
    # One class of two unlike images: two zeros beside the ones.
    one = abs(2 * np.log(1e-5) + 2 * np.log(1 + 1e-5))
    assert proxies.epe_nas(unlike, np.array([0, 0])) == pytest.approx(one)
    alone = 2 * abs(np.log(1 + 1e-5))
    assert proxies.epe_nas(unlike, np.array([0, 1])) == pytest.approx(alone)


def test_zen_does_not_follow_the_weights_of_before(network, batch) -> None:
    images, labels = batch
    found = []
    for factor in (1.0, 100.0):
        with torch.no_grad():
            network[0][0].weight *= factor
        with torch.random.fork_rng():
            torch.manual_seed(7)
            found.append(proxies.proxy_values(network, images, labels, ["zen"])["zen"])
    assert found[0] == found[1]


@pytest.mark.parametrize("space", ["nb201", "transnas-micro"])
def test_all_networks_have_finite_values(space) -> None:
    space = make_space(space)
    codes = np.concatenate([np.repeat(np.arange(4)[:, None], 6, axis=1), [DISCONNECTED]])
    images, labels = BATCH
    values = zero_cost.zero_cost(space, codes, images=images, labels=labels, device="cpu", **TINY)
    assert values.shape == (5, len(PROXIES))
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 1e12
    named = dict(zip(PROXIES, values.T, strict=True))
    for name in ("jacov", "nwot", "synflow", "snip", "zen", "grad_norm"):
        assert named[name][-1] == named[name].min() < named[name][3], f"{name} likes a cut cell"


def test_values_follow_the_seed_and_nothing_else() -> None:
    codes = NB201.sample(5, seed=0)
    before = torch.get_rng_state()
    values = compute(codes)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(values, compute(codes, jobs=2))
    assert np.array_equal(values[3:], compute(codes[3:]))
    assert np.array_equal(values[:, [5, 11]], compute(codes, names=[PROXIES[5], PROXIES[11]]))
    assert (values[:, PROXIES.index("snip")] != compute(codes, seed=1)[:, 10]).all()
    assert compute(codes[:0]).shape == (0, 13)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"names": ["synflo"]}, "synflow"),
        ({"names": []}, "synflow"),
        ({"names": "zen"}, "zen"),
        ({"labels": None}, "together"),
        ({"images": np.zeros((8, 4, 4))}, r"\(8, 4, 4\)"),
        ({"images": np.zeros((1, 3, 4, 4)), "labels": [0]}, "at least 2"),
        ({"images": np.full((8, 3, 4, 4), np.nan)}, "finite"),
        ({"labels": [0, 1]}, "8 labels"),
        ({"labels": np.zeros(8)}, "float64"),
        ({"labels": np.arange(8) - 1}, "from 0 on"),
        ({"width": 0}, "width"),
        ({"steps": 0}, "steps"),
    ],
)
def test_what_does_not_fit_is_refused(options, words) -> None:
    with pytest.raises(ParameterError, match=words):
        compute(NB201.sample(2, seed=0), **options)


def test_other_refusals_name_the_culprit() -> None:
    with pytest.raises(ArchitectureError, match="row 0"):
        compute([[9] * 6])
    with pytest.raises(DeviceError, match="cuda:77"):
        compute(NB201.sample(2, seed=0), device="cuda:77")
    with pytest.raises(ParameterError, match="batch must be a whole number of at least 2"):
        ZeroCost(NB201, batch=1).fit_transform(NB201.sample(2, seed=0))
    with pytest.raises(ParameterError, match="nbgraph"):
        zero_cost.zero_cost(make_space("nbgraph"), make_space("nbgraph").sample(1, seed=0))
    with pytest.raises(ParameterError, match="synflow"):
        ZeroCost(NB201, names=("synflo",), **ENCODER).fit_transform(NB201.sample(2, seed=0))


ENCODER = {"width": 2, "cells": 1, "batch": 4, "size": 4}


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A home without a cache, and a process that has computed nothing."""
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path))
    computed.kept_values.cache_clear()
    yield tmp_path
    computed.kept_values.cache_clear()


@pytest.fixture
def sizes(monkeypatch):
    """How many architectures each call computed."""
    found: list[int] = []
    whole = zero_cost.zero_cost

    def counted(space, codes, **options):
        found.append(len(codes))
        return whole(space, codes, **options)

    monkeypatch.setattr(zero_cost, "zero_cost", counted)
    return found


def test_an_encoder_computes_each_function_once(fresh, sizes) -> None:
    encoder = ZeroCost(NB201, names=("params", "synflow"), **ENCODER)
    codes = NB201.sample(20, seed=0)
    values = encoder.values(np.concatenate([codes, codes]))
    assert sum(sizes) == len(np.unique(NB201.function_ids(codes)))
    sizes.clear()
    assert np.array_equal(encoder.values(codes), values[:20])
    # Another process finds the file; other proxies and settings are computed anew.
    computed.kept_values.cache_clear()
    assert np.array_equal(clone(encoder).values(codes), values[:20])
    assert sizes == []
    ZeroCost(NB201, names=("zen",), **ENCODER).values(codes[:1])
    ZeroCost(NB201, names=("params",), **{**ENCODER, "width": 3}).values(codes[:1])
    ZeroCost(NB201, names=("params",), **ENCODER, seed=1).values(codes[:1])
    ZeroCost(NB201, names=("params",), **ENCODER, images="digits").values(codes[:1])
    assert sizes == [1] * 4
    assert len(list((fresh / "zero-cost").glob("nb201-*.npz"))) == 4
    assert np.array_equal(encoder.values(codes), values[:20]), "zen took the place of others"


@pytest.mark.parametrize(
    "damage", [lambda b: b[:100], lambda b: b[:-30], lambda b: b"", bytes.upper]
)
def test_a_damaged_cache_is_made_again(fresh, damage) -> None:
    encoder = ZeroCost(NB201, names=("params",), **ENCODER)
    codes = NB201.sample(6, seed=0)
    values = encoder.values(codes)
    (file,) = (fresh / "zero-cost").glob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    computed.kept_values.cache_clear()
    assert np.array_equal(encoder.values(codes), values)
    with np.load(file) as content:
        assert len(content["ids"]) == len(np.unique(NB201.function_ids(codes)))


def test_processes_share_a_cache(fresh, tmp_path) -> None:
    code = (
        "import sys, json; from nasurge.data.spaces import make_space;"
        "from nasurge.data.networks.zero_cost_scores import ZeroCost; space = make_space('nb201');"
        "codes = space.sample(80, seed=0)[int(sys.argv[1]):];"
        "made = ZeroCost(space, names=('params',), width=2, cells=1, batch=4, size=4);"
        "made = made.values(codes);"
        "print(json.dumps(made[-40:, 0].tolist()))"
    )
    running = [Process(run_code, code, start, folder=tmp_path, name=start) for start in ("0", "40")]
    assert [process.end() for process in running] == [0, 0]
    outputs = [process.stdout for process in running]
    assert json.loads(outputs[0]) == json.loads(outputs[1])
    encoder = ZeroCost(NB201, names=("params",), **ENCODER)
    assert encoder.values(NB201.sample(80, seed=0))[-40:, 0].tolist() == json.loads(outputs[0])
    assert home() == fresh
    assert not [f for f in (fresh / "zero-cost").iterdir() if f.suffix not in (".npz", ".lock")]


def test_features_are_the_same_for_twins_and_whatever_stands_beside(monkeypatch) -> None:
    monkeypatch.setattr(zero_cost, "_REFERENCE", 30)
    encoder = ZeroCost(NB201, names=("l2_norm", "params", "synflow"), **ENCODER)
    codes = NB201.sample(15, seed=3)
    features = encoder.fit_transform(codes)
    assert features.shape == (15, 3)
    assert np.isfinite(features).all()
    assert np.abs(features).max() < 4
    assert np.array_equal(encoder.transform(codes[4:6]), features[4:6])
    assert np.array_equal(encoder.transform(NB201.canonical(codes)), features)
    assert encoder.get_feature_names_out().tolist()[0] == "zero_cost:l2_norm"


def test_synthetic_tasks_are_learnt_and_leave_the_other_proxies_alone() -> None:
    codes = np.concatenate([NB201.sample(3, seed=0), [DISCONNECTED]])
    few, many = (
        zero_cost.zero_cost(NB201, codes, names=SYNTHETIC, steps=steps, device="cpu", **TINY)
        for steps in (1, 8)
    )
    assert np.isfinite(many).all()
    assert np.array_equal(few[:, 0], many[:, 0]), "fourier trains"
    # Of the waves, one network or the other learns something in eight steps; nothing is certain of
    # the flatness, which may fall.
    assert (many[:3, 2] > few[:3, 2]).all()
    assert (few[:, 1] != many[:, 1]).all()
    both = compute(codes, names=(*SYNTHETIC, *PROXIES), steps=1)
    assert np.array_equal(both[:, 3:], compute(codes))
    assert np.array_equal(both[:, 2:3], compute(codes, names=["gennas"], steps=1))
    given = {**ENCODER, "names": ("gennas", "params")}
    mixed = ZeroCost(NB201, steps=1, **given).values(codes)
    more = ZeroCost(NB201, steps=2, **given).values(codes)
    assert (mixed[:3, 0] != more[:3, 0]).all()
    assert np.array_equal(mixed[:, 1], more[:, 1])


def test_normal_scores_keep_the_order_and_stay_bounded() -> None:
    reference = np.random.default_rng(0).standard_cauchy((100, 2))
    values = np.sort(np.random.default_rng(1).standard_cauchy((500, 2)) * 10, axis=0)
    scores = normal_scores(values, reference)
    assert (np.diff(scores, axis=0) > 0).all()
    assert np.abs(scores).max() < 3.2
    middle = np.median(reference, axis=0, keepdims=True)
    assert np.allclose(normal_scores(middle, reference), 0, atol=0.05)
    assert np.isfinite(normal_scores(values, np.ones((5, 2)))).all()


def test_a_pipeline_takes_them_as_features(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(zero_cost, "_REFERENCE", 8)
    codes = NB201.sample(8, seed=0)
    xgb = nasurge.make_predictor("xgb", NB201, features=("paths", "zero-cost"), seed=0)
    assert xgb.fit(codes, np.arange(8.0)).pipeline_[0].transform(codes).shape == (8, 40 + 13)
    scores = xgb.predict(codes)
    assert np.isfinite(scores).all()
    xgb.save(tmp_path / "xgb")
    assert np.array_equal(nasurge.load_predictor(tmp_path / "xgb").predict(codes), scores)
    space = make_space("nbgraph")
    with pytest.raises(ParameterError, match="nbgraph"):
        clone(xgb).set_params(space=space).fit(space.sample(8, seed=0), np.arange(8.0))


def test_a_proxy_ranks_as_it_is_published_whatever_the_labels() -> None:
    codes = NB201.sample(40, seed=0)
    raw = ZeroCost(NB201, names=("synflow",), **ENCODER).values(codes)[:, 0]
    y = np.random.default_rng(0).normal(size=40)
    for labels in (y, -y):
        made = nasurge.make_predictor("synflow", NB201, **ENCODER).fit(codes, labels)
        assert np.array_equal(np.argsort(made.predict(codes)), np.argsort(raw))


def model(inner: nn.Module, example=None):
    """Space of a model for images of 8 x 8 pixels, one channel and seven classes."""

    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nasurge.nn.Choice(skip=nn.Identity(), pool=nn.AvgPool2d(3, 1, 1)),
            nasurge.nn.Choice(skip=nn.Identity(), inner=inner),
            nn.Flatten(),
            nn.Linear(256, 7),
        )

    return nasurge.nn.space_of(make, example=torch.zeros(2, 1, 8, 8), name="own:Model")


def test_a_model_is_scored_on_images_of_the_shape_that_it_takes(fresh) -> None:
    conv = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    space = model(conv)
    codes, y = space.all_codes(), np.arange(4.0)
    values = ZeroCost(space).values(codes)
    assert np.isfinite(values).all()
    counted = 1e6 * space.costs(codes)["parameters"]
    np.testing.assert_allclose(values[:, PROXIES.index("params")], counted)
    scores = nasurge.make_predictor("synflow", space).fit(codes, y).predict(codes)
    assert np.argsort(scores).tolist() == np.argsort(values[:, PROXIES.index("synflow")]).tolist()
    for name in ("auto-zero-cost", "ridge"):
        more = {"features": ("structure", "zero-cost")} if name == "ridge" else {}
        fitted = nasurge.make_predictor(name, space, seed=0, **more).fit(codes, y)
        assert np.isfinite(fitted.predict(codes)).all()
    digits = ZeroCost(space, names=("jacov",), images="digits").values(codes)
    assert not np.allclose(digits[:, 0], values[:, PROXIES.index("jacov")])
    # A file would outlive the code of the model: nothing is kept in one.
    assert not list(home().glob("zero-cost/*"))
    changed = model(nn.Conv2d(4, 4, 3, padding=1))
    assert changed == space
    assert not np.allclose(ZeroCost(changed).values(codes), values)


@pytest.mark.parametrize("name", ["genas", "gennas", "fourier"])
def test_scores_that_know_our_stages_refuse_a_model_before_a_search_begins(name) -> None:
    space = model(nn.ReLU())
    predictor = nasurge.make_predictor(name, space)
    with pytest.raises(ParameterError, match=f"{name} knows the stages of networks of ours only"):
        nasurge.search(len, space=space, searcher="evolution", predictor=predictor, budget=4)


def test_models_of_other_input_or_output_and_their_tables_are_told_so() -> None:
    signals = nn.Sequential(
        nn.Conv1d(1, 4, 3),
        nasurge.nn.Choice(skip=nn.Identity(), relu=nn.ReLU()),
        nn.Flatten(),
        nn.Linear(24, 2),
    )
    maps = nn.Sequential(*model(nn.ReLU()).model[:2])
    for module, example in ((signals, (2, 1, 8)), (maps, (2, 1, 8, 8))):
        space = nasurge.nn.space_of(module, example=torch.zeros(example), name="other")
        for name in ("nwot", "auto-zero-cost"):
            refusal = nasurge.make_predictor(name, space).refusal
            assert refusal.startswith("proxies score networks from images to classes; other takes")
        with pytest.raises(ParameterError, match="other takes or gives something else"):
            ZeroCost(space).values(space.sample(2, seed=0))
    described = make_space(model(nn.ReLU()).spec())
    reason = nasurge.make_predictor("nwot", described).refusal
    assert "holds none of its code: name the model itself" in reason


@pytest.mark.parametrize("name", ["nb201", "transnas-micro"])
def test_parameters_and_flops_are_sums_that_equal_the_counts(name: str) -> None:
    space = make_space(name)
    codes = space.sample(40, seed=3)
    found = zero_cost.zero_cost(space, codes, names=["flops", "params"], width=4, cells=1)
    for code, (flops, parameters) in zip(codes, found, strict=True):
        network = build_network(space, code, classes=4, width=4, cells=1)
        assert count_parameters(network) == parameters
        assert count_flops(network, (3, 8, 8)) == flops
