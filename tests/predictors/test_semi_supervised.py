"""What semi-supervised and weak predictors add to the contract."""

import numpy as np
import pytest
import torch
from processes import Process, run_code

from nasurge.data.spaces import ProductSpace, Space, make_space
from nasurge.errors import ParameterError
from nasurge.predictors.semi_supervised.auto_encoder import (
    AutoEncoder,
    pretrained_encoder,
    unlabelled_codes,
)
from nasurge.predictors.semi_supervised.learners import Embedding
from nasurge.registry import load_predictor, make_predictor

NB201 = make_space("nb201")
SMALL = {"pretraining_steps": 10, "width": 32, "latent": 8}
SETTING = {"width": 32, "latent": 16, "steps": 150, "device": "cpu"}
QUICK = {
    "arch2vec": SMALL,
    "seminas": SMALL | {"steps": 10, "pseudo_labels": 20},
    "assessor": SMALL | {"steps": 10, "unlabelled": 50},
    "graph-ensemble": SMALL | {"steps": 10, "members": 2},
}


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    codes = NB201.sample(60, seed=9)
    return codes, (codes == 3).sum(axis=1) + 0.1 * codes[:, 0]


@pytest.fixture(scope="module")
def encoder() -> AutoEncoder:
    return pretrained_encoder(NB201, **SETTING)


def test_the_auto_encoder_gives_operations_and_connections_back(encoder: AutoEncoder) -> None:
    graphs = encoder.reader(NB201.canonical(NB201.sample(1000, seed=5)))
    with torch.no_grad():
        types, flow = encoder.decode(encoder.encode(graphs)[0])
    live = graphs.live[:, 2:].bool()
    right = types.argmax(dim=2)[:, 2:] == graphs.types.argmax(dim=2)[:, 2:]
    # Each operation is a third of them; this setting gave 1.0, and 0.99 of the connections.
    assert right[live].float().mean() > 0.95
    pairs = graphs.live[:, :, None] * graphs.live[:, None] > 0
    joined = graphs.flow > 0
    # Four pairs of five are not joined.
    assert ((flow > 0) == joined)[pairs].float().mean() > 0.9


def test_what_is_near_in_the_embedding_computes_about_the_same(encoder: AutoEncoder) -> None:
    codes = unlabelled_codes(NB201, 1000)
    embedded = encoder.embed(codes)
    nearest = torch.cdist(embedded, embedded).topk(2, largest=False).indices[:, 1].numpy()
    share = (codes == codes[nearest]).mean()
    assert share > (codes == np.roll(codes, 1, axis=0)).mean() + 0.1


def test_an_encoder_is_trained_once_and_depends_on_its_setting_alone(encoder: AutoEncoder) -> None:
    assert pretrained_encoder(make_space("nb201"), **SETTING) is encoder
    state = torch.get_rng_state()
    again = pretrained_encoder.__wrapped__(NB201, **{**SETTING, "steps": 5})
    torch.manual_seed(7)
    other = pretrained_encoder.__wrapped__(NB201, **{**SETTING, "steps": 5})
    torch.set_rng_state(state)
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_fits_leave_the_shared_encoder_as_it_was(labelled) -> None:
    codes, y = labelled
    setting = {"width": 32, "latent": 8, "steps": 10, "device": "cpu"}
    before = {k: v.clone() for k, v in pretrained_encoder(NB201, **setting).state_dict().items()}
    for name in QUICK:
        make_predictor(name, NB201, device="cpu", seed=0, **QUICK[name]).fit(codes, y)
    after = pretrained_encoder(NB201, **setting).state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("space", [NB201, ProductSpace([list("abc"), list("de")])])
def test_unlabelled_architectures_are_different_functions_and_always_the_same(space: Space) -> None:
    rows = unlabelled_codes(space, 300)
    assert len(rows) == min(300, space.n_functions)
    assert len(np.unique(space.function_ids(rows))) == len(rows)
    assert np.array_equal(rows, unlabelled_codes(space, 300))


def test_an_embedding_is_centred_over_the_space(encoder: AutoEncoder) -> None:
    codes = unlabelled_codes(NB201, 2000)
    embedded = Embedding(encoder).fit(codes[:3]).transform(codes)
    assert embedded.shape == (len(codes), 32)
    assert np.allclose(embedded.mean(axis=0), 0, atol=1e-5)
    assert np.isclose(embedded.var(axis=0).mean(), 1, atol=1e-5)


def test_guessed_labels_are_learnt_too(labelled) -> None:
    codes, y = labelled
    scores = [
        make_predictor("seminas", NB201, pseudo_labels=n, steps=20, seed=0, **SMALL)
        .fit(codes, y)
        .predict(NB201.sample(50, seed=1))
        for n in (0, 50)
    ]
    assert not np.allclose(*scores)


