"""nasurge.data.encoders: hand-computed features, twins, and scikit-learn's contracts."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from strategies import SPACES, codes_of, labels, spaces_and_codes

from nasurge.data.encoders import OneHot, Paths, Structure
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.errors import ArchitectureError

ENCODERS = [OneHot, Paths, Structure]
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
every_encoder = pytest.mark.parametrize("encoder", ENCODERS)
cells = pytest.mark.parametrize("name", ["nb201", "transnas-micro"])


def nonzero(encoder, string):
    """Return the features of one architecture that are not 0, by name."""
    features = encoder.transform(encoder.space.parse(string))[0]
    names = encoder.get_feature_names_out()
    return {name: value for name, value in zip(names, features, strict=True) if value}


SKIP_AND_A_LONG_PATH = (
    "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
)
DEAD = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|none~1|none~2|"
THREE_EQUAL_PATHS = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|"
)


def test_paths_counts_the_live_sequences_without_their_skips() -> None:
    encoder = Paths(make_space("nb201"))
    assert nonzero(encoder, SKIP_AND_A_LONG_PATH) == {
        "path:(skip)": 1,
        "path:nor_conv_3x3>avg_pool_3x3>nor_conv_1x1": 1,
    }
    assert nonzero(encoder, DEAD) == {}
    assert nonzero(encoder, THREE_EQUAL_PATHS) == {"path:nor_conv_3x3>nor_conv_1x1": 3}


def test_structure_measures_the_live_paths() -> None:
    encoder = Structure(make_space("nb201"))
    three = ["nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    assert nonzero(encoder, SKIP_AND_A_LONG_PATH) == {
        "paths": 2,
        "distinct_paths": 2,
        "live_variables": 4,
        "live:skip_connect": 1,
        **{f"live:{name}": 1 for name in three},
        **{f"most_on_a_path:{name}": 1 for name in three},
        **{f"over_all_paths:{name}": 1 for name in three},
        "most_convs": 2,
        "skip_path": 1,
        "depth_0": 1 + 0.5,
        "pools_0": 1,
        "convs_0": 2,
    }
    # A cell without a path: one more than the longest path stands for "no path has fewer".
    assert nonzero(encoder, DEAD) == {"fewest_convs": 4, "fewest_pools": 4}
    two = ["nor_conv_1x1", "nor_conv_3x3"]
    assert nonzero(encoder, THREE_EQUAL_PATHS) == {
        "paths": 3,
        "distinct_paths": 1,
        "live_variables": 5,
        "live:skip_connect": 1,
        **{f"live:{name}": 2 for name in two},
        **{f"most_on_a_path:{name}": 1 for name in two},
        **{f"over_all_paths:{name}": 3 for name in two},
        "most_convs": 2,
        "fewest_convs": 2,
        **{f"depth_{k}": 1.5 for k in range(3)},
        **{f"convs_{k}": 2 for k in range(3)},
    }


def test_long_paths_are_counted_by_their_pieces() -> None:
    encoder = Paths(make_space("transnas-macro"))
    assert nonzero(encoder, "64-21214-basic") == {
        "piece:double": 2,
        "piece:plain": 2,
        "piece:double-halve": 1,
        "piece:double>plain": 2,
        "piece:plain>double": 1,
        "piece:plain>double-halve": 1,
        "piece:double>plain>double": 1,
        "piece:plain>double>plain": 1,
        "piece:double>plain>double-halve": 1,
    }


def test_one_hot_marks_the_value_of_every_variable() -> None:
    space = ProductSpace([["a", "b", "c"], ["d", "e"]])
    assert OneHot(space).fit_transform([[2, 0], [0, 1]]).tolist() == [
        [0, 0, 1, 1, 0],
        [1, 0, 0, 0, 1],
    ]
    assert OneHot(space).get_feature_names_out().tolist() == [
        "x0=0",
        "x0=1",
        "x0=2",
        "x1=0",
        "x1=1",
    ]


@every_encoder
@given(drawn=spaces_and_codes())
def test_every_feature_is_finite_and_has_a_name_of_its_own(encoder, drawn) -> None:
    space, codes = drawn
    features = encoder(space).fit_transform(codes)
    names = encoder(space).get_feature_names_out()
    assert features.shape == (len(codes), len(names))
    assert len(set(names)) == len(names)
    assert features.dtype == np.float64
    assert np.isfinite(features).all()
    assert (features >= 0).all()


@every_encoder
@given(drawn=spaces_and_codes(min_rows=2))
def test_the_features_of_a_row_do_not_depend_on_the_other_rows(encoder, drawn) -> None:
    space, codes = drawn
    together = encoder(space).transform(codes)
    alone = np.concatenate([encoder(space).transform(row[None]) for row in codes])
    assert np.array_equal(together, alone)
    assert encoder(space).transform(codes[:0]).shape == (0, together.shape[1])


@every_space
def test_one_hot_tells_all_architectures_apart(space) -> None:
    codes = space.sample(min(space.size, 500), seed=0, unique=True)
    features = OneHot(space).transform(codes)
    assert len(np.unique(features, axis=0)) == len(codes)
    values = ["=" in name for name in OneHot(space).get_feature_names_out()]
    assert (features[:, values].sum(axis=1) == space.n_variables).all()


@cells
def test_cells_that_differ_on_dead_edges_only_have_the_same_features(name) -> None:
    space = make_space(name)
    codes = space.all_codes()
    dead = ~space.graphs(codes).mask[:, 2:]
    cut = np.where(dead, space.zero, codes)
    assert (cut != codes).any(axis=1).sum() > 500
    for encoder in (Paths(space), Structure(space)):
        assert np.array_equal(encoder.transform(codes), encoder.transform(cut))


@cells
def test_cells_of_one_function_have_the_same_paths(name) -> None:
    space = make_space(name)
    codes = space.all_codes()
    twins = space.canonical(codes)
    assert np.array_equal(Paths(space).transform(codes), Paths(space).transform(twins))
    # Structure also counts edges, and a sum that is passed on by a skip has fewer of them.
    encoder = Structure(space)
    of_paths = [not feature.startswith("live") for feature in encoder.get_feature_names_out()]
    assert np.array_equal(
        encoder.transform(codes)[:, of_paths], encoder.transform(twins)[:, of_paths]
    )


@cells
@given(data=st.data())
def test_renamed_inner_nodes_have_the_same_features(name, data) -> None:
    space = make_space(name)
    codes = data.draw(codes_of(name)).copy()
    codes[:, 2] = space.zero
    twins = codes[:, [1, 0, 2, 3, 5, 4]]
    for encoder in (Paths(space), Structure(space)):
        assert np.array_equal(encoder.transform(codes), encoder.transform(twins))


def test_graph_networks_of_one_function_differ_in_empty_paths_only() -> None:
    space = make_space("nbgraph")
    codes = space.all_codes()
    encoder = Paths(space)
    features, twins = encoder.transform(codes), encoder.transform(space.canonical(codes))
    assert encoder.get_feature_names_out()[0] == "piece:(skip)"
    assert np.array_equal(features[:, 1:], twins[:, 1:])


@every_encoder
@every_space
def test_an_encoder_clones_pickles_and_takes_another_space(encoder, space) -> None:
    codes = space.sample(5, seed=0)
    made = encoder(space)
    expected = made.fit_transform(codes)
    for other in (clone(made), pickle.loads(pickle.dumps(made))):
        assert other.space == space
        assert np.array_equal(other.transform(codes), expected)
    elsewhere = make_space("nb201" if space.name != "nb201" else "transnas-macro")
    cell = elsewhere.sample(5, seed=0)
    moved = made.set_params(space=elsewhere)
    assert np.array_equal(moved.fit_transform(cell), encoder(elsewhere).fit_transform(cell))
    assert len(moved.get_feature_names_out()) == moved.transform(cell).shape[1]


@every_encoder
@every_space
def test_an_encoder_names_what_it_cannot_read(encoder, space) -> None:
    made = encoder(space).fit(space.sample(3, seed=0))
    codes = space.sample(3, seed=0).astype(int)
    codes[1, -1] = 99
    for method in (made.fit, made.transform):
        with pytest.raises(ArchitectureError, match=r"row 1 .* is 99"):
            method(codes)
        with pytest.raises(ArchitectureError, match="shape"):
            method(codes[:, :-1])


@every_encoder
def test_features_come_as_a_frame_with_their_names(encoder) -> None:
    space = make_space("nb201")
    codes = space.sample(4, seed=0)
    made = encoder(space).set_output(transform="pandas")
    frame = made.fit_transform(codes)
    assert list(frame.columns) == list(made.get_feature_names_out())
    assert np.array_equal(frame.to_numpy(), encoder(space).transform(codes))


@given(data=st.data())
def test_a_union_and_a_pipeline_learn_from_codes(data) -> None:
    space = make_space("nb201")
    codes = space.sample(12, seed=0)
    union = make_union(*(encoder(space) for encoder in ENCODERS))
    assert union.fit(codes).get_feature_names_out().shape == (30 + 40 + 29,)
    forest = RandomForestRegressor(n_estimators=2, random_state=0)
    pipeline = make_pipeline(union, forest).fit(codes, data.draw(labels(12)))
    again = clone(pipeline).fit(codes, np.arange(12.0))
    assert pipeline.predict(codes).shape == again.predict(codes).shape == (12,)


def test_a_grid_search_chooses_the_encoder() -> None:
    space = make_space("nb201")
    codes = space.sample(60, seed=0, unique=True)
    y = Structure(space).transform(codes)[:, 0]
    pipeline = Pipeline(
        [("features", OneHot(space)), ("forest", RandomForestRegressor(5, random_state=0))]
    )
    grid = {"features": [OneHot(space), Structure(space)]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(codes, y)
    assert isinstance(search.best_params_["features"], Structure)
    assert len(cross_val_score(pipeline, codes, y, cv=3)) == 3
