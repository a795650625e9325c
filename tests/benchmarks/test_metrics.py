"""nasurge.benchmarks.metrics: hand-computed cases, other libraries, and brute force over ties."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn_metrics

from nasurge.benchmarks import metrics
from nasurge.errors import LabelError, ParameterError

RANKS_ONLY = [metrics.kendall_tau, metrics.spearman, metrics.weighted_tau, metrics.ndcg]
CORRELATIONS = [metrics.kendall_tau, metrics.spearman, metrics.pearson, metrics.weighted_tau]


def tied(trials, n, *, values, seed=0):
    """Return labels and scores with many ties, both of shape (trials, n)."""
    rng = np.random.default_rng(seed)
    true = rng.integers(values, size=(trials, n)).astype(float)
    return true, np.round(true + rng.normal(scale=values / 3, size=(trials, n)))


@st.composite
def small_pairs(draw, largest=6):
    """Labels and scores of a few architectures, with ties."""
    n = draw(st.integers(2, largest))
    integers = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    return np.array(draw(integers), float), np.array(draw(integers), float)


# (1,2) (1,3) (1,4) (2,4) agree, (2,3) ties among the labels, (3,4) among the scores.
def test_kendall_tau_divides_by_the_untied_pairs():
    assert metrics.kendall_tau([1, 2, 2, 3], [1, 2, 3, 3]) == pytest.approx(4 / 5)


def test_kendall_tau_counts_exchanges():
    assert metrics.kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx((5 - 1) / 6)
    assert metrics.kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1


def test_spearman_shares_the_mean_rank_among_ties():
    ranks = [1, 2.5, 2.5, 4], [1, 2, 3.5, 3.5]
    expected = np.corrcoef(*ranks)[0, 1]
    assert metrics.spearman([1, 2, 2, 3], [1, 2, 3, 3]) == pytest.approx(expected)


@pytest.mark.parametrize("n", [2, 5, 40, 299, 300, 301, 700])  # both sides of the crossover
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.kendall_tau, stats.kendalltau),
        (metrics.spearman, stats.spearmanr),
        (metrics.pearson, stats.pearsonr),
        (metrics.weighted_tau, stats.weightedtau),
    ],
)
def test_correlations_equal_scipy(ours, theirs, n):
    true, pred = tied(7, n, values=6)
    true[:, 0], true[:, 1], pred[:, 0], pred[:, 1] = 9, 8, -2, -1  # no row is constant
    expected = [theirs(t, p).statistic for t, p in zip(true, pred, strict=True)]
    np.testing.assert_allclose(ours(true, pred), expected, atol=1e-12)


def test_errors_equal_sklearn():
    true, pred = tied(5, 30, values=8)
    for ours, theirs in [
        (metrics.r2, sklearn_metrics.r2_score),
        (metrics.mae, sklearn_metrics.mean_absolute_error),
    ]:
        np.testing.assert_allclose(
            ours(true, pred), [theirs(t, p) for t, p in zip(true, pred, strict=True)]
        )


@pytest.mark.parametrize("values", [2, 5, 1000])
def test_ndcg_equals_sklearn_on_the_share_that_is_worse(values):
    true, pred = tied(5, 60, values=values)
    worse = (true[:, :, None] > true[:, None, :]).sum(axis=2) / 59
    np.testing.assert_allclose(
        metrics.ndcg(true, pred),
        [
            sklearn_metrics.ndcg_score([r], [p], ignore_ties=False)
            for r, p in zip(worse, pred, strict=True)
        ],
    )


# What the metrics mean, for one order of the predictions: a list of architectures, best first.
def plain_precision(true, order, k):
    cut = sorted(true)[-k]
    return sum(true[i] >= cut for i in order[:k]) / k


def plain_best_rank(true, order, k):
    return min(1 + sum(other > true[i] for other in true) for i in order[:k])


def plain_regret(true, order, k):
    return max(true) - max(true[i] for i in order[:k])


@pytest.mark.parametrize(
    ("metric", "plain"),
    [
        (metrics.precision_at_k, plain_precision),
        (metrics.best_rank_in_top_k, plain_best_rank),
        (metrics.regret_at_k, plain_regret),
    ],
)
@given(pair=small_pairs(), data=st.data())
def test_ties_at_the_cut_equal_the_average_over_all_ways_to_break_them(metric, plain, pair, data):
    true, pred = pair
    k = data.draw(st.integers(1, len(true)))
    found = [
        plain(true, sorted(order, key=lambda i: -pred[i]), k)  # sorted keeps the order of ties
        for order in itertools.permutations(range(len(true)))
    ]
    assert metric(true, pred, k=k) == pytest.approx(np.mean(found))


@given(n=st.integers(2, 400), data=st.data())
def test_a_constant_predictor_scores_what_chance_does(n, data):
    k = data.draw(st.integers(1, n))
    true = np.random.default_rng(n).permutation(n).astype(float)
    constant = np.full(n, 0.3)
    assert metrics.precision_at_k(true, constant, k=k) == pytest.approx(k / n)
    assert metrics.best_rank_in_top_k(true, constant, k=k) == pytest.approx((n + 1) / (k + 1))
    assert metrics.regret_at_k(true, constant, k=k) == pytest.approx((n + 1) / (k + 1) - 1)


def test_labels_that_tie_at_the_boundary_all_belong_to_the_true_top():
    true = [93, 93, 93, 90]
    assert metrics.precision_at_k(true, [0, 1, 2, 3], k=2) == 0.5
    assert metrics.precision_at_k(true, [0, 2, 3, 1], k=2) == 1
    assert metrics.best_rank_in_top_k(true, [0, 0, 1, 0], k=1) == 1
    assert metrics.best_rank_in_top_k(true, [0, 0, 0, 1], k=1) == 4


def test_the_best_found_is_reported_without_rounding():
    true = np.random.default_rng(0).normal(loc=93, size=1000)
    assert metrics.regret_at_k(true, true, k=10) == 0
    assert metrics.best_rank_in_top_k(true, true, k=10) == 1
    order = np.argsort(-true)
    assert metrics.best_rank_in_top_k(true, -np.abs(true - true[order[41]]), k=1) == 42


# The best 2 of 8 by the labels, and a third that ties with the second.
def test_kendall_tau_top_includes_ties_at_its_boundary():
    true = [1, 2, 3, 4, 5, 7, 7, 9]
    pred = [9, 9, 9, 9, 9, 1, 3, 2]
    inside = stats.kendalltau([7, 7, 9], [1, 3, 2]).statistic
    assert metrics.kendall_tau_top(true, pred, top=0.25) == pytest.approx(inside)


@pytest.mark.parametrize(("n", "top", "size"), [(100, 0.07, 7), (100, 0.071, 8), (10, 0.05, 2)])
def test_kendall_tau_top_rounds_up_to_two_or_more(n, top, size):
    true = np.arange(n, dtype=float)
    pred = np.random.default_rng(0).normal(size=n)
    expected = metrics.kendall_tau(true[-size:], pred[-size:])
    assert metrics.kendall_tau_top(true, pred, top=top) == expected


def test_kendall_tau_top_of_everything_is_kendall_tau():
    true, pred = tied(4, 50, values=9)
    np.testing.assert_array_equal(
        metrics.kendall_tau_top(true, pred, top=1), metrics.kendall_tau(true, pred)
    )


def test_kendall_tau_top_handles_tops_of_different_sizes_in_one_call():
    true, pred = tied(40, 60, values=12)
    together = metrics.kendall_tau_top(true, pred, top=0.1)
    assert len({int((row >= np.sort(row)[-6]).sum()) for row in true}) > 3
    alone = [metrics.kendall_tau_top(t, p, top=0.1) for t, p in zip(true, pred, strict=True)]
    np.testing.assert_array_equal(together, alone)  # NaN where all of a top tie
    assert np.isfinite(together).sum() > 5


@pytest.mark.parametrize("name", metrics.METRICS)
def test_trials_are_compared_one_by_one(name):
    metric = metrics.METRICS[name]
    true, pred = tied(6, 40, values=30)
    alone = [metric(t, p) for t, p in zip(true, pred, strict=True)]
    assert all(type(value) is float for value in alone)
    np.testing.assert_allclose(metric(true, pred), alone, rtol=1e-12)
    np.testing.assert_allclose(metric(true[0], pred), [metric(true[0], p) for p in pred])
    np.testing.assert_allclose(metric(true, pred[0]), [metric(t, pred[0]) for t in true])
    assert metric(true[:1], pred[0]).shape == (1,)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_row_order_does_not_matter(name):
    metric = metrics.METRICS[name]
    rng = np.random.default_rng(1)
    true, pred = tied(1, 50, values=5)
    order = rng.permuted(np.tile(np.arange(50), (30, 1)), axis=1)
    np.testing.assert_allclose(
        metric(true[0][order], pred[0][order]), metric(true[0], pred[0]), rtol=1e-12
    )


@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_perfect_predictor_beats_a_noisy_one_in_the_stated_direction(name):
    metric = metrics.METRICS[name]
    rng = np.random.default_rng(2)
    true = rng.normal(size=200)
    sign = 1 if metric.larger_is_better else -1
    noisy = metric(true, true + 3 * rng.normal(size=(20, 200))).mean()
    assert sign * metric(true, true) > sign * noisy


@pytest.mark.parametrize("name", metrics.METRICS)
def test_values_are_within_the_stated_range_and_undefined_for_too_few(name):
    metric = metrics.METRICS[name]
    true, pred = tied(50, 12, values=30)
    values = metric(true, pred)
    values = values[np.isfinite(values)]
    assert metric.least - 1e-12 <= values.min() <= values.max() <= metric.most + 1e-12
    few = metric.fewest - 1
    assert np.isnan(metric.measure(true[0, :few], pred[0, :few]))
    assert isinstance(metric.measure(true[0, : few + 1], pred[0, : few + 1]), float)


@given(small_pairs(largest=12))
def test_correlations_are_symmetric_and_odd(pair):
    true, pred = pair
    for metric in CORRELATIONS:
        value = metric(true, pred)
        assert metric(pred, true) == pytest.approx(value, nan_ok=True)
        assert -1 <= value <= 1 or np.isnan(value)
    for metric in (metrics.kendall_tau, metrics.spearman, metrics.pearson):
        assert metric(true, -pred) == pytest.approx(-metric(true, pred), nan_ok=True)


@given(small_pairs(largest=12))
def test_rank_metrics_ignore_monotone_transforms(pair):
    true, pred = pair
    for metric in RANKS_ONLY:
        assert metric(np.exp(true), pred**3 - 7) == pytest.approx(metric(true, pred), nan_ok=True)


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=8), st.randoms())
def test_any_finite_values_are_handled_without_a_warning(values, random):
    other = random.sample(values, len(values))
    for metric in CORRELATIONS:
        assert -1 <= metric(values, other) <= 1 or len(set(values)) == 1
    assert 0 <= metrics.ndcg(values, other) <= 1 + 1e-12 or len(set(values)) == 1
    assert metrics.r2(values, other) <= 1 or len(set(values)) == 1


@pytest.mark.parametrize("n", [10, 400])
@pytest.mark.parametrize("metric", [*CORRELATIONS, metrics.kendall_tau_top])
def test_a_correlation_with_a_constant_is_undefined(metric, n):
    constant, other = np.full(n, 0.1), np.arange(n, dtype=float)
    assert np.isnan(metric(constant, other))
    assert np.isnan(metric(other, constant))
    both = metric(np.stack([constant, other]), other)
    assert np.isnan(both[0])
    assert both[1] == pytest.approx(1)


def test_shares_of_constant_labels_are_undefined():
    assert np.isnan(metrics.r2([0.1] * 3, [1, 2, 3]))
    assert np.isnan(metrics.ndcg([0.1] * 3, [1, 2, 3]))


@pytest.mark.parametrize("kind", [list, tuple, np.float32, "int64", "pandas", "torch"])
def test_any_array_of_numbers_will_do(kind):
    true, pred = [4, 3, 2, 1], [3, 4, 2, 1]
    if kind == "pandas":
        kind = pytest.importorskip("pandas").Series
    elif kind == "torch":
        kind = pytest.importorskip("torch").tensor
    elif kind not in (list, tuple):
        dtype = kind
        kind = lambda values: np.array(values, dtype=dtype)  # noqa: E731
    assert metrics.kendall_tau(kind(true), kind(pred)) == pytest.approx(4 / 6)


def test_arguments_are_left_as_they_were():
    true, pred = tied(3, 20, values=9)
    true.flags.writeable = pred.flags.writeable = False
    for metric in metrics.METRICS.values():
        metric(true, pred)


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([1, 2, float("nan")], [1, 2, 3], r"y_true\[2\] is nan .*1 of 3"),
        ([1, 2, 3], [1, float("inf"), 3], r"y_pred\[1\] is inf"),
        ([[1, 2], [3, float("nan")]], [1, 2], r"y_true\[1, 1\] is nan"),
        ([1, 2, 3], [1, 2], "y_true has 3 architectures and y_pred 2"),
        ([1], [1], "at least 2 architectures"),
        ([], [], r"y_true .*not be empty"),
        (np.ones((3, 4)), np.ones((2, 4)), "y_true has 3 trials and y_pred 2"),
        (np.ones((2, 2, 2)), [1, 2], r"y_true must have shape .*\(2, 2, 2\)"),
        (1.0, [1, 2], r"y_true must have shape"),
        (["a", "b"], [1, 2], "y_true must hold real numbers"),
        ([1, 2], [1, None], "y_pred must hold real numbers"),
        ([1, 2], [1j, 2], "y_pred must hold real numbers"),
        ([[1, 2], [3]], [1, 2], "y_true is not an array"),
    ],
)
@pytest.mark.parametrize("name", ["kendall_tau", "mae", "kendall_tau_top5", "precision_at_10"])
def test_bad_labels_are_named(name, true, pred, message):
    with pytest.raises(LabelError, match=message):
        metrics.METRICS[name](true, pred)


@pytest.mark.parametrize("k", [0, -1, 4, 1.0, True, "2"])
@pytest.mark.parametrize(
    "metric", [metrics.precision_at_k, metrics.best_rank_in_top_k, metrics.regret_at_k]
)
def test_k_outside_the_architectures_is_refused(metric, k):
    with pytest.raises(ParameterError, match="k must be an integer from 1 to n, 3 here"):
        metric([1, 2, 3], [1, 2, 3], k=k)


@pytest.mark.parametrize("top", [0, -0.1, 1.01, float("nan")])
def test_top_outside_its_range_is_refused(top):
    with pytest.raises(ParameterError, match="top must be a fraction"):
        metrics.kendall_tau_top([1, 2, 3], [1, 2, 3], top=top)


def test_importing_the_metrics_loads_nothing_heavy():
    code = (
        "import sys, nasurge.benchmarks.metrics, nasurge.benchmarks.intervals;"
        "print({'torch', 'pandas', 'matplotlib', 'sklearn', 'xgboost'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