def test_unlabelled_architectures_are_nodes_of_the_assessors_graph(labelled) -> None:
    codes, y = labelled
    small, large = (
        make_predictor("assessor", NB201, unlabelled=n, steps=20, seed=0, **SMALL).fit(codes, y)
        for n in (0, 50)
    )
    assert len(small.known_) == len(np.unique(NB201.canonical(codes), axis=0))
    assert len(large.known_) > len(small.known_) + 40
    assert not np.allclose(small.predict(codes), large.predict(codes))


@pytest.mark.parametrize("name", QUICK)
def test_a_fit_starts_from_what_pretraining_learnt(name: str, labelled) -> None:
    codes, y = labelled
    scores = [
        make_predictor(name, NB201, seed=0, **QUICK[name] | {"pretraining_steps": steps})
        .fit(codes, y)
        .predict(NB201.sample(50, seed=1))
        for steps in (1, 30)
    ]
    assert not np.allclose(*scores)


def test_saved_predictors_need_no_pretraining(labelled, tmp_path) -> None:
    codes, y = labelled
    for name in QUICK:
        make_predictor(name, NB201, seed=0, **QUICK[name]).fit(codes, y).save(tmp_path / name)
    code = (
        "import sys, numpy as np, nasurge\n"
        "from nasurge.predictors.semi_supervised import auto_encoder\n"
        "for path in sys.argv[1:]:\n"
        "    predictor = nasurge.load_predictor(path)\n"
        "    np.save(path + '.npy', predictor.predict(predictor.space.sample(40, seed=3)))\n"
        "assert auto_encoder.pretrained_encoder.cache_info().currsize == 0\n"
    )
    paths = [str(tmp_path / name) for name in QUICK]
    assert Process(run_code, code, *paths, folder=tmp_path).end() == 0
    for path in paths:
        expected = load_predictor(path).predict(NB201.sample(40, seed=3))
        assert np.allclose(np.load(path + ".npy"), expected, rtol=1e-5)


def test_the_series_learns_better_and_better_halves(labelled) -> None:
    codes, y = labelled
    weak = make_predictor("weaknas", NB201, base="ridge", seed=0).fit(codes, y)
    sizes = [len(predictor.fitted_labels_) for predictor in weak.series_]
    assert sizes == [60, 30, 15]
    lowest = [predictor.fitted_labels_.min() for predictor in weak.series_]
    assert lowest == sorted(lowest)
    assert np.allclose(weak.borders_, lowest)


def test_later_predictors_of_the_series_have_a_say_among_the_best() -> None:
    codes = NB201.sample(100, seed=9)
    y = codes @ np.array([3.0, 1.0, 0.4, 0.15, 0.05, 0.02]) + (codes == 3).sum(axis=1)
    weak = make_predictor("weaknas", NB201, base="gp", seed=0).fit(codes, y)
    plain = make_predictor("gp", NB201, seed=0).fit(codes, y)
    changed = np.abs(weak.predict(codes) - plain.predict(codes))
    order = np.argsort(y)
    assert changed[order[:10]].max() < changed[order[-30:]].max()


@pytest.mark.parametrize(
    ("parameters", "words"), [({"base": "gin"}, "gp, mlp, rf, ridge, xgb"), ({"share": 1}, "share")]
)
def test_bad_parameters_of_a_series_are_clear_errors(parameters, words, labelled) -> None:
    with pytest.raises(ParameterError, match=words):
        make_predictor("weaknas", NB201, **parameters).fit(*labelled)


@pytest.mark.parametrize("members", [1, 2])
def test_networks_and_the_process_have_one_vote_each(labelled, members: int) -> None:
    codes, y = labelled
    settings = {**SMALL, "steps": 10, "members": members}
    model = make_predictor("graph-ensemble", NB201, seed=0, **settings).fit(codes, y)
    asked = NB201.canonical(NB201.sample(40, seed=1))
    scores, deviation = model._predict(asked)
    process = model.process_.predict(asked)
    inputs = model.networks_._tensors(asked)
    offset, slope = model.networks_.line_
    with torch.inference_mode():
        votes = offset + slope * model.networks_.module_(*inputs).double().numpy()
    z = model.networks_.label_transform_.inverse(votes)
    every = np.concatenate([z, process[None]])
    assert np.allclose(scores, every.mean(axis=0), atol=1e-5)
    own = model.process_.predict(asked, return_std=True)[1]
    assert np.allclose(deviation**2, every.var(axis=0) + own**2, atol=1e-4)
